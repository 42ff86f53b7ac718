//! Engines, leases and time.

use super::*;
use deploy_core::planner::{self, Known, Planning};
use deploy_core::{
    Ask, Capabilities, Counts, Evidence, Observed, Place, Prober, Running, Side, Spread, Status, TrafficSeen, What,
};
use deploy_testkit::sim::{Disturb, Mishap, Profile, Run, Script, Temper, scenario};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn an_instance_that_dies_while_no_engine_lives_is_not_trusted_by_the_next() {
    on_all(|profile| {
        for name in ["rolling", "canary", "blue_green"] {
            let mut run = serving(10, profile, 3, name);
            run.gentle = false;
            run.mishaps = vec![(later(&run, 20), Mishap::CrashOne), (later(&run, 25), Mishap::CrashOne)];
            let script = Script { disturb: Some((0, Disturb::Kill)), ..Script::default() };
            let status = run.deploy(made("v2", 3, name, &Value::Null), &script).unwrap();
            ended(&run, status, Status::Completed);
        }
    });
}

#[test]
fn the_bake_goes_on_where_it_was_when_engines_die_often() {
    on_all(|profile| {
        let mut run = serving(9, profile, 2, "rolling");
        let script = Script { kills: 10, most_kills: 40, ..Script::default() };
        let settings = json!({ "bake": "3m", "progress_deadline": "3h" });
        let begun = run.world.now;
        let status = run.deploy(made("v2", 2, "rolling", &settings), &script).unwrap();
        ended(&run, status, Status::Completed);
        assert!(deploy_core::time::between(begun, run.world.now) >= Duration::from_secs(180));
    });
}

#[test]
fn one_host_that_is_cut_off_holds_the_others_up_no_longer_than_it_is() {
    let mut run = serving(11, Profile::Instant, 6, "rolling");
    let cut = ("host-0".to_owned(), run.world.now, later(&run, 600));
    run.gentle = false;
    run.world.faults.cuts.push(cut);
    let settings = json!({ "max_failed": 2, "max_unavailable": 2, "max_surge": 3 });
    let status = run.deploy(made("v2", 6, "rolling", &settings), &Script::default()).unwrap();
    ended(&run, status, Status::Completed);
}

#[test]
fn who_takes_over_writes_its_token_before_anything_rests_on_it() {
    on_all(|profile| {
        let mut run = serving(33, profile, 3, "canary");
        let script = Script { kills: 8, most_kills: 20, ..Script::default() };
        run.deploy(made("v2", 3, "canary", &Value::Null), &script).unwrap();
        let all: Vec<_> = events(&run).collect();
        let claims = all.iter().enumerate().filter(|(_, what)| matches!(what, What::Claimed { .. })).skip(1);
        let mut seen = 0;
        for (index, _) in claims {
            let aside = |what: &&&What| {
                matches!(what, What::TokenRead { .. } | What::TroubleBegan { .. } | What::TroubleEnded { .. })
            };
            // A deadline needs no platform to pass.
            let late = |what: &What| matches!(what, What::RollbackStarted { reason, .. } if reason.contains("is late"));
            let next = all[index + 1..].iter().find(|what| !aside(what));
            let rests =
                next.is_none_or(|next| matches!(next, What::Fenced { .. } | What::Claimed { .. }) || late(next));
            assert!(rests, "{next:?}");
            seen += 1;
        }
        assert!(seen > 1, "{}", run.world.trail.tail(60));
        assert!(run.world.trail.broken.is_empty(), "{:?}", run.world.trail.broken);
    });
}

#[test]
fn the_tokens_of_a_second_deployment_are_above_those_of_the_first() {
    on_all(|profile| {
        let mut run = serving(34, profile, 3, "canary");
        let before = run.world.sites.values().next().unwrap().token;
        let status = run.deploy(made("v2", 3, "canary", &Value::Null), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        assert!(run.world.sites.values().next().unwrap().token > before);
        assert!(!events(&run).any(|what| matches!(what, What::TroubleBegan { .. })), "{}", run.world.trail.tail(60));
    });
}

#[test]
fn what_waits_for_the_others_and_what_goes_back_both_end_by_a_deadline() {
    on_all(|profile| {
        let mut run = Run::new(35, profile);
        let release = |version: &str, bake: &str| {
            let spec = scenario::web(version, 2, scenario::strategy("rolling", json!({ "bake": "1s" }))).unwrap();
            let mut spec = scenario::with_more(spec, version).unwrap();
            spec.workloads.get_mut("worker").unwrap().strategy =
                Some(scenario::strategy("rolling", json!({ "bake": bake, "progress_deadline": "20m" })));
            scenario::release(spec).unwrap()
        };
        run.deploy(release("v1", "1s"), &Script::default()).unwrap();
        run.gentle = false;
        let next = release("v2", "9m");
        temper(&mut run, &next, Temper::SickAfter(Duration::from_secs(120)));
        run.deploy(next, &Script::default()).unwrap();
        assert!(run.world.trail.broken.is_empty(), "{:?}\n{}", run.world.trail.broken, run.world.trail.tail(60));
        let (record, events) = run.history.last().unwrap();
        let begun = events.iter().find(|event| matches!(event.what, What::Started { .. })).unwrap().at;
        let plan = record.plan.as_ref().unwrap();
        let took = deploy_core::time::between(begun, run.world.now);
        assert!(took <= plan.deadline + plan.back_deadline, "{took:?}");
    });
}

#[test]
fn the_end_rests_on_one_look_at_which_all_are_settled() {
    for seed in 0..50 {
        let mut run = Run::new(seed, Profile::Instant);
        let release = |version: &str| {
            let spec = scenario::web(version, 2, scenario::strategy("rolling", json!({ "bake": "3s" }))).unwrap();
            scenario::release(scenario::with_more(spec, version).unwrap()).unwrap()
        };
        run.deploy(release("v1"), &Script::default()).unwrap();
        run.gentle = false;
        for at in [12, 15, 18, 21] {
            run.mishaps.push((later(&run, at + seed % 7), Mishap::SickenOne(Duration::from_secs(4))));
        }
        let status = run.deploy(release("v2"), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        let well = ["web", "api", "worker"].map(|name| well(&run, name));
        assert_eq!(well, [2, 2, 2], "seed {seed}: {}", run.world.trail.tail(60));
    }
}

#[test]
fn a_plan_differs_by_what_runs_and_not_by_who_of_it_is_ready() {
    let capabilities = Capabilities { prober: Prober::Platform, ..Capabilities::all() };
    let made_at = |ready: u32, stands: u32| {
        let (old, new) = (made("v1", 3, "rolling", &Value::Null), made("v2", 3, "rolling", &Value::Null));
        let environment = "production".parse().unwrap();
        let web = "web".parse().unwrap();
        let side = Side { revision: old.resolve(&environment, &web).unwrap().revision.id, place: Place::Home };
        let counts = Counts { ready, ..Counts::steady(stands) };
        let observed = Observed {
            sides: [(side, Running::Counts(counts))].into(),
            traffic: Some(TrafficSeen { spread: Spread::Pooled, evidence: Evidence::DataPlane, drained: true }),
            ..Observed::default()
        };
        let mut known = Known::default();
        known.add(&old, &environment).unwrap();
        known.completed(&old, &environment).unwrap();
        let platforms = [(scenario::track("web").unwrap(), (capabilities.clone(), observed))].into();
        let strategies = deploy_strategies::Registry::default();
        let now = deploy_core::Timestamp::UNIX_EPOCH;
        planner::plan(&Planning {
            release: &new,
            environment: &environment,
            strategies: &strategies,
            platforms,
            known: &known,
            now,
        })
        .unwrap()
    };
    assert_eq!(made_at(3, 3).difference(&made_at(1, 3)), None);
    assert!(made_at(3, 3).difference(&made_at(2, 2)).is_some());
}

#[test]
fn in_a_pause_a_platforms_own_controller_takes_nothing_further() {
    let mut run = serving(36, Profile::Controller, 6, "rolling");
    let script = Script { disturb: Some((0, Disturb::Ask(Ask::Pause))), ..Script::default() };
    let status = run.deploy(made("v2", 6, "rolling", &Value::Null), &script).unwrap();
    ended(&run, status, Status::RolledBack);
    let all = run.world.trail.tail(4_000);
    let paused = all.split("deployment_paused").nth(1).unwrap_or_else(|| panic!("{all}"));
    let held = paused.split("rollback_started").next().unwrap();
    let started = held.lines().filter(|line| line.contains(" starts ")).count();
    assert!(started <= 1, "{held}");
}
