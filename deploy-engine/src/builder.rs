//! Building an engine.

use crate::engine::{Core, Engine, Judges};
use crate::gates::Gates;
use crate::hints::Hints;
use crate::layers::{Retry, Timeout};
use crate::lease::Leases;
use crate::notifier::Told;
use crate::{ThresholdJudge, Timeouts};
use deploy_core::{
    Deployer, Error, Gate, HealthCheck, Judge, Memory, MetricSource, Name, Notifier, Probe, Result, Store, Strategies,
    Timestamp,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Finds the check of a probe.
pub(crate) type Checks = Arc<dyn Fn(&Probe) -> Result<Arc<dyn HealthCheck>> + Send + Sync>;

/// Builds an [`Engine`]. Setters cannot fail; [`build`](Self::build) can.
#[must_use]
pub struct Builder {
    store: Option<Arc<dyn Store>>,
    targets: BTreeMap<String, Arc<dyn Deployer>>,
    strategies: Arc<dyn Strategies>,
    gates: Gates,
    judges: Judges,
    metrics: BTreeMap<String, Arc<dyn MetricSource>>,
    notifiers: Vec<Arc<dyn Notifier>>,
    checks: Checks,
    at_once: usize,
    ttl: Duration,
    take_over: Option<Duration>,
    timeouts: Timeouts,
    name: String,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("targets", &self.targets.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "strategies")]
fn strategies() -> Arc<dyn Strategies> {
    Arc::new(deploy_strategies::Registry::default())
}

#[cfg(not(feature = "strategies"))]
fn strategies() -> Arc<dyn Strategies> {
    Arc::new(NoStrategies)
}

/// No strategy at all: what stands where none was given.
#[cfg(not(feature = "strategies"))]
#[derive(Debug)]
struct NoStrategies;

#[cfg(not(feature = "strategies"))]
impl Strategies for NoStrategies {
    fn get(&self, strategy: &deploy_core::StrategyRef) -> Result<Arc<dyn deploy_core::Strategy>> {
        let message = format!("there is no strategy `{strategy}`: this engine was built without strategies");
        Err(Error::new(deploy_core::Kind::NotFound, message))
    }
}

impl Default for Builder {
    fn default() -> Self {
        let threshold = |settings: &Map<String, Value>| {
            ThresholdJudge::from_settings(settings).map(|judge| Arc::new(judge) as Arc<dyn Judge>)
        };
        Self {
            store: None,
            targets: BTreeMap::new(),
            strategies: strategies(),
            gates: Gates::new(),
            judges: BTreeMap::from([("threshold".to_owned(), Arc::new(threshold) as _)]),
            metrics: BTreeMap::new(),
            notifiers: Vec::new(),
            checks: Arc::new(deploy_health::check),
            at_once: 3,
            ttl: Duration::from_secs(15),
            take_over: None,
            timeouts: Timeouts::default(),
            name: "engine".to_owned(),
        }
    }
}

impl Builder {
    /// Where records are kept. Default: in memory, which ends with the process.
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// A place that runs workloads, by the name that specs call it. Reads of it are asked again where they fail in
    /// passing, and every call has its timeout.
    pub fn target(mut self, name: impl Into<String>, deployer: impl Deployer + 'static) -> Self {
        self.targets.insert(name.into(), Arc::new(deployer));
        self
    }

    /// Finds strategies by name. Default: those of `deploy-strategies`, where the feature `strategies` is on.
    pub fn strategies(mut self, strategies: impl Strategies + 'static) -> Self {
        self.strategies = Arc::new(strategies);
        self
    }

    /// Decides gates of a kind. The kind `approval` is people's, by [`Engine::approve`] and [`Engine::reject`].
    pub fn gate(mut self, kind: impl Into<String>, gate: impl Gate + 'static) -> Self {
        self.gates.insert(kind.into(), Arc::new(gate));
        self
    }

    /// Makes judges of a name from their settings. `threshold` is there already.
    pub fn judge(
        mut self,
        name: impl Into<String>,
        make: impl Fn(&Map<String, Value>) -> Result<Arc<dyn Judge>> + Send + Sync + 'static,
    ) -> Self {
        self.judges.insert(name.into(), Arc::new(make));
        self
    }

    /// Where the figures of a target come from, for judges.
    pub fn metrics(mut self, target: impl Into<String>, source: impl MetricSource + 'static) -> Self {
        self.metrics.insert(target.into(), Arc::new(source));
        self
    }

    /// Is told every event.
    pub fn notifier(mut self, notifier: impl Notifier + 'static) -> Self {
        self.notifiers.push(Arc::new(notifier));
        self
    }

    /// Makes the checks of probes, in place of those of `deploy-health`.
    pub fn health_check(
        mut self,
        make: impl Fn(&Probe) -> Result<Arc<dyn HealthCheck>> + Send + Sync + 'static,
    ) -> Self {
        self.checks = Arc::new(make);
        self
    }

    /// So many deployments at once; the others are pending, in order. Default 3, at least 1.
    pub fn at_once(mut self, deployments: usize) -> Self {
        self.at_once = deployments.max(1);
        self
    }

    /// How long a lease lasts that is not renewed: so long after a kill another engine takes over. Default 15 s.
    ///
    /// On a platform whose [fence](deploy_core::Fence) is not atomic no write takes longer than half of it, or is begun
    /// with less than that left: choose it so that half of it is enough for one step there.
    pub fn lease(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How often a living engine looks for what another one left unfinished: one query of the store for all that is
    /// unfinished, and one claim for each of those that nobody sees to here. So work is taken over within the rest of the
    /// dead engine's lease and this interval. What is on targets that this engine does not have is left alone.
    /// Default: half a lease, so 7.5 s; at least 100 ms.
    pub fn take_over(mut self, every: Duration) -> Self {
        self.take_over = Some(every);
        self
    }

    /// How long single calls may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// What this engine is called in leases, and as the actor of what nobody else is named for. Default `engine`.
    /// Something unique is added in leases, so that two engines, or one before and after a kill, are never taken for one.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Builds it, and takes over what its store holds unfinished, now and [later](Self::take_over).
    ///
    /// # Errors
    /// `Invalid` for a target that has no name, a lease or a look for what others left shorter than 100 ms; what the
    /// store says.
    ///
    /// # Cancel safety
    /// May be dropped: what was taken over is dropped like an [`Engine`] is.
    pub async fn build(self) -> Result<Engine> {
        let shortest = Duration::from_millis(100);
        if self.ttl < shortest {
            return Err(Error::at("lease", "a lease lasts at least 100 ms"));
        }
        let take_over = self.take_over.unwrap_or((self.ttl / 2).max(shortest));
        if take_over < shortest {
            return Err(Error::at("take_over", "at least 100 ms lie between two looks for what other engines left"));
        }
        let store = self.store.unwrap_or_else(|| Arc::new(Memory::new(Timestamp::now)));
        let timeouts = self.timeouts;
        let layered =
            |deployer| -> Arc<dyn Deployer> { Arc::new(Retry::new(Arc::new(Timeout::new(deployer, timeouts)))) };
        let holder = format!("{}/{}", self.name, uuid::Uuid::now_v7());
        let core = Core {
            leases: Leases::new(store.clone(), holder, self.ttl),
            hints: Hints::begin(store.as_ref()),
            store,
            targets: by_name("target", self.targets)?.into_iter().map(|(name, one)| (name, layered(one))).collect(),
            strategies: self.strategies,
            gates: self.gates,
            judges: self.judges,
            metrics: by_name("metrics", self.metrics)?,
            told: self.notifiers.into_iter().map(|one| Told::begin(one, timeouts.outside)).collect(),
            checks: self.checks,
            places: Arc::new(tokio::sync::Semaphore::new(self.at_once)),
            timeouts,
            name: self.name,
            take_over,
        };
        Engine::begin(core).await
    }
}

fn by_name<T>(at: &str, all: BTreeMap<String, T>) -> Result<BTreeMap<Name, T>> {
    let named = |(name, one): (String, T)| Ok((Name::new(name).map_err(|error| error.with("at", at))?, one));
    all.into_iter().map(named).collect()
}
