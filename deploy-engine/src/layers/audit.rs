//! Writing down who changed what.

use super::{Layer, Operation, Write, deployer};
use deploy_core::{Actor, Deployer, Kind, Result, Token, TrackRef};
use futures::future::BoxFuture;
use std::fmt::Debug;
use std::sync::Arc;

/// One call that changed something, or tried to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// For whom: who asked for the deployment.
    pub actor: Actor,
    /// What was called.
    pub operation: Operation,
    /// On what.
    pub track: TrackRef,
    /// Under which token, where it bears one.
    pub token: Option<Token>,
    /// What was to be done, in words.
    pub words: String,
    /// The kind of the error, where it failed.
    pub failed: Option<Kind>,
}

/// Takes audit entries.
///
/// # Contract
/// Returns at once: it is called in the middle of a deployment. No entry bears a secret or a value of the environment.
pub trait AuditSink: Debug + Send + Sync {
    /// Takes an entry.
    fn wrote(&self, entry: AuditEntry);
}

tokio::task_local! {
    static ACTOR: Actor;
}

/// Says for whom the calls in `work` are made.
pub(crate) fn acting_for<F: Future>(actor: Actor, work: F) -> impl Future<Output = F::Output> {
    ACTOR.scope(actor, work)
}

/// Tells a sink, and `tracing`, of every call that changes something: who, what, where, under which token.
#[derive(Debug)]
pub struct Audit {
    inner: Arc<dyn Deployer>,
    sink: Arc<dyn AuditSink>,
}

impl Audit {
    /// Around a deployer.
    pub fn new(inner: Arc<dyn Deployer>, sink: Arc<dyn AuditSink>) -> Self {
        Self { inner, sink }
    }
}

impl Layer for Audit {
    fn inner(&self) -> &Arc<dyn Deployer> {
        &self.inner
    }

    async fn write<'a, T: Send + 'a>(
        &'a self,
        write: Write<'a>,
        _instead: T,
        work: BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let made = work.await;
        let Write { operation, track, token, words } = write;
        let actor = ACTOR.try_with(Clone::clone).unwrap_or_else(|_| Actor::engine());
        let failed = made.as_ref().err().map(deploy_core::Error::kind);
        tracing::info!(target: "deploy::audit", %actor, %operation, %track, ?token, words, ?failed);
        self.sink.wrote(AuditEntry { actor, operation, track: track.clone(), token, words, failed });
        made
    }
}

deployer!(Audit);
