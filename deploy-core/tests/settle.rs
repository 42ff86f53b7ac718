//! When an order is settled, by whom and by what: one fact at a time that keeps it from it.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::machine::{Effect, TrackSeen, order};
use deploy_core::{
    Amount, Budget, Count, Desired, Folded, Health, InstanceState, OrderKind, Spread, Stage, Stages, Step, Token,
};
use std::collections::BTreeSet;
use std::time::Duration;
use support::desk::{Desk, all_well, change, folds, replaced, settled, tenth};
use support::{at, observed, release, side_of, spec, track};

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
fn of_a_stable_that_had_lost_some_before_no_more_are_waited_for_than_served() {
    let mut desk = Desk::new(tenth(), 1);
    let runs = desk.runs(1, 1, desk.split(0));
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
    let well = Folded { health: Health::Healthy, since: at(0), fresh: true };
    let counts_as = |desk: &Desk| desk.record.settle_health(&track("web"), &one, well).health;
    for (second, health) in (5..16).zip([Health::Unhealthy, Health::Healthy].into_iter().cycle()) {
        assert_eq!(counts_as(&desk), Health::Healthy, "{second}");
        let mut seen = all_well(runs.clone(), 0);
        folds(&mut seen, &desk.stable, health, second);
        desk.look_at(second, seen);
    }
    assert_eq!(counts_as(&desk), Health::Unhealthy);
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
