//! What is waited for, how long, and what a person can count on meanwhile, on every simulated platform.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

use deploy_core::time::{after, between};
use deploy_core::{Ask, Decision, Event, Release, Request, Status, Timestamp, What};
use deploy_testkit::sim::{Faults, Mishap, Outside, Profile, Run, Script, Temper, scenario};
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn made(version: &str, settings: &Value) -> Release {
    let spec = scenario::web(version, 3, scenario::strategy("rolling", settings.clone())).unwrap();
    scenario::release(spec).unwrap()
}

/// A run in which `v1` serves, and everything may happen.
fn serving(profile: Profile) -> Run {
    let mut run = Run::new(7, profile);
    assert_eq!(run.deploy(made("v1", &Value::Null), &Script::default()).unwrap(), Status::Completed);
    run.gentle = false;
    run
}

fn temper(run: &mut Run, release: &Release, temper: Temper) {
    run.world.give(release, temper).unwrap();
}

fn pauses(run: &Run) -> Vec<(Timestamp, String)> {
    let events = run.history.last().unwrap().1.iter();
    let pause = |event: &Event| match &event.what {
        What::Paused { reason, .. } => Some((event.at, reason.clone())),
        _ => None,
    };
    events.filter_map(pause).collect()
}

fn holds(run: &Run) {
    let trail = &run.world.trail;
    assert!(trail.broken.is_empty(), "{:?}\n{}", trail.broken, trail.tail(120));
}

#[test]
fn what_may_pass_is_tried_for_five_minutes_then_a_person_is_asked_and_the_candidate_is_not_blamed() {
    for profile in Profile::ALL {
        let mut run = serving(profile);
        let (from, to) = (after(run.world.now, Duration::from_secs(2)), after(run.world.now, 12 * MINUTE));
        run.world.faults = Faults { outages: vec![(from, to)], ..Faults::default() };
        let script = Script { asks: vec![(14 * MINUTE, Ask::Resume)], ..Script::default() };
        let status = run.deploy(made("v2", &json!({ "progress_deadline": "9m" })), &script).unwrap();
        holds(&run);
        let [(at, reason)] = &pauses(&run)[..] else { panic!("{profile:?}: {}", run.world.trail.tail(80)) };
        let tried = between(from, *at);
        assert!((5 * MINUTE..6 * MINUTE).contains(&tried), "{profile:?}: paused after {tried:?}");
        assert!(reason.contains("tried for 5m"), "{reason}");
        assert_eq!(status, Status::Completed, "{profile:?}: {}", run.world.trail.tail(80));
    }
}

#[test]
fn a_late_stage_that_a_person_resumes_has_the_whole_of_its_deadline_again() {
    for profile in Profile::ALL {
        let mut run = serving(profile);
        let release = made("v2", &json!({ "progress_deadline": "2m", "on_deadline": "pause" }));
        temper(&mut run, &release, Temper::NeverWell);
        let script = Script { asks: vec![(10 * MINUTE, Ask::Resume)], ..Script::default() };
        let request = Request { pause: 15 * MINUTE, ..Request::new(release, "production".parse().unwrap()) };
        let begun = run.world.now;
        let status = run.request(request, &script).unwrap();
        holds(&run);
        let at: Vec<_> = pauses(&run).iter().map(|(at, _)| between(begun, *at)).collect();
        let [first, second] = at[..] else { panic!("{profile:?}: paused at {at:?}") };
        assert!((2 * MINUTE..3 * MINUTE).contains(&first), "{profile:?}: {first:?}");
        assert!((12 * MINUTE..13 * MINUTE).contains(&second), "{profile:?}: {second:?}");
        assert_eq!(status, Status::RolledBack, "{profile:?}");
    }
}

#[test]
fn a_stage_that_falls_out_of_settled_while_its_gate_is_asked_settles_again_and_is_not_asked_twice() {
    for profile in Profile::TOLD {
        let mut run = serving(profile);
        let gate = json!({ "name": "look", "deadline": "30m" });
        let release = made("v2", &json!({ "progress_deadline": "2m", "gate": gate }));
        let sick = after(run.world.now, 10 * MINUTE - Duration::from_secs(5));
        run.mishaps = vec![(sick, Mishap::SickenOne(Duration::from_secs(60)))];
        let outside = Outside { gate: Some((10 * MINUTE, Decision::Open)), ..Outside::default() };
        let status = run.deploy(release, &Script { outside, ..Script::default() }).unwrap();
        holds(&run);
        assert_eq!(status, Status::Completed, "{profile:?}: {}", run.world.trail.tail(80));
        let events = &run.history.last().unwrap().1;
        let asked = events.iter().filter(|event| matches!(event.what, What::GateAsked { .. })).count();
        let fell = events.iter().any(|event| matches!(event.what, What::Unsettled { .. }));
        assert_eq!((asked, fell), (1, true), "{profile:?}: {}", run.world.trail.tail(80));
    }
}

#[test]
fn a_way_back_goes_on_beyond_the_time_of_a_step_while_the_whole_of_it_has_time() {
    for profile in Profile::ALL {
        let mut run = serving(profile);
        let release = made("v2", &json!({ "progress_deadline": "90s" }));
        temper(&mut run, &release, Temper::NeverWell);
        let (from, to) = (after(run.world.now, Duration::from_secs(93)), after(run.world.now, 4 * MINUTE));
        run.world.faults = Faults { outages: vec![(from, to)], ..Faults::default() };
        let status = run.deploy(release, &Script::default()).unwrap();
        holds(&run);
        assert_eq!(status, Status::RolledBack, "{profile:?}: {}", run.world.trail.tail(80));
    }
}
