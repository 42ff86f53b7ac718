//! Effects: tasks, instances, releases.

use super::*;
use deploy_core::{Ask, Status, TaskOutcome, What};
use deploy_testkit::sim::{Mishap, Profile, Run, Script, Temper, scenario};
use serde_json::{Value, json};
use std::time::Duration;

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
    on_told(|profile| {
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
fn a_second_writer_waits_for_the_first_that_cannot_be_reached() {
    let release = |version: &str| {
        let mut spec = scenario::web(version, 1, scenario::strategy("recreate", Value::Null)).unwrap();
        spec.workloads.get_mut("web").unwrap().exclusive = Some(true);
        scenario::release(spec).unwrap()
    };
    let mut run = Run::new(37, Profile::Instant);
    run.deploy(release("v1"), &Script::default()).unwrap();
    run.gentle = false;
    let until = later(&run, 240);
    let hosts: Vec<_> = run.world.hosts.keys().cloned().collect();
    run.world.faults.cuts.extend(hosts.into_iter().map(|host| (host, run.world.now, until)));
    let status = run.deploy(release("v2"), &Script::default()).unwrap();
    ended(&run, status, Status::Completed);
    let started: Vec<_> = run.world.sites.values().flat_map(|site| &site.units).map(|unit| unit.started).collect();
    assert!(started.iter().all(|at| *at >= until), "{started:?} {until}\n{}", run.world.trail.tail(60));
}

#[test]
fn instances_that_are_started_again_under_new_names_reach_the_crash_limit() {
    let mut run = serving(38, Profile::Instant, 2, "rolling");
    let release = made("v2", 2, "rolling", &Value::Null);
    temper(&mut run, &release, Temper::CrashAtStart);
    let begun = run.world.now;
    let status = run.deploy(release, &Script::default()).unwrap();
    ended(&run, status, Status::RolledBack);
    assert!(reason(&run).contains("ended 3 times"), "{}", reason(&run));
    let ended: Vec<_> = events(&run)
        .filter_map(|what| match what {
            What::InstanceEnded { instance, .. } => Some(instance),
            _ => None,
        })
        .collect();
    assert_eq!(ended.len(), ended.iter().collect::<std::collections::BTreeSet<_>>().len(), "{ended:?}");
    assert!(deploy_core::time::between(begun, run.world.now) < Duration::from_secs(120));
}

#[test]
fn an_instance_that_flaps_for_ever_is_told_ten_times_in_a_stage() {
    on_all(|profile| {
        let mut run = serving(39, profile, 2, "rolling");
        let release = made("v2", 2, "rolling", &json!({ "bake": "30s", "progress_deadline": "8m" }));
        temper(&mut run, &release, Temper::Flapping(Duration::from_secs(2)));
        run.deploy(release, &Script::default()).unwrap();
        let mut told = std::collections::BTreeMap::new();
        for what in events(&run) {
            match what {
                What::StageBegan { .. } | What::RollbackStarted { .. } => told.clear(),
                What::HealthChanged { instance, folded: Some(_), .. } => *told.entry(instance).or_insert(0) += 1,
                _ => {}
            }
            assert!(told.values().all(|times| *times <= 13), "{told:?}\n{}", run.world.trail.tail(60));
        }
    });
}

#[test]
fn what_going_back_needs_is_shipped_before_anything_moves() {
    on_all(|profile| {
        let mut run = serving(40, profile, 2, "blue_green");
        run.world.sites.values_mut().for_each(|site| site.prepared.clear());
        let status = run.deploy(made("v2", 2, "blue_green", &Value::Null), &Script::default()).unwrap();
        ended(&run, status, Status::Completed);
        let parties =
            plan(&run).tracks.values().flat_map(|track| track.parties().map(|party| party.revision.id.clone()));
        let shipped = &run.world.sites.values().next().unwrap().prepared;
        let parties: Vec<_> = parties.collect();
        assert!(parties.len() == 2 && parties.iter().all(|id| shipped.contains(id)), "{shipped:?}");
        let place = |wanted: fn(&What) -> bool| events(&run).position(wanted);
        let shipped = place(|what| matches!(what, What::Prepared { .. }));
        assert!(shipped < place(|what| matches!(what, What::OrderBegan { .. })));
    });
}
