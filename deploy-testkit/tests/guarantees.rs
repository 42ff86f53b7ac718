//! The guarantees, each over all strategies, all simulated platforms and many seeds.
//!
//! `DEPLOY_SEEDS=1000` plays so many seeds of each strategy, from `DEPLOY_SEED` on. A run that breaks one is shrunk, and
//! the command that replays what is left is printed.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a broken test may panic, a soak tells its figures")]

use deploy_core::{Ask, Decision, Event, Record, Status, What};
use deploy_testkit::sim::mix::{Tally, sweep};
use deploy_testkit::sim::{Faults, Outside, Profile, Run, Script, Temper, campaign, scenario};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

/// So many seeds of each strategy over the mix of the platforms.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn profile() -> Option<Profile> {
    std::env::var("DEPLOY_PROFILE").ok().map(|name| name.parse().unwrap())
}

/// Plays so many seeds of each strategy, or of the one that `DEPLOY_STRATEGY` names.
fn played(seeds: u64) -> Tally {
    let only = std::env::var("DEPLOY_STRATEGY").ok();
    let first = number("DEPLOY_SEED").unwrap_or(0);
    let mut tally = Tally::default();
    for name in scenario::STRATEGIES.iter().filter(|name| only.as_ref().is_none_or(|only| only == *name)) {
        tally.merge(sweep(first..first + seeds, name, profile()).unwrap());
    }
    tally.figures().iter().for_each(|line| println!("{line}"));
    tally
}

/// What was broken in any run; played once for all tests of this file.
fn tally() -> &'static Tally {
    static TALLY: OnceLock<Tally> = OnceLock::new();
    TALLY.get_or_init(|| played(number("DEPLOY_SEEDS").unwrap_or(SEEDS)))
}

/// No run broke it.
fn holds(guarantee: &str) {
    let tally = tally();
    let times = tally.broken.get(guarantee).copied().unwrap_or(0);
    let first = tally.found.iter().find(|found| found.guarantee == guarantee);
    assert_eq!(times, 0, "{guarantee} was broken; first: {}", first.map(|found| &*found.report).unwrap_or_default());
}

/// Plays one run twice. `DEPLOY_SEED`, `DEPLOY_PROFILE` and `DEPLOY_STRATEGY` name another one, which is told in full, and
/// `DEPLOY_WITHOUT` the numbers of what is switched off of it.
#[test]
fn a_seed_replays_alike() {
    let strategy = std::env::var("DEPLOY_STRATEGY").unwrap_or_else(|_| "canary".into());
    let (seed, profile) = (number("DEPLOY_SEED").unwrap_or(7), profile().unwrap_or(Profile::Fleet));
    let off = std::env::var("DEPLOY_WITHOUT").unwrap_or_default();
    let without: BTreeSet<usize> = off.split(',').filter_map(|number| number.parse().ok()).collect();
    let play = || campaign::play_without(seed, profile, &strategy, &without).unwrap();
    let (first, second) = (play(), play());
    assert_eq!(first.run.history, second.run.history);
    let trail = &first.run.world.trail;
    if number("DEPLOY_SEED").is_some() {
        println!("{}", trail.tail(usize::MAX));
        let taken = first.drawn.iter().enumerate().filter(|(number, _)| !without.contains(number));
        taken.for_each(|(number, what)| println!("{number} {what}"));
    }
    assert!(trail.broken.is_empty(), "{:#?}", trail.broken);
}

/// In parts that can be taken up again: `DEPLOY_SEED` is the first seed, `DEPLOY_SEEDS` how many of each strategy.
#[test]
#[ignore = "soak: 10,000 seeds of each strategy"]
fn no_seed_of_ten_thousand_breaks_a_guarantee() {
    let tally = played(number("DEPLOY_SEEDS").unwrap_or(10_000));
    let reports: Vec<_> = tally.found.iter().map(|found| found.report.as_str()).collect();
    assert!(tally.broken.is_empty(), "{:?}\n{}", tally.broken, reports.join("\n\n"));
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
    run.world.give(release, temper).unwrap();
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
fn g4_one_begins_when_all_before_it_have_ended() {
    holds("G4");
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
            // Where instances come and go as the platform likes, others are up before these fall ill.
            if profile == Profile::ScaleToZero && matches!(ill, Temper::SickAfter(_)) {
                return;
            }
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
fn g9_what_cannot_be_told_decides_nothing() {
    holds("G9");
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
fn g11_no_seed_shows_a_secret() {
    holds("G11");
}

#[test]
fn g13_no_platform_is_asked_for_what_it_lacks() {
    holds("G13");
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
fn g14_no_deployment_waits_for_what_cannot_be() {
    holds("G14");
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
