//! What a platform can do, as facts of today.

use crate::{Evidence, Share, Traffic};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a platform refuses a write with an older token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fence {
    /// Not at all.
    None,
    /// Read before write: within a documented window an older write may still land.
    Checked,
    /// Compare and set.
    Atomic,
}

/// Whether a platform has stable names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Places {
    /// None: everything stands in one place.
    One,
    /// A stable name and a place beside it.
    HomeAndAside,
}

/// Who asks the instances whether they are well: never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prober {
    /// The engine.
    Engine,
    /// The platform; observations bear the health.
    Platform,
}

/// What a platform can do and prove for one workload today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Places for instances; none where there is no bound.
    pub slots: Option<u32>,
    /// How the router's word is known.
    pub evidence: Evidence,
    /// How an older token is refused.
    pub fence: Fence,
    /// Routes at all; without, only workers and pooled traffic behind the platform's own service.
    pub routes: bool,
    /// Divides traffic by share.
    pub split: bool,
    /// The finest step of a share.
    pub finest: Share,
    /// Routes by header and cookie.
    pub matches: bool,
    /// Keeps clients on their side.
    pub sticky: bool,
    /// Sends copies to the candidate.
    pub mirror: bool,
    /// Can serve nobody while instances run.
    pub traffic_none: bool,
    /// Has stable names.
    pub places: Places,
    /// Can start again what ran before we came.
    pub relaunch_adopted: bool,
    /// Instances and routes stay when the engine's process ends.
    pub survives_engine: bool,
    /// Runs tasks.
    pub tasks: bool,
    /// Holds instances to what their spec says of resources.
    pub resources: bool,
    /// Can make an autoscaler follow the traffic.
    pub autoscaler: bool,
    /// Runs as many of a serverless workload as its requests need, none too, and counts its revision in their stead.
    #[serde(default)]
    pub scales_to_zero: bool,
    /// Who probes.
    pub prober: Prober,
    /// How long a change of traffic takes to reach every request, where the evidence is less than the data plane.
    #[serde(with = "crate::time::human")]
    pub propagation: Duration,
}

impl Capabilities {
    /// A platform that can do and prove everything, has one place and no bound: what a simple deployer of one's own starts from.
    pub const fn all() -> Self {
        Self {
            slots: None,
            evidence: Evidence::DataPlane,
            fence: Fence::Atomic,
            routes: true,
            split: true,
            finest: Share::basis_points(1),
            matches: true,
            sticky: true,
            mirror: true,
            traffic_none: true,
            places: Places::One,
            relaunch_adopted: false,
            survives_engine: true,
            tasks: true,
            resources: true,
            autoscaler: false,
            scales_to_zero: false,
            prober: Prober::Engine,
            propagation: Duration::ZERO,
        }
    }

    /// The traffic of a workload of which nothing is to be left. Where nobody can be served only once nobody is there, what
    /// is there goes as in a rolling update.
    pub(crate) const fn nobody(&self, routed: bool) -> Traffic {
        match (routed, self.traffic_none) {
            (false, _) => Traffic::NotRouted,
            (true, true) => Traffic::None,
            (true, false) => Traffic::Pooled,
        }
    }
}
