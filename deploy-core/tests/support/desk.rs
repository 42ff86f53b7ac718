//! One deployment of one workload that is looked at second by second.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared by several test programs")]

use super::{at, name, observed, planned, release, side_of, spec, track, worker};
use deploy_core::machine::{Claim, Next, Seen, TrackSeen, reconcile};
use deploy_core::{
    Actor, Ask, Capabilities, Count, DeploymentId, Desired, Event, Folded, Health, Instance, InstanceState, Observed,
    OrderKind, Plan, Record, Release, Request, Running, Side, Signal, Split, Spread, Stage, Stages, Step, Task,
    TaskKind, Token, TrackState, Undo, What,
};
use std::sync::Arc;
use std::time::Duration;

pub struct Desk {
    pub stable: Side,
    pub candidate: Side,
    pub record: Record,
    /// What is seen but for the track: the lease, the plan, signals, gates.
    pub seen: Seen,
}

impl Desk {
    /// Of v2 over so many that run of v1, whose release has 3; under its first order.
    pub fn new(stages: Stages, run: u32) -> Self {
        let mut desk = Self::asked(stages, run, |_| {});
        desk.begin(run);
        assert!(desk.state().order.is_some());
        desk
    }

    /// The same of a worker.
    pub fn new_worker(stages: Stages, run: u32) -> Self {
        let of = |version| release(spec(version, 3).workload(name("web"), worker("web", version, 3)));
        let mut desk = Self::of([&of("v1"), &of("v2")], stages, run, |_| {});
        desk.begin(run);
        desk
    }

    /// The same, not begun yet, asked for in another way.
    pub fn asked(stages: Stages, run: u32, asks: impl FnOnce(&mut Request)) -> Self {
        Self::of([&release(spec("v1", 3)), &release(spec("v2", 3))], stages, run, asks)
    }

    /// Of one release over another.
    pub fn of([old, new]: [&Release; 2], stages: Stages, run: u32, asks: impl FnOnce(&mut Request)) -> Self {
        let (stable, candidate) = (side_of(old, "web"), side_of(new, "web"));
        let runs = observed(&[(&stable, run)], Spread::Pooled);
        let plan = planned(new, &[old], stages, &Capabilities::all(), &[("web", runs)]).unwrap();
        let mut request = Request::new(new.clone(), name("production"));
        asks(&mut request);
        Self::planned(request, plan, [stable, candidate])
    }

    /// By a plan that was made.
    pub fn planned(request: Request, plan: Plan, [stable, candidate]: [Side; 2]) -> Self {
        let what = What::Requested { request: Box::new(request), actor: Actor::new("tester") };
        let first = Event { number: 1, at: at(0), what };
        let record = Record::fold(&DeploymentId::new("d"), [first]).unwrap();
        let lease = Claim { epoch: 1, renewed_before: None };
        let seen = Seen { lease, plan: Some(Ok(Arc::new(plan))), ..Seen::default() };
        Self { stable, candidate, record, seen }
    }

    /// The first three seconds, in which so many run of stable.
    pub fn begin(&mut self, run: u32) {
        let runs = observed(&[(&self.stable, run)], Spread::Pooled);
        (1..4).for_each(|second| drop(self.look(second, runs.clone(), 0)));
    }

    pub fn state(&self) -> &TrackState {
        self.record.track(&track("web")).unwrap().1
    }

    /// Everybody is healthy since a second. What is noted.
    pub fn look(&mut self, second: i64, runs: Observed, since: i64) -> Vec<What> {
        self.look_at(second, all_well(runs, since)).events
    }

    /// What follows from one look.
    pub fn look_at(&mut self, second: i64, seen: TrackSeen) -> Next {
        self.look_at_all(second, [("web", seen)])
    }

    /// What follows from one look at several workloads.
    pub fn look_at_all<const N: usize>(&mut self, second: i64, seen: [(&str, TrackSeen); N]) -> Next {
        self.seen.tracks = seen.map(|(workload, seen)| (track(workload), Arc::new(seen))).into();
        let next = reconcile(&self.record, &self.seen, at(second));
        for what in &next.events {
            self.record.apply(&Event { number: self.record.version + 1, at: at(second), what: what.clone() });
        }
        next
    }

    /// Somebody asks for something.
    pub fn ask(&mut self, ask: Ask, second: i64) {
        let number = self.seen.signals.len() as u64 + 1;
        self.seen.signals.push(Signal { number, ask, actor: Actor::new("tester"), at: at(second) });
    }

    /// So many of stable and of the candidate, and where requests go.
    pub fn runs(&self, stable: u32, candidate: u32, spread: Spread) -> Observed {
        observed(&[(&self.stable, stable), (&self.candidate, candidate)], spread)
    }

    pub fn split(&self, share: u16) -> Spread {
        let (from, to) = (Some(self.stable.clone()), Some(self.candidate.clone()));
        Spread::Split { from, to, split: Split::percent(share) }
    }
}

/// A platform on which all works, and everybody is healthy since a second.
pub fn all_well(runs: Observed, since: i64) -> TrackSeen {
    let well = Folded { health: Health::Healthy, since: at(since), fresh: true };
    let token = if runs.token == Token::default() { Token::new(1_000, 0) } else { runs.token };
    TrackSeen {
        newest: Some(Token::default()),
        fenced: true,
        health: runs.instances().map(|instance| (instance.id.clone(), well)).collect(),
        observed: Some(Arc::new(Observed { token, ..runs })),
        prepared: true,
        ..TrackSeen::default()
    }
}

/// All of one side are healthy, or not, from a second on.
pub fn folds(seen: &mut TrackSeen, side: &Side, health: Health, since: i64) {
    let runs = seen.observed.clone().unwrap();
    for instance in runs.instances().filter(|instance| instance.side == *side) {
        seen.health.insert(instance.id.clone(), Folded { health, since: at(since), fresh: true });
    }
}

/// Changes the first so many of a side.
pub fn change(runs: &mut Observed, side: &Side, count: usize, change: impl Fn(&mut Instance)) {
    if let Some(Running::Instances(instances)) = runs.sides.get_mut(side) {
        instances.iter_mut().take(count).for_each(change);
    }
}

/// So many of a side cannot be reached.
pub fn cut_off(runs: &mut Observed, side: &Side, count: usize) {
    change(runs, side, count, |instance| instance.state = InstanceState::Unknown);
}

/// A tenth of the requests to one of the candidate.
pub fn tenth() -> Stages {
    let all = Count::ALL;
    Stages::new()
        .then(Stage::to(Desired::both(all, Count::Exactly(1)).split(Split::percent(10))))
        .then(Stage::to(Desired::both(all, all).split(Split::candidate())))
        .after_commit(Step::to(Desired::candidate(all)).named("stable goes"))
}

/// All of the candidate in the place of all of stable.
pub fn replaced() -> Stage {
    Stage::to(Desired::pooled(Count::ALL))
}

/// All of stable at once replaced, after a migration that may take a minute and can be undone.
pub fn migrated() -> Stages {
    let undo = Undo::Run(vec!["undo".into()]);
    let mut task = Task::new(name("migrate"), TaskKind::Migration, ["do"]).undo(undo);
    task.timeout = Duration::from_secs(60);
    Stages::new().then(Stage::from(replaced().step.before([task])))
}

pub fn settled(events: &[What], kind: OrderKind) -> bool {
    events.iter().any(|what| matches!(what, What::OrderSettled { line, .. } if line.kind == kind))
}

/// Takes a tenth to its commit, all well, second by second up to the eighth.
pub fn committed() -> Desk {
    let mut desk = Desk::new(tenth(), 3);
    for (second, candidate, share) in [(5, 1, 0), (6, 1, 10), (7, 3, 10), (8, 3, 100)] {
        desk.look(second, desk.runs(3, candidate, desk.split(share)), 0);
    }
    assert!(desk.record.committed());
    desk
}

/// Takes a tenth back at the eighth second, while three of the candidate are ordered and one is there.
pub fn taken_back() -> Desk {
    let mut desk = Desk::new(tenth(), 3);
    for (second, share) in [(5, 0), (6, 10), (7, 10)] {
        desk.look(second, desk.runs(3, 1, desk.split(share)), 0);
    }
    assert_eq!(desk.state().order.as_ref().unwrap().line.to, 3);
    desk.ask(Ask::Rollback, 8);
    desk.look(8, desk.runs(3, 1, desk.split(10)), 0);
    desk
}

pub fn begins_an_order(events: &[What]) -> bool {
    events.iter().any(|what| matches!(what, What::OrderBegan { .. }))
}

/// The names of what happened.
pub fn names(events: &[What]) -> Vec<&'static str> {
    events.iter().map(What::name).collect()
}
