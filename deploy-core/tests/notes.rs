//! What is noted of a track while it goes its way, and what is not.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::machine::{Effect, TrackSeen};
use deploy_core::{
    Condition, ConditionKind, Exit, Folded, Health, InstanceState, Observed, OrderKind, Running, Spread, What,
};
use support::desk::{Desk, all_well, folds, migrated, names, replaced, settled, tenth};
use support::{at, instance, observed, release, side_of, spec};

fn says(runs: &Observed, words: &str) -> Observed {
    let condition = Condition { kind: ConditionKind::Waiting, side: None, instance: None, words: words.into() };
    Observed { conditions: vec![condition], ..runs.clone() }
}

#[test]
fn other_words_for_the_same_conditions_are_noted_once_a_minute() {
    let mut desk = Desk::new(tenth(), 3);
    let runs = desk.runs(3, 0, desk.split(0));
    let mut noted = |second, words| names(&desk.look(second, says(&runs, words), 0)).contains(&"conditions_changed");
    assert!(noted(5, "1 of 3 are pulled"));
    assert!(!noted(6, "2 of 3 are pulled"));
    assert!(!noted(64, "2 of 3 are pulled"));
    assert!(noted(65, "2 of 3 are pulled"));
    assert!(!noted(300, "2 of 3 are pulled"));
}

#[test]
fn who_is_gone_is_noted_once() {
    let mut desk = Desk::new(tenth(), 3);
    let gone = |events: &[What]| events.iter().filter(|what| is_gone(what)).count();
    let fewer = desk.runs(2, 0, desk.split(0));
    assert_eq!(gone(&desk.look(5, fewer.clone(), 0)), 1);
    assert_eq!(gone(&desk.look(6, fewer, 0)), 0);
}

fn is_gone(what: &What) -> bool {
    matches!(what, What::HealthChanged { folded: None, side: None, .. })
}

#[test]
fn of_one_that_flaps_only_that_it_is_unwell_is_noted() {
    let mut desk = Desk::new(tenth(), 3);
    let mut noted = |second: i64, health, since| {
        let mut seen = all_well(desk.runs(3, 1, desk.split(0)), 0);
        folds(&mut seen, &desk.candidate, health, since);
        let events = desk.look_at(second, seen).events;
        events.iter().any(|what| matches!(what, What::HealthChanged { .. }))
    };
    let turns = (5..65).map(|second| (second, if second % 2 == 0 { Health::Healthy } else { Health::Unhealthy }));
    let told: Vec<_> = turns.filter(|(second, health)| noted(*second, *health, *second)).collect();
    assert_eq!(told.len(), 13, "{told:?}");
    assert_eq!(told.last().unwrap().1, Health::Unhealthy);
}

#[test]
fn nothing_is_kept_of_the_unwell_while_it_goes_forward() {
    let captures = |desk: &mut Desk, second| {
        let mut seen = all_well(desk.runs(3, 1, desk.split(0)), 0);
        folds(&mut seen, &desk.candidate, Health::Unhealthy, 4);
        let next = desk.look_at(second, seen);
        next.effects.iter().any(|effect| matches!(effect, Effect::Capture { .. }))
    };
    let mut desk = Desk::new(tenth(), 3);
    assert!(!captures(&mut desk, 5));
    let mut desk = Desk::asked(migrated(), 3, |_| {});
    desk.begin(3);
    assert!(desk.state().touched && desk.state().order.is_none());
    assert!(!captures(&mut desk, 5), "its first task runs");
}

#[test]
fn an_instance_that_has_ended_keeps_no_order_from_being_settled() {
    let stray = side_of(&release(spec("v0", 3)), "web");
    for of in ["stable", "a stray"] {
        let mut desk = Desk::new(deploy_core::Stages::new().then(replaced()), 3);
        let side = if of == "stable" { desk.stable.clone() } else { stray.clone() };
        let mut runs = desk.runs(0, 3, Spread::Pooled);
        let mut ended = instance("old", &side, false);
        ended.state = InstanceState::Exited(Exit { code: Some(0), signal: None });
        runs.sides.insert(side, Running::Instances(vec![ended]));
        assert!(settled(&desk.look(5, runs, 0), OrderKind::InPlace), "{of}");
    }
}

#[test]
fn health_of_another_second_is_another_health_while_nobody_flaps() {
    let mut desk = Desk::new(tenth(), 3);
    let runs = observed(&[(&desk.stable, 3)], desk.split(0));
    let since = |second| TrackSeen {
        health: runs
            .instances()
            .map(|one| (one.id.clone(), Folded { health: Health::Healthy, since: at(second), fresh: true }))
            .collect(),
        ..all_well(runs.clone(), 0)
    };
    let mut noted = |second, of| names(&desk.look_at(second, since(of)).events).contains(&"health_changed");
    assert!(noted(10, 2));
    assert!(!noted(11, 2));
    assert!(noted(12, 3));
    let between_looks = (13..60).filter(|second| noted(*second, second - 5)).count();
    assert_eq!(between_looks, 9, "who changes between two looks flaps as well, and is told of no more");
}
