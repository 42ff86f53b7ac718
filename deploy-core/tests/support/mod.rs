//! A small application, strategies as a test needs them, and what runs of it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared by several test programs")]

pub mod desk;

use deploy_core::planner::{Known, Planning, plan};
use deploy_core::{
    Capabilities, Change, Error, Instance, InstanceId, InstanceState, Kind, Name, Observed, Plan, Release, Result,
    Running, Side, Source, Spec, Spread, Stages, Strategies, Strategy, StrategyRef, Timestamp, TrackRef, TrafficSeen,
    Workload,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

pub fn track(workload: &str) -> TrackRef {
    format!("shop/production/{workload}@edge").parse().unwrap()
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub fn workload(of: &str, version: &str, replicas: u32) -> Workload {
    let mut workload = Workload::new(Source::Command(vec![of.into(), version.into()]));
    workload.ports = [(name("http"), 8080)].into();
    workload.replicas = replicas;
    workload
}

/// One that no requests are routed to.
pub fn worker(of: &str, version: &str, replicas: u32) -> Workload {
    Workload { ports: BTreeMap::new(), ..workload(of, version, replicas) }
}

pub fn spec(version: &str, replicas: u32) -> Spec {
    Spec::new(name("shop"))
        .version(version)
        .strategy(StrategyRef::named("own"))
        .workload(name("web"), workload("web", version, replicas))
        .environment(name("production"), name("edge"))
}

pub fn release(spec: Spec) -> Release {
    Release::new(spec).unwrap()
}

pub fn side_of(release: &Release, workload: &str) -> Side {
    Side::home(release.resolve(&name("production"), &name(workload)).unwrap().revision.id)
}

/// One strategy under the name `own`.
#[derive(Debug, Clone)]
pub struct Own(pub Stages);

impl Strategy for Own {
    fn plan(&self, _change: &Change<'_>) -> Result<Stages> {
        Ok(self.0.clone())
    }
}

impl Strategies for Own {
    fn get(&self, strategy: &StrategyRef) -> Result<Arc<dyn Strategy>> {
        match strategy.name.as_str() {
            "own" => Ok(Arc::new(self.clone())),
            other => Err(Error::new(Kind::NotFound, format!("there is no strategy `{other}`"))),
        }
    }
}

pub fn instance(id: &str, side: &Side, admitted: bool) -> Instance {
    Instance {
        id: InstanceId::new(id),
        side: side.clone(),
        slot: format!("slot-{id}").into(),
        state: InstanceState::Running,
        address: Some(format!("{id}:8080")),
        ports: BTreeMap::new(),
        started: None,
        admitted,
        in_flight: None,
        health: None,
    }
}

/// So many admitted instances of each side, and where requests go.
pub fn observed(sides: &[(&Side, u32)], spread: Spread) -> Observed {
    let running = |(side, count): &(&Side, u32)| {
        let instances = (0..*count).map(|number| instance(&format!("{}-{number}", &side.revision), side, true));
        ((*side).clone(), Running::Instances(instances.collect()))
    };
    Observed {
        sides: sides.iter().map(running).collect(),
        traffic: Some(TrafficSeen { spread, evidence: deploy_core::Evidence::DataPlane, drained: true }),
        ..Observed::default()
    }
}

/// Plans a release over what runs.
pub fn planned(
    release: &Release,
    before: &[&Release],
    stages: Stages,
    capabilities: &Capabilities,
    runs: &[(&str, Observed)],
) -> Result<Plan> {
    let mut known = Known::default();
    for earlier in before {
        known.add(earlier, &name("production"))?;
        known.completed(earlier, &name("production"))?;
    }
    let mut platforms: BTreeMap<TrackRef, (Capabilities, Observed)> = BTreeMap::new();
    for track in deploy_core::planner::tracks(release, &name("production"), &known)? {
        let seen = runs.iter().find(|(workload, _)| track.workload == **workload).map(|(_, seen)| seen.clone());
        platforms.insert(track, (capabilities.clone(), seen.unwrap_or_default()));
    }
    let (environment, strategies) = (name("production"), Own(stages));
    plan(&Planning {
        release,
        environment: &environment,
        strategies: &strategies,
        platforms,
        known: &known,
        now: at(0),
    })
}
