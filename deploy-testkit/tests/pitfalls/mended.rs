//! What broke when the rest was mended: names, ways back, pauses, autoscalers, waves.

use super::*;
use deploy_core::{Ask, Decision, DeploymentId, OrderKind, Place, Request, Status, Traffic, What};
use deploy_testkit::sim::{Disturb, Mishap, Outside, Profile, Run, Script, Temper, scenario};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn after_rolling_a_blue_green_candidate_gets_no_request_before_the_switch() {
    on_all(|profile| {
        let mut run = serving(7, profile, 3, "rolling");
        let status = run.deploy(made("v2", 3, "blue_green", &Value::Null), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        let status = run.deploy(made("v3", 3, "rolling", &Value::Null), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
    });
}

#[test]
fn a_release_with_half_the_instances_keeps_stable_whole_until_the_commit() {
    on_all(|profile| {
        for name in ["canary", "blue_green", "ab_test"] {
            let mut run = serving(20, profile, 6, name);
            let status = run.deploy(made("v2", 3, name, &Value::Null), &Script::default()).unwrap();
            ended(&run, status, Status::Completed);
        }
    });
}

#[test]
fn a_pause_taken_while_recreate_is_dark_does_not_keep_it_dark() {
    on_all(|profile| {
        for stage in 0..2 {
            let mut run = serving(12, profile, 3, "recreate");
            let script = Script { disturb: Some((stage, Disturb::Ask(Ask::Pause))), ..Script::default() };
            let request = Request::new(made("v2", 3, "recreate", &Value::Null), "production".parse().unwrap());
            let request = Request { pause: Duration::from_secs(900), ..request };
            let begun = run.world.now;
            run.request(request, &script).unwrap();
            let served = events(&run).any(|what| matches!(what, What::OrderSettled { line, .. } if line.to > 0));
            assert!(served, "{profile:?}\n{}", run.world.trail.tail(60));
            assert!(run.world.trail.broken.is_empty(), "{:?}", run.world.trail.broken);
            assert!(deploy_core::time::between(begun, run.world.now) >= Duration::from_secs(900));
        }
    });
}

#[test]
fn a_pause_that_nobody_ends_goes_back() {
    on_all(|profile| {
        for name in ["rolling", "blue_green", "canary"] {
            let mut run = serving(13, profile, 3, name);
            let script = Script { disturb: Some((0, Disturb::Ask(Ask::Pause))), ..Script::default() };
            let status = run.deploy(made("v2", 3, name, &Value::Null), &script).unwrap();
            ended(&run, status, Status::RolledBack);
            assert!(reason(&run).contains("nobody came"), "{}", reason(&run));
        }
    });
}

#[test]
fn after_the_commit_a_dead_candidate_ends_it_at_once_where_stable_is_ready() {
    on_all(|profile| {
        let mut run = serving(21, profile, 3, "blue_green");
        let release = made("v2", 3, "blue_green", &Value::Null);
        run.gentle = false;
        let script = Script { disturb: Some((2, Disturb::Restart)), ..Script::default() };
        let dies = Temper::SickAfter(Duration::from_secs(17));
        temper(&mut run, &release, dies);
        let status = run.deploy(release, &script).unwrap();
        assert!(status.is_final(), "{}", run.world.trail.tail(60));
        assert!(run.world.trail.broken.is_empty(), "{:?}\n{}", run.world.trail.broken, run.world.trail.tail(60));
    });
}

#[test]
fn what_is_superseded_and_cannot_go_back_makes_room_at_once() {
    on_all(|profile| {
        let mut run = serving(14, profile, 3, "recreate");
        let forbidden = json!({ "forbidden": "the schema has changed" });
        let between = json!({ "between": [{ "name": "migrate", "run": ["do"], "undo": forbidden }], "bake": "20m" });
        let by = DeploymentId::new("d3");
        let script = Script { disturb: Some((2, Disturb::Ask(Ask::Supersede { by }))), ..Script::default() };
        let begun = run.world.now;
        let status = run.deploy(made("v2", 3, "recreate", &between), &script).unwrap();
        assert_eq!(status, Status::Failed, "{}", run.world.trail.tail(60));
        assert!(deploy_core::time::between(begun, run.world.now) < Duration::from_secs(200));
        let status = run.deploy(made("v3", 3, "recreate", &Value::Null), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
    });
}

#[test]
fn a_judge_that_knows_too_little_is_late_and_never_failed() {
    on_all(|profile| {
        let mut run = serving(15, profile, 3, "canary");
        let outside = Outside { judge: (1_000_000, deploy_core::Verdict::Pass), ..Outside::default() };
        let script = Script { outside, ..Script::default() };
        let settings = json!({ "judge": { "interval": "5s" }, "progress_deadline": "2m" });
        let status = run.deploy(made("v2", 3, "canary", &settings), &script).unwrap();
        ended(&run, status, Status::RolledBack);
        assert!(reason(&run).contains("unproven: too few requests"), "{}", reason(&run));
    });
}

#[test]
fn on_the_way_home_the_two_names_of_one_revision_are_told_apart() {
    let mut run = serving(41, Profile::Controller, 3, "canary");
    for version in ["v2", "v3"] {
        let status = run.deploy(made(version, 3, "canary", &Value::Null), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        let plan = plan(&run);
        let home = plan.tracks.values().next().unwrap().after.last().unwrap();
        let (from, to) = (home.from.as_ref().unwrap(), home.to.as_ref().unwrap());
        assert_eq!((from.place, to.place), (Place::Aside, Place::Home), "{version}");
        assert_eq!(run.standing("web").len(), 1, "{version}: {:?}", run.standing("web"));
    }
}

#[test]
fn a_worker_comes_home_without_a_gap() {
    let mut run = Run::new(42, Profile::Controller);
    let release = |version: &str| {
        let spec = scenario::web(version, 2, scenario::strategy("rolling", json!({}))).unwrap();
        let mut spec = scenario::with_more(spec, version).unwrap();
        let worker = spec.workloads.get_mut("worker").unwrap();
        worker.strategy = Some(scenario::strategy("canary", json!({})));
        worker.replicas = 6;
        scenario::release(spec).unwrap()
    };
    for version in ["v1", "v2", "v3"] {
        let status = run.deploy(release(version), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
    }
}

#[test]
fn what_was_retired_on_purpose_does_not_forbid_the_way_back() {
    on_all(|profile| {
        let mut run = serving(43, profile, 3, "recreate");
        let outside =
            Outside { gate: Some((Duration::from_secs(5), Decision::Closed("no".into()))), ..Outside::default() };
        let gate = json!({ "gate": { "name": "look", "deadline": "5m" } });
        let status = run.deploy(made("v2", 3, "recreate", &gate), &Script { outside, ..Script::default() }).unwrap();
        ended(&run, status, Status::RolledBack);
    });
}

#[test]
fn propagation_is_counted_from_when_the_change_was_first_seen() {
    let mut run = serving(44, Profile::Controller, 3, "canary");
    let script = Script { kills: 4, most_kills: 3, ..Script::default() };
    let status = run.deploy(made("v2", 3, "canary", &Value::Null), &script).unwrap();
    ended(&run, status, Status::Completed);
    let mut seen = None;
    let mut shifts = 0;
    for event in &run.history.last().unwrap().1 {
        match &event.what {
            What::OrderBegan { .. } => seen = None,
            What::TrafficSeen { .. } => seen = Some(event.at),
            What::OrderSettled { line, .. } if line.kind == OrderKind::Shift => {
                let since = deploy_core::time::between(seen.unwrap(), event.at);
                assert!(since >= deploy_testkit::sim::PROPAGATION, "{since:?}");
                shifts += 1;
            }
            _ => {}
        }
    }
    assert!(shifts >= 3, "{shifts}");
}

#[test]
fn half_of_an_autoscalers_wish_is_not_taken_for_the_whole_count() {
    let mut run = serving(45, Profile::Controller, 4, "canary");
    let track = scenario::track("web").unwrap();
    run.world.site(&track).control.as_mut().unwrap().scaler = Some((2, 2));
    let status = run.deploy(made("v2", 4, "canary", &Value::Null), &Script::default()).unwrap();
    ended(&run, status, Status::Completed);
    let whole = events(&run).filter_map(|what| match what {
        What::OrderBegan { order, .. } if order.line.traffic == Traffic::candidate() => Some(order.line.to),
        _ => None,
    });
    let least = whole.min().unwrap();
    assert!(least >= 4, "{least}\n{}", run.world.trail.tail(60));
}

#[test]
fn stable_that_stands_by_is_gone_back_to_when_the_candidate_dies_in_a_pause() {
    on_all(|profile| {
        let mut run = serving(46, profile, 3, "blue_green");
        let release = made("v2", 3, "blue_green", &json!({ "bake": "5m", "progress_deadline": "20m" }));
        temper(&mut run, &release, Temper::SickAfter(Duration::from_secs(60)));
        let script = Script { disturb: Some((1, Disturb::Ask(Ask::Pause))), ..Script::default() };
        let status = run.deploy(release, &script).unwrap();
        ended(&run, status, Status::RolledBack);
        assert!(events(&run).any(|what| matches!(what, What::Warned { .. })), "{}", run.world.trail.tail(60));
    });
}

#[test]
fn a_refused_way_back_pauses_once() {
    on_told(|profile| {
        let mut run = serving(47, profile, 3, "blue_green");
        run.gentle = false;
        let dies = later(&run, 30);
        let stable = run.world.sites.values_mut().flat_map(|site| &mut site.units);
        stable.for_each(|unit| unit.sick = Some((dies, deploy_core::Timestamp::MAX)));
        let gate = json!({ "gate": { "name": "look", "deadline": "60s" } });
        let outside = Outside { gate: None, ..Outside::default() };
        let asks = vec![(Duration::from_secs(1_000), Ask::Rollback), (Duration::from_secs(2_000), Ask::Cancel)];
        let script = Script { outside, asks, ..Script::default() };
        run.deploy(made("v2", 3, "blue_green", &gate), &script).unwrap();
        let pauses = events(&run).filter(|what| matches!(what, What::Paused { .. })).count();
        assert_eq!(pauses, 1, "{}", run.world.trail.tail(80));
    });
}

#[test]
fn a_pause_after_the_commit_goes_on_when_it_is_over() {
    on_all(|profile| {
        let mut run = serving(48, profile, 3, "blue_green");
        let script = Script { disturb: Some((2, Disturb::Ask(Ask::Pause))), ..Script::default() };
        let status = run.deploy(made("v2", 3, "blue_green", &Value::Null), &script).unwrap();
        ended(&run, status, Status::Completed);
        let place = |wanted: fn(&What) -> bool| events(&run).position(wanted);
        let (paused, resumed) =
            (place(|what| matches!(what, What::Paused { .. })), place(|what| matches!(what, What::Resumed { .. })));
        assert!(paused.is_some() && resumed > paused, "{}", run.world.trail.tail(60));
    });
}

#[test]
fn a_take_over_of_what_cannot_be_reached_ends_by_its_deadline() {
    on_all(|profile| {
        let mut run = serving(49, profile, 3, "canary");
        run.gentle = false;
        run.world.faults.outages = vec![(later(&run, 15), deploy_core::Timestamp::MAX)];
        let script = Script { disturb: Some((0, Disturb::Kill)), ..Script::default() };
        let status = run.deploy(made("v2", 3, "canary", &Value::Null), &script).unwrap();
        ended(&run, status, Status::Failed);
        assert!(reason(&run).contains("could not be observed"), "{}", reason(&run));
    });
}

#[test]
fn nothing_is_committed_before_the_last_wave_has_passed() {
    on_all(|profile| {
        let mut run = Run::new(50, profile);
        let release = |version: &str| {
            let spec = scenario::web(version, 2, scenario::strategy("blue_green", json!({}))).unwrap();
            scenario::release(scenario::with_more(spec, version).unwrap()).unwrap()
        };
        run.deploy(release("v1"), &Script::default()).unwrap();
        let status = run.deploy(release("v2"), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        let all: Vec<_> = events(&run).collect();
        let committed = all.iter().position(|what| matches!(what, What::Committed { .. })).unwrap();
        for (track, planned) in &plan(&run).tracks {
            let passed = all[..committed]
                .iter()
                .filter(|what| matches!(what, What::StagePassed { track: of, .. } if of == track))
                .count();
            assert_eq!(passed, planned.before.len(), "{track}");
        }
    });
}

#[test]
fn crashes_that_are_spread_over_a_long_bake_are_no_crash_loop() {
    on_all(|profile| {
        let mut run = serving(51, profile, 6, "rolling");
        run.gentle = false;
        run.mishaps = (1..6).map(|nth| (later(&run, nth * 1_200), Mishap::CrashOne)).collect();
        let long = json!({ "bake": "2h", "progress_deadline": "4h" });
        let status = run.deploy(made("v2", 6, "rolling", &long), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
    });
}
