//! Scenarios that broke an earlier model, each by its sentence, on every simulated platform.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

use deploy_core::{Ask, DeploymentId, Release, Request, Status, TaskOutcome, What};
use deploy_testkit::sim::{Disturb, Faults, Mishap, Outside, Profile, Run, Script, Temper, scenario};
use serde_json::{Value, json};
use std::time::Duration;

fn made(version: &str, replicas: u32, name: &str, settings: &Value) -> Release {
    let spec = scenario::web(version, replicas, scenario::strategy(name, settings.clone())).unwrap();
    scenario::release(spec).unwrap()
}

fn temper(run: &mut Run, release: &Release, temper: Temper) {
    let (environment, web) = ("production".parse().unwrap(), "web".parse().unwrap());
    run.gentle = false;
    run.world.tempers.insert(release.resolve(&environment, &web).unwrap().revision.id, temper);
}

/// A run in which `v1` of a strategy serves.
fn serving(seed: u64, profile: Profile, replicas: u32, name: &str) -> Run {
    let mut run = Run::new(seed, profile);
    let status = run.deploy(made("v1", replicas, name, &Value::Null), &Script::default()).unwrap();
    assert_eq!(status, Status::Completed);
    run
}

/// Nothing was broken, and it ended so.
fn ended(run: &Run, status: Status, expected: Status) {
    let trail = &run.world.trail;
    assert!(trail.broken.is_empty(), "{:?}\n{}", trail.broken, trail.tail(120));
    assert_eq!(status, expected, "{}", trail.tail(120));
}

fn on_all(play: impl Fn(Profile)) {
    Profile::ALL.into_iter().for_each(play);
}

fn later(run: &Run, seconds: u64) -> deploy_core::Timestamp {
    deploy_core::time::after(run.world.now, Duration::from_secs(seconds))
}

fn reason(run: &Run) -> String {
    run.history.last().unwrap().0.reason().unwrap_or_default().to_owned()
}

fn events(run: &Run) -> impl Iterator<Item = &What> {
    run.history.last().unwrap().1.iter().map(|event| &event.what)
}

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
fn going_back_to_a_stable_that_has_died_is_refused_and_told() {
    on_all(|profile| {
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
fn a_task_that_was_recorded_and_never_started_is_barred_before_its_undo() {
    on_all(|profile| {
        for seed in 0..30 {
            let mut run = serving(seed, profile, 2, "recreate");
            let undo = json!({ "run": ["undo"] });
            let between = json!({ "between": [{ "name": "migrate", "run": ["do"], "undo": undo }] });
            let script = Script {
                kills: 20,
                most_kills: 5,
                asks: vec![(Duration::from_secs(8 + seed), Ask::Rollback)],
                ..Script::default()
            };
            let status = run.deploy(made("v2", 2, "recreate", &between), &script).unwrap();
            let broken = &run.world.trail.broken;
            assert!(broken.is_empty(), "seed {seed}: {broken:?}\n{}", run.world.trail.tail(100));
            assert!(
                matches!(status, Status::RolledBack | Status::Completed | Status::Cancelled),
                "seed {seed}: {status}"
            );
        }
    });
}

#[test]
fn a_task_that_still_runs_is_stopped_before_its_undo() {
    on_all(|profile| {
        for seed in 0..40 {
            let mut run = serving(seed, profile, 2, "recreate");
            let undo = json!({ "run": ["undo"] });
            let between = json!({ "between": [{ "name": "migrate", "run": ["do"], "undo": undo }] });
            let at = Duration::from_millis(4_000 + seed * 400);
            let script = Script { asks: vec![(at, Ask::Rollback)], ..Script::default() };
            run.deploy(made("v2", 2, "recreate", &between), &script).unwrap();
            let broken = &run.world.trail.broken;
            assert!(broken.is_empty(), "seed {seed}: {broken:?}\n{}", run.world.trail.tail(100));
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
fn a_pause_taken_while_recreate_is_dark_does_not_keep_it_dark() {
    on_all(|profile| {
        for stage in 0..2 {
            let mut run = serving(12, profile, 3, "recreate");
            let script = Script { disturb: Some((stage, Disturb::Ask(Ask::Pause))), ..Script::default() };
            let request = Request::new(made("v2", 3, "recreate", &Value::Null), "production".parse().unwrap());
            let request = Request { pause: Duration::from_secs(900), ..request };
            let begun = run.world.now;
            run.request(request, &script).unwrap();
            let served = events(&run).any(|what| matches!(what, What::OrderSettled { line, .. } if line.to == 3));
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
fn a_stage_that_is_taken_up_again_does_no_task_twice_and_goes_on() {
    on_all(|profile| {
        let mut run = serving(16, profile, 3, "rolling");
        run.gentle = false;
        run.mishaps =
            vec![(later(&run, 60), Mishap::CrashOne), (later(&run, 100), Mishap::SickenOne(Duration::from_secs(5)))];
        let settings = json!({ "bake": "2m", "after": [{ "name": "smoke", "run": ["try"] }] });
        let status = run.deploy(made("v2", 3, "rolling", &settings), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        let done = events(&run).filter(|what| matches!(what, What::TaskEnded { outcome: TaskOutcome::Done, .. }));
        assert_eq!(done.count(), 1);
    });
}

#[test]
fn a_release_that_changes_one_of_three_services_moves_one() {
    on_all(|profile| {
        let mut run = Run::new(17, profile);
        let spec = |version: &str, more: &str| {
            scenario::with_more(scenario::web(version, 2, scenario::strategy("rolling", json!({}))).unwrap(), more)
                .unwrap()
        };
        let first = run.deploy(scenario::release(spec("v1", "v1")).unwrap(), &Script::default()).unwrap();
        ended(&run, first, Status::Completed);
        let before = run.standing("api");
        let second = run.deploy(scenario::release(spec("v2", "v1")).unwrap(), &Script::default()).unwrap();
        ended(&run, second, Status::Completed);
        assert_eq!(run.standing("api"), before);
        assert_eq!(run.history.last().unwrap().0.plan.as_ref().unwrap().tracks.len(), 1);
    });
}

#[test]
fn all_workloads_go_back_together_in_reverse() {
    on_all(|profile| {
        let mut run = Run::new(18, profile);
        let strategy = |name: &str| scenario::strategy(name, json!({ "progress_deadline": "90s" }));
        let release = |version: &str| {
            let spec = scenario::with_more(scenario::web(version, 2, strategy("rolling")).unwrap(), version).unwrap();
            scenario::release(spec).unwrap()
        };
        run.deploy(release("v1"), &Script::default()).unwrap();
        let next = release("v2");
        temper(&mut run, &next, Temper::NeverWell);
        let status = run.deploy(next, &Script::default()).unwrap();
        ended(&run, status, Status::RolledBack);
        let done: Vec<_> = events(&run)
            .skip_while(|what| !matches!(what, What::RollbackStarted { .. }))
            .filter_map(|what| match what {
                What::TrackDone { track } => Some(track.workload.to_string()),
                _ => None,
            })
            .collect();
        let place = |name: &str| done.iter().position(|workload| workload == name);
        assert!(place("web") < place("api"), "{done:?}");
        let back = || events(&run).skip_while(|what| !matches!(what, What::RollbackStarted { .. }));
        let of = |what: &What, name: &str| what.track().is_some_and(|track| track.workload == *name);
        let began = back().position(|what| matches!(what, What::OrderBegan { .. }) && of(what, "api"));
        let over = back().position(|what| matches!(what, What::TrackDone { .. }) && of(what, "web"));
        assert!(began > over, "{}", run.world.trail.tail(120));
    });
}

#[test]
fn a_release_that_adds_a_workload_can_go_back_and_one_that_removes_it_takes_it_away() {
    on_all(|profile| {
        let mut run = serving(19, profile, 2, "rolling");
        let settings = json!({ "progress_deadline": "90s" });
        let base = |version: &str| scenario::web(version, 2, scenario::strategy("rolling", settings.clone())).unwrap();
        let ill = scenario::release(scenario::with_more(base("v2"), "v2").unwrap()).unwrap();
        temper(&mut run, &ill, Temper::NeverWell);
        let status = run.deploy(ill, &Script::default()).unwrap();
        ended(&run, status, Status::RolledBack);
        assert!(run.standing("api").is_empty());
        let more = scenario::release(scenario::with_more(base("v3"), "v3").unwrap()).unwrap();
        let status = run.deploy(more, &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        let status = run.deploy(scenario::release(base("v4")).unwrap(), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        assert!(run.standing("api").is_empty() && run.standing("worker").is_empty());
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
