//! The engine: what it is made of, and the tasks it runs.

use crate::builder::{Builder, Checks};
use crate::gates::Gates;
use crate::hints::Hints;
use crate::lease::Leases;
use crate::missing::Missing;
use crate::notifier::Told;
use crate::runner::{self, Keen, Runner, WakeUps};
use crate::{Timeouts, history};
use deploy_core::planner::{self, Known, Planning};
use deploy_core::{
    Actor, Capabilities, Deployer, DeploymentId, Error, Event, Filter, Judge, Kind, MetricSource, Name, Observed, Plan,
    Record, Release, Result, Scope, Store, Strategies, Timestamp, Track, TrackRef, What,
};
use futures::future::try_join_all;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Makes a judge of its settings.
pub(crate) type MakeJudge =
    Arc<dyn Fn(&serde_json::Map<String, serde_json::Value>) -> Result<Arc<dyn Judge>> + Send + Sync>;
/// Judges by name.
pub(crate) type Judges = BTreeMap<String, MakeJudge>;

/// Brings releases to environments. Cheap to clone; all clones are one engine.
///
/// Dropping the last clone is like a crash of the process: calls in hand are dropped, nothing more is written, and what
/// was unfinished is taken over when the lease has ended. [`shutdown`](Self::shutdown) ends it in good order.
#[derive(Clone)]
pub struct Engine {
    running: Arc<Running>,
}

/// What all parts of an engine share.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hints: Hints,
    pub(crate) targets: BTreeMap<Name, Arc<dyn Deployer>>,
    pub(crate) strategies: Arc<dyn Strategies>,
    pub(crate) gates: Gates,
    pub(crate) judges: Judges,
    pub(crate) metrics: BTreeMap<Name, Arc<dyn MetricSource>>,
    pub(crate) told: Vec<Told>,
    pub(crate) checks: Checks,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) leases: Leases,
    pub(crate) timeouts: Timeouts,
    pub(crate) name: String,
    /// It looks so often for what another engine left.
    pub(crate) take_over: Duration,
}

struct Running {
    core: Arc<Core>,
    ending: CancellationToken,
    tasks: TaskTracker,
    runners: Mutex<BTreeMap<DeploymentId, At>>,
}

/// One runner.
struct At {
    task: AbortHandle,
    wake_ups: Arc<Mutex<WakeUps>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lock().values().for_each(|runner| runner.task.abort());
    }
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeploymentId, At>> {
        self.runners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = &self.running.core;
        f.debug_struct("Engine")
            .field("name", &core.name)
            .field("targets", &core.targets.keys())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Begins to build one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) async fn begin(core: Core) -> Result<Self> {
        let running = Running {
            core: Arc::new(core),
            ending: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runners: Mutex::default(),
        };
        let engine = Self { running: Arc::new(running) };
        engine.take_over(Keen::Stays).await?;
        let (core, ending) = (engine.core().clone(), engine.running.ending.clone());
        let rounds = rounds(Arc::downgrade(&engine.running), core.take_over, ending);
        tokio::spawn(engine.running.tasks.track_future(rounds));
        Ok(engine)
    }

    /// Looks after whatever is unfinished in the store, in the order it was asked for.
    async fn take_over(&self, keen: Keen) -> Result<()> {
        let unfinished = Filter { active: Some(true), ..Filter::default() };
        for summary in self.store().list(&unfinished).await?.into_iter().rev() {
            tracing::debug!(deployment = %summary.id, scope = %summary.scope, status = %summary.status, "unfinished");
            self.begin_runner(&summary.id, &summary.scope, keen);
        }
        Ok(())
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.running.core
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.running.core.store
    }

    /// Who acts where nobody else is named.
    pub(crate) fn itself(&self) -> Actor {
        Actor::new(&self.running.core.name)
    }

    /// Whether it was shut down.
    pub(crate) fn is_ending(&self) -> bool {
        self.running.ending.is_cancelled()
    }

    /// Sees to a deployment until it ends. Once for each, however often it is asked for.
    pub(crate) fn look_after(&self, id: &DeploymentId, scope: &Scope) {
        self.begin_runner(id, scope, Keen::Stays);
    }

    fn begin_runner(&self, id: &DeploymentId, scope: &Scope, keen: Keen) {
        let mut runners = self.running.lock();
        if self.is_ending() || runners.get(id).is_some_and(|runner| !runner.task.is_finished()) {
            return;
        }
        let wake_ups = runners.get(id).map(|runner| runner.wake_ups.clone()).unwrap_or_default();
        let runner = Runner {
            core: self.core().clone(),
            id: id.clone(),
            scope: scope.clone(),
            ending: self.running.ending.clone(),
            wake_ups: wake_ups.clone(),
            keen,
        };
        let task = tokio::spawn(self.running.tasks.track_future(runner::run(runner))).abort_handle();
        runners.insert(id.clone(), At { task, wake_ups });
    }

    /// How often a deployment that this engine runs, or ran, was looked at, and why.
    pub fn wake_ups(&self, id: &DeploymentId) -> WakeUps {
        let runners = self.running.lock();
        let counted = runners.get(id).map(|runner| *runner.wake_ups.lock().unwrap_or_else(PoisonError::into_inner));
        counted.unwrap_or_default()
    }

    /// Ends in good order: no deployment is taken further, calls in hand are ended, leases are given back. What is
    /// unfinished goes on when an engine is built on the same store. Operations are refused from now on.
    ///
    /// # Cancel safety
    /// May be dropped: it ends all the same, unseen.
    pub async fn shutdown(&self) {
        self.running.ending.cancel();
        self.running.tasks.close();
        self.running.tasks.wait().await;
    }
}

/// Looks again and again for what other engines left. Holds no engine alive.
async fn rounds(running: Weak<Running>, every: Duration, ending: CancellationToken) {
    loop {
        tokio::select! {
            () = ending.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let Some(running) = running.upgrade() else { return };
        if let Err(error) = (Engine { running }).take_over(Keen::Leaves).await {
            tracing::warn!(%error, "could not look for what other engines left");
        }
    }
}

/// A track's platform as it is now.
type Platform = (TrackRef, (Capabilities, Observed));

impl Core {
    /// The deployer of a track's target.
    pub(crate) fn deployer(&self, track: &TrackRef) -> Arc<dyn Deployer> {
        self.targets.get(&track.target).cloned().unwrap_or_else(|| Arc::new(Missing(track.target.clone())))
    }

    /// What can be refused at once: unknown environment, target, strategy, gate; a probe that cannot be made.
    pub(crate) fn validate(&self, release: &Release, environment: &Name) -> Result<()> {
        for workload in release.spec.workloads.keys() {
            let resolved = release.resolve(environment, workload)?;
            if !self.targets.contains_key(&resolved.target) {
                return Err(self.unknown_target(workload, &resolved.target));
            }
            self.strategies.get(&resolved.strategy).map_err(|error| error.with("workload", workload))?;
            if let Some(probe) = &resolved.workload.health {
                (self.checks)(probe).map_err(|error| error.with("workload", workload))?;
            }
        }
        let gates = &release.spec.environment_of(environment)?.gates;
        gates.iter().try_for_each(|gate| self.knows_gate(&gate.kind))
    }

    /// Whether it has every target that a deployment is on: one that has not leaves it to an engine that has.
    pub(crate) fn serves(&self, record: &Record) -> bool {
        let planned = history::tracks_of(&record.request.release, &record.scope.environment);
        record.tracks.keys().chain(&planned).all(|track| self.targets.contains_key(&track.target))
    }

    fn unknown_target(&self, workload: &Name, target: &Name) -> Error {
        let known: Vec<_> = self.targets.keys().map(Name::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message =
            format!("workload `{workload}` is to run on `{target}`, which this engine does not have; it has: {known}");
        Error::new(Kind::NotFound, message)
    }

    fn knows_gate(&self, kind: &str) -> Result<()> {
        if kind == "approval" || self.gates.contains_key(kind) {
            return Ok(());
        }
        let known: Vec<_> = std::iter::once("approval").chain(self.gates.keys().map(String::as_str)).collect();
        let message = format!("there is no gate of kind `{kind}`; this engine has: {}", known.join(", "));
        Err(Error::new(Kind::NotFound, message))
    }

    /// Makes a plan of what runs now. Nothing is touched, no token is written.
    pub(crate) async fn plan(&self, release: &Release, environment: &Name, known: &Known) -> Result<Plan> {
        let tracks = planner::tracks(release, environment, known)?;
        let platforms = try_join_all(tracks.into_iter().map(|track| self.platform(track))).await?;
        let planning = Planning {
            release,
            environment,
            strategies: self.strategies.as_ref(),
            platforms: platforms.into_iter().collect(),
            known,
            now: self.store.now().await?,
        };
        let plan = planner::plan(&planning)?;
        self.can_hold(&plan)?;
        try_join_all(plan.tracks.iter().map(|(track, planned)| self.check(track, planned))).await?;
        Ok(plan)
    }

    async fn check(&self, track: &TrackRef, planned: &Track) -> Result<()> {
        self.deployer(track).check(track, planned).await
    }

    async fn platform(&self, track: TrackRef) -> Result<Platform> {
        let deployer = self.deployer(&track);
        let seen = futures::future::try_join(deployer.capabilities(&track), deployer.observe(&track)).await;
        seen.map(|seen| (track.clone(), seen)).map_err(|error| error.with("track", &track))
    }

    /// Whether every judge and gate of a plan is known here, and judged tracks have figures.
    fn can_hold(&self, plan: &Plan) -> Result<()> {
        for (track, planned) in &plan.tracks {
            for stage in planned.before.iter().chain(&planned.after) {
                let holds = &stage.stage.holds;
                if let Some(gate) = &holds.gate {
                    self.knows_gate(&gate.kind).map_err(|error| error.with("track", track))?;
                }
                if let Some(judge) = &holds.judge {
                    self.knows_judge(judge, track).map_err(|error| error.with("track", track))?;
                }
            }
        }
        Ok(())
    }

    fn knows_judge(&self, judge: &deploy_core::JudgeSpec, track: &TrackRef) -> Result<()> {
        self.judge(judge)?;
        if self.metrics.contains_key(&track.target) {
            return Ok(());
        }
        let message =
            format!("judge `{}` has no figures: give the engine `metrics` of target `{}`", judge.name, track.target);
        Err(Error::new(Kind::Unsupported, message))
    }

    pub(crate) fn judge(&self, spec: &deploy_core::JudgeSpec) -> Result<Arc<dyn Judge>> {
        let make = self.judges.get(&spec.name).ok_or_else(|| {
            let known: Vec<_> = self.judges.keys().map(String::as_str).collect();
            let message = format!("there is no judge `{}`; this engine has: {}", spec.name, known.join(", "));
            Error::new(Kind::NotFound, message)
        })?;
        make(&spec.settings)
    }

    /// The first event is the store's own; whoever is told of events is told of it here.
    pub(crate) fn tell_requested(&self, record: &Record) {
        let what = What::Requested { request: Box::new((*record.request).clone()), actor: record.actor.clone() };
        let (record, event) = (Arc::new(record.clone()), Event { number: 1, at: record.created, what });
        self.told.iter().for_each(|told| told.tell(&record, &event));
    }

    pub(crate) async fn known(&self, scope: &Scope) -> Result<Known> {
        history::known(self.store.as_ref(), scope).await
    }

    pub(crate) async fn now(&self) -> Result<Timestamp> {
        self.store.now().await
    }
}
