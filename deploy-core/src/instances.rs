//! The narrow trait of platforms that start single instances.

use crate::{
    Error, Fence, Instance, InstanceId, InstanceSpec, Kind, Result, Revision, Side, SlotId, TaskAct, TaskOutcome,
    TaskRun, Token, TrackRef,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// One place an instance can stand in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its id.
    pub id: SlotId,
    /// The host it is on; the same for all slots of one host.
    pub host: String,
    /// Nothing can be launched there now: its host cannot be reached or is full. Why, in the platform's words.
    pub closed: Option<String>,
}

/// What is launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The workload.
    pub track: TrackRef,
    /// The revision at its place.
    pub side: Side,
    /// What it is made from.
    pub spec: Arc<InstanceSpec>,
}

/// What a platform of single instances can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstancesCapabilities {
    /// How an older token is refused.
    pub fence: Fence,
    /// Instances stay when the engine's process ends.
    pub survives_engine: bool,
    /// Can start again what ran before we came.
    pub relaunch_adopted: bool,
    /// Runs tasks.
    pub tasks: bool,
    /// Holds instances to what their spec says of resources.
    pub resources: bool,
    /// Gives hints by `changes`.
    pub hints: bool,
}

/// A platform that starts and stops single instances. `deploy_fleet::Fleet` makes a [`Deployer`](crate::Deployer) of it and a [`Router`](crate::Router).
///
/// # Contract
/// * `list` and `slots` answer from the source and show every earlier write of the caller. A platform that only has
///   caches is a `Deployer` of its own. An instance whose host cannot be reached is listed as unknown.
/// * `launch` is idempotent by slot: the same revision there is `Ok`, another is an error.
/// * `stop` asks it to end and kills it when the grace period is over; it returns at once, and calling it again goes on
///   from what is seen then. On an ended instance it removes what is left of it.
/// * An instance that was told to stop is listed as terminating until `stop` has removed what is left of it: only one that
///   ended by itself is listed as ended, for that is counted as a crash.
/// * Every write bears the token; an older one than the newest seen is refused as [`Kind::Fenced`].
#[async_trait]
pub trait Instances: Debug + Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> InstancesCapabilities;

    /// All instances of the workload that bear our mark, the ended ones too. `admitted`, `in_flight` and `health` are left empty (false, none).
    ///
    /// # Errors
    /// `Unavailable` only where nothing could be told of any host.
    async fn list(&self, track: &TrackRef) -> Result<Vec<Instance>>;

    /// All places, taken and free.
    ///
    /// # Errors
    /// `Unavailable` only where nothing could be told of any host.
    async fn slots(&self, track: &TrackRef) -> Result<Vec<Slot>>;

    /// Starts an instance in a slot.
    ///
    /// # Errors
    /// `Busy` where another revision stands there; `Candidate` for what can never run; `Full`; `Fenced`.
    ///
    /// # Cancel safety
    /// May be dropped at any await: the next call finds what was started.
    async fn launch(&self, slot: &SlotId, launch: &Launch, token: Token) -> Result<()>;

    /// Asks an instance to end, kills it after the grace period, removes what is left of an ended one.
    ///
    /// # Errors
    /// `Fenced`; `Unavailable`. An instance that is gone is no error.
    ///
    /// # Cancel safety
    /// May be dropped at any await.
    async fn stop(&self, track: &TrackRef, instance: &InstanceId, grace: Duration, token: Token) -> Result<()>;

    /// Raises the mark (an older token is refused from now on) and returns the newest that stands. Works with no instance and no router.
    ///
    /// # Errors
    /// `Unavailable` where the platform cannot be reached.
    ///
    /// # Cancel safety
    /// May be dropped at any await.
    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token>;

    /// The newest token that wrote here.
    ///
    /// # Errors
    /// `Unavailable` where the platform cannot be reached.
    async fn token(&self, track: &TrackRef) -> Result<Token>;

    /// As [`Deployer::prepare`](crate::Deployer::prepare).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    async fn prepare(&self, _track: &TrackRef, _revisions: &[Revision], _token: Token) -> Result<()> {
        Ok(())
    }

    /// Marks which revision serves at the stable name (`current`), once one side serves alone.
    ///
    /// # Errors
    /// `Fenced`; `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped at any await.
    async fn serving(&self, _track: &TrackRef, _side: &Side, _token: Token) -> Result<()> {
        Ok(())
    }

    /// As [`Deployer::task`](crate::Deployer::task).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    async fn task(&self, run: &TaskRun, _act: TaskAct, _token: Token) -> Result<TaskOutcome> {
        Err(Error::new(Kind::Unsupported, "this platform runs no tasks").with("task", &run.key))
    }

    /// As [`Deployer::changes`](crate::Deployer::changes).
    fn changes(&self, _track: &TrackRef) -> Option<BoxStream<'static, ()>> {
        None
    }

    /// As [`Deployer::logs`](crate::Deployer::logs).
    ///
    /// # Errors
    /// As there.
    async fn logs(&self, track: &TrackRef, instance: &InstanceId, _lines: usize) -> Result<Vec<String>> {
        Err(Error::new(Kind::NotFound, format!("no log of `{instance}` is kept")).with("track", track))
    }

    /// As [`Deployer::prune`](crate::Deployer::prune).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    async fn prune(&self, _track: &TrackRef, _keep: &[crate::RevisionId]) -> Result<()> {
        Ok(())
    }

    /// As [`Deployer::remove`](crate::Deployer::remove).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    async fn remove(&self, _track: &TrackRef, _token: Token) -> Result<()> {
        Ok(())
    }
}
