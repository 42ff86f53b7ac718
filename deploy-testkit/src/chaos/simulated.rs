//! Scenes on the simulated platforms.

use super::life::Life;
use super::scene::{Scene, Setting};
use crate::sim::{Platform, Profile, Temper, World, scenario};
use async_trait::async_trait;
use deploy_core::{
    Decision, Deployer, Error, Figures, Gate, GateAsk, Health, HealthCheck, InstanceId, Memory, MetricSource, Name,
    Probe, ProbeTarget, Release, Request, Result, Side, Source, Spread, Store, Timestamp, TrackRef, Workload,
};
use deploy_engine::Builder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Which scene: a strategy on a simulated platform, and what becomes of the candidate.
///
/// An application of a routed workload and a worker is there; a release without the worker is brought in, with a task,
/// a gate and a judge on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simulated {
    /// The strategy's name.
    pub strategy: &'static str,
    /// The platform.
    pub profile: Profile,
    /// The candidate never becomes well: it goes back.
    pub sick: bool,
}

impl Simulated {
    /// Every strategy on every platform, with a candidate that is well and one that is not.
    pub fn all() -> Vec<Self> {
        let sorts = Profile::ALL.into_iter().flat_map(|profile| [false, true].map(|sick| (profile, sick)));
        let of = |(profile, sick)| scenario::STRATEGIES.map(|strategy| Self { strategy, profile, sick });
        sorts.flat_map(of).collect()
    }

    /// Makes it.
    ///
    /// # Errors
    /// `Invalid` for what makes no sense.
    pub fn make(&self, setting: &Setting) -> Result<Arc<dyn Scene>> {
        let (before, candidate) = (self.release("v1", true)?, self.release("v2", false)?);
        let mut world = World::new(setting.seed, self.profile);
        let clock = setting.platform_clock();
        world.now = clock();
        if self.sick {
            world.give(&candidate, Temper::NeverWell)?;
        }
        let time = setting.clock.clone();
        let requests = [before, candidate].map(|release| Ok(Request::new(release, Name::new("production")?)));
        Ok(Arc::new(Set {
            platform: Platform::new(world, clock),
            store: Memory::new(move || time.now()),
            requests: requests.into_iter().collect::<Result<_>>()?,
        }))
    }

    fn release(&self, version: &str, worker: bool) -> Result<Release> {
        let mut spec = scenario::web(version, 3, scenario::strategy(self.strategy, self.settings(worker)))?;
        if let Some(web) = spec.workloads.get_mut("web") {
            web.health = Some(Probe::http("/"));
        }
        if worker {
            let worker = Workload::new(Source::Command(vec!["worker".into()]));
            spec = spec.workload(Name::new("worker")?, worker);
        }
        self.profile.own(&scenario::release(spec)?)
    }

    /// The first release is brought in without anything on the way.
    fn settings(&self, plain: bool) -> Value {
        if plain {
            return json!({});
        }
        let task = json!([{ "name": "backup", "run": ["backup"], "timeout": "20m", "undo": { "run": ["undo"] } }]);
        let mut settings = json!({ "progress_deadline": if self.sick { "90s" } else { "20m" }, "before": task });
        let judge = json!({ "interval": "5s", "settings": { "min_requests": 5 } });
        settings["judge"] = judge;
        match self.strategy {
            "ab_test" => settings["decision"] = json!("judge"),
            _ => settings["gate"] = json!({ "name": "look", "kind": "window", "deadline": "45m" }),
        }
        settings
    }
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = format!("{:?}", self.profile).to_lowercase();
        write!(f, "{}/{profile}/{}", self.strategy, if self.sick { "sick" } else { "well" })
    }
}

impl FromStr for Simulated {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::all().into_iter().find(|scene| scene.to_string() == name);
        found.ok_or_else(|| Error::invalid(format!("there is no scene `{name}`")))
    }
}

/// A scene as it stands.
#[derive(Debug)]
struct Set {
    platform: Platform,
    store: Memory,
    requests: Vec<Request>,
}

impl Scene for Set {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn platform(&self) -> (String, Arc<dyn Deployer>) {
        ("edge".into(), Arc::new(self.platform.clone()))
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.clone()
    }

    fn dress(&self, builder: Builder, life: &Life) -> Builder {
        let outside = Outside { platform: self.platform.clone(), life: life.clone() };
        let checks = outside.clone();
        builder
            .health_check(move |_| Ok(Arc::new(checks.clone())))
            .gate("window", outside.clone())
            .metrics("edge", outside)
    }

    fn state(&self) -> String {
        let world = self.platform.world();
        let of = |track: &TrackRef, site: &crate::sim::Site| {
            let counts: BTreeMap<_, _> =
                site.counts().into_iter().map(|(side, count)| (side.to_string(), count)).collect();
            let spread = site.control.as_ref().map_or_else(|| site.spread.clone(), |one| one.effective(world.now));
            format!("{}: {counts:?}, requests: {}", track.workload, served(&spread))
        };
        world.sites.iter().map(|(track, site)| of(track, site)).collect::<Vec<_>>().join("\n")
    }

    fn broken(&self) -> Vec<String> {
        let world = self.platform.world();
        let broken = world.trail.broken.iter().map(ToString::to_string);
        let twice = world.errands.iter().filter(|(_, errand)| errand.started > 1);
        let twice = twice.map(|(key, _)| format!("G6: {key} was started twice"));
        let unserved = world.sites.keys().filter_map(|track| world.is_unserved(track));
        broken.chain(twice).chain(unserved.map(|how| format!("G8: {how}"))).collect()
    }

    fn trail(&self, lines: usize) -> String {
        self.platform.world().trail.tail(lines)
    }
}

/// Who serves: where it is one side alone, which it was before does not matter.
fn served(spread: &Spread) -> String {
    let side = |side: &Option<Side>| side.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    match spread {
        Spread::Split { to, split, .. } if split.is_whole() && split.candidate.is_whole() => side(to),
        Spread::Split { from, split, .. } if split.is_whole() => side(from),
        spread => format!("{spread:?}"),
    }
}

/// What an engine asks besides its platform. All of it has boundaries.
#[derive(Debug, Clone)]
struct Outside {
    platform: Platform,
    life: Life,
}

impl Outside {
    fn is_well(&self, id: &InstanceId) -> Health {
        let world = self.platform.world();
        let mut units = world.sites.values().flat_map(|site| &site.units);
        match units.find(|unit| unit.id == *id) {
            Some(unit) if unit.runs() && unit.is_well(world.now) => Health::Healthy,
            _ => Health::Unhealthy,
        }
    }
}

#[async_trait]
impl HealthCheck for Outside {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        self.life.call("probe", async { Ok(self.is_well(&target.instance)) }).await
    }
}

#[async_trait]
impl Gate for Outside {
    async fn ask(&self, _ask: &GateAsk) -> Result<Decision> {
        self.life.call("gate", async { Ok(Decision::Open) }).await
    }
}

#[async_trait]
impl MetricSource for Outside {
    async fn figures(&self, _track: &TrackRef, _side: &Side, _since: Timestamp) -> Result<Option<Figures>> {
        let figures = Figures { requests: 100, ..Figures::default() };
        self.life.call("judge", async { Ok(Some(figures)) }).await
    }
}
