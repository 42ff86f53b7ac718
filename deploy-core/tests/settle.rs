//! When an order is settled: one fact at a time that keeps it from it.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::machine::{Claim, Seen, TrackSeen, reconcile};
use deploy_core::{
    Actor, Budget, Capabilities, Count, DeploymentId, Desired, Event, Folded, Health, Observed, OrderKind, Plan,
    Record, Request, Side, Split, Spread, Stage, Stages, Step, Token, What,
};
use std::sync::Arc;
use std::time::Duration;
use support::{at, name, observed, planned, release, side_of, spec, track};

/// A deployment that is looked at second by second.
struct Desk {
    plan: Arc<Plan>,
    stable: Side,
    candidate: Side,
    record: Record,
}

impl Desk {
    /// Over so many that run of stable, whose release has 3.
    fn new(stages: Stages, run: u32) -> Self {
        let (old, new) = (release(spec("v1", 3)), release(spec("v2", 3)));
        let (stable, candidate) = (side_of(&old, "web"), side_of(&new, "web"));
        let runs = observed(&[(&stable, run)], Spread::Pooled);
        let plan = planned(&new, &[&old], stages, &Capabilities::all(), &[("web", runs)]).unwrap();
        let request = Box::new(Request::new(new, name("production")));
        let first = Event { number: 1, at: at(0), what: What::Requested { request, actor: Actor::new("tester") } };
        let record = Record::fold(&DeploymentId::new("d"), [first]).unwrap();
        let mut desk = Self { plan: Arc::new(plan), stable, candidate, record };
        let begin = observed(&[(&desk.stable, run)], Spread::Pooled);
        (1..4).for_each(|second| drop(desk.look(second, begin.clone(), 0)));
        assert!(desk.record.track(&track("web")).unwrap().1.order.is_some());
        desk
    }

    /// Everybody is healthy since a second. What is noted.
    fn look(&mut self, second: i64, runs: Observed, since: i64) -> Vec<What> {
        let well = Folded { health: Health::Healthy, since: at(since), fresh: true };
        let seen = TrackSeen {
            newest: Some(Token::default()),
            fenced: true,
            health: runs.instances().map(|instance| (instance.id.clone(), well)).collect(),
            observed: Some(Arc::new(Observed { token: Token::new(1, 1_000), ..runs })),
            prepared: true,
            ..TrackSeen::default()
        };
        let seen = Seen {
            lease: Claim { epoch: 1, renewed_before: None },
            tracks: [(track("web"), Arc::new(seen))].into(),
            plan: Some(Ok(self.plan.clone())),
            ..Seen::default()
        };
        let events = reconcile(&self.record, &seen, at(second)).events;
        for what in &events {
            self.record.apply(&Event { number: self.record.version + 1, at: at(second), what: what.clone() });
        }
        events
    }

    fn split(&self, share: u16) -> Spread {
        let (from, to) = (Some(self.stable.clone()), Some(self.candidate.clone()));
        Spread::Split { from, to, split: Split::percent(share) }
    }
}

/// A tenth of the requests to one of the candidate.
fn tenth() -> Stages {
    let all = Count::ALL;
    Stages::new()
        .then(Stage::to(Desired::both(all, Count::Exactly(1)).split(Split::percent(10))))
        .then(Stage::to(Desired::both(all, all).split(Split::candidate())))
        .after_commit(Step::to(Desired::candidate(all)).named("stable goes"))
}

fn settled(events: &[What], kind: OrderKind) -> bool {
    events.iter().any(|what| matches!(what, What::OrderSettled { line, .. } if line.kind == kind))
}

#[test]
fn a_shift_is_settled_when_the_requests_are_seen_to_go_where_they_were_told_to() {
    let mut desk = Desk::new(tenth(), 3);
    let runs = |desk: &Desk, share| observed(&[(&desk.stable, 3), (&desk.candidate, 1)], desk.split(share));
    let grown = runs(&desk, 0);
    assert!(settled(&desk.look(5, grown.clone(), 0), OrderKind::Grow));
    for second in 6..60 {
        assert!(!settled(&desk.look(second, grown.clone(), 0), OrderKind::Shift), "nothing was seen to move");
    }
    let moved = runs(&desk, 10);
    assert!(settled(&desk.look(60, moved, 0), OrderKind::Shift));
}

#[test]
fn of_a_stable_that_had_lost_some_before_no_more_are_waited_for_than_served() {
    let mut desk = Desk::new(tenth(), 1);
    let runs = observed(&[(&desk.stable, 1), (&desk.candidate, 1)], desk.split(0));
    assert!(settled(&desk.look(5, runs, 0), OrderKind::Grow));
}

#[test]
fn who_is_healthy_is_ready_after_the_min_ready_time_and_not_before() {
    let budget = Budget { min_ready: Duration::from_secs(10), ..Budget::default() };
    let stage = Stage::from(Step::to(Desired::pooled(Count::ALL)).budget(budget));
    let mut desk = Desk::new(Stages::new().then(stage), 3);
    let runs = observed(&[(&desk.candidate, 3)], Spread::Pooled);
    for second in 20..30 {
        assert!(!settled(&desk.look(second, runs.clone(), 20), OrderKind::InPlace), "{second}");
    }
    assert!(settled(&desk.look(30, runs, 20), OrderKind::InPlace));
}

#[test]
fn what_replaces_is_settled_when_strays_are_gone_too() {
    let mut desk = Desk::new(Stages::new().then(Stage::to(Desired::pooled(Count::ALL))), 3);
    let stray = side_of(&release(spec("v0", 3)), "web");
    let runs = observed(&[(&desk.candidate, 3), (&stray, 1)], Spread::Pooled);
    for second in 5..30 {
        assert!(!settled(&desk.look(second, runs.clone(), 0), OrderKind::InPlace), "{second}");
    }
    let alone = observed(&[(&desk.candidate, 3)], Spread::Pooled);
    assert!(settled(&desk.look(30, alone, 0), OrderKind::InPlace));
}
