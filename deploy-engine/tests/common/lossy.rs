//! A store that loses answers, and one that renews no lease.

use super::memory;
use async_trait::async_trait;
use deploy_core::{
    Actor, Ask, Creation, DeploymentId, Error, Event, Filter, Kind, Lease, Memory, Record, Request, Result, Scope,
    Signal, Store, Summary, Timestamp, What,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Every so many appends one is written, and its answer lost. Leases cannot be renewed while it is deaf.
#[derive(Debug, Clone)]
pub struct Lossy {
    pub store: Memory,
    pub every: u32,
    pub appends: Arc<AtomicU32>,
    pub deaf: Arc<AtomicBool>,
    /// So often it was asked to renew.
    pub renewals: Arc<AtomicU32>,
}

impl Lossy {
    pub fn new(every: u32) -> Self {
        Self { store: memory(), every, appends: Arc::default(), deaf: Arc::default(), renewals: Arc::default() }
    }
}

#[async_trait]
impl Store for Lossy {
    async fn now(&self) -> Result<Timestamp> {
        self.store.now().await
    }

    async fn create(&self, id: &DeploymentId, request: &Request, actor: &Actor) -> Result<Creation> {
        self.store.create(id, request, actor).await
    }

    async fn load(&self, id: &DeploymentId) -> Result<Record> {
        self.store.load(id).await
    }

    async fn append(
        &self,
        id: &DeploymentId,
        version: u64,
        epoch: u64,
        at: Timestamp,
        events: Vec<What>,
    ) -> Result<Vec<Event>> {
        let written = self.store.append(id, version, epoch, at, events).await?;
        match (self.appends.fetch_add(1, Ordering::SeqCst) + 1) % self.every {
            0 => Err(Error::new(Kind::Unavailable, "the answer was lost")),
            _ => Ok(written),
        }
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Summary>> {
        self.store.list(filter).await
    }

    async fn events(&self, id: &DeploymentId, after: u64) -> Result<Vec<Event>> {
        self.store.events(id, after).await
    }

    async fn claim(&self, scope: &Scope, holder: &str, ttl: Duration, least: u64) -> Result<Lease> {
        self.store.claim(scope, holder, ttl, least).await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease> {
        self.renewals.fetch_add(1, Ordering::SeqCst);
        if self.deaf.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Unavailable, "the store is deaf"));
        }
        self.store.renew(lease, ttl).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.store.release(lease).await
    }

    async fn signal(&self, id: &DeploymentId, ask: &Ask, actor: &Actor) -> Result<Signal> {
        self.store.signal(id, ask, actor).await
    }

    async fn signals(&self, id: &DeploymentId, after: u64) -> Result<Vec<Signal>> {
        self.store.signals(id, after).await
    }
}
