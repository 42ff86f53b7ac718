//! What a router is told, and what it says.

use crate::{Evidence, InstanceId, Side, Split, Timestamp, Token, TrackRef};
use serde::{Deserialize, Serialize};

/// How the requests are spread over the members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Nobody is served: the router answers 503 by itself.
    #[default]
    None,
    /// Over all members alike.
    Pooled,
    /// By side.
    Split {
        /// Stable, where it has a side.
        from: Option<Side>,
        /// The candidate, where it has a side.
        to: Option<Side>,
        /// The candidate's part.
        split: Split,
    },
}

/// An instance in the router's set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The instance.
    pub instance: InstanceId,
    /// Its side.
    pub side: Side,
    /// `host:port` that requests are sent to.
    pub address: String,
    /// Gets no new request any more; those in flight are finished. Since when, in the time of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<Timestamp>,
}

/// The whole wanted state of a router for one workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// The workload.
    pub track: TrackRef,
    /// The ports that clients use, the routed one first. Empty: the router's own default.
    pub ports: Vec<u16>,
    /// The fence: an older one is refused.
    pub token: Token,
    /// How requests are spread.
    pub spread: Spread,
    /// Everybody in the set, the draining ones too. Who is not listed is dropped, with what it has in flight.
    pub members: Vec<Member>,
}

/// What a router does now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteState {
    /// How requests are spread.
    pub spread: Spread,
    /// How this is known.
    pub evidence: Evidence,
    /// Everybody in the set.
    pub members: Vec<Routed>,
    /// The newest token that wrote here.
    pub token: Token,
}

/// A member as the router sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// The member as it was told.
    pub member: Member,
    /// Requests, and upgraded connections, that it still serves; unknown where the router cannot tell.
    pub in_flight: Option<u64>,
}

impl RouteState {
    /// Of a router that was never told anything about the workload.
    pub const fn empty(evidence: Evidence) -> Self {
        Self { spread: Spread::None, evidence, members: Vec::new(), token: Token::new(0, 0) }
    }

    /// The member of an instance.
    pub fn member(&self, instance: &InstanceId) -> Option<&Routed> {
        self.members.iter().find(|routed| routed.member.instance == *instance)
    }
}
