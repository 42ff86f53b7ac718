//! Counts and traffic.

use super::*;
use deploy_core::{Status, What};
use deploy_testkit::sim::{Faults, Outside, Profile, Script, scenario};
use serde_json::{Value, json};

#[test]
fn a_new_record_without_history_takes_nobody_of_stable_out() {
    on_all(|profile| {
        for name in ["rolling", "canary", "blue_green"] {
            let mut run = serving(3, profile, 4, name);
            let settings = json!({ "min_ready": "20s" });
            let status = run.deploy(made("v2", 4, name, &settings), &Script::default()).unwrap();
            ended(&run, status, Status::Completed);
        }
    });
}

#[test]
fn going_back_to_a_stable_that_has_died_is_refused_and_told() {
    on_told(|profile| {
        let mut run = serving(5, profile, 3, "blue_green");
        run.gentle = false;
        let gate = json!({ "gate": { "name": "look", "deadline": "60s" } });
        let outside = Outside { gate: None, ..Outside::default() };
        let stable =
            run.world.sites.values().next().unwrap().units.iter().map(|unit| unit.id.clone()).collect::<Vec<_>>();
        let dies = later(&run, 30);
        for unit in run.world.sites.values_mut().flat_map(|site| &mut site.units) {
            if stable.contains(&unit.id) {
                unit.sick = Some((dies, deploy_core::Timestamp::MAX));
            }
        }
        let script = Script { outside, ..Script::default() };
        let status = run.deploy(made("v2", 3, "blue_green", &gate), &script).unwrap();
        assert_eq!(status, Status::Failed, "{}", run.world.trail.tail(80));
        assert!(events(&run).any(|what| matches!(what, What::BackRefused { .. })), "{}", run.world.trail.tail(80));
        assert!(events(&run).any(|what| matches!(what, What::Warned { .. })), "{}", run.world.trail.tail(80));
    });
}

#[test]
fn a_hotfix_over_a_sick_stable_gets_in() {
    on_all(|profile| {
        for name in scenario::STRATEGIES {
            let mut run = serving(4, profile, 3, name);
            run.gentle = false;
            let now = run.world.now;
            for unit in run.world.sites.values_mut().flat_map(|site| &mut site.units) {
                unit.sick = Some((now, deploy_core::Timestamp::MAX));
            }
            run.pass(Duration::from_secs(10));
            let status = run.deploy(made("v2", 3, name, &Value::Null), &Script::default()).unwrap();
            ended(&run, status, Status::Completed);
        }
    });
}

#[test]
fn an_autoscaler_that_runs_more_than_the_spec_says_is_followed() {
    for name in ["canary", "blue_green"] {
        let mut run = serving(8, Profile::Controller, 3, name);
        let track = scenario::track("web").unwrap();
        run.world.site(&track).control.as_mut().unwrap().scaler = Some((8, 8));
        run.pass(Duration::from_secs(60));
        let status = run.deploy(made("v2", 3, name, &Value::Null), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        let most = events(&run).filter_map(|what| match what {
            What::OrderBegan { order, .. } if order.line.traffic == deploy_core::Traffic::candidate() => {
                Some(order.line.to)
            }
            _ => None,
        });
        assert!(most.max() >= Some(8), "{}", run.world.trail.tail(60));
    }
}

#[test]
fn a_failed_deployment_leaves_nothing_in_the_way_of_the_next() {
    on_all(|profile| {
        for name in scenario::STRATEGIES {
            let mut run = serving(6, profile, 3, name);
            run.gentle = false;
            let from = later(&run, 8);
            let outage = (from, later(&run, 4_000));
            run.world.faults = Faults { outages: vec![outage], ..Faults::default() };
            let status =
                run.deploy(made("v2", 3, name, &json!({ "progress_deadline": "60s" })), &Script::default()).unwrap();
            assert!(matches!(status, Status::Failed | Status::Completed), "{status}");
            run.world.faults = Faults::default();
            run.pass(Duration::from_secs(5));
            let status = run.deploy(made("v3", 3, name, &Value::Null), &Script::default()).unwrap();
            ended(&run, status, Status::Completed);
        }
    });
}

#[test]
fn who_is_written_off_is_missing_before_the_commit_and_after_it() {
    let mut run = serving(30, Profile::Instant, 3, "blue_green");
    run.gentle = false;
    run.world.faults.cuts.push(("host-3".to_owned(), later(&run, 4), later(&run, 3_000)));
    let status = run.deploy(made("v2", 3, "blue_green", &json!({ "max_failed": 1 })), &Script::default()).unwrap();
    ended(&run, status, Status::Completed);
    assert!(well(&run, "web") >= 2, "{}", run.world.trail.tail(60));
}

#[test]
fn the_stable_name_is_moved_in_a_step_of_its_own_after_stable_has_gone() {
    let mut run = serving(31, Profile::Controller, 3, "blue_green");
    let status = run.deploy(made("v2", 3, "blue_green", &Value::Null), &Script::default()).unwrap();
    ended(&run, status, Status::Completed);
    let plan = plan(&run);
    let [retire, home] = &plan.tracks.values().next().unwrap().after[..] else { panic!("{plan:?}") };
    assert_ne!(retire.from.as_ref().unwrap().revision, retire.to.as_ref().unwrap().revision);
    assert_eq!(home.from.as_ref().unwrap().revision, home.to.as_ref().unwrap().revision);
}

#[test]
fn a_plan_without_the_slots_it_needs_is_refused_before_anything_is_touched() {
    for (name, slots) in [("rolling", 3), ("blue_green", 5)] {
        let mut run = serving(32, Profile::Instant, 3, name);
        run.world.hosts = [("host-0".to_owned(), slots)].into();
        let status = run.deploy(made("v2", 3, name, &Value::Null), &Script::default()).unwrap();
        ended(&run, status, Status::Failed);
        assert!(reason(&run).contains("slot") && reason(&run).contains("nothing was changed"), "{}", reason(&run));
        assert!(!events(&run).any(|what| matches!(what, What::OrderBegan { .. })));
    }
}
