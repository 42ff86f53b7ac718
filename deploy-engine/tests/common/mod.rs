//! A platform in memory, a clock that follows the runtime's, and the releases that tests bring in.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: each file uses a part of it"
)]

mod lossy;

pub use lossy::Lossy;

use async_trait::async_trait;
use deploy_core::{
    Capabilities, Deployer, Error, Fence, Folded, Frame, Health, HealthCheck, Instance, InstanceId, InstanceState,
    Kind, Memory, Name, Observed, Order, OrderSide, Probe, ProbeTarget, Release, Result, RevisionId, Running, Side,
    Source, Spec, Spread, StrategyRef, TaskAct, TaskOutcome, TaskRun, Timestamp, Token, TrackRef, TrafficSeen, Turn,
    Workload,
};
use deploy_engine::{Builder, Engine};
use futures::channel::mpsc;
use futures::stream::{BoxStream, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// A clock that follows the runtime's, paused or not.
pub fn tokio_clock() -> impl Fn() -> Timestamp + Send + Sync + 'static {
    let began = Instant::now();
    let zero: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    move || deploy_core::time::after(zero, began.elapsed())
}

pub fn memory() -> Memory {
    Memory::new(tokio_clock())
}

#[derive(Debug, Default)]
pub struct World {
    pub tracks: BTreeMap<TrackRef, Ran>,
    /// What was written: the call, the track, the token.
    pub writes: Vec<(&'static str, TrackRef, Token)>,
    pub tasks: BTreeMap<String, TaskOutcome>,
    /// Calls of converge take so long.
    pub slow: Duration,
    /// Observing fails.
    pub dark: bool,
    /// Observing this workload never answers.
    pub hangs: Option<String>,
    pub observed: u64,
    /// Observing takes so long.
    pub far: Duration,
    /// What was to be kept, each time.
    pub kept: Vec<Vec<String>>,
    /// How an older token is refused.
    pub fence: Option<Fence>,
    hints: Vec<mpsc::UnboundedSender<()>>,
}

#[derive(Debug, Default)]
pub struct Ran {
    pub instances: Vec<Instance>,
    pub spread: Spread,
    pub token: Token,
}

/// A platform in memory: what is ordered is there at once.
#[derive(Debug, Clone, Default)]
pub struct Tiny {
    pub world: Arc<Mutex<World>>,
    pub hints: bool,
    next: Arc<AtomicU64>,
}

impl Tiny {
    pub fn new() -> Self {
        Self { hints: true, ..Self::default() }
    }

    pub fn without_hints() -> Self {
        Self::default()
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub fn hint(&self) {
        self.lock().hints.retain(|hint| hint.unbounded_send(()).is_ok());
    }

    /// The revisions that stand, with how many of each.
    pub fn standing(&self, workload: &str) -> BTreeMap<String, usize> {
        let world = self.lock();
        let mut standing = BTreeMap::new();
        for (track, ran) in &world.tracks {
            for instance in ran.instances.iter().filter(|_| track.workload == *workload) {
                *standing.entry(instance.side.revision.to_string()).or_default() += 1;
            }
        }
        standing
    }

    fn written(&self, call: &'static str, track: &TrackRef, token: Token) -> Result<()> {
        let mut world = self.lock();
        let stands = world.tracks.entry(track.clone()).or_default();
        if token < stands.token {
            return Err(Error::new(Kind::Fenced, format!("{} stands, {token} came", stands.token)));
        }
        stands.token = token;
        world.writes.push((call, track.clone(), token));
        Ok(())
    }

    fn launch(&self, side: &Side) -> Instance {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        Instance {
            id: InstanceId::new(format!("i{number}")),
            side: side.clone(),
            slot: format!("s{number}").into(),
            state: InstanceState::Running,
            address: Some(format!("127.0.0.1:{}", 1000 + number)),
            ports: BTreeMap::new(),
            started: None,
            admitted: true,
            in_flight: Some(0),
            health: None,
        }
    }

    /// Takes a step; one instance at a time in place.
    fn step(&self, ran: &mut Ran, order: &Order<'_>) -> bool {
        let count = |ran: &Ran, side: &Side| ran.instances.iter().filter(|one| one.side == *side).count() as u32;
        let frame =
            Frame { from: order.from.as_ref().map(|side| &side.side), to: order.to.as_ref().map(|side| &side.side) };
        let mut moved = false;
        let spread = frame.spread(&order.traffic);
        if ran.spread != spread {
            ran.spread = spread;
            moved = true;
        }
        for OrderSide { side, count: wanted, .. } in order.sides() {
            while count(ran, side) < *wanted && (ran.instances.len() as u32) < order.ceiling.max(1) {
                ran.instances.push(self.launch(side));
                moved = true;
            }
        }
        let ready =
            |one: &Instance| order.health.get(&one.id).is_some_and(|folded: &Folded| folded.health == Health::Healthy);
        loop {
            let known: Vec<_> = order.sides().map(|side| &side.side).collect();
            let goes = ran.instances.iter().position(|one| {
                let extra = order.side(&one.side).is_none_or(|side| count(ran, &one.side) > side.count);
                (!known.contains(&&one.side) || extra)
                    && (!ready(one) || ran.instances.iter().filter(|other| ready(other)).count() as u32 > order.floor)
            });
            let Some(goes) = goes else { return moved };
            ran.instances.remove(goes);
            moved = true;
        }
    }
}

#[async_trait]
impl Deployer for Tiny {
    async fn capabilities(&self, _track: &TrackRef) -> Result<Capabilities> {
        Ok(Capabilities { fence: self.lock().fence.unwrap_or(Fence::Atomic), ..Capabilities::all() })
    }

    async fn observe(&self, track: &TrackRef) -> Result<Observed> {
        if self.lock().hangs.as_ref().is_some_and(|hangs| track.workload == **hangs) {
            std::future::pending::<()>().await;
        }
        let far = self.lock().far;
        if !far.is_zero() {
            tokio::time::sleep(far).await;
        }
        let mut world = self.lock();
        world.observed += 1;
        if world.dark {
            return Err(Error::new(Kind::Unavailable, "the platform is dark"));
        }
        let Some(ran) = world.tracks.get(track) else { return Ok(Observed::default()) };
        let mut sides: BTreeMap<Side, Vec<Instance>> = BTreeMap::new();
        for instance in &ran.instances {
            sides.entry(instance.side.clone()).or_default().push(instance.clone());
        }
        Ok(Observed {
            sides: sides.into_iter().map(|(side, all)| (side, Running::Instances(all))).collect(),
            traffic: Some(TrafficSeen {
                spread: ran.spread.clone(),
                evidence: deploy_core::Evidence::DataPlane,
                drained: true,
            }),
            token: ran.token,
            ..Observed::default()
        })
    }

    async fn converge(&self, order: &Order<'_>) -> Result<Turn> {
        let slow = self.lock().slow;
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        self.written("converge", order.track, order.token)?;
        if order.paused {
            return Ok(Turn::default());
        }
        let mut ran = self.lock().tracks.remove(order.track).unwrap_or_default();
        let moved = self.step(&mut ran, order);
        self.lock().tracks.insert(order.track.clone(), ran);
        Ok(Turn { moved, ..Turn::default() })
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        self.written("fence", track, token).map(|()| token)
    }

    async fn task(&self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        self.written("task", &run.track, token)?;
        let mut world = self.lock();
        let stands = world.tasks.entry(run.key.clone()).or_insert(TaskOutcome::NotStarted);
        if act == TaskAct::Start && *stands == TaskOutcome::NotStarted {
            *stands = TaskOutcome::Done;
        }
        Ok(stands.clone())
    }

    async fn prune(&self, _track: &TrackRef, keep: &[RevisionId]) -> Result<()> {
        self.lock().kept.push(keep.iter().map(ToString::to_string).collect());
        Ok(())
    }

    fn changes(&self, _track: &TrackRef) -> Option<BoxStream<'static, ()>> {
        if !self.hints {
            return None;
        }
        let (tell, told) = mpsc::unbounded();
        self.lock().hints.push(tell);
        Some(told.boxed())
    }

    async fn logs(&self, _track: &TrackRef, instance: &InstanceId, _lines: usize) -> Result<Vec<String>> {
        Ok(vec![format!("{instance} says hello")])
    }
}

/// Instances of these revisions are unhealthy, all others healthy.
#[derive(Debug, Clone, Default)]
pub struct Sick(pub Arc<Mutex<BTreeSet<String>>>);

#[async_trait]
impl HealthCheck for Sick {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        let sick = self.0.lock().unwrap();
        Ok(if sick.contains(target.side.revision.as_str()) { Health::Unhealthy } else { Health::Healthy })
    }
}

impl Sick {
    pub fn make(&self) -> impl Fn(&Probe) -> Result<Arc<dyn HealthCheck>> + Send + Sync + 'static {
        let sick = self.clone();
        move |_| Ok(Arc::new(sick.clone()))
    }

    pub fn add(&self, release: &Release) {
        self.0.lock().unwrap().insert(revision(release));
    }
}

pub fn name(name: &str) -> Name {
    name.parse().unwrap()
}

/// A release of `shop` with one workload `web` of three on target `here`, in environments `production` and `staging`.
pub fn release(version: &str, strategy: serde_json::Value) -> Release {
    let mut web = Workload::new(Source::Image(format!("shop/web:{version}")));
    web.replicas = 3;
    web.ports.insert(name("http"), 8080);
    web.health = Some(Probe::http("/healthz"));
    release_of(version, strategy, web)
}

pub fn release_of(version: &str, strategy: serde_json::Value, web: Workload) -> Release {
    let strategy: StrategyRef = serde_json::from_value(strategy).unwrap();
    let spec = Spec::new(name("shop"))
        .version(version)
        .workload(name("web"), web)
        .environment(name("production"), name("here"))
        .environment(name("staging"), name("here"))
        .strategy(strategy);
    Release::new(spec).unwrap()
}

pub fn rolling(version: &str) -> Release {
    release(version, "rolling".into())
}

pub fn blue_green(version: &str) -> Release {
    release(version, serde_json::json!({ "blue_green": { "bake": "10s" } }))
}

pub fn revision(release: &Release) -> String {
    release.resolve(&name("production"), &name("web")).unwrap().revision.id.to_string()
}

pub fn builder(store: &Memory, tiny: &Tiny) -> Builder {
    Engine::builder().store(store.clone()).target("here", tiny.clone()).health_check(Sick::default().make())
}

/// Waits until something is so; fails after an hour of the runtime's time.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let all = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), all).await.expect("it never became so");
}
