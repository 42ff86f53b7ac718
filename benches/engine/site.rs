//! A place on this machine where ten processes of the demonstration application are moved.

use deploy_core::{Instances, Name, Probe, Release, Source, Spec, StrategyRef, Token, TrackRef, Workload};
use deploy_physical::{Machine, ThisMachine};
use deploy_testkit::load::{Load, Report, Running};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// So many processes serve.
pub(crate) const COUNT: u32 = 10;
/// So many more may stand in a rolling update.
pub(crate) const SURGE: u32 = 2;
/// A process listens so long after its start.
const START: Duration = Duration::from_millis(300);
/// From one answer of a probe to the next question.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);
/// Healthy so long, it is ready.
pub(crate) const MIN_READY: Duration = Duration::from_millis(100);
/// At most so long it finishes what it has in flight.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// Folders, ports and the releases of one side of a comparison.
pub(crate) struct Site {
    folder: TempDir,
    port: u16,
    slots: u16,
}

impl Site {
    pub(crate) fn new() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder: tempfile::tempdir().unwrap(), port, slots: free_slots() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The port that clients use.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn machine(&self) -> Machine {
        let root = self.folder().join("machine");
        let ports = self.slots..=self.slots + SLOTS - 1;
        ThisMachine::builder().root(root).ports(ports).slots_per_workload(SLOTS).build().unwrap()
    }

    /// A release of this very program in the application's role.
    pub(crate) fn release(&self, version: &str, strategy: StrategyRef) -> Release {
        let program = std::env::current_exe().unwrap().to_string_lossy().into_owned();
        let mut web = Workload::new(Source::Command(vec![program]));
        web.replicas = COUNT;
        web.ports.insert("http".parse().unwrap(), self.port);
        web.health = Some(Probe::http("/healthz").every(INTERVAL));
        web.drain = DRAIN;
        web.grace = Duration::from_secs(5);
        let start = START.as_millis().to_string();
        let own = [("DEPLOY_ROLE", "app"), ("APP_VERSION", version), ("APP_START_DELAY_MS", start.as_str())];
        web.env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let spec = Spec::new(name("shop")).version(version).workload(name("web"), web);
        Release::new(spec.environment(environment(), name("here")).strategy(strategy)).unwrap()
    }

    /// Requests while processes are moved. None is slow: a drain would be as long as chance has it, and hide what is compared.
    pub(crate) fn load(&self) -> Running {
        Load::to(format!("127.0.0.1:{}", self.port)).rate(200).slow_percent(0.0).sockets(0).start().unwrap()
    }

    /// Ends all processes.
    pub(crate) async fn close(&self) {
        let (machine, track) = (self.machine(), track());
        for _ in 0..500 {
            let left = machine.list(&track).await.unwrap();
            if left.is_empty() {
                return;
            }
            let token = machine.token(&track).await.unwrap();
            for instance in &left {
                machine.stop(&track, &instance.id, Duration::ZERO, token.max(Token::new(1, 1))).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Rolling with the surge, or blue-green that keeps nothing longer than it must.
pub(crate) fn strategy(strategy: &str) -> StrategyRef {
    let min_ready = format!("{}ms", MIN_READY.as_millis());
    let settings = match strategy {
        "rolling" => json!({ "max_surge": SURGE, "min_ready": min_ready }),
        _ => json!({ "scale_down_delay": "0s", "min_ready": min_ready }),
    };
    with_settings(strategy, &settings)
}

pub(crate) fn with_settings(strategy: &str, settings: &Value) -> StrategyRef {
    serde_json::from_value(json!({ strategy: settings })).unwrap()
}

pub(crate) fn environment() -> Name {
    name("bench")
}

pub(crate) fn name(name: &str) -> Name {
    name.parse().unwrap()
}

pub(crate) fn track() -> TrackRef {
    "shop/bench/web@here".parse().unwrap()
}

/// What was lost, and of how many.
pub(crate) fn lost(report: &Report) -> (u64, u64) {
    let total = report.total();
    (total.lost, total.sent)
}

/// So many instances have room.
const SLOTS: u16 = 24;

/// The first port of a range that nobody listens on.
fn free_slots() -> u16 {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let from = 20_000 + (std::process::id() % 400) as u16 * SLOTS;
    let mut firsts = (from..32_000).step_by(usize::from(SLOTS));
    firsts.find(|first| (*first..first + SLOTS).all(is_free)).unwrap()
}
