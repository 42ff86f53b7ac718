//! What holds of the machine on every record and every look, however wild.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::machine::{Call, Captured, Claim, Judgement, Problem, Seen, TrackSeen, order, reconcile};
use deploy_core::{
    Actor, Ask, Budget, Capabilities, Count, Decision, DeploymentId, Desired, Event, Exit, Folded, GateSpec, Health,
    Instance, InstanceState, JudgeSpec, Kind, OnDeadline, Plan, Record, Release, Request, Running, Side, Signal, Split,
    Spread, Stage, Stages, Status, Step, Task, TaskKind, TaskOutcome, Timestamp, Token, TrafficSeen, Trouble, Undo,
    Verdict, What,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use support::{at, name, observed, planned, release, side_of, spec, track};

/// Numbers that decide, one after the other.
#[derive(Debug)]
struct Chance(Vec<u8>, usize);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.1 += 1;
        let byte = self.0[self.1 % self.0.len()] as usize;
        (byte + self.1 * 7) % bound
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

fn stages(which: usize) -> Stages {
    let all = Count::ALL;
    let budget =
        Budget { min_ready: Duration::from_secs(2), max_failed: deploy_core::Amount::Number(1), ..Budget::default() };
    let undo = Undo::Run(vec!["undo".into()]);
    let task = |of: &str, undo: &Undo| Task::new(name(of), TaskKind::Migration, ["do"]).undo(undo.clone());
    let gate = || Some(GateSpec::approval(name("look")));
    match which {
        0 => Stages::new().then(
            Stage::from(Step::to(Desired::pooled(all)).budget(budget).before([task("backup", &undo)]))
                .bake(Duration::from_secs(60))
                .gate(gate()),
        ),
        1 => Stages::new()
            .then(Stage::from(Step::to(Desired::nothing()).after([task("migrate", &undo)])))
            .then(Stage::to(Desired::pooled(all)).bake(Duration::from_secs(30)).on_deadline(OnDeadline::Pause)),
        _ => Stages::new()
            .then(
                Stage::from(Step::to(Desired::both(all, Count::Exactly(1)).split(Split::percent(10))).budget(budget))
                    .bake(Duration::from_secs(60))
                    .judge(Some(JudgeSpec::default())),
            )
            .then(Stage::from(
                Step::to(Desired::both(all, all).split(Split::candidate())).after([task("smoke", &Undo::Keep)]),
            ))
            .after_commit(Step::to(Desired::candidate(all)).named("stable goes")),
    }
}

struct Game {
    plan: Arc<Plan>,
    sides: [Side; 3],
    record: Record,
    events: Vec<Event>,
    now: Timestamp,
    epoch: u64,
    signals: Vec<Signal>,
}

impl Game {
    fn new(which: usize) -> Self {
        let (other, old, new) = (release(spec("v0", 3)), release(spec("v1", 3)), release(spec("v2", 3)));
        let sides = [&old, &new, &other].map(|release: &Release| side_of(release, "web"));
        let runs = observed(&[(&sides[0], 3)], Spread::Pooled);
        let plan = planned(&new, &[&other, &old], stages(which), &Capabilities::all(), &[("web", runs)]).unwrap();
        let request = Box::new(Request::new(new, name("production")));
        let first = Event { number: 1, at: at(0), what: What::Requested { request, actor: Actor::new("tester") } };
        let record = Record::fold(&DeploymentId::new("d"), [first.clone()]).unwrap();
        let (plan, events) = (Arc::new(plan), vec![first]);
        Self { plan, sides, record, events, now: at(1), epoch: 1, signals: Vec::new() }
    }

    fn instances(&self, chance: &mut Chance, side: &Side, name: &str) -> Vec<Instance> {
        let states = [
            InstanceState::Running,
            InstanceState::Running,
            InstanceState::Running,
            InstanceState::Terminating,
            InstanceState::Unknown,
            InstanceState::Exited(Exit { code: Some(1), signal: None }),
        ];
        let count = chance.below(5);
        let one = |number: usize, state, admitted| Instance {
            state,
            ..support::instance(&format!("{name}{number}"), side, admitted)
        };
        (0..count).map(|number| one(number, chance.of(&states), chance.below(2) == 0)).collect()
    }

    fn look(&mut self, chance: &mut Chance) -> Seen {
        let sides: Vec<_> = self.sides.iter().zip(["old", "new", "stray"]).collect();
        let counts = [3, 3, usize::from(chance.below(8) == 0)];
        let sides = sides.into_iter().zip(counts).filter(|(_, some)| *some > 0);
        let sides: BTreeMap<Side, Running> = sides
            .map(|((side, name), _)| (side.clone(), Running::Instances(self.instances(chance, side, name))))
            .collect();
        let (from, to) = (Some(self.sides[0].clone()), Some(self.sides[1].clone()));
        let split = |share| Spread::Split { from: from.clone(), to: to.clone(), split: Split::percent(share) };
        let spread = chance.of(&[Spread::None, Spread::Pooled, split(0), split(10), split(100)]);
        let health = sides.values().flat_map(Running::instances).filter(|instance| instance.exit().is_none());
        let health: Vec<_> = health.map(|instance| instance.id.clone()).collect();
        let health = health.into_iter().filter_map(|id| {
            let state = chance.of(&[Health::Healthy, Health::Healthy, Health::Unhealthy, Health::Unknown]);
            let since = chance.of(&[at(0), self.now]);
            (chance.below(6) > 0).then(|| (id, Folded { health: state, since, fresh: chance.below(4) > 0 }))
        });
        let health: BTreeMap<_, _> = health.collect();
        let token = chance.of(&[Token::new(0, 3), Token::new(self.epoch, 400), Token::new(self.epoch, 5)]);
        let evidence = deploy_core::Evidence::DataPlane;
        let ids: Vec<_> = sides.values().flat_map(Running::instances).map(|instance| instance.id.clone()).collect();
        let observed = deploy_core::Observed {
            sides,
            traffic: Some(TrafficSeen { spread, evidence, drained: true }),
            wanted: chance.of(&[None, None, Some(4)]),
            token,
            ..deploy_core::Observed::default()
        };
        let problem = Problem { kind: chance.of(&[Kind::Unavailable, Kind::Denied]), message: "broken".into() };
        let trouble =
            Trouble { at: "host".into(), kind: chance.of(&[Kind::Timeout, Kind::Candidate]), message: "no".into() };
        let outcomes = [
            TaskOutcome::Running,
            TaskOutcome::Done,
            TaskOutcome::Failed("1".into()),
            TaskOutcome::Barred,
            TaskOutcome::Unknown,
        ];
        let captured = |id| (id, Captured::default());
        let seen = TrackSeen {
            newest: Some(Token::new(0, 3)),
            fenced: chance.below(3) > 0,
            observed: (chance.below(8) > 0).then(|| Arc::new(observed)),
            problems: (0..usize::from(chance.below(10) == 0)).map(|_| (Call::Prepare, problem.clone())).collect(),
            health,
            prepared: chance.below(3) > 0,
            removed: chance.below(2) == 0,
            tasks: self.record.tasks.keys().map(|key| (key.clone(), chance.of(&outcomes))).collect(),
            troubles: (0..usize::from(chance.below(12) == 0)).map(|_| trouble.clone()).collect(),
            evidence: ids.into_iter().map(captured).collect(),
            judged: Some(Judgement {
                interval: 1 + chance.below(6) as u64,
                state: serde_json::Value::Null,
                verdict: chance.of(&[
                    Verdict::Pass,
                    Verdict::Pass,
                    Verdict::Unproven("few".into()),
                    Verdict::Fail("bad".into()),
                ]),
            }),
        };
        let gates = self
            .record
            .gates
            .keys()
            .map(|key| (key.clone(), chance.of(&[Decision::Open, Decision::Waiting, Decision::Waiting])))
            .collect();
        Seen {
            lease: Claim { epoch: self.epoch, renewed_before: Some(self.now) },
            tracks: [(track("web"), Arc::new(seen))].into(),
            plan: (chance.below(3) > 0).then(|| Ok(self.plan.clone())),
            gates,
            signals: self.signals.clone(),
        }
    }

    fn passes(&mut self, chance: &mut Chance) {
        let seconds = chance.of(&[0, 1, 5, 30, 120]);
        self.now = deploy_core::time::after(self.now, Duration::from_secs(seconds));
        self.epoch += u64::from(chance.below(15) == 0);
        if chance.below(12) == 0 {
            let ask = chance.of(&[
                Ask::Pause,
                Ask::Resume,
                Ask::Promote { to_the_end: false },
                Ask::Rollback,
                Ask::Approve { gate: "look".into() },
                Ask::Resume,
            ]);
            let number = self.signals.len() as u64 + 1;
            self.signals.push(Signal { number, ask, actor: Actor::new("tester"), at: self.now });
        }
    }

    /// One look, with all that must hold of it.
    fn step(&mut self, chance: &mut Chance) {
        self.passes(chance);
        let seen = self.look(chance);
        let (before, now) = (self.record.progress, self.now);
        let next = reconcile(&self.record, &seen, now);
        assert_eq!(next, reconcile(&self.record, &seen, now), "it is pure");
        assert!(next.events.len() < 500, "{} events in one look: {:?}", next.events.len(), &next.events[..20]);
        for what in next.events {
            let event = Event { number: self.record.version + 1, at: now, what };
            let written: Event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
            assert_eq!(written, event, "an event comes back as it was written");
            self.record.apply(&event);
            self.events.push(event);
        }
        let again = reconcile(&self.record, &seen, now);
        assert!(again.events.is_empty(), "the same look gives {:?}", again.events);
        assert_eq!(again.effects, next.effects, "the same look gives the same effects");
        let back = matches!(
            self.record.status(),
            Status::RollingBack | Status::RolledBack | Status::Failed | Status::Cancelled
        );
        assert!(self.record.progress >= before || back, "progress runs backward: {before} to {}", self.record.progress);
        order(&self.record, &seen, &track("web"), &std::collections::BTreeSet::new(), false, now);
        for waiting in self.record.waiting() {
            assert!(!waiting.at(now).is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_look_on_the_new_record_gives_no_event_and_the_same_effects(
        which in 0usize..3,
        numbers in prop::collection::vec(any::<u8>(), 40..400),
    ) {
        let mut game = Game::new(which);
        let mut chance = Chance(numbers, 0);
        for _ in 0..120 {
            game.step(&mut chance);
        }
        let folded = Record::fold(&game.record.id, game.events.iter().cloned()).unwrap();
        prop_assert_eq!(&folded, &game.record);
        let written: Record = serde_json::from_str(&serde_json::to_string(&folded).unwrap()).unwrap();
        prop_assert_eq!(written, folded);
    }

    #[test]
    fn every_deployment_ends_by_time_alone(which in 0usize..3, numbers in prop::collection::vec(any::<u8>(), 40..200)) {
        let mut game = Game::new(which);
        let mut chance = Chance(numbers, 0);
        for _ in 0..30 {
            game.step(&mut chance);
        }
        let blind = |game: &Game| Seen {
            lease: Claim { epoch: game.epoch, renewed_before: None },
            tracks: [(track("web"), Arc::default())].into(),
            ..Seen::default()
        };
        for _ in 0..400 {
            if game.record.way.is_ended() {
                break;
            }
            game.now = deploy_core::time::after(game.now, Duration::from_secs(120));
            let next = reconcile(&game.record, &blind(&game), game.now);
            for what in next.events {
                game.record.apply(&Event { number: game.record.version + 1, at: game.now, what });
            }
        }
        prop_assert!(game.record.way.is_ended(), "{:?} {:?}", game.record.way, game.record.paused);
    }
}

#[test]
fn what_is_awaited_is_said_in_one_line() {
    let mut game = Game::new(2);
    let mut said = Vec::new();
    let plan = game.plan.clone();
    let side = game.sides[0].clone();
    let mut look = |game: &mut Game, seconds: i64, token: Token| {
        game.now = at(seconds);
        let runs = observed(&[(&side, 3)], Spread::Pooled);
        let health = runs
            .instances()
            .map(|instance| (instance.id.clone(), Folded { health: Health::Healthy, since: at(0), fresh: true }));
        let health = health.collect();
        let observed = deploy_core::Observed { token, ..runs };
        let seen = TrackSeen {
            newest: Some(Token::default()),
            fenced: true,
            observed: Some(Arc::new(observed)),
            health,
            prepared: seconds > 3,
            ..TrackSeen::default()
        };
        let seen = Seen {
            lease: Claim { epoch: 1, renewed_before: None },
            tracks: [(track("web"), Arc::new(seen))].into(),
            plan: (seconds > 1).then(|| Ok(plan.clone())),
            ..Seen::default()
        };
        for what in reconcile(&game.record, &seen, game.now).events {
            game.record.apply(&Event { number: game.record.version + 1, at: game.now, what });
        }
        said.extend(game.record.waiting().iter().map(|waiting| waiting.at(at(seconds + 30))));
    };
    look(&mut game, 1, Token::default());
    look(&mut game, 2, Token::default());
    look(&mut game, 4, Token::default());
    assert_eq!(
        said,
        [
            "to begin, since 31s; ends 09:00:01Z at the latest, then fails, nothing changed",
            "web on edge, stage 1 of 2: to be prepared, since 30s; ends 08:31:02Z at the latest, then goes back",
            "web on edge, stage 1 of 2: bringing up 3 of stable and 1 of the candidate, since 30s; ends 08:11:04Z at the latest, then goes back",
        ]
    );
}

#[test]
fn an_order_is_not_settled_by_what_was_seen_before_it_was_told() {
    let mut game = Game::new(2);
    let (plan, stable, candidate) = (game.plan.clone(), game.sides[0].clone(), game.sides[1].clone());
    let mut look = |seconds: i64, token: Token| -> Vec<What> {
        let spread =
            Spread::Split { from: Some(stable.clone()), to: Some(candidate.clone()), split: Split::percent(0) };
        let runs = observed(&[(&stable, 3), (&candidate, 1)], spread);
        let well = Folded { health: Health::Healthy, since: at(0), fresh: true };
        let health = runs.instances().map(|instance| (instance.id.clone(), well)).collect();
        let seen = TrackSeen {
            newest: Some(Token::default()),
            fenced: true,
            observed: Some(Arc::new(deploy_core::Observed { token, ..runs })),
            health,
            prepared: true,
            ..TrackSeen::default()
        };
        let seen = Seen {
            lease: Claim { epoch: 1, renewed_before: None },
            tracks: [(track("web"), Arc::new(seen))].into(),
            plan: Some(Ok(plan.clone())),
            ..Seen::default()
        };
        let events = reconcile(&game.record, &seen, at(seconds)).events;
        for what in &events {
            let event = Event { number: game.record.version + 1, at: at(seconds), what: what.clone() };
            game.record.apply(&event);
        }
        events
    };
    let settled = |events: &[What]| events.iter().any(|what| matches!(what, What::OrderSettled { .. }));
    let (mut newest, mut before) = (Token::default(), Token::default());
    let mut begun = false;
    for seconds in 1..10 {
        let events = look(seconds, before);
        assert!(!settled(&events), "it is settled on what is older: {events:?}");
        begun |= events.iter().any(|what| matches!(what, What::OrderBegan { .. }));
        newest = Token::new(1, newest.generation + 100);
        before = Token::new(0, 100);
    }
    assert!(begun);
    assert!(settled(&look(11, newest)));
}
