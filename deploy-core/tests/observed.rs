//! What is counted of what runs, and what orders say of it.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{Amount, Capabilities};
use deploy_core::{
    Budget, Change, Counts, Evidence, Exit, Folded, Health, Instance, InstanceState, Observed, Order, OrderKind,
    OrderSide, Place, Revision, Running, Share, Side, Split, Spread, Token, Traffic, TrafficSeen,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::{at, instance, track, workload};

fn side(revision: &str) -> Side {
    Side::home(revision.into())
}

/// One instance in each of these states.
fn running(states: &[InstanceState]) -> Running {
    let made = |(number, state): (usize, &InstanceState)| Instance {
        state: state.clone(),
        ..instance(&number.to_string(), &side("v1"), true)
    };
    Running::Instances(states.iter().enumerate().map(made).collect())
}

const ENDED: InstanceState = InstanceState::Exited(Exit { code: Some(1), signal: None });

#[test]
fn who_stands_ends_or_cannot_be_told_is_counted() {
    use InstanceState::{Running as Runs, Terminating, Unknown};
    let counts = Running::Counts(Counts { ordered: 9, total: 4, ready: 3, failed: 2, unknown: 6, terminating: 5 });
    let cases = [
        (running(&[]), (0, 0, 0)),
        (running(&[ENDED]), (0, 0, 0)),
        (running(&[Runs, Runs, Terminating, ENDED, Unknown, Unknown, Unknown]), (5, 1, 3)),
        (running(&[Terminating, Terminating]), (0, 2, 0)),
        (running(&[Unknown]), (1, 0, 1)),
        (running(&[Runs]), (1, 0, 0)),
        (Running::Counts(Counts::default()), (0, 0, 0)),
        (counts, (4, 5, 6)),
        (Running::Counts(Counts::steady(3)), (3, 0, 0)),
    ];
    for (runs, (total, terminating, unknown)) in cases {
        assert_eq!((runs.total(), runs.terminating(), runs.unknown()), (total, terminating, unknown), "{runs:?}");
        assert_eq!(runs.is_gone(), total + terminating == 0, "{runs:?}");
    }
}

#[test]
fn a_steady_side_has_all_it_is_to_have() {
    let three = Counts { ordered: 3, total: 3, ready: 3, failed: 0, unknown: 0, terminating: 0 };
    assert_eq!(Counts::steady(3), three);
}

#[test]
fn an_instance_stands_until_it_ends_and_runs_where_that_is_known() {
    use InstanceState::{Running as Runs, Terminating, Unknown};
    for (state, stands, runs) in
        [(Runs, true, true), (Unknown, true, false), (Terminating, false, false), (ENDED, false, false)]
    {
        let instance = Instance { state: state.clone(), ..instance("a", &side("v1"), true) };
        assert_eq!((instance.stands(), instance.runs()), (stands, runs), "{state:?}");
        assert_eq!(instance.exit().is_some(), state == ENDED, "{state:?}");
    }
    let words =
        [(Some(1), Some(9)), (None, Some(9)), (None, None)].map(|(code, signal)| Exit { code, signal }.to_string());
    assert_eq!(words, ["exit status 1", "ended by signal 9", "ended, status unknown"]);
}

#[test]
fn the_instances_of_all_sides_are_seen() {
    let mut runs = Observed::default();
    let counts = Running::Counts(Counts::steady(2));
    runs.sides.insert(side("v1"), running(&[InstanceState::Running]));
    runs.sides.insert(side("v2"), running(&[InstanceState::Unknown]));
    runs.sides.insert(side("v3"), counts.clone());
    assert_eq!(runs.instances().count(), 2);
    assert_eq!((runs.side(&side("v3")), runs.side(&side("v4"))), (Some(&counts), None));
}

#[test]
fn a_side_has_its_share_of_a_split_and_a_stranger_none() {
    let seen = |spread| TrafficSeen { spread, evidence: Evidence::DataPlane, drained: true };
    let (from, to) = (Some(side("v1")), Some(side("v2")));
    let split = seen(Spread::Split { from, to, split: Split::percent(10) });
    for (of, share) in [("v1", Share::percent(90)), ("v2", Share::percent(10)), ("v3", Share::NONE)] {
        assert_eq!(split.share(&side(of)), Some(share), "{of}");
    }
    for spread in [Spread::None, Spread::Pooled] {
        assert_eq!(seen(spread).share(&side("v1")), None);
    }
}

#[test]
fn what_goes_for_good_is_retired_when_counts_fall_or_in_place() {
    let retires = [OrderKind::Grow, OrderKind::Shift, OrderKind::Shrink, OrderKind::InPlace].map(OrderKind::retires);
    assert_eq!(retires, [false, false, true, true]);
}

#[test]
fn an_order_says_what_each_side_is_to_have_and_who_is_well_long_enough() {
    let ordered = |revision: &str, count| {
        let revision = Revision { id: revision.into(), spec: None };
        OrderSide::new(&revision, Place::Home, count)
    };
    let health = |health, since| Folded { health, since: at(since), fresh: true };
    let health: BTreeMap<_, _> = [
        ("well".into(), health(Health::Healthy, 90)),
        ("new".into(), health(Health::Healthy, 91)),
        ("unwell".into(), health(Health::Unhealthy, 0)),
        ("unknown".into(), health(Health::Unknown, 0)),
    ]
    .into();
    let (on, ports, none) = (track("web"), BTreeMap::new(), BTreeSet::new());
    let budget = Budget { min_ready: Duration::from_secs(10), ..Budget::default() };
    let order = Order {
        track: &on,
        kind: OrderKind::Shift,
        from: Some(ordered("v1", 3)),
        to: Some(ordered("v2", 1)),
        traffic: Traffic::from(Split::percent(10)),
        traffic_before: Traffic::stable(),
        ports: &ports,
        count: 3,
        floor: 3,
        ceiling: 4,
        max_unavailable: 0,
        budget: &budget,
        written_off: &none,
        exclusive: false,
        paused: false,
        health: &health,
        ended: &none,
        token: Token::new(1, 1),
        now: at(100),
    };
    let counts = ["v1", "v2", "v3"].map(|of| order.side(&side(of)).map(|ordered| ordered.count));
    assert_eq!(counts, [Some(3), Some(1), None]);
    let (from, to) = (Some(side("v1")), Some(side("v2")));
    assert_eq!(order.spread(), Spread::Split { from, to, split: Split::percent(10) });
    let well = ["well", "new", "unwell", "unknown", "gone"].map(|of| order.is_healthy_for_min_ready(&of.into()));
    assert_eq!(well, [true, false, false, false, false]);
}

#[test]
fn a_strategy_is_told_of_a_change_by_the_workload() {
    let mut web = workload("web", "v2", 10);
    let revision = Revision::of(web.instance_spec()).unwrap();
    let (capabilities, observed) = (Capabilities::all(), Observed::default());
    let told = |workload: &deploy_core::Workload| {
        let (stable, candidate) = (&revision, &revision);
        let change = Change { workload, stable, candidate, capabilities: &capabilities, observed: &observed };
        let amount = change.amount(Amount::Share(Share::percent(25)));
        (change.is_exclusive(), amount, change.traffic(Traffic::Pooled), change.traffic(Traffic::stable()))
    };
    assert_eq!(told(&web), (false, 3, Traffic::Pooled, Traffic::stable()));
    web.exclusive = Some(true);
    web.routed = Some(false);
    web.replicas = 1;
    assert_eq!(told(&web), (true, 1, Traffic::InPlace, Traffic::NotRouted));
}
