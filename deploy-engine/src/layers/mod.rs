//! Layers over a deployer: each is a deployer itself and adds one thing.

mod audit;
mod dry_run;
mod limit;
mod retry;
mod timeout;
mod within_lease;

pub(crate) use audit::acting_for;
pub use audit::{Audit, AuditEntry, AuditSink};
pub use dry_run::DryRun;
pub use limit::Limit;
pub use retry::Retry;
pub use timeout::Timeout;
pub(crate) use within_lease::WithinLease;

use deploy_core::{Deployer, Order, Result, Token, TrackRef};
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;

/// What a deployer was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Say what it can do.
    Capabilities,
    /// Say what runs.
    Observe,
    /// Refuse what cannot be.
    Check,
    /// List instances for people.
    Instances,
    /// Give the last lines of a log.
    Logs,
    /// Raise the mark.
    Fence,
    /// Ship what revisions need.
    Prepare,
    /// Take an order further.
    Converge,
    /// Start, look at or bar a task.
    Task,
    /// Forget a workload.
    Remove,
    /// Remove what is kept of old revisions.
    Prune,
}

impl Operation {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::Observe => "observe",
            Self::Check => "check",
            Self::Instances => "instances",
            Self::Logs => "logs",
            Self::Fence => "fence",
            Self::Prepare => "prepare",
            Self::Converge => "converge",
            Self::Task => "task",
            Self::Remove => "remove",
            Self::Prune => "prune",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A call that changes something.
pub(crate) struct Write<'a> {
    pub(crate) operation: Operation,
    pub(crate) track: &'a TrackRef,
    pub(crate) token: Option<Token>,
    pub(crate) words: String,
}

/// What a layer does around the calls of the deployer under it.
pub(crate) trait Layer: fmt::Debug + Send + Sync {
    fn inner(&self) -> &Arc<dyn Deployer>;

    /// Around a call that changes nothing; `ask` may be called again.
    fn read<'a, T: Send + 'a>(
        &'a self,
        _operation: Operation,
        _track: &'a TrackRef,
        ask: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync + 'a,
    ) -> impl Future<Output = Result<T>> + Send + 'a {
        async move { ask().await }
    }

    /// Around a call that changes something; `instead` is the answer where it is not made.
    fn write<'a, T: Send + 'a>(
        &'a self,
        _write: Write<'a>,
        _instead: T,
        work: BoxFuture<'a, Result<T>>,
    ) -> impl Future<Output = Result<T>> + Send + 'a {
        work
    }
}

fn words_of(order: &Order<'_>) -> String {
    let count = |side: &Option<deploy_core::OrderSide>| side.as_ref().map_or(0, |side| side.count);
    let pause = if order.paused { ", paused" } else { "" };
    format!("{:?} to {} + {}, traffic {}{pause}", order.kind, count(&order.from), count(&order.to), order.traffic)
}

/// Makes a [`Layer`] a deployer.
macro_rules! deployer {
    ($layer:ty) => {
        #[async_trait::async_trait]
        impl deploy_core::Deployer for $layer {
            async fn capabilities(&self, track: &TrackRef) -> Result<deploy_core::Capabilities> {
                self.read(Operation::Capabilities, track, || self.inner().capabilities(track)).await
            }

            async fn observe(&self, track: &TrackRef) -> Result<deploy_core::Observed> {
                self.read(Operation::Observe, track, || self.inner().observe(track)).await
            }

            async fn check(&self, track: &TrackRef, planned: &deploy_core::Track) -> Result<()> {
                self.read(Operation::Check, track, || self.inner().check(track, planned)).await
            }

            async fn instances(&self, track: &TrackRef) -> Result<Vec<deploy_core::Instance>> {
                self.read(Operation::Instances, track, || self.inner().instances(track)).await
            }

            async fn logs(
                &self,
                track: &TrackRef,
                instance: &deploy_core::InstanceId,
                lines: usize,
            ) -> Result<Vec<String>> {
                self.read(Operation::Logs, track, || self.inner().logs(track, instance, lines)).await
            }

            fn changes(&self, track: &TrackRef) -> Option<futures::stream::BoxStream<'static, ()>> {
                self.inner().changes(track)
            }

            async fn fence(&self, track: &TrackRef, token: deploy_core::Token) -> Result<deploy_core::Token> {
                let words = format!("refuse what is older than {token}");
                let write = Write { operation: Operation::Fence, track, token: Some(token), words };
                self.write(write, token, self.inner().fence(track, token)).await
            }

            async fn converge(&self, order: &deploy_core::Order<'_>) -> Result<deploy_core::Turn> {
                let words = $crate::layers::words_of(order);
                let (track, token) = (order.track, Some(order.token));
                let write = Write { operation: Operation::Converge, track, token, words };
                self.write(write, deploy_core::Turn::default(), self.inner().converge(order)).await
            }

            async fn prepare(
                &self,
                track: &TrackRef,
                revisions: &[deploy_core::Revision],
                token: deploy_core::Token,
            ) -> Result<()> {
                let ids: Vec<_> = revisions.iter().map(|revision| revision.id.as_str()).collect();
                let words = format!("ship {}", ids.join(", "));
                let write = Write { operation: Operation::Prepare, track, token: Some(token), words };
                self.write(write, (), self.inner().prepare(track, revisions, token)).await
            }

            async fn task(
                &self,
                run: &deploy_core::TaskRun,
                act: deploy_core::TaskAct,
                token: deploy_core::Token,
            ) -> Result<deploy_core::TaskOutcome> {
                let track = &run.track;
                if act == deploy_core::TaskAct::Look {
                    return self.read(Operation::Task, track, || self.inner().task(run, act, token)).await;
                }
                let words = format!("{act:?} {}", run.key);
                let write = Write { operation: Operation::Task, track, token: Some(token), words };
                let instead = deploy_core::TaskOutcome::NotStarted;
                self.write(write, instead, self.inner().task(run, act, token)).await
            }

            async fn remove(&self, track: &TrackRef, token: deploy_core::Token) -> Result<()> {
                let words = "forget it".to_owned();
                let write = Write { operation: Operation::Remove, track, token: Some(token), words };
                self.write(write, (), self.inner().remove(track, token)).await
            }

            async fn prune(&self, track: &TrackRef, keep: &[deploy_core::RevisionId]) -> Result<()> {
                let words = format!("remove all but {} revisions and what runs", keep.len());
                let write = Write { operation: Operation::Prune, track, token: None, words };
                self.write(write, (), self.inner().prune(track, keep)).await
            }
        }
    };
}
use deployer;
