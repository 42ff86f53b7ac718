//! The trait of routers for platforms without routing of their own.

use crate::{Evidence, Fence, Result, RouteState, Routes, Share, Token, TrackRef};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::time::Duration;

/// What a router can do, and how its word is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterCapabilities {
    /// How its word is known.
    pub evidence: Evidence,
    /// How it refuses an older token.
    pub fence: Fence,
    /// Divides by share at all.
    pub split: bool,
    /// The finest step of a share.
    pub finest: Share,
    /// Routes by header and cookie.
    pub matches: bool,
    /// Keeps clients on their side.
    pub sticky: bool,
    /// Sends copies to the candidate.
    pub mirror: bool,
    /// How long a change takes to reach every request, where the evidence is less than the data plane.
    #[serde(with = "crate::time::human")]
    pub propagation: Duration,
    /// Goes on when the engine's process ends.
    pub survives_engine: bool,
}

/// Sends requests to instances, by side.
///
/// # Contract
/// * `apply` takes the whole wanted state of one workload; the same state again changes nothing. State is durable
///   before it is acknowledged, and an older token than the newest seen is refused as [`Kind::Fenced`](crate::Kind::Fenced).
/// * When `apply` has returned on a router whose evidence is the data plane, no request is newly sent to an instance
///   that is draining or no longer listed.
/// * `observe` answers from the source and shows every earlier write of the caller.
/// * A new port that cannot be listened on is an error of `apply`, and nothing has changed.
#[async_trait]
pub trait Router: Debug + Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> RouterCapabilities;

    /// Whether a workload's ports can be listened on; nothing changes. The default does not know before it is tried.
    ///
    /// # Errors
    /// `Invalid` for a port that is taken, `Denied` for one that this user may not open.
    async fn can_listen(&self, _track: &TrackRef, _ports: &[u16]) -> Result<()> {
        Ok(())
    }

    /// Makes it so.
    ///
    /// # Errors
    /// `Fenced` for an older token; `Invalid` for what it cannot do; `Unavailable` where it cannot be reached.
    ///
    /// # Cancel safety
    /// May be dropped at any await: the change is made whole or not at all.
    async fn apply(&self, routes: &Routes) -> Result<()>;

    /// What it does now. A workload it was never told of is [`RouteState::empty`].
    ///
    /// # Errors
    /// `Unavailable` where it cannot be reached.
    async fn observe(&self, track: &TrackRef) -> Result<RouteState>;

    /// Raises the token without changing anything else, and returns the newest: the given one, or a newer that stands.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be reached.
    ///
    /// # Cancel safety
    /// May be dropped at any await.
    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token>;

    /// Forgets a workload that was removed; its ports are closed. Unknown to it: nothing to do.
    ///
    /// # Errors
    /// `Fenced` for an older token; `Unavailable` where it cannot be reached.
    ///
    /// # Cancel safety
    /// May be dropped at any await.
    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()>;
}
