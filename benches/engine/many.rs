//! Ten thousand deployments at once: the real engine in virtual time, over simulated platforms, with its records in memory.
//!
//! Each is an application of its own with three workloads (one waits for another), whose first release is brought in. The
//! simulation is part of what is measured.

use crate::process::{cpu, memory};
use async_trait::async_trait;
use deploy_benches::{Goal, Row, Table};
use deploy_core::{
    Capabilities, Check, Deployer, Filter, Health, HealthCheck, Memory, Observed, Order, Probe, ProbeTarget, Release,
    Result, Revision, Status, Store, TaskAct, TaskOutcome, TaskRun, Timestamp, Token, TrackRef, Turn, time,
};
use deploy_engine::Engine;
use deploy_testkit::sim::{Platform, Profile, World, scenario};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const DEPLOYMENTS: usize = 10_000;

pub(crate) fn rows() -> Table {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(measured())
}

async fn measured() -> Table {
    let before = cpu();
    let began = tokio::time::Instant::now();
    let zero = Timestamp::from_second(1_800_000_000).unwrap_or_default();
    let clock = move || time::after(zero, began.elapsed());
    let crowd = Crowd::new(clock);
    let (worlds, store) = (memory("VmRSS"), Memory::new(clock));
    let crowd = Arc::new(crowd);
    let asked = crowd.clone();
    let engine = Engine::builder().store(store.clone()).target("edge", Target(crowd)).at_once(DEPLOYMENTS);
    let engine = engine.health_check(move |probe| Ok(asked.check(probe))).build().await.unwrap();
    for number in 0..DEPLOYMENTS {
        engine.deploy(("production", &release(number))).by("bench").await.unwrap();
    }
    let together = active(&store).await;
    while active(&store).await > 0 && began.elapsed() < Duration::from_secs(3_600) {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let (used, virtually) = (cpu() - before, began.elapsed());
    let ended = store.list(&Filter::default()).await.unwrap();
    let completed = ended.iter().filter(|one| one.status == Status::Completed).count();
    let note =
        format!("{completed} completed, {together} at once, in {:.0} s of virtual time", virtually.as_secs_f64());
    let mut table = Table::default();
    let what = "engine: 10,000 deployments of 3 workloads at once, memory at its peak";
    let of_worlds = format!("{note}; {worlds:.0} MiB of it before the first, the simulated worlds empty");
    table.push(Row::new(what, Goal::Below(300.0), memory("VmHWM"), " MiB").note(of_worlds));
    let what = "engine: 10,000 deployments of 3 workloads at once, CPU in all";
    table.push(Row::new(what, Goal::Below(60.0), used.as_secs_f64(), " s").note(note));
    assert_eq!(completed, DEPLOYMENTS);
    table
}

async fn active(store: &Memory) -> usize {
    store.list(&Filter { active: Some(true), ..Filter::default() }).await.unwrap().len()
}

fn release(number: usize) -> Release {
    let strategy = scenario::strategy("rolling", Value::Null);
    let mut spec = scenario::with_more(scenario::web("v1", 2, strategy).unwrap(), "v1").unwrap();
    for workload in spec.workloads.values_mut().filter(|workload| !workload.ports.is_empty()) {
        workload.health = Some(Probe::http(format!("/app-{number}")));
    }
    spec.application = format!("app-{number}").parse().unwrap();
    scenario::release(spec).unwrap()
}

/// A simulated world for each application.
#[derive(Debug)]
struct Crowd(BTreeMap<String, Platform>);

impl Crowd {
    fn new(clock: impl Fn() -> Timestamp + Copy + Send + Sync + 'static) -> Self {
        let world = |number: usize| {
            let mut world = World::new(number as u64, Profile::Instant);
            world.trail.kept = 0;
            Platform::new(world, clock)
        };
        Self((0..DEPLOYMENTS).map(|number| (format!("app-{number}"), world(number))).collect())
    }

    fn of(&self, track: &TrackRef) -> &Platform {
        &self.0[track.application.as_str()]
    }

    fn check(&self, probe: &Probe) -> Arc<dyn HealthCheck> {
        let Check::Http(http) = &probe.check else { panic!("all are asked by HTTP") };
        Arc::new(Asked(self.0[http.path.trim_start_matches('/')].clone()))
    }
}

/// Asks the world whose name is the probe's path.
#[derive(Debug)]
struct Asked(Platform);

#[async_trait]
impl HealthCheck for Asked {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        let world = self.0.world();
        let mut units = world.sites.values().flat_map(|site| &site.units);
        let unit = units.find(|unit| unit.id == target.instance);
        Ok(if unit.is_some_and(|unit| unit.is_well(world.now)) { Health::Healthy } else { Health::Unhealthy })
    }
}

#[derive(Debug)]
struct Target(Arc<Crowd>);

#[async_trait]
impl Deployer for Target {
    async fn capabilities(&self, track: &TrackRef) -> Result<Capabilities> {
        self.0.of(track).capabilities(track).await
    }

    async fn observe(&self, track: &TrackRef) -> Result<Observed> {
        self.0.of(track).observe(track).await
    }

    async fn converge(&self, order: &Order<'_>) -> Result<Turn> {
        self.0.of(order.track).converge(order).await
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        self.0.of(track).fence(track, token).await
    }

    async fn prepare(&self, track: &TrackRef, revisions: &[Revision], token: Token) -> Result<()> {
        self.0.of(track).prepare(track, revisions, token).await
    }

    async fn task(&self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        self.0.of(&run.track).task(run, act, token).await
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        self.0.of(track).remove(track, token).await
    }
}
