//! When an order is settled, by whom and by what: one fact at a time that keeps it from it.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::machine::{Effect, TrackSeen, order};
use deploy_core::{
    Amount, Ask, Budget, Capabilities, Count, Counts, Desired, Evidence, Folded, Health, InstanceState, Observed,
    Order, OrderKind, Point, Request, Running, Side, Split, Spread, Stage, Stages, Step, TaskOutcome, Token, Traffic,
};
use std::collections::BTreeSet;
use std::time::Duration;
use support::desk::{Desk, all_well, change, committed, folds, migrated, names, replaced, settled, taken_back, tenth};
use support::{at, name, observed, planned, release, side_of, spec, track, worker};

#[test]
fn a_shift_is_settled_when_the_requests_are_seen_to_go_where_they_were_told_to() {
    let mut desk = Desk::new(tenth(), 3);
    let grown = desk.runs(3, 1, desk.split(0));
    assert!(settled(&desk.look(5, grown.clone(), 0), OrderKind::Grow));
    for second in 6..60 {
        assert!(!settled(&desk.look(second, grown.clone(), 0), OrderKind::Shift), "nothing was seen to move");
    }
    let moved = desk.runs(3, 1, desk.split(10));
    assert!(settled(&desk.look(60, moved, 0), OrderKind::Shift));
}

#[test]
fn a_count_that_is_raised_while_the_traffic_moves_proves_nothing_of_where_it_is() {
    let mut desk = Desk::new(tenth(), 3);
    let accepted = |mut runs: Observed| {
        runs.traffic.iter_mut().for_each(|traffic| traffic.evidence = Evidence::Accepted);
        runs
    };
    assert!(settled(&desk.look(5, accepted(desk.runs(3, 1, desk.split(0))), 0), OrderKind::Grow));
    let moved = desk.look(6, accepted(desk.runs(3, 1, desk.split(10))), 0);
    assert_eq!(names(&moved), ["traffic_seen"]);
    let wanted = Observed { wanted: Some(9), ..accepted(desk.runs(3, 1, desk.split(10))) };
    assert_eq!(names(&desk.look(7, wanted, 0)), ["count_raised", "green_deployment_started", "traffic_seen"]);
    let grown = Observed { wanted: Some(9), ..accepted(desk.runs(10, 1, desk.split(10))) };
    for second in [8, 36] {
        assert!(!settled(&desk.look(second, grown.clone(), 0), OrderKind::Grow), "old requests may be where they were");
    }
    assert!(settled(&desk.look(37, grown, 0), OrderKind::Grow));
}

#[test]
fn who_was_ill_when_a_stage_began_and_is_well_when_its_order_begins_is_kept_by_its_floor() {
    let mut desk = Desk::asked(migrated(), 3, |_| {});
    let runs = observed(&[(&desk.stable, 3)], Spread::Pooled);
    let mut ill = all_well(runs.clone(), 0);
    folds(&mut ill, &desk.stable, Health::Unhealthy, 0);
    (1..4).for_each(|second| drop(desk.look_at(second, ill.clone())));
    assert_eq!((desk.state().baseline, desk.state().point), (0, Point::Before(0)));
    let mut well = all_well(runs, 4);
    well.tasks = desk.record.tasks.keys().map(|key| (key.clone(), TaskOutcome::Done)).collect();
    desk.look_at(5, well);
    assert_eq!(desk.state().order.as_ref().unwrap().bounds.floor, 3);
}

#[test]
fn requests_to_what_was_left_are_proven_to_be_gone_before_it_goes_and_then_hold_nothing_up() {
    let [left, old, new] = ["v0", "v1", "v2"].map(|version| release(spec(version, 3)));
    let [stray, stable, candidate] = [&left, &old, &new].map(|of| side_of(of, "web"));
    let pair = |to: &Side, share| {
        let split = Split::percent(share);
        Spread::Split { from: Some(stable.clone()), to: Some(to.clone()), split }
    };
    let accepted = |sides: &[(&Side, u32)], spread| {
        let mut runs = observed(sides, spread);
        runs.traffic.iter_mut().for_each(|traffic| traffic.evidence = Evidence::Accepted);
        runs
    };
    let both = [(&stable, 3), (&stray, 1)];
    let before = accepted(&both, pair(&stray, 10));
    let runs = [("web", before.clone())];
    let plan = planned(&new, &[&left, &old], tenth(), &Capabilities::all(), &runs).unwrap();
    let mut desk = Desk::planned(Request::new(new, name("production")), plan, [stable.clone(), candidate.clone()]);
    for second in 1..60 {
        assert!(!settled(&desk.look(second, before.clone(), 0), OrderKind::Shift), "the stray still gets a tenth");
    }
    let moved = accepted(&both, pair(&candidate, 0));
    for second in 60..90 {
        assert!(!settled(&desk.look(second, moved.clone(), 0), OrderKind::Shift), "that may not be everywhere yet");
    }
    assert!(settled(&desk.look(90, moved.clone(), 0), OrderKind::Shift));
    let order = desk.state().order.clone().unwrap();
    assert_eq!((order.line.kind, order.bounds.floor), (OrderKind::Shrink, 0), "whoever is taken to be well");
    assert!(!settled(&desk.look(91, moved, 0), OrderKind::Shrink), "it is still there");
    assert!(settled(&desk.look(92, accepted(&[(&stable, 3)], pair(&candidate, 0)), 0), OrderKind::Shrink));
}

#[test]
fn stable_goes_after_the_commit_by_a_floor() {
    let desk = committed();
    let order = desk.state().order.clone().unwrap();
    assert_eq!((order.line.kind, order.line.from, order.bounds.floor), (OrderKind::Shrink, 0, 3));
}

#[test]
fn of_a_stable_that_had_lost_some_before_no_more_are_waited_for_than_served() {
    let mut desk = Desk::new(tenth(), 1);
    let runs = desk.runs(1, 1, desk.split(0));
    assert!(settled(&desk.look(5, runs, 0), OrderKind::Grow));
}

#[test]
fn of_stable_as_many_are_waited_for_as_served_when_the_stage_began() {
    let mut desk = Desk::new(tenth(), 3);
    for (second, stable, fits) in [(5, 0, false), (6, 2, false), (7, 3, true)] {
        let runs = desk.runs(stable, 1, desk.split(0));
        assert_eq!(settled(&desk.look(second, runs, 0), OrderKind::Grow), fits, "{stable} of stable stand");
    }
}

#[test]
fn on_the_way_back_what_is_left_of_the_candidate_is_not_waited_for() {
    let mut desk = taken_back();
    let away = desk.runs(3, 1, desk.split(0));
    assert!(settled(&desk.look(9, away, 0), OrderKind::Shift), "one of three was ever there");
}

#[test]
fn more_than_ordered_are_too_many_unless_an_autoscaler_wants_them() {
    for (stable, candidate, wanted, fits) in
        [(0, 3, None, true), (0, 4, None, false), (0, 4, Some(3), true), (0, 2, Some(3), false), (1, 3, Some(3), false)]
    {
        let mut desk = Desk::new(Stages::new().then(replaced()), 3);
        let runs = Observed { wanted, ..desk.runs(stable, candidate, Spread::Pooled) };
        let events = desk.look(5, runs, 0);
        assert_eq!(settled(&events, OrderKind::InPlace), fits, "{stable} and {candidate}, {wanted:?} are wanted");
    }
}

#[test]
fn of_a_platforms_numbers_who_failed_and_who_cannot_be_told_are_written_off() {
    let budget = Budget { max_failed: Amount::Number(2), ..Budget::default() };
    let by_number = |failed, unknown, ready| {
        let stage = Stage::from(replaced().step.budget(budget.clone()));
        let mut desk = Desk::new(Stages::new().then(stage), 3);
        let mut runs = desk.runs(0, 0, Spread::Pooled);
        let counts = Counts { failed, unknown, ready, ..Counts::steady(3) };
        runs.sides.insert(desk.candidate.clone(), Running::Counts(counts));
        settled(&desk.look(5, runs, 0), OrderKind::InPlace)
    };
    assert!(by_number(1, 1, 1));
    assert!(by_number(0, 1, 2));
    assert!(!by_number(0, 1, 1));
    assert!(!by_number(2, 1, 0), "no more than two are written off");
}

/// What runs of one side on a platform that routes nothing.
fn unrouted(side: &Side, count: u32) -> Observed {
    Observed { traffic: None, ..observed(&[(side, count)], Spread::None) }
}

#[test]
fn where_nothing_is_routed_no_router_is_asked_whether_a_workload_has_gone() {
    let two = spec("v1", 3).workload(name("api"), worker("api", "v1", 1));
    let mut rest = two.clone().version("v2");
    rest.workloads.remove("web");
    let (old, new) = (release(two), release(rest));
    let (web, api) = (side_of(&old, "web"), side_of(&old, "api"));
    let runs = [("web", unrouted(&web, 3)), ("api", unrouted(&api, 1))];
    let capabilities = Capabilities { routes: false, ..Capabilities::all() };
    let plan = planned(&new, &[&old], Stages::new(), &capabilities, &runs).unwrap();
    let mut desk = Desk::planned(Request::new(new, name("production")), plan, [web.clone(), web.clone()]);
    for (second, left, gone) in [(1, 3, false), (2, 3, false), (3, 1, false), (4, 0, true)] {
        assert_eq!(settled(&desk.look(second, unrouted(&web, left), 0), OrderKind::Shrink), gone, "{left} are left");
    }
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
fn ready_is_who_this_engine_sees_to_be_healthy_and_in_the_routers_set() {
    let folds = |seen: &mut TrackSeen, health, fresh| {
        seen.health.values_mut().take(1).for_each(|one| (one.health, one.fresh) = (health, fresh));
    };
    for lacks in ["a look of this engine", "health", "the router"] {
        let mut desk = Desk::new(Stages::new().then(replaced()), 3);
        let mut runs = desk.runs(0, 3, Spread::Pooled);
        let well = all_well(runs.clone(), 0);
        change(&mut runs, &desk.candidate, 1, |one| one.admitted = lacks != "the router");
        let mut seen = all_well(runs, 0);
        match lacks {
            "health" => folds(&mut seen, Health::Unknown, true),
            "a look of this engine" => folds(&mut seen, Health::Healthy, false),
            _ => {}
        }
        assert!(!settled(&desk.look_at(5, seen).events, OrderKind::InPlace), "one lacks {lacks}");
        assert!(settled(&desk.look_at(6, well).events, OrderKind::InPlace));
    }
}

#[test]
fn of_those_that_fail_no_more_than_max_failed_are_written_off() {
    let budget = Budget { max_failed: Amount::Number(1), ..Budget::default() };
    let stage = Stage::from(Step::to(Desired::pooled(Count::ALL)).budget(budget));
    let mut desk = Desk::new(Stages::new().then(stage), 3);
    let mut failing = |second, count| {
        let mut seen = all_well(desk.runs(0, 3, Spread::Pooled), 0);
        let ill = Folded { health: Health::Unhealthy, since: at(4), fresh: true };
        seen.health.values_mut().take(count).for_each(|one| *one = ill);
        settled(&desk.look_at(second, seen).events, OrderKind::InPlace)
    };
    assert!(!failing(5, 2));
    assert!(failing(6, 1));
}

#[test]
fn an_order_is_not_settled_while_somebody_still_stops() {
    let mut desk = Desk::new(Stages::new().then(replaced()), 3);
    let mut stopping = desk.runs(1, 3, Spread::Pooled);
    change(&mut stopping, &desk.stable, 1, |one| one.state = InstanceState::Terminating);
    assert!(!settled(&desk.look(5, stopping, 0), OrderKind::InPlace));
    let gone = desk.runs(0, 3, Spread::Pooled);
    assert!(settled(&desk.look(6, gone, 0), OrderKind::InPlace));
}

#[test]
fn what_replaces_is_settled_when_strays_are_gone_too() {
    let mut desk = Desk::new(Stages::new().then(replaced()), 3);
    let stray = side_of(&release(spec("v0", 3)), "web");
    let runs = observed(&[(&desk.candidate, 3), (&stray, 1)], Spread::Pooled);
    for second in 5..30 {
        assert!(!settled(&desk.look(second, runs.clone(), 0), OrderKind::InPlace), "{second}");
    }
    let alone = observed(&[(&desk.candidate, 3)], Spread::Pooled);
    assert!(settled(&desk.look(30, alone, 0), OrderKind::InPlace));
}

#[test]
fn the_first_token_is_above_what_the_platform_reports() {
    let mut desk = Desk::asked(tenth(), 3, |_| {});
    let newest = Token::new(1, 41);
    let mut seen = all_well(observed(&[(&desk.stable, 3)], Spread::Pooled), 0);
    (seen.newest, seen.fenced) = (Some(newest), false);
    let told = desk.look_at(1, seen).effects.into_iter().find_map(|effect| match effect {
        Effect::Fence { token, .. } => Some(token),
        _ => None,
    });
    assert!(told > Some(newest), "{told:?}");
}

#[test]
fn every_order_has_a_token_above_the_one_before() {
    let mut desk = Desk::new(tenth(), 3);
    let (track, nobody) = (track("web"), BTreeSet::new());
    let told = |desk: &Desk| order(&desk.record, &desk.seen, &track, &nobody, false, at(5)).unwrap().token;
    let grow = told(&desk);
    let grown = desk.runs(3, 1, desk.split(0));
    assert!(settled(&desk.look(5, grown, 0), OrderKind::Grow));
    assert!(told(&desk) > grow);
}

#[test]
fn who_flaps_too_often_is_unwell_for_its_stage() {
    let mut desk = Desk::new(tenth(), 3);
    let runs = observed(&[(&desk.stable, 3)], Spread::Pooled);
    let one = runs.instances().next().unwrap().id.clone();
    let counts_as = |desk: &Desk, health| {
        let folded = Folded { health, since: at(0), fresh: true };
        desk.record.settle_health(&track("web"), &one, folded).health
    };
    for (second, health) in (5..16).zip([Health::Unhealthy, Health::Healthy].into_iter().cycle()) {
        assert_eq!(counts_as(&desk, Health::Healthy), Health::Healthy, "{second}");
        let mut seen = all_well(runs.clone(), 0);
        folds(&mut seen, &desk.stable, health, second);
        desk.look_at(second, seen);
    }
    assert_eq!(counts_as(&desk, Health::Healthy), Health::Unhealthy);
    assert_eq!(counts_as(&desk, Health::Unknown), Health::Unknown, "it could not be told");
}

#[test]
fn the_floor_is_lower_by_who_is_written_off_and_not_twice() {
    let budget = Budget { max_failed: Amount::Number(1), ..Budget::default() };
    let floor = |run| {
        let stage = Stage::from(Step::to(Desired::pooled(Count::ALL)).budget(budget.clone()));
        let desk = Desk::new(Stages::new().then(stage), run);
        let lost = [observed(&[(&desk.stable, 3)], Spread::Pooled).instances().next().unwrap().id.clone()].into();
        order(&desk.record, &desk.seen, &track("web"), &lost, false, at(5)).unwrap().floor
    };
    assert_eq!((floor(3), floor(2)), (2, 2), "who was lost before served nobody when the stage began");
}

/// What a deployer is told of the order that is under way.
fn told<T>(desk: &Desk, of: impl FnOnce(&Order<'_>) -> T) -> T {
    of(&order(&desk.record, &desk.seen, &track("web"), &BTreeSet::new(), false, at(5)).unwrap())
}

#[test]
fn the_side_with_more_traffic_is_left_to_the_autoscaler_but_not_one_that_is_to_go() {
    let at_least =
        |desk: &Desk| told(desk, |order| [&order.from, &order.to].map(|side| side.as_ref().unwrap().at_least));
    let wanted = |desk: &Desk, candidate, spread| Observed { wanted: Some(3), ..desk.runs(3, candidate, spread) };
    let mut grow = Desk::new(tenth(), 3);
    assert_eq!(at_least(&grow), [false, false], "there is no autoscaler");
    grow.look(5, wanted(&grow, 0, grow.split(0)), 0);
    assert_eq!(at_least(&grow), [true, false]);
    let mut rolling = Desk::new(Stages::new().then(replaced()), 3);
    rolling.look(5, wanted(&rolling, 1, Spread::Pooled), 0);
    assert_eq!(at_least(&rolling), [false, true]);
    rolling.ask(Ask::Rollback, 6);
    rolling.look(6, wanted(&rolling, 1, Spread::Pooled), 0);
    assert_eq!(told(&rolling, |order| order.to.as_ref().map(|to| (to.count, to.at_least))), Some((0, false)));
}

#[test]
fn a_deployer_is_told_the_ports_and_where_requests_went_before() {
    let before = |desk: &Desk| told(desk, |order| order.traffic_before.clone());
    let mut desk = Desk::new(tenth(), 3);
    assert_eq!(told(&desk, |order| order.ports.clone()), [(name("http"), 8080)].into());
    assert_eq!(before(&desk), Traffic::stable());
    for (second, share) in [(5, 0), (6, 10)] {
        desk.look(second, desk.runs(3, 1, desk.split(share)), 0);
    }
    assert_eq!(before(&desk), Traffic::from(deploy_core::Split::percent(10)));
}

#[test]
fn a_deployer_of_a_worker_is_told_that_nobody_was_routed_to_it() {
    let stages = Stages::new().then(Stage::to(Desired::pooled(Count::ALL).traffic(Traffic::InPlace)));
    let desk = Desk::new_worker(stages, 3);
    assert_eq!(told(&desk, |order| order.traffic_before.clone()), Traffic::NotRouted);
}
