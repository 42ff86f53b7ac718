//! The way back: whether there is one, and what has to hold on it.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::machine::{Captured, Effect, TrackSeen, order};
use deploy_core::{
    Ask, Capabilities, Count, Desired, Health, Kind, Request, Split, Spread, Stage, Stages, Task, TaskKind,
    TaskOutcome, Traffic, Trouble, Undo, What, Whose,
};
use std::collections::BTreeSet;
use support::desk::{Desk, all_well, begins_an_order, cut_off, folds, migrated, names, replaced, taken_back, tenth};
use support::{at, observed, planned, release, side_of, spec, track};

/// So many of stable and of the candidate are well, and all tasks stand like this. The names of what is noted.
fn look(desk: &mut Desk, second: i64, [stable, candidate]: [u32; 2], outcome: &TaskOutcome) -> Vec<&'static str> {
    let mut seen = all_well(desk.runs(stable, candidate, Spread::Pooled), 0);
    seen.tasks = desk.record.tasks.keys().map(|key| (key.clone(), outcome.clone())).collect();
    names(&desk.look_at(second, seen).events)
}

#[test]
fn nothing_goes_back_before_a_task_that_was_begun_is_barred_or_has_ended() {
    let mut desk = Desk::asked(migrated(), 3, |_| {});
    desk.begin(3);
    assert_eq!(desk.record.tasks.len(), 1);
    desk.ask(Ask::Rollback, 5);
    assert_eq!(look(&mut desk, 5, [3, 0], &TaskOutcome::Running), ["signal_taken", "rollback_started"]);
    for outcome in [TaskOutcome::Running, TaskOutcome::Unknown, TaskOutcome::NotStarted] {
        assert!(look(&mut desk, 6, [3, 0], &outcome).is_empty(), "{outcome:?}");
    }
    let barred = look(&mut desk, 7, [3, 0], &TaskOutcome::Barred);
    assert!(barred.starts_with(&["task_ended", "service_updating", "services_replacing"]), "{barred:?}");
}

#[test]
fn what_differs_in_nothing_from_what_ran_has_no_way_back() {
    let same = release(spec("v1", 3));
    let mut desk = Desk::of([&same, &same], tenth(), 2, |_| {});
    desk.begin(2);
    desk.ask(Ask::Rollback, 5);
    let runs = observed(&[(&desk.stable, 2)], Spread::Pooled);
    assert_eq!(names(&desk.look(5, runs, 0)), ["signal_taken", "deployment_failed"]);
}

#[test]
fn a_stable_that_cannot_be_told_is_gone_back_to() {
    let mut desk = Desk::new(tenth(), 3);
    let mut runs = desk.runs(3, 1, desk.split(0));
    cut_off(&mut runs, &desk.stable, 3);
    desk.look(5, runs.clone(), 0);
    let late = desk.look(700, runs, 0);
    assert!(names(&late).contains(&"rollback_started"), "{late:?}");
}

#[test]
fn what_failed_is_kept_for_people_before_anything_of_it_is_taken_down() {
    let mut desk = Desk::new(Stages::new().then(replaced()), 3);
    let mut seen = all_well(desk.runs(2, 1, Spread::Pooled), 0);
    folds(&mut seen, &desk.candidate, Health::Unhealthy, 4);
    desk.ask(Ask::Rollback, 5);
    let next = desk.look_at(5, seen.clone());
    assert!(names(&next.events).contains(&"rollback_started") && !begins_an_order(&next.events), "{:?}", next.events);
    let asked = next.effects.into_iter().find_map(|effect| match effect {
        Effect::Capture { instances, .. } => Some(instances),
        _ => None,
    });
    seen.evidence = asked.unwrap().into_iter().map(|id| (id, Captured::default())).collect();
    assert!(begins_an_order(&desk.look_at(6, seen).events));
}

#[test]
fn a_task_has_one_key_whichever_engine_asks_for_it() {
    let mut desk = Desk::asked(migrated(), 3, |_| {});
    desk.begin(3);
    let keys: Vec<_> = desk.record.tasks.keys().cloned().collect();
    desk.seen.lease.epoch = 2;
    assert!(look(&mut desk, 5, [3, 0], &TaskOutcome::Running).contains(&"engine_claimed"));
    assert!(desk.record.tasks.keys().eq(&keys));
}

#[test]
fn what_a_task_did_is_undone_when_nothing_of_the_candidate_is_left() {
    let mut desk = Desk::asked(migrated(), 3, |_| {});
    desk.begin(3);
    look(&mut desk, 5, [3, 0], &TaskOutcome::Done);
    desk.ask(Ask::Rollback, 6);
    let back = look(&mut desk, 6, [3, 0], &TaskOutcome::Done);
    assert!(back.contains(&"services_replaced") && back.ends_with(&["task_started"]), "{back:?}");
    let undo: Vec<_> = desk.record.tasks.values().filter(|task| task.undo).map(|task| &*task.name).collect();
    assert_eq!(undo, ["migrate-undo"]);
}

#[test]
fn on_the_way_back_nothing_is_launched_of_what_is_left() {
    let desk = taken_back();
    let (track, nobody) = (track("web"), BTreeSet::new());
    let told = order(&desk.record, &desk.seen, &track, &nobody, false, at(8)).unwrap();
    assert_eq!((desk.state().order.as_ref().unwrap().line.to, told.to.unwrap().count), (3, 1));
}

/// The first step of the way back from a stage that is under way.
fn way_back(mut desk: Desk) -> deploy_core::Step {
    desk.ask(Ask::Rollback, 5);
    let runs = desk.runs(3, 0, Spread::Pooled);
    let happened = desk.look(5, runs, 0);
    leg(happened, "web")
}

/// The first step of a workload's way back that begins.
fn leg(happened: Vec<What>, workload: &str) -> deploy_core::Step {
    let legs = happened.into_iter().find_map(|what| match what {
        What::RollbackStarted { legs, .. } => Some(legs),
        _ => None,
    });
    legs.unwrap()[&track(workload)][0].stage.step.clone()
}

#[test]
fn the_way_back_serves_by_stable_as_the_stage_did() {
    let all = Count::ALL;
    let of = |desired: Desired| way_back(Desk::new(Stages::new().then(Stage::to(desired)).then(replaced()), 3)).desired;
    let stable = |traffic: Traffic| Desired { stable: all, candidate: Count::NONE, traffic };
    assert_eq!(of(Desired::pooled(all)), stable(Traffic::Pooled));
    assert_eq!(of(Desired::nothing()), stable(Traffic::Pooled));
    assert_eq!(of(Desired::both(all, all).split(Split::percent(0))), stable(Traffic::stable()));
    let both = Stages::new().then(Stage::to(Desired::both(all, all).traffic(Traffic::NotRouted)));
    let worker = Desk::new_worker(both.then(Stage::to(Desired::candidate(all).traffic(Traffic::NotRouted))), 3);
    assert_eq!(way_back(worker).desired, stable(Traffic::NotRouted));
}

#[test]
fn what_is_new_goes_without_serving_nobody_where_that_cannot_be() {
    let mut api = support::workload("api", "v2", 1);
    api.ports = [(support::name("http"), 9090)].into();
    let (old, new) = (release(spec("v1", 3)), release(spec("v2", 3).workload(support::name("api"), api)));
    for (traffic_none, traffic) in [(true, Traffic::None), (false, Traffic::Pooled)] {
        let can = Capabilities { traffic_none, ..Capabilities::all() };
        let (stable, candidate) = (side_of(&old, "web"), side_of(&new, "web"));
        let web = observed(&[(&stable, 3)], Spread::Pooled);
        let plan = planned(&new, &[&old], Stages::new().then(replaced()), &can, &[("web", web.clone())]).unwrap();
        let request = Request::new(new.clone(), support::name("production"));
        let mut desk = Desk::planned(request, plan, [stable, candidate]);
        let look = |desk: &mut Desk, second, count: u32| {
            let api = observed(&[(&side_of(&new, "api"), count)], Spread::Pooled);
            desk.look_at_all(second, [("web", all_well(web.clone(), 0)), ("api", all_well(api, 0))]).events
        };
        (1..4).for_each(|second| drop(look(&mut desk, second, 0)));
        desk.ask(Ask::Rollback, 5);
        let back = leg(look(&mut desk, 5, 1), "api");
        assert_eq!(back.desired, Desired::nothing().traffic(traffic));
    }
}

#[test]
fn the_tasks_of_a_stage_are_not_done_again_on_its_way_back() {
    let undo = Undo::Run(vec!["undo".into()]);
    let task = |name: &str| Task::new(support::name(name), TaskKind::Hook, ["do"]);
    let one = Task { of: Whose::Stable, ..task("one").undo(undo) };
    let step = replaced().step.before([one]).after([task("two")]);
    let mut desk = Desk::asked(Stages::new().then(Stage::from(step)), 3, |_| {});
    desk.begin(3);
    let back = way_back(desk);
    assert!(back.before.is_empty());
    let after: Vec<_> = back.after.iter().map(|task| (task.name.as_str(), task.of)).collect();
    assert_eq!(after, [("one-undo", Whose::Candidate)]);
}

#[test]
fn a_changed_count_can_be_gone_back_from() {
    let mut desk = Desk::of([&release(spec("v1", 3)), &release(spec("v1", 5))], tenth(), 3, |_| {});
    desk.begin(3);
    desk.ask(Ask::Rollback, 5);
    let runs = observed(&[(&desk.stable, 3)], Spread::Pooled);
    assert!(names(&desk.look(5, runs, 0)).starts_with(&["signal_taken", "rollback_started"]));
}

#[test]
fn on_the_way_back_what_fails_is_tried_again_until_that_is_late() {
    let mut desk =
        Desk::asked(Stages::new().then(replaced()), 3, |request| request.retry = std::time::Duration::from_secs(60));
    desk.begin(3);
    desk.ask(Ask::Rollback, 5);
    let mut failing = |second| {
        let busy = Trouble { at: "slot-1".into(), kind: Kind::Unavailable, message: "it is busy".into() };
        let seen = all_well(desk.runs(2, 0, Spread::Pooled), 0);
        names(&desk.look_at(second, TrackSeen { troubles: vec![busy], ..seen }).events)
    };
    let begun = failing(5);
    assert!(begun.contains(&"rollback_started") && begun.contains(&"trouble_began"), "{begun:?}");
    assert!(failing(100).is_empty());
    assert!(failing(1204).is_empty());
    assert_eq!(failing(1205), ["deployment_failed"]);
}
