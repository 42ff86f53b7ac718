//! What a platform shows.

use crate::{Evidence, Health, InstanceId, Side, SlotId, Split, Timestamp, Token};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What runs of one workload on one target now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Everything that bears our mark, by side; strays too.
    pub sides: BTreeMap<Side, Running>,
    /// Where requests go, in the words of [`Order::spread`](crate::Order::spread); none for a worker.
    pub traffic: Option<TrafficSeen>,
    /// What an autoscaler wants in all, where one lives.
    pub wanted: Option<u32>,
    /// Named like ours but without our mark: reported, never touched.
    pub foreign: Vec<String>,
    /// What the platform says, in its own words.
    pub conditions: Vec<Condition>,
    /// The newest token that wrote here.
    pub token: Token,
}

/// What runs of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Running {
    /// Single instances that the engine probes.
    Instances(Vec<Instance>),
    /// Numbers, where the platform probes by itself.
    Counts(Counts),
}

/// Numbers of one side, as a platform with a controller of its own gives them.
///
/// Of a serverless workload the revision is what is counted, however many instances run of it: `ordered` and `total` are 1
/// while it is there, `ready` is 1 while a request to it would be answered, from none too. `terminating`
/// counts instances, and only once their revision is gone: before, they come and go as the platform likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// What its controller was told and has taken in.
    pub ordered: u32,
    /// Instances that are not terminating.
    pub total: u32,
    /// Those of them that are ready, for min ready time.
    pub ready: u32,
    /// Those that are known to have failed.
    pub failed: u32,
    /// Those that cannot be told.
    pub unknown: u32,
    /// Instances that are on their way out, not in `total`.
    pub terminating: u32,
}

impl Counts {
    /// So many that were ordered, stand, and are ready.
    pub const fn steady(count: u32) -> Self {
        Self { ordered: count, total: count, ready: count, failed: 0, unknown: 0, terminating: 0 }
    }
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id; a relaunched one has another.
    pub id: InstanceId,
    /// Its side.
    pub side: Side,
    /// Where it stands.
    pub slot: SlotId,
    /// How it stands.
    pub state: InstanceState,
    /// `host:port` of the routed port.
    pub address: Option<String>,
    /// `host:port` of every port by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, String>,
    /// When it was started, by the platform's clock; for people.
    pub started: Option<Timestamp>,
    /// In the router's set of its side; always true where nothing is routed.
    pub admitted: bool,
    /// Requests it still serves, where that is known.
    pub in_flight: Option<u64>,
    /// The platform's own word, where the platform probes.
    pub health: Option<Health>,
}

/// How an instance stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It runs, or is about to.
    Running,
    /// It was told to stop and still runs.
    Terminating,
    /// It ended.
    Exited(Exit),
    /// Its host cannot be reached.
    Unknown,
}

/// How an instance ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit status, where it gave one.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit status {code}"),
            (None, Some(signal)) => write!(f, "ended by signal {signal}"),
            (None, None) => f.write_str("ended, status unknown"),
        }
    }
}

impl Instance {
    /// Whether it is neither ended nor on its way out; an unknown one is counted.
    pub const fn stands(&self) -> bool {
        matches!(self.state, InstanceState::Running | InstanceState::Unknown)
    }

    /// Whether it can be reached and runs.
    pub const fn runs(&self) -> bool {
        matches!(self.state, InstanceState::Running)
    }

    /// How it ended.
    pub const fn exit(&self) -> Option<Exit> {
        match self.state {
            InstanceState::Exited(exit) => Some(exit),
            _ => None,
        }
    }
}

/// Where requests go now, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSeen {
    /// How it is spread.
    pub spread: crate::Spread,
    /// How this is known.
    pub evidence: Evidence,
    /// Whether nothing that left the spread is still served by the old one, where that is known.
    pub drained: bool,
}

impl TrafficSeen {
    /// The share of a side in the traffic that nothing else decides. Under pooled traffic, and where a side is not named, none is known.
    pub fn share(&self, side: &Side) -> Option<crate::Share> {
        let crate::Spread::Split { from, to, split: Split { candidate, .. } } = &self.spread else { return None };
        if to.as_ref() == Some(side) {
            Some(*candidate)
        } else if from.as_ref() == Some(side) {
            Some(candidate.rest())
        } else {
            Some(crate::Share::NONE)
        }
    }
}

/// What a platform says about a workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Condition {
    /// What it means for the deployment.
    pub kind: ConditionKind,
    /// The side it is about, where that is known.
    pub side: Option<Side>,
    /// The instance it is about, where it is about one.
    pub instance: Option<InstanceId>,
    /// The platform's own words.
    pub words: String,
}

/// What a condition means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionKind {
    /// It may pass: no room, quota, a registry that cannot be reached.
    Waiting,
    /// It cannot pass: an image that cannot exist, a file that is no program.
    Terminal,
}

impl Running {
    /// The instances, where the platform gives them one by one.
    pub fn instances(&self) -> &[Instance] {
        match self {
            Self::Instances(instances) => instances,
            Self::Counts(_) => &[],
        }
    }

    /// Instances that are neither ended nor terminating.
    pub fn total(&self) -> u32 {
        match self {
            Self::Instances(instances) => instances.iter().filter(|instance| instance.stands()).count() as u32,
            Self::Counts(counts) => counts.total,
        }
    }

    /// Instances that were told to stop and still run.
    pub fn terminating(&self) -> u32 {
        match self {
            Self::Counts(counts) => counts.terminating,
            Self::Instances(instances) => {
                instances.iter().filter(|instance| instance.state == InstanceState::Terminating).count() as u32
            }
        }
    }

    /// Instances that cannot be told.
    pub fn unknown(&self) -> u32 {
        match self {
            Self::Counts(counts) => counts.unknown,
            Self::Instances(instances) => {
                instances.iter().filter(|instance| instance.state == InstanceState::Unknown).count() as u32
            }
        }
    }

    /// Whether there is nothing of it at all, ended instances aside.
    pub fn is_gone(&self) -> bool {
        self.total() == 0 && self.terminating() == 0
    }
}

impl Observed {
    /// All instances of all sides.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.sides.values().flat_map(Running::instances)
    }

    /// What runs of a side.
    pub fn side(&self, side: &Side) -> Option<&Running> {
        self.sides.get(side)
    }
}
