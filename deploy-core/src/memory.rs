//! The store in memory.

use crate::record::Way;
use crate::{
    Actor, Ask, Creation, DeploymentId, Error, Event, Filter, Held, Kind, Lease, OnBusy, Record, Request, Result,
    Scope, Signal, Store, Summary, Timestamp, What, time,
};
use async_trait::async_trait;
use futures::channel::mpsc;
use futures::stream::{BoxStream, StreamExt as _};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A clock that is handed in: this crate has none of its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Keeps records in memory: they end with the process. What a library user gets without choosing.
#[derive(Clone)]
pub struct Memory {
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    latest: Timestamp,
    deployments: BTreeMap<DeploymentId, Kept>,
    /// The deployments of each scope, the oldest first.
    scopes: BTreeMap<Scope, Vec<DeploymentId>>,
    leases: BTreeMap<Scope, Held>,
    watchers: Vec<mpsc::UnboundedSender<DeploymentId>>,
}

struct Kept {
    order: usize,
    record: Record,
    /// What each write added.
    events: Vec<Box<[Event]>>,
    signals: Vec<Signal>,
}

impl Memory {
    /// A store whose time is the clock's. If the clock runs backward, the store's stands still meanwhile.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), inner: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, inner: &mut Inner) -> Timestamp {
        inner.latest = inner.latest.max((self.clock)());
        inner.latest
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("deployments", &self.lock().deployments.len()).finish_non_exhaustive()
    }
}

impl Inner {
    fn kept(&self, id: &DeploymentId) -> Result<&Kept> {
        self.deployments.get(id).ok_or_else(|| unknown(id))
    }

    /// The deployments of a scope, the oldest first.
    fn of_scope(&self, scope: &Scope) -> impl Iterator<Item = &Kept> {
        self.scopes.get(scope).into_iter().flatten().filter_map(|id| self.deployments.get(id))
    }

    fn tell(&mut self, id: &DeploymentId) {
        self.watchers.retain(|watcher| watcher.unbounded_send(id.clone()).is_ok());
    }
}

fn unknown(id: &DeploymentId) -> Error {
    Error::new(Kind::NotFound, format!("there is no deployment {id}"))
}

impl Summary {
    /// The line about a record.
    pub fn of(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            scope: record.scope.clone(),
            version: record.request.release.version().to_owned(),
            status: record.status(),
            progress: record.progress,
            created: record.created,
            ended: record.ended(),
            actor: record.actor.clone(),
        }
    }
}

impl Filter {
    /// The one scope that it is about, where it is about one.
    fn scope(&self) -> Option<Scope> {
        let (application, environment) = (self.application.clone()?, self.environment.clone()?);
        Some(Scope { application, environment })
    }

    /// Whether a deployment fits.
    pub fn takes(&self, summary: &Summary) -> bool {
        self.application.as_ref().is_none_or(|name| *name == summary.scope.application)
            && self.environment.as_ref().is_none_or(|name| *name == summary.scope.environment)
            && self.active.is_none_or(|active| active != summary.status.is_final())
    }
}

#[async_trait]
impl Store for Memory {
    async fn now(&self) -> Result<Timestamp> {
        Ok(self.tick(&mut self.lock()))
    }

    async fn create(&self, id: &DeploymentId, request: &Request, actor: &Actor) -> Result<Creation> {
        let mut inner = self.lock();
        let now = self.tick(&mut inner);
        if let Some(kept) = inner.deployments.get(id) {
            return Creation::existing(&kept.record, request);
        }
        let scope = request.scope();
        let busy = inner.of_scope(&scope).find(|kept| !kept.record.status().is_final());
        if let (Some(busy), OnBusy::Refuse) = (busy, request.on_busy) {
            return Err(Error::busy(&busy.record.id, &scope));
        }
        let what = What::Requested { request: Box::new(request.clone()), actor: actor.clone() };
        let event = Event { number: 1, at: now, what };
        let record = Record::fold(id, [event.clone()])?;
        let order = inner.deployments.len();
        inner.deployments.insert(
            id.clone(),
            Kept { order, record: record.clone(), events: vec![[event].into()], signals: Vec::new() },
        );
        inner.scopes.entry(scope).or_default().push(id.clone());
        inner.tell(id);
        Ok(Creation::New(Box::new(record)))
    }

    async fn load(&self, id: &DeploymentId) -> Result<Record> {
        self.lock().kept(id).map(|kept| kept.record.clone())
    }

    async fn append(
        &self,
        id: &DeploymentId,
        version: u64,
        epoch: u64,
        at: Timestamp,
        events: Vec<What>,
    ) -> Result<Vec<Event>> {
        let mut inner = self.lock();
        let scope = inner.kept(id)?.record.scope.clone();
        let newest = inner.leases.get(&scope).map_or(0, |held| held.epoch);
        if newest != epoch {
            return Err(Error::fenced_epoch(&scope, epoch, newest));
        }
        let Some(kept) = inner.deployments.get_mut(id) else { return Err(unknown(id)) };
        if kept.record.version != version {
            return Err(Error::moved_on(id, version, kept.record.version));
        }
        let numbered = (version + 1..).zip(events).map(|(number, what)| Event { number, at, what });
        let numbered: Vec<Event> = numbered.collect();
        numbered.iter().for_each(|event| kept.record.apply(event));
        kept.events.push(numbered.clone().into());
        inner.latest = inner.latest.max(at);
        inner.tell(id);
        Ok(numbered)
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Summary>> {
        let inner = self.lock();
        let mut fitting: Vec<_> = match filter.scope() {
            Some(scope) => inner.of_scope(&scope).collect(),
            None => inner.deployments.values().collect(),
        };
        fitting.sort_by_key(|kept| std::cmp::Reverse(kept.order));
        let summaries = fitting.into_iter().map(|kept| Summary::of(&kept.record));
        Ok(summaries.filter(|summary| filter.takes(summary)).take(filter.limit.unwrap_or(usize::MAX)).collect())
    }

    async fn events(&self, id: &DeploymentId, after: u64) -> Result<Vec<Event>> {
        let inner = self.lock();
        let events = inner.kept(id)?.events.iter().flatten();
        Ok(events.filter(|event| event.number > after).cloned().collect())
    }

    async fn claim(&self, scope: &Scope, holder: &str, ttl: Duration, least: u64) -> Result<Lease> {
        let mut inner = self.lock();
        let now = self.tick(&mut inner);
        let held = inner.leases.get(scope).cloned();
        let next = Held::claim(held, scope, holder, now, ttl, least)?;
        inner.leases.insert(scope.clone(), next.clone());
        Ok(next.lease(scope))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease> {
        let mut inner = self.lock();
        let now = self.tick(&mut inner);
        let held = inner.leases.get_mut(&lease.scope);
        let Some(held) = held.filter(|held| held.epoch == lease.epoch && held.holder.as_deref() == Some(&lease.holder))
        else {
            return Err(Error::new(Kind::Fenced, format!("the lease of {} was lost to another engine", lease.scope)));
        };
        (held.until, held.renewed) = (time::after(now, ttl), now);
        Ok(held.lease(&lease.scope))
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let mut inner = self.lock();
        let now = self.tick(&mut inner);
        if let Some(held) = inner.leases.get_mut(&lease.scope).filter(|held| held.epoch == lease.epoch) {
            (held.holder, held.until, held.renewed) = (None, now, now);
        }
        Ok(())
    }

    async fn signal(&self, id: &DeploymentId, ask: &Ask, actor: &Actor) -> Result<Signal> {
        let mut inner = self.lock();
        let at = self.tick(&mut inner);
        let kept = inner.deployments.get_mut(id).ok_or_else(|| unknown(id))?;
        let number = kept.signals.len() as u64 + 1;
        let signal = Signal { number, ask: ask.clone(), actor: actor.clone(), at };
        kept.signals.push(signal.clone());
        inner.tell(id);
        Ok(signal)
    }

    async fn signals(&self, id: &DeploymentId, after: u64) -> Result<Vec<Signal>> {
        let inner = self.lock();
        Ok(inner.kept(id)?.signals.iter().filter(|signal| signal.number > after).cloned().collect())
    }

    fn watch(&self) -> Option<BoxStream<'static, DeploymentId>> {
        let (tell, told) = mpsc::unbounded();
        self.lock().watchers.push(tell);
        Some(told.boxed())
    }
}

impl Error {
    /// Another deployment of the scope is active.
    pub fn busy(holder: &DeploymentId, scope: &Scope) -> Self {
        let message = format!("{scope} is being deployed by {holder}; wait for it, cancel it, or queue or supersede");
        Self::new(Kind::Busy, message).with("holder", holder)
    }

    /// A write under an epoch that is not the newest.
    pub fn fenced_epoch(scope: &Scope, epoch: u64, newest: u64) -> Self {
        Self::new(Kind::Fenced, format!("the lease of {scope} has epoch {newest}, the write came under {epoch}"))
    }

    /// A write to a record that has moved on.
    pub fn moved_on(id: &DeploymentId, expected: u64, newest: u64) -> Self {
        Self::new(
            Kind::Conflict,
            format!("deployment {id} has moved on to event {newest}, the write expected {expected}"),
        )
    }
}

impl Way {
    /// Whether it has ended.
    pub const fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}
