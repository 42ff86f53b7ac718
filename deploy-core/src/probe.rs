//! How an instance is asked whether it is well.

use crate::time::human;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A check and its timing. Written as in `{ http: { path: /healthz }, interval: 1s }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
#[schemars(with = "Written")]
pub struct Probe {
    /// What is asked.
    pub check: Check,
    /// When and how often.
    pub timing: Timing,
}

/// When and how often a check is asked, and how many answers decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Nothing is asked before an instance is so old. Default 0.
    pub initial_delay: Duration,
    /// From one answer to the next question. Default 1 s, at least 10 ms.
    pub interval: Duration,
    /// An answer later than this is none: unhealthy for a check that was sent. Default 1 s.
    pub timeout: Duration,
    /// So many good answers in a row make it healthy. Default 1.
    pub healthy: u32,
    /// So many bad answers in a row make it unhealthy. Default 3.
    pub unhealthy: u32,
}

impl Default for Timing {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self { initial_delay: Duration::ZERO, interval: second, timeout: second, healthy: 1, unhealthy: 3 }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// An HTTP request.
    Http(HttpCheck),
    /// A TCP connection can be made to the instance's port.
    Tcp(TcpCheck),
    /// A command exits with 0; it runs where the engine runs, with `HOST`, `PORT` and `INSTANCE` set.
    Command(CommandCheck),
    /// The gRPC health protocol says SERVING.
    Grpc(GrpcCheck),
    /// The platform says that its process runs.
    Process {},
    /// All of these are healthy.
    All(Vec<Check>),
    /// One of these is healthy.
    Any(Vec<Check>),
    /// This is unhealthy.
    Not(Box<Check>),
}

/// An HTTP request and what a good answer is. Redirects are not followed unless asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpCheck {
    /// The path with its query. Default `/`.
    pub path: String,
    /// The method. Default GET.
    pub method: String,
    /// The lowest and the highest good status. Default 200 to 399 (a redirect that is not followed is good).
    pub status: (u16, u16),
    /// Headers sent along.
    pub headers: BTreeMap<String, String>,
    /// What the body has to contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A response header that has to bear the instance's version label or revision id: proof that the right one answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_header: Option<String>,
    /// Follows up to 5 redirects to the same host. Default false.
    pub follow_redirects: bool,
    /// The port's name in the spec; default the routed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            path: "/".into(),
            method: "GET".into(),
            status: (200, 399),
            headers: BTreeMap::new(),
            body: None,
            version_header: None,
            follow_redirects: false,
            port: None,
        }
    }
}

/// A TCP connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TcpCheck {
    /// The port's name in the spec; default the routed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
}

/// A command, without a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandCheck {
    /// The program and its arguments.
    pub run: Vec<String>,
}

/// The gRPC health protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcCheck {
    /// The service asked for; empty: the whole server.
    pub service: String,
    /// The port's name in the spec; default the routed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
}

impl Probe {
    /// A check with the default timing.
    pub fn new(check: Check) -> Self {
        Self { check, timing: Timing::default() }
    }

    /// `GET path` answers 200 to 399.
    pub fn http(path: impl Into<String>) -> Self {
        Self::new(Check::Http(HttpCheck { path: path.into(), ..HttpCheck::default() }))
    }

    /// A TCP connection can be made.
    pub fn tcp() -> Self {
        Self::new(Check::Tcp(TcpCheck::default()))
    }

    /// The process runs.
    pub fn process() -> Self {
        Self::new(Check::Process {})
    }

    /// Asks so often.
    #[must_use]
    pub const fn every(mut self, interval: Duration) -> Self {
        self.timing.interval = interval;
        self
    }
}

/// Exactly one check (`http`, `tcp`, `command`, `grpc`, `process`, `all`, `any`, `not`), and its timing.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Probe")]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<HttpCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<TcpCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<CommandCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<GrpcCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Vec<Check>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    any: Option<Vec<Check>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not: Option<Box<Check>>,
    #[serde(with = "human::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    initial_delay: Option<Duration>,
    #[serde(with = "human::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    interval: Option<Duration>,
    #[serde(with = "human::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unhealthy: Option<u32>,
}

impl TryFrom<Written> for Probe {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        let usual = Timing::default();
        let timing = Timing {
            initial_delay: written.initial_delay.unwrap_or(usual.initial_delay),
            interval: written.interval.unwrap_or(usual.interval),
            timeout: written.timeout.unwrap_or(usual.timeout),
            healthy: written.healthy.unwrap_or(usual.healthy),
            unhealthy: written.unhealthy.unwrap_or(usual.unhealthy),
        };
        let checks = [
            written.http.map(Check::Http),
            written.tcp.map(Check::Tcp),
            written.command.map(Check::Command),
            written.grpc.map(Check::Grpc),
            written.process.map(|_| Check::Process {}),
            written.all.map(Check::All),
            written.any.map(Check::Any),
            written.not.map(Check::Not),
        ];
        let mut named = checks.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(check), None) => Ok(Self { check, timing }),
            _ => {
                Err("health has exactly one of `http`, `tcp`, `command`, `grpc`, `process`, `all`, `any`, `not`".into())
            }
        }
    }
}

impl From<Probe> for Written {
    fn from(probe: Probe) -> Self {
        let mut written = Self {
            initial_delay: Some(probe.timing.initial_delay),
            interval: Some(probe.timing.interval),
            timeout: Some(probe.timing.timeout),
            healthy: Some(probe.timing.healthy),
            unhealthy: Some(probe.timing.unhealthy),
            ..Self::default()
        };
        match probe.check {
            Check::Http(check) => written.http = Some(check),
            Check::Tcp(check) => written.tcp = Some(check),
            Check::Command(check) => written.command = Some(check),
            Check::Grpc(check) => written.grpc = Some(check),
            Check::Process {} => written.process = Some(BTreeMap::new()),
            Check::All(checks) => written.all = Some(checks),
            Check::Any(checks) => written.any = Some(checks),
            Check::Not(check) => written.not = Some(check),
        }
        written
    }
}
