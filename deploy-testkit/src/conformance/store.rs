//! What every store does, whatever it keeps its records in.

mod leases;
mod records;

use super::clock::{Clock, at};
use super::failure::{Failure, Guarantee};
use super::report::{Held, Passed, Report};
use deploy_core::{
    Actor, Creation, DeploymentId, Event, Kind, Lease, OnBusy, Record, Release, Request, Result, Scope, Spec, What,
};
use futures::future::LocalBoxFuture;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const BUSY: Guarantee = Guarantee::G4;
const COMPARED: Guarantee = Guarantee::Contract("compare-and-append");
const KEPT: Guarantee = Guarantee::Contract("what was acknowledged is never lost");
const DAMAGED: Guarantee =
    Guarantee::Contract("a store that cannot be read as what it should be says so and is never overwritten");
const TIME: Guarantee = Guarantee::Contract("`now` never runs backward");
const LISTED: Guarantee = Guarantee::Contract("the deployments that fit, the newest first");
const ASKED: Guarantee = Guarantee::Contract("what was asked, numbered");
const HINTED: Guarantee = Guarantee::Contract("hints that something was written");
const HOUR: Duration = Duration::from_secs(3600);

type Made<S, K> = LocalBoxFuture<'static, Result<(S, K)>>;
type Damage<K> = Box<dyn Fn(&K)>;
type Reopen<S, K> = Box<dyn Fn(K, Clock) -> Made<S, K>>;

/// Holds a store to the contract of [`deploy_core::Store`].
pub struct Store<S, K> {
    make: Box<dyn Fn(Clock) -> Made<S, K>>,
    reopen: Option<Reopen<S, K>>,
    damage: Option<Damage<K>>,
}

impl<S, K> fmt::Debug for Store<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("reopen", &self.reopen.is_some()).finish_non_exhaustive()
    }
}

impl<S: deploy_core::Store + 'static, K: 'static> Store<S, K> {
    /// Stores made anew for each step: empty, by the clock that is handed in, each with what has to live as long as it.
    pub fn new<F: Future<Output = Result<(S, K)>> + 'static>(make: impl Fn(Clock) -> F + 'static) -> Self {
        Self { make: Box::new(move |clock| Box::pin(make(clock))), reopen: None, damage: None }
    }

    /// Says how what a store kept is opened again, as after a restart. The store itself was dropped before.
    #[must_use]
    pub fn reopened<F: Future<Output = Result<(S, K)>> + 'static>(
        mut self,
        reopen: impl Fn(K, Clock) -> F + 'static,
    ) -> Self {
        self.reopen = Some(Box::new(move |keep, clock| Box::pin(reopen(keep, clock))));
        self
    }

    /// Says how what a store kept is damaged, so that it is none any more. It is opened again as [`Store::reopened`] says.
    #[must_use]
    pub fn damaged(mut self, damage: impl Fn(&K) + 'static) -> Self {
        self.damage = Some(Box::new(damage));
        self
    }

    /// Takes every step.
    ///
    /// # Errors
    /// The first step that does not hold.
    pub async fn run(self) -> std::result::Result<Passed, Failure> {
        let report = Report::of("Store");
        records::steps(&self, &report).await?;
        leases::steps(&self, &report).await?;
        self.stays(&report).await?;
        self.says_so(&report).await?;
        Ok(report.passed())
    }

    async fn fresh<'r>(&self, report: &'r Report) -> Held<Told<'r, S, K>> {
        let clock = Clock::new(1000);
        let (store, keep) = report.done((self.make)(clock.clone()).await)?;
        Ok(Told { store: Arc::new(store), keep, clock, report })
    }

    async fn stays(&self, report: &Report) -> Held {
        report.step(KEPT, "what was written is there after it was opened again, and time goes on");
        let Some(reopen) = &self.reopen else {
            report.leave_out("no way to open it again was declared (`reopened`)");
            return Ok(());
        };
        let told = self.fresh(report).await?;
        told.made("d1").await?;
        let lease = told.claim("one", HOUR).await?;
        told.append("d1", 1, lease.epoch, vec![pending(2000)]).await?;
        let signal = report.done(told.store.signal(&"d1".into(), &deploy_core::Ask::Pause, &ann()).await)?;
        let (record, events) = (told.load("d1").await?, told.events("d1", 0).await?);
        told.clock.set(900);
        let Told { store, keep, clock, .. } = told;
        drop(store);
        report.note("dropped, and opened again with the clock at 900 s");
        let (store, keep) = report.done(reopen(keep, clock.clone()).await)?;
        let told = Told { store: Arc::new(store), keep, clock, report };
        report.equal(&told.events("d1", 0).await?, &events)?;
        report.equal(&told.load("d1").await?, &record)?;
        report.equal(&report.done(told.store.signals(&"d1".into(), 0).await)?, &vec![signal])?;
        let now = report.done(told.store.now().await)?;
        report.holds(now >= at(1000), now, at(1000))?;
        report.equal(&report.done(told.store.renew(&lease, HOUR).await)?.epoch, &lease.epoch)
    }
}

impl<S: deploy_core::Store + 'static, K: 'static> Store<S, K> {
    async fn says_so(&self, report: &Report) -> Held {
        report.step(DAMAGED, "what was damaged is told, every time, and nothing is made anew in its place");
        let (Some(reopen), Some(damage)) = (&self.reopen, &self.damage) else {
            report.leave_out("no way to damage and open it was declared (`damaged`, `reopened`)");
            return Ok(());
        };
        let told = self.fresh(report).await?;
        told.made("d1").await?;
        let Told { store, keep, clock, .. } = told;
        drop(store);
        damage(&keep);
        report.note("dropped, damaged, and opened again");
        let loaded = match reopen(keep, clock.clone()).await {
            Err(error) => Err(error),
            Ok((store, keep)) => {
                let told = Told { store: Arc::new(store), keep, clock, report };
                report.refused(told.store.load(&"d1".into()).await, &[Kind::Corrupt])?;
                report.refused(told.created_again().await?, &[Kind::Corrupt])?;
                told.store.load(&"d1".into()).await
            }
        };
        report.refused(loaded, &[Kind::Corrupt]).map(drop)
    }
}

/// A store under a step: what it is told and answers is noted.
struct Told<'r, S, K> {
    store: Arc<S>,
    #[allow(dead_code, reason = "it lives as long as the store")]
    keep: K,
    clock: Clock,
    report: &'r Report,
}

impl<S: deploy_core::Store + 'static, K> Told<'_, S, K> {
    async fn create(&self, id: &str, request: &Request) -> Held<Result<Creation>> {
        let what = format!("create({id}, {} to {})", request.release.version(), request.environment);
        self.report.call(what, self.store.create(&id.into(), request, &ann())).await
    }

    async fn created_again(&self) -> Held<Result<Creation>> {
        self.create("d1", &request("shop", "production", "1")).await
    }

    /// A deployment that is new.
    async fn made(&self, id: &str) -> Held<Record> {
        match self.report.done(self.create(id, &request("shop", "production", "1")).await?)? {
            Creation::New(record) => Ok(*record),
            existing => Err(self.report.broken(format_args!("{existing:?}"), "a new deployment")),
        }
    }

    async fn appended(&self, id: &str, version: u64, epoch: u64, events: Vec<What>) -> Held<Result<Vec<Event>>> {
        let what = format!("append({id}, after {version}, epoch {epoch}, {} events)", events.len());
        self.report.call(what, self.store.append(&id.into(), version, epoch, at(1001), events)).await
    }

    async fn append(&self, id: &str, version: u64, epoch: u64, events: Vec<What>) -> Held<Vec<Event>> {
        let told = self.appended(id, version, epoch, events).await?;
        self.report.done(told)
    }

    async fn events(&self, id: &str, after: u64) -> Held<Vec<Event>> {
        let told = self.report.call(format!("events({id}, {after})"), self.store.events(&id.into(), after)).await?;
        self.report.done(told)
    }

    async fn load(&self, id: &str) -> Held<Record> {
        let record = self.store.load(&id.into()).await;
        self.report.note(format!("load({id}) -> version {:?}", record.as_ref().map(|record| record.version)));
        self.report.done(record)
    }

    async fn claimed(&self, holder: &str, ttl: Duration, least: u64) -> Held<Result<Lease>> {
        let what = format!("claim({holder}, {} s, at least {least})", ttl.as_secs());
        self.report.call(what, self.store.claim(&scope(), holder, ttl, least)).await
    }

    async fn claim(&self, holder: &str, ttl: Duration) -> Held<Lease> {
        let told = self.claimed(holder, ttl, 0).await?;
        self.report.done(told)
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Held<Result<Lease>> {
        let what = format!("renew({}, epoch {})", lease.holder, lease.epoch);
        self.report.call(what, self.store.renew(lease, ttl)).await
    }

    async fn release(&self, lease: &Lease) -> Held {
        let what = format!("release({}, epoch {})", lease.holder, lease.epoch);
        let told = self.report.call(what, self.store.release(lease)).await?;
        self.report.done(told)
    }

    fn at(&self, second: i64) {
        self.report.note(format!("the clock is set to {second} s"));
        self.clock.set(second);
    }
}

fn ann() -> Actor {
    Actor::new("ann")
}

fn pending(second: i64) -> What {
    What::PendingUntil { deadline: at(second) }
}

fn scope() -> Scope {
    request("shop", "production", "1").scope()
}

#[allow(clippy::expect_used, reason = "a spec that is written here is one")]
fn request(application: &str, environment: &str, version: &str) -> Request {
    let spec: Spec = serde_json::from_value(serde_json::json!({
        "application": application,
        "version": version,
        "workloads": { "web": { "source": { "image": "registry.example/web:1" } } },
        "environments": { environment: { "target": "here" } },
    }))
    .expect("a spec");
    Request::new(Release::new(spec).expect("a release"), environment.parse().expect("a name"))
}

fn queued(request: Request) -> Request {
    Request { on_busy: OnBusy::Queue, ..request }
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.number).collect()
}

fn id(id: &str) -> DeploymentId {
    id.into()
}
