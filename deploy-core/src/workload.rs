//! One service of an application.

use crate::time::human;
use crate::{Budget, Name, Probe, SecretRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// What sort of service it is. Data to core; backends give it meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// Answers browsers.
    #[default]
    WebApplication,
    /// Answers programs.
    ApiService,
    /// Keeps data; exclusive unless said otherwise.
    Database,
    /// One of many small services.
    Microservice,
    /// Files behind a web server.
    StaticSite,
    /// Any container.
    Container,
    /// Scales to zero by itself: how many run is the platform's own business, and its revision is what is counted.
    Serverless,
    /// A kind of one's own, by its name.
    #[serde(untagged)]
    Custom(Name),
}

impl WorkloadKind {
    /// A kind of one's own.
    pub const fn custom(name: Name) -> Self {
        Self::Custom(name)
    }
}

/// Where the bits of a workload come from. Written with one key, as in `{ image: "…" }`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A container image, best by digest.
    Image(String),
    /// A file: `.tar.gz`, `.tgz`, `.tar.zst`, or a single binary.
    Artifact(FileSource),
    /// A directory.
    Directory(FileSource),
    /// A program that is there already: it and its arguments.
    Command(Vec<String>),
}

/// A file or directory on the engine's host, held to its digest and size.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "FileWritten", into = "FileWritten")]
#[schemars(with = "FileWritten")]
pub struct FileSource {
    /// Its path.
    pub path: String,
    /// The SHA-256 of the file, or of a directory's listing of relative paths, modes and digests, in hexadecimal. Filled in when a spec is loaded.
    pub sha256: Option<String>,
    /// Its size in bytes, where it is to be checked.
    pub size: Option<u64>,
}

impl FileSource {
    /// A path whose digest is still to be taken.
    pub fn path(path: impl Into<String>) -> Self {
        Self { path: path.into(), sha256: None, size: None }
    }
}

/// A path, or a path with what it has to be.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "FileSource")]
enum FileWritten {
    /// The path alone.
    Path(String),
    /// The path with its digest and size.
    Held(Held),
}

/// A path with its digest and size.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Held {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl From<FileWritten> for FileSource {
    fn from(written: FileWritten) -> Self {
        match written {
            FileWritten::Path(path) => Self::path(path),
            FileWritten::Held(Held { path, sha256, size }) => Self { path, sha256, size },
        }
    }
}

impl From<FileSource> for FileWritten {
    fn from(FileSource { path, sha256, size }: FileSource) -> Self {
        match (&sha256, size) {
            (None, None) => Self::Path(path),
            _ => Self::Held(Held { path, sha256, size }),
        }
    }
}

/// What one instance may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Thousandths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u32>,
    /// Mebibytes of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
}

/// All that an instance is made from; its digest is the revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// What sort of service.
    pub kind: WorkloadKind,
    /// Where the bits come from.
    pub source: Source,
    /// The program and its arguments, relative to the release for an artifact or directory; empty for what the source says.
    pub command: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values are secret.
    pub secrets: BTreeMap<String, SecretRef>,
    /// Ports by name. The routed one is `http`, or the only one, or the first by name.
    pub ports: BTreeMap<Name, u16>,
    /// How it is asked whether it is well; without, that its process runs.
    pub health: Option<Probe>,
    /// What it may use.
    pub resources: Resources,
    /// How long it may finish what it has in flight before it is told to stop.
    #[serde(with = "human")]
    pub drain: Duration,
    /// How long it may take to stop before it is killed.
    #[serde(with = "human")]
    pub grace: Duration,
}

impl InstanceSpec {
    /// The numbers of all ports, the routed one first.
    pub fn port_numbers(&self) -> Vec<u16> {
        port_numbers(&self.ports)
    }

    /// The routed port's name and number.
    pub fn routed_port(&self) -> Option<(&Name, u16)> {
        routed_port(&self.ports)
    }

    /// Whether how many run is the platform's own business, and the revision is what is counted.
    pub fn is_serverless(&self) -> bool {
        self.kind == WorkloadKind::Serverless
    }
}

/// The numbers of ports, the routed one first: `http`, else the first by name.
pub fn port_numbers(ports: &BTreeMap<Name, u16>) -> Vec<u16> {
    let routed = routed_port(ports).map(|(_, port)| port);
    let rest = ports.values().copied().filter(|port| Some(*port) != routed);
    routed.into_iter().chain(rest).collect()
}

fn routed_port(ports: &BTreeMap<Name, u16>) -> Option<(&Name, u16)> {
    let named = ports.iter().find(|(name, _)| *name == "http");
    named.or_else(|| ports.iter().next()).map(|(name, port)| (name, *port))
}

/// A strategy by name, with its settings. Written `rolling`, or `{ canary: { steps: [5%, 25%] } }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "StrategyWritten", into = "StrategyWritten")]
#[schemars(with = "StrategyWritten")]
pub struct StrategyRef {
    /// The registered name.
    pub name: String,
    /// Its settings, as the strategy reads them.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// A strategy's name, or its name with its settings.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "StrategyRef")]
enum StrategyWritten {
    /// By name, with the default settings.
    Name(String),
    /// One name with its settings.
    Settings(BTreeMap<String, Option<serde_json::Map<String, serde_json::Value>>>),
}

impl StrategyRef {
    /// A strategy with its default settings.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), settings: serde_json::Map::new() }
    }
}

impl Default for StrategyRef {
    fn default() -> Self {
        Self::named("rolling")
    }
}

impl TryFrom<StrategyWritten> for StrategyRef {
    type Error = String;
    fn try_from(written: StrategyWritten) -> Result<Self, String> {
        match written {
            StrategyWritten::Name(name) => Ok(Self::named(name)),
            StrategyWritten::Settings(map) if map.len() == 1 => {
                let (name, settings) = map.into_iter().next().unwrap_or_default();
                Ok(Self { name, settings: settings.unwrap_or_default() })
            }
            StrategyWritten::Settings(_) => Err("a strategy is one name, or one name with its settings".into()),
        }
    }
}

impl From<StrategyRef> for StrategyWritten {
    fn from(StrategyRef { name, settings }: StrategyRef) -> Self {
        if settings.is_empty() { Self::Name(name) } else { Self::Settings([(name, Some(settings))].into()) }
    }
}

impl fmt::Display for StrategyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// One service of an application, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// What sort of service. Default `web_application`.
    #[serde(default)]
    pub kind: WorkloadKind,
    /// Where the bits come from.
    pub source: Source,
    /// The program and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// How many instances. Default 1.
    #[serde(default = "one")]
    pub replicas: u32,
    /// Ports by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<Name, u16>,
    /// Whether requests are routed to it. Default: when it has ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routed: Option<bool>,
    /// At most one instance at a time. Default: when it is a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive: Option<bool>,
    /// How it is asked whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Probe>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values are secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretRef>,
    /// What one instance may use.
    #[serde(default)]
    pub resources: Resources,
    /// Workloads that have to be there first.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub depends_on: BTreeSet<Name>,
    /// How it is brought to a new release, where it differs from the application's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyRef>,
    /// How long an instance may finish what it has in flight before it is told to stop. Default 30 s.
    #[serde(default = "thirty", with = "human")]
    #[schemars(with = "String")]
    pub drain: Duration,
    /// How long it may take to stop before it is killed. Default 10 s.
    #[serde(default = "ten", with = "human")]
    #[schemars(with = "String")]
    pub grace: Duration,
}

const fn one() -> u32 {
    1
}

const fn thirty() -> Duration {
    Duration::from_secs(30)
}

const fn ten() -> Duration {
    Duration::from_secs(10)
}

impl Workload {
    /// One instance from a source, everything else by default.
    pub fn new(source: Source) -> Self {
        Self {
            kind: WorkloadKind::default(),
            source,
            command: Vec::new(),
            replicas: 1,
            ports: BTreeMap::new(),
            routed: None,
            exclusive: None,
            health: None,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            resources: Resources::default(),
            depends_on: BTreeSet::new(),
            strategy: None,
            drain: thirty(),
            grace: ten(),
        }
    }

    /// Whether requests are routed to it.
    pub fn is_routed(&self) -> bool {
        self.routed.unwrap_or(!self.ports.is_empty())
    }

    /// Whether at most one instance may be there at a time.
    pub fn is_exclusive(&self) -> bool {
        self.exclusive.unwrap_or(self.kind == WorkloadKind::Database)
    }

    /// Whether how many run is the platform's own business.
    pub fn is_serverless(&self) -> bool {
        self.kind == WorkloadKind::Serverless
    }

    /// How many the engine counts: the replicas, or 1 where its revision is what is counted.
    pub fn count(&self) -> u32 {
        if self.is_serverless() { 1 } else { self.replicas }
    }

    /// What one instance is made from.
    pub fn instance_spec(&self) -> InstanceSpec {
        InstanceSpec {
            kind: self.kind.clone(),
            source: self.source.clone(),
            command: self.command.clone(),
            env: self.env.clone(),
            secrets: self.secrets.clone(),
            ports: self.ports.clone(),
            health: self.health.clone(),
            resources: self.resources.clone(),
            drain: self.drain,
            grace: self.grace,
        }
    }

    /// The budget an exclusive workload is held to: nothing beside, nothing left.
    pub fn exclusive_budget() -> Budget {
        Budget { max_surge: crate::Amount::NONE, max_unavailable: crate::Amount::Number(1), ..Budget::default() }
    }
}
