//! The guarantees, each over all strategies, all simulated platforms and many seeds.
//!
//! `DEPLOY_SEEDS=1000` plays so many seeds of each; `DEPLOY_SEED=17` replays one and prints what happened.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

use deploy_core::{Ask, Decision, Event, Record, Status, What};
use deploy_testkit::sim::{Faults, Outside, Profile, Run, Script, Temper, campaign, scenario};
use serde_json::{Value, json};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// So many seeds of each strategy on each platform, unless `DEPLOY_SEEDS` says otherwise.
const SEEDS: u64 = 12;

#[derive(Debug)]
struct Found {
    guarantee: &'static str,
    what: String,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What was broken in any run; played once for all tests of this file.
fn found() -> &'static [Found] {
    static FOUND: OnceLock<Vec<Found>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let seeds: Vec<u64> = number("DEPLOY_SEED")
            .map_or_else(|| (0..number("DEPLOY_SEEDS").unwrap_or(SEEDS)).collect(), |seed| vec![seed]);
        let all: Vec<_> = Profile::ALL
            .into_iter()
            .flat_map(|profile| scenario::STRATEGIES.map(|name| (profile, name)))
            .flat_map(|(profile, name)| seeds.iter().map(move |seed| (*seed, profile, name)))
            .collect();
        let (next, found) = (Mutex::new(all.into_iter()), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let Some((seed, profile, name)) = next.lock().unwrap().next() else { break };
                        let run = campaign::play(seed, profile, name).unwrap();
                        found.lock().unwrap().extend(breaches(&run, seed, profile, name));
                    }
                });
            }
        });
        found.into_inner().unwrap()
    })
}

fn breaches(run: &Run, seed: u64, profile: Profile, name: &str) -> Vec<Found> {
    let trail = &run.world.trail;
    let one = |breach: &deploy_testkit::sim::Breach| {
        let tail = if number("DEPLOY_SEED").is_some() { trail.tail(2_000) } else { trail.tail(40) };
        let what = format!("{breach}\nDEPLOY_SEED={seed} ({profile:?}, {name})\n{tail}");
        Found { guarantee: breach.guarantee, what }
    };
    trail.broken.iter().take(3).map(one).collect()
}

/// No run broke it.
fn holds(guarantee: &str) {
    let broken: Vec<_> = found().iter().filter(|found| found.guarantee == guarantee).collect();
    let first = broken.first().map(|found| found.what.clone()).unwrap_or_default();
    assert!(broken.is_empty(), "{guarantee} was broken {} times; first: {first}", broken.len());
}

/// Each strategy on each platform, with `v1` running.
fn each(play: impl Fn(&mut Run, &str, Profile)) {
    for profile in Profile::ALL {
        for name in scenario::STRATEGIES {
            let mut run = Run::new(5, profile);
            run.deploy(made("v1", name, &Value::Null), &Script::default()).unwrap();
            play(&mut run, name, profile);
            let trail = &run.world.trail;
            assert!(trail.broken.is_empty(), "{profile:?} {name}: {:?}\n{}", trail.broken, trail.tail(80));
        }
    }
}

fn made(version: &str, name: &str, settings: &Value) -> deploy_core::Release {
    let spec = scenario::web(version, 3, scenario::strategy(name, settings.clone())).unwrap();
    scenario::release(spec).unwrap()
}

fn temper(run: &mut Run, release: &deploy_core::Release, temper: Temper) {
    let (environment, web) = ("production".parse().unwrap(), "web".parse().unwrap());
    let revision = release.resolve(&environment, &web).unwrap().revision.id;
    run.world.tempers.insert(revision, temper);
}

fn last(run: &Run) -> &(Record, Vec<Event>) {
    run.history.last().unwrap()
}

#[test]
fn g1_no_move_takes_ready_below_the_floor_or_instances_above_the_ceiling() {
    holds("G1");
}

#[test]
fn g2_nothing_is_routed_to_the_ill_and_nobody_goes_with_requests_in_flight() {
    holds("G2");
}

#[test]
fn g3_a_share_grows_only_over_enough_ready_and_no_side_goes_below_its_share() {
    holds("G3");
}

#[tokio::test]
async fn g4_another_deployment_of_the_same_application_is_refused_with_the_holders_id() {
    use deploy_core::{Actor, DeploymentId, Kind, Memory, Request, Store as _};
    let store = Memory::new(|| deploy_core::Timestamp::UNIX_EPOCH);
    let request = |version: &str| Request::new(made(version, "rolling", &Value::Null), "production".parse().unwrap());
    let by = Actor::new("tester");
    store.create(&DeploymentId::new("one"), &request("v1"), &by).await.unwrap();
    let refused = store.create(&DeploymentId::new("two"), &request("v2"), &by).await.unwrap_err();
    assert_eq!((refused.kind(), refused.context("holder")), (Kind::Busy, Some("one")));
}

#[test]
fn g5_every_deployment_ends() {
    holds("G5");
}

#[test]
fn g5_a_platform_that_is_gone_for_good_ends_it_as_failed_and_says_so() {
    each(|run, name, profile| {
        let from = deploy_core::time::after(run.world.now, Duration::from_secs(3));
        run.gentle = false;
        run.world.faults = Faults { outages: vec![(from, deploy_core::Timestamp::MAX)], ..Faults::default() };
        let status = run.deploy(made("v2", name, &Value::Null), &Script::default()).unwrap();
        let reason = last(run).0.reason().unwrap_or_default();
        assert_eq!(status, Status::Failed, "{profile:?} {name}: {reason}");
        assert!(reason.contains("could not be observed"), "{profile:?} {name}: {reason}");
    });
}

#[test]
fn g6_killed_at_any_point_it_ends_as_if_nothing_had_happened() {
    holds("G6");
}

#[test]
fn g7_late_calls_of_a_dead_engine_change_nothing() {
    holds("G7");
}

#[test]
fn g8_afterwards_one_release_serves_everything_or_it_says_what_is_where() {
    holds("G8");
}

#[test]
fn g8_a_failing_candidate_is_taken_back() {
    for ill in [Temper::NeverWell, Temper::CrashAtStart, Temper::SickAfter(Duration::from_secs(4))] {
        each(|run, name, profile| {
            let release = made("v2", name, &json!({ "progress_deadline": "3m" }));
            temper(run, &release, ill);
            run.gentle = false;
            let status = run.deploy(release, &Script::default()).unwrap();
            let tail = run.world.trail.tail(60);
            assert_eq!(status, Status::RolledBack, "{profile:?} {name} {ill:?}\n{tail}");
        });
    }
}

#[test]
fn g9_a_host_that_cannot_be_reached_is_neither_good_nor_bad() {
    each(|run, name, profile| {
        let now = run.world.now;
        let back = deploy_core::time::after(now, Duration::from_secs(120));
        let hosts: Vec<_> = run.world.hosts.keys().cloned().collect();
        run.gentle = false;
        run.world.faults.cuts = hosts.into_iter().map(|host| (host, now, back)).collect();
        let status = run.deploy(made("v2", name, &Value::Null), &Script::default()).unwrap();
        assert_eq!(status, Status::Completed, "{profile:?} {name}\n{}", run.world.trail.tail(60));
    });
}

#[test]
fn g10_events_are_gapless_and_the_record_is_their_fold() {
    holds("G10");
}

#[test]
fn g11_no_secret_is_in_any_event_plan_or_record() {
    let secret = "correct-horse-battery-staple";
    each(|run, name, _| {
        let mut spec = scenario::web("v2", 3, scenario::strategy(name, json!({}))).unwrap();
        let reference = json!({ "env": "PATH" });
        let web = spec.workloads.get_mut("web").unwrap();
        web.secrets.insert("TOKEN".into(), serde_json::from_value(reference).unwrap());
        web.env.insert("GREETING".into(), "hello".into());
        run.deploy(scenario::release(spec).unwrap(), &Script::default()).unwrap();
        let value = std::env::var("PATH").unwrap();
        for (record, events) in &run.history {
            let texts = [serde_json::to_string(events).unwrap(), format!("{record:?}"), run.world.trail.tail(4_000)];
            assert!(texts.iter().all(|text| !text.contains(&value) && !text.contains(secret)), "{name}");
        }
    });
}

#[test]
fn g13_what_a_plan_was_approved_for_and_no_longer_runs_is_refused() {
    each(|run, name, profile| {
        let release = made("v2", name, &Value::Null);
        run.deploy(release.clone(), &Script::default()).unwrap();
        let (record, _) = last(run);
        let approved = record.plan.as_deref().cloned().map(Box::new);
        let request = deploy_core::Request {
            approved,
            ..deploy_core::Request::new(made("v3", name, &Value::Null), "production".parse().unwrap())
        };
        let status = run.request(request.clone(), &Script::default()).unwrap();
        assert_eq!(status, Status::Failed, "{profile:?} {name}");
        assert!(last(run).0.reason().unwrap().contains("has changed since the plan was approved"));
        let again = deploy_core::Request { replan: true, ..request };
        assert_eq!(run.request(again, &Script::default()).unwrap(), Status::Completed, "{profile:?} {name}");
    });
}

#[test]
fn g14_what_cannot_pass_ends_the_wait_at_once_with_the_platforms_words() {
    each(|run, name, profile| {
        let release = made("v2", name, &Value::Null);
        temper(run, &release, Temper::Impossible);
        run.gentle = false;
        let begun = run.world.now;
        let status = run.deploy(release, &Script::default()).unwrap();
        let took = deploy_core::time::between(begun, run.world.now);
        let (record, _) = last(run);
        assert_eq!(status, Status::RolledBack, "{profile:?} {name}\n{}", run.world.trail.tail(60));
        assert!(record.reason().unwrap().contains("exec format error"), "{:?}", record.reason());
        assert!(took < Duration::from_secs(180), "{profile:?} {name} took {took:?}");
    });
}

#[test]
fn g14_crashes_end_the_wait_at_their_limit() {
    each(|run, name, profile| {
        let release = made("v2", name, &json!({ "progress_deadline": "1h" }));
        temper(run, &release, Temper::CrashAtStart);
        run.gentle = false;
        let begun = run.world.now;
        let status = run.deploy(release, &Script::default()).unwrap();
        let took = deploy_core::time::between(begun, run.world.now);
        assert_eq!(status, Status::RolledBack, "{profile:?} {name}\n{}", run.world.trail.tail(60));
        assert!(took < Duration::from_secs(300), "{profile:?} {name} took {took:?}");
    });
}

#[test]
fn the_same_look_on_the_new_record_gives_no_event_and_the_same_effects() {
    holds("fixpoint");
}

#[test]
fn progress_never_runs_backward() {
    holds("progress");
}

#[test]
fn a_closed_gate_goes_back_and_an_approval_opens_it() {
    for profile in Profile::ALL {
        for name in ["recreate", "rolling", "blue_green", "canary"] {
            let gate = json!({ "gate": { "name": "look", "deadline": "10m" } });
            let ends = |outside: Outside, asks: Vec<(Duration, Ask)>| {
                let mut run = Run::new(3, profile);
                run.deploy(made("v1", name, &Value::Null), &Script::default()).unwrap();
                let script = Script { outside, asks, ..Script::default() };
                let status = run.deploy(made("v2", name, &gate), &script).unwrap();
                assert!(
                    run.world.trail.broken.is_empty(),
                    "{:?}\n{}",
                    run.world.trail.broken,
                    run.world.trail.tail(60)
                );
                let asked = last(&run).1.iter().any(|event| matches!(event.what, What::GateAsked { .. }));
                assert!(asked, "{profile:?} {name}");
                status
            };
            let closed = Outside { gate: Some((Duration::ZERO, Decision::Closed("no".into()))), ..Outside::default() };
            let silent = Outside { gate: None, ..Outside::default() };
            let approve = vec![(Duration::from_secs(200), Ask::Approve { gate: "look".into() })];
            assert_eq!(ends(closed, Vec::new()), Status::RolledBack, "{profile:?} {name}");
            assert_eq!(ends(silent.clone(), Vec::new()), Status::RolledBack, "{profile:?} {name}");
            assert_eq!(ends(silent, approve), Status::Completed, "{profile:?} {name}");
        }
    }
}
