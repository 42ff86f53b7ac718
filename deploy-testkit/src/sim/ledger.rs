//! The store of a run: the one in memory, by the world's clock.

use deploy_core::{
    Actor, Ask, Creation, DeploymentId, Error, Event, Filter, Kind, Lease, Memory, Record, Request, Result, Scope,
    Signal, Store as _, Summary, Timestamp, What,
};
use futures::FutureExt as _;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// So long a lease lives that is not renewed.
const TTL: Duration = Duration::from_secs(15);

/// The store of a run. It answers at once.
#[derive(Debug)]
pub(super) struct Ledger {
    store: Memory,
    clock: Arc<Mutex<Timestamp>>,
    /// The newest lease that was given.
    pub lease: Option<Lease>,
}

impl Ledger {
    pub(super) fn new(now: Timestamp) -> Self {
        let clock = Arc::new(Mutex::new(now));
        let own = clock.clone();
        let store = Memory::new(move || *own.lock().unwrap_or_else(PoisonError::into_inner));
        Self { store, clock, lease: None }
    }

    fn at(&self, now: Timestamp) -> &Memory {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = now;
        &self.store
    }

    pub(super) fn create(&self, now: Timestamp, id: &DeploymentId, request: &Request) -> Result<Record> {
        match at_once(self.at(now).create(id, request, &Actor::new("tester")))? {
            Creation::New(record) | Creation::Existing(record) => Ok(*record),
        }
    }

    /// Takes the lease for an engine that was never there before.
    pub(super) fn claim(&mut self, now: Timestamp, scope: &Scope, engine: u32) -> Result<Lease> {
        let lease = at_once(self.at(now).claim(scope, &format!("engine-{engine}"), TTL, 0))?;
        self.lease = Some(lease.clone());
        Ok(lease)
    }

    pub(super) fn renew(&mut self, now: Timestamp) -> Result<()> {
        let Some(lease) = self.lease.clone() else { return Ok(()) };
        self.lease = Some(at_once(self.at(now).renew(&lease, TTL))?);
        Ok(())
    }

    pub(super) fn release(&mut self, now: Timestamp) {
        if let Some(lease) = &mut self.lease {
            lease.until = now;
            let _gone_already = at_once(self.store.release(&lease.clone()));
        }
    }

    /// When the newest lease ends.
    pub(super) fn until(&self) -> Timestamp {
        self.lease.as_ref().map_or(Timestamp::MIN, |lease| lease.until)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.lease.as_ref().map_or(0, |lease| lease.epoch)
    }

    pub(super) fn append(&self, now: Timestamp, record: &Record, epoch: u64, what: Vec<What>) -> Result<Vec<Event>> {
        at_once(self.at(now).append(&record.id, record.version, epoch, now, what))
    }

    pub(super) fn signal(&self, now: Timestamp, id: &DeploymentId, ask: &Ask, by: &str) -> Result<Signal> {
        at_once(self.at(now).signal(id, ask, &Actor::new(by)))
    }

    pub(super) fn signals(&self, id: &DeploymentId) -> Vec<Signal> {
        at_once(self.store.signals(id, 0)).unwrap_or_default()
    }

    pub(super) fn load(&self, id: &DeploymentId) -> Result<Record> {
        at_once(self.store.load(id))
    }

    pub(super) fn events(&self, id: &DeploymentId) -> Vec<Event> {
        at_once(self.store.events(id, 0)).unwrap_or_default()
    }

    /// Those that have not ended, the oldest first.
    pub(super) fn active(&self) -> Vec<Summary> {
        let filter = Filter { active: Some(true), ..Filter::default() };
        let mut active = at_once(self.store.list(&filter)).unwrap_or_default();
        active.reverse();
        active
    }
}

fn at_once<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    asked
        .now_or_never()
        .unwrap_or_else(|| Err(Error::new(Kind::Timeout, "the store in memory does not answer at once")))
}
