//! The trait of stores.

use crate::{
    Actor, Ask, DeploymentId, Error, Event, Kind, Lease, Name, Record, Request, Result, Scope, Signal, Status,
    Timestamp, What,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::time::Duration;

/// A line about a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The deployment.
    pub id: DeploymentId,
    /// Its application and environment.
    pub scope: Scope,
    /// The release's version as people call it.
    pub version: String,
    /// How it stands.
    pub status: Status,
    /// 0 to 100.
    pub progress: u8,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Who asked for it.
    pub actor: Actor,
}

/// Which deployments are listed: all that fit every field that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this application.
    pub application: Option<Name>,
    /// In this environment.
    pub environment: Option<Name>,
    /// Only those that have not ended (`true`), or have (`false`).
    pub active: Option<bool>,
    /// At most so many, the newest first. Default: all.
    pub limit: Option<usize>,
}

/// What came of asking for a deployment.
#[derive(Debug, Clone, PartialEq)]
pub enum Creation {
    /// It was made.
    New(Box<Record>),
    /// It was there already, with the same content.
    Existing(Box<Record>),
}

impl Creation {
    /// What came of asking for an id that is there already.
    ///
    /// # Errors
    /// `Conflict` where it is there with other content.
    pub fn existing(record: &Record, request: &Request) -> Result<Self> {
        if record.request.same_content(request) {
            return Ok(Self::Existing(Box::new(record.clone())));
        }
        let message = format!("deployment {} is there already with other content; use another id", record.id);
        let (release, environment) = (&record.request.release.id, &record.request.environment);
        Err(Error::new(Kind::Conflict, message).with("has", format!("release {release} to {environment}")))
    }
}

/// Keeps records durably.
///
/// # Contract
/// * What was acknowledged is never lost.
/// * Compare-and-append: the writer must hold the newest version of the record and the scope's newest epoch, checked in
///   the same transaction as the write.
/// * `now` never runs backward, over restarts too, nor behind the date of an event that was written; all deadlines live
///   by it.
/// * A store that cannot be read as what it should be says so and is never overwritten.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Now, by the store's clock.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be reached.
    async fn now(&self) -> Result<Timestamp>;

    /// Makes a deployment. An id that is there already with the same content is found again.
    ///
    /// # Errors
    /// `Busy` with `holder` in its context where another deployment of the scope is active and the request says
    /// [`OnBusy::Refuse`](crate::OnBusy); `Conflict` for an id that is there with other content.
    ///
    /// # Cancel safety
    /// May be dropped; asking again with the same id tells whether it was made.
    async fn create(&self, id: &DeploymentId, request: &Request, actor: &Actor) -> Result<Creation>;

    /// The record.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt`.
    async fn load(&self, id: &DeploymentId) -> Result<Record>;

    /// Adds events after the one numbered `version`, under an epoch. Returns them as numbered and dated.
    ///
    /// # Errors
    /// `Conflict` where the record has moved on; `Fenced` where the epoch is not the scope's newest; `Full`.
    ///
    /// # Cancel safety
    /// May be dropped: all or none are added; load to know.
    async fn append(
        &self,
        id: &DeploymentId,
        version: u64,
        epoch: u64,
        at: Timestamp,
        events: Vec<What>,
    ) -> Result<Vec<Event>>;

    /// The deployments that fit, the newest first.
    ///
    /// # Errors
    /// `Unavailable`; `Corrupt`.
    async fn list(&self, filter: &Filter) -> Result<Vec<Summary>>;

    /// The events after a number, oldest first.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt`.
    async fn events(&self, id: &DeploymentId, after: u64) -> Result<Vec<Event>>;

    /// Takes the lease of a scope for so long, if nobody else holds it. The holder's own is taken again with the same
    /// epoch; another's that has ended with the next, at least `least`.
    ///
    /// # Errors
    /// `Busy` where another holds it.
    ///
    /// # Cancel safety
    /// May be dropped; claiming again finds it.
    async fn claim(&self, scope: &Scope, holder: &str, ttl: Duration, least: u64) -> Result<Lease>;

    /// Prolongs a lease from now.
    ///
    /// # Errors
    /// `Fenced` where it is held by another or has another epoch.
    ///
    /// # Cancel safety
    /// May be dropped.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease>;

    /// Gives a lease back. One that is lost already is no error.
    ///
    /// # Errors
    /// `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped.
    async fn release(&self, lease: &Lease) -> Result<()>;

    /// Asks something of a deployment.
    ///
    /// # Errors
    /// `NotFound`.
    ///
    /// # Cancel safety
    /// May be dropped; the signal is there or not.
    async fn signal(&self, id: &DeploymentId, ask: &Ask, actor: &Actor) -> Result<Signal>;

    /// What was asked after a number, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn signals(&self, id: &DeploymentId, after: u64) -> Result<Vec<Signal>>;

    /// Hints that something was written: ids of deployments. Only hints.
    fn watch(&self) -> Option<BoxStream<'static, DeploymentId>> {
        None
    }
}
