//! The trait of platforms.

use crate::{
    Capabilities, Error, Instance, InstanceId, Kind, Observed, Order, Result, Revision, TaskAct, TaskOutcome, TaskRun,
    Token, Track, TrackRef, Turn,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use std::fmt::Debug;

/// One platform: observes it, and takes bounded, idempotent steps toward one order at a time.
///
/// Write `capabilities`, `observe` and `converge`; the rest has defaults. Platforms that start single instances
/// implement [`Instances`](crate::Instances) instead and get a `Deployer` from `deploy-fleet`.
///
/// An order is settled when `observe` shows it: as many of each side as [`Order::sides`] say, where requests go as
/// [`Order::spread`] says, and enough of them ready. What `converge` returns does not count.
///
/// # Contract
/// * `observe` answers from the source: it shows every earlier write of the caller, or says by the token how old it is.
/// * `converge` takes what it can toward the order and returns; it never waits for something to become ready. The same
///   order again does no harm. It keeps within the order's floor and ceiling, takes nothing out of service that is not
///   out of the router and drained, and launches nothing that is not asked for.
/// * Every write bears the token; an older one than the newest seen is refused as [`Kind::Fenced`], where the
///   platform's fence can.
/// * What bears our mark and belongs to neither side of the order goes too, under the same floor: at the latest where the
///   order's kind [retires](crate::OrderKind::retires).
/// * An instance that bears no mark of ours is never touched.
/// * An error is for the whole call; what goes wrong at one host or instance is a [`Trouble`](crate::Trouble) of the turn.
#[async_trait]
pub trait Deployer: Debug + Send + Sync {
    /// Facts of today.
    ///
    /// # Errors
    /// `Unavailable` where the platform cannot be reached.
    async fn capabilities(&self, track: &TrackRef) -> Result<Capabilities>;

    /// What runs now.
    ///
    /// # Errors
    /// `Unavailable` where the platform cannot be reached.
    async fn observe(&self, track: &TrackRef) -> Result<Observed>;

    /// Takes a bounded step toward an order. Writes the token even when nothing else is to do.
    ///
    /// # Errors
    /// `Fenced` for an older token; others where nothing could be tried.
    ///
    /// # Cancel safety
    /// May be dropped at any await; the next call goes on from what is seen then.
    async fn converge(&self, order: &Order<'_>) -> Result<Turn>;

    /// Refuses a planned track for what the platform knows now, before anything is touched: a port that is taken. Nothing
    /// changes. The default refuses nothing.
    ///
    /// # Errors
    /// `Invalid`, `Denied`, `Unsupported`: what, where, and what to do.
    async fn check(&self, _track: &TrackRef, _planned: &Track) -> Result<()> {
        Ok(())
    }

    /// Raises the mark, so that older tokens are refused from now on, and returns the newest that stands.
    /// The default writes nothing: the first `converge` does.
    ///
    /// # Errors
    /// `Unavailable` where the platform cannot be reached.
    ///
    /// # Cancel safety
    /// May be dropped at any await.
    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        Ok(self.observe(track).await?.token.max(token))
    }

    /// Ships what the revisions need: bits, secrets. Nothing live changes; what is there already is checked, not shipped again.
    ///
    /// # Errors
    /// `Invalid` for bits that are not what they should be and secrets that cannot be resolved; `Candidate` for what can never run.
    ///
    /// # Cancel safety
    /// May be dropped at any await; the next call resumes.
    async fn prepare(&self, _track: &TrackRef, _revisions: &[Revision], _token: Token) -> Result<()> {
        Ok(())
    }

    /// Starts, looks at or bars a task. The default knows none, and a plan that has tasks is refused.
    ///
    /// # Errors
    /// `Unsupported` by default; `Fenced` for an older token.
    ///
    /// # Cancel safety
    /// May be dropped at any await: by its key a task is started at most once.
    async fn task(&self, run: &TaskRun, _act: TaskAct, _token: Token) -> Result<TaskOutcome> {
        Err(Error::new(Kind::Unsupported, "this platform runs no tasks").with("task", &run.key))
    }

    /// Hints to look again. Only hints: nothing depends on any of them.
    fn changes(&self, _track: &TrackRef) -> Option<BoxStream<'static, ()>> {
        None
    }

    /// The last lines of what an instance said, oldest first, secrets' values taken out.
    ///
    /// # Errors
    /// `NotFound` where nothing is kept of it.
    async fn logs(&self, track: &TrackRef, instance: &InstanceId, _lines: usize) -> Result<Vec<String>> {
        Err(Error::new(Kind::NotFound, format!("no log of `{instance}` is kept")).with("track", track))
    }

    /// The instances, for people.
    ///
    /// # Errors
    /// As `observe`.
    async fn instances(&self, track: &TrackRef) -> Result<Vec<Instance>> {
        Ok(self.observe(track).await?.instances().cloned().collect())
    }

    /// Forgets a workload that was removed, its route with it.
    ///
    /// # Errors
    /// `Fenced` for an older token.
    ///
    /// # Cancel safety
    /// May be dropped at any await.
    async fn remove(&self, _track: &TrackRef, _token: Token) -> Result<()> {
        Ok(())
    }

    /// Removes what is kept of revisions that are neither running nor named here.
    ///
    /// # Errors
    /// `Unavailable` where the platform cannot be reached.
    ///
    /// # Cancel safety
    /// May be dropped at any await.
    async fn prune(&self, _track: &TrackRef, _keep: &[crate::RevisionId]) -> Result<()> {
        Ok(())
    }
}
