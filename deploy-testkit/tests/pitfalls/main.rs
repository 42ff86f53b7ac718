//! Scenarios that broke an earlier model, each by its sentence, on every simulated platform.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod counts;
mod effects;
mod engines;
mod mended;

use deploy_core::{Plan, Release, Status, What};
use deploy_testkit::sim::{Profile, Run, Script, Temper, scenario};
use serde_json::Value;
use std::time::Duration;

fn made(version: &str, replicas: u32, name: &str, settings: &Value) -> Release {
    let spec = scenario::web(version, replicas, scenario::strategy(name, settings.clone())).unwrap();
    scenario::release(spec).unwrap()
}

fn temper(run: &mut Run, release: &Release, temper: Temper) {
    run.gentle = false;
    run.world.give(release, temper).unwrap();
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

/// On every platform that runs as many instances as it is told.
fn on_told(play: impl Fn(Profile)) {
    Profile::TOLD.into_iter().for_each(play);
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

fn plan(run: &Run) -> &Plan {
    run.history.last().unwrap().0.plan.as_ref().unwrap()
}

/// How many instances of a workload run and are well in truth.
fn well(run: &Run, workload: &str) -> usize {
    let site = &run.world.sites[&scenario::track(workload).unwrap()];
    site.units.iter().filter(|unit| unit.runs() && unit.is_well(run.world.now)).count()
}
