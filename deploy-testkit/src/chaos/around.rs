//! A store and a platform whose calls cross the boundaries of a life.

use super::life::Life;
use async_trait::async_trait;
use deploy_core::{
    Actor, Ask, Capabilities, Creation, Deployer, DeploymentId, Event, Filter, Instance, InstanceId, Lease, Observed,
    Order, Record, Request, Result, Revision, RevisionId, Scope, Signal, Store, Summary, TaskAct, TaskOutcome, TaskRun,
    Timestamp, Token, Track, TrackRef, Turn, What,
};
use futures::stream::BoxStream;
use std::sync::Arc;
use std::time::Duration;

/// Something that is called, and the life of the engine that calls it: a [`Store`] around a store, a [`Deployer`]
/// around a platform.
#[derive(Debug, Clone)]
pub struct Around<T: ?Sized> {
    inner: Arc<T>,
    life: Life,
}

impl<T: ?Sized> Around<T> {
    /// Makes every call of it cross the boundaries of a life.
    pub fn new(inner: Arc<T>, life: &Life) -> Self {
        Self { inner, life: life.clone() }
    }
}

#[async_trait]
impl Store for Around<dyn Store> {
    async fn now(&self) -> Result<Timestamp> {
        self.life.call("now", self.inner.now()).await
    }

    async fn create(&self, id: &DeploymentId, request: &Request, actor: &Actor) -> Result<Creation> {
        self.life.call("create", self.inner.create(id, request, actor)).await
    }

    async fn load(&self, id: &DeploymentId) -> Result<Record> {
        self.life.call("load", self.inner.load(id)).await
    }

    async fn append(
        &self,
        id: &DeploymentId,
        version: u64,
        epoch: u64,
        at: Timestamp,
        events: Vec<What>,
    ) -> Result<Vec<Event>> {
        self.life.write("append", None, epoch, |_| true, self.inner.append(id, version, epoch, at, events)).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Summary>> {
        self.life.call("list", self.inner.list(filter)).await
    }

    async fn events(&self, id: &DeploymentId, after: u64) -> Result<Vec<Event>> {
        self.life.call("events", self.inner.events(id, after)).await
    }

    async fn claim(&self, scope: &Scope, holder: &str, ttl: Duration, least: u64) -> Result<Lease> {
        self.life.call("claim", self.inner.claim(scope, holder, ttl, least)).await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease> {
        self.life.call("renew", self.inner.renew(lease, ttl)).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.life.call("release", self.inner.release(lease)).await
    }

    async fn signal(&self, id: &DeploymentId, ask: &Ask, actor: &Actor) -> Result<Signal> {
        self.life.call("signal", self.inner.signal(id, ask, actor)).await
    }

    async fn signals(&self, id: &DeploymentId, after: u64) -> Result<Vec<Signal>> {
        self.life.call("signals", self.inner.signals(id, after)).await
    }

    fn watch(&self) -> Option<BoxStream<'static, DeploymentId>> {
        self.inner.watch()
    }
}

impl Around<dyn Deployer> {
    async fn write<T>(
        &self,
        call: &str,
        track: &TrackRef,
        token: Token,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let name = format!("{call} of {}", track.workload);
        self.life.write(&name, Some((track, token)), token.epoch, |_| true, work).await
    }
}

#[async_trait]
impl Deployer for Around<dyn Deployer> {
    async fn capabilities(&self, track: &TrackRef) -> Result<Capabilities> {
        self.life.call("capabilities", self.inner.capabilities(track)).await
    }

    async fn observe(&self, track: &TrackRef) -> Result<Observed> {
        self.life.call("observe", self.inner.observe(track)).await
    }

    async fn check(&self, track: &TrackRef, planned: &Track) -> Result<()> {
        self.life.call("check", self.inner.check(track, planned)).await
    }

    async fn converge(&self, order: &Order<'_>) -> Result<Turn> {
        self.write("converge", order.track, order.token, self.inner.converge(order)).await
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        let name = format!("fence of {}", track.workload);
        // One that finds a newer token has written nothing.
        let took = |stands: &Token| *stands == token;
        self.life.write(&name, Some((track, token)), token.epoch, took, self.inner.fence(track, token)).await
    }

    async fn prepare(&self, track: &TrackRef, revisions: &[Revision], token: Token) -> Result<()> {
        self.write("prepare", track, token, self.inner.prepare(track, revisions, token)).await
    }

    async fn task(&self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        self.write("task", &run.track, token, self.inner.task(run, act, token)).await
    }

    fn changes(&self, track: &TrackRef) -> Option<BoxStream<'static, ()>> {
        self.inner.changes(track)
    }

    async fn logs(&self, track: &TrackRef, instance: &InstanceId, lines: usize) -> Result<Vec<String>> {
        self.life.call("logs", self.inner.logs(track, instance, lines)).await
    }

    async fn instances(&self, track: &TrackRef) -> Result<Vec<Instance>> {
        self.life.call("instances", self.inner.instances(track)).await
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        self.write("remove", track, token, self.inner.remove(track, token)).await
    }

    async fn prune(&self, track: &TrackRef, keep: &[RevisionId]) -> Result<()> {
        self.life.call("prune", self.inner.prune(track, keep)).await
    }
}
