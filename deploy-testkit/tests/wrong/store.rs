//! Stores that are wrong.

use super::{begins, broken};
use async_trait::async_trait;
use deploy_core::{
    Actor, Ask, Creation, DeploymentId, Error, Event, Filter, Kind, Lease, Memory, Record, Request, Result, Scope,
    Signal, Store, Summary, Timestamp, What,
};
use deploy_testkit::conformance::{self, Clock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    AppendsWithoutCompare,
    LosesAnEvent,
    GivesTheLeaseTwice,
    RunsBackward,
    TakesALateEpoch,
    ListsTheOldestFirst,
    OverwritesTheDamaged,
}

/// The store in memory, but for one fault.
#[derive(Debug)]
struct Wrong {
    fault: Fault,
    clock: Clock,
    own: Arc<Memory>,
}

impl Wrong {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

#[async_trait]
impl Store for Wrong {
    async fn now(&self) -> Result<Timestamp> {
        if self.has(Fault::RunsBackward) { Ok(self.clock.read()) } else { self.own.now().await }
    }

    async fn create(&self, id: &DeploymentId, request: &Request, actor: &Actor) -> Result<Creation> {
        self.own.create(id, request, actor).await
    }

    async fn load(&self, id: &DeploymentId) -> Result<Record> {
        self.own.load(id).await
    }

    async fn append(
        &self,
        id: &DeploymentId,
        version: u64,
        epoch: u64,
        at: Timestamp,
        events: Vec<What>,
    ) -> Result<Vec<Event>> {
        match self.own.append(id, version, epoch, at, events.clone()).await {
            Err(error) if error.kind() == Kind::Conflict && self.has(Fault::AppendsWithoutCompare) => {
                let newest = self.own.load(id).await?.version;
                self.own.append(id, newest, epoch, at, events).await
            }
            Err(error) if error.kind() == Kind::Fenced && self.has(Fault::TakesALateEpoch) => {
                self.own.append(id, version, epoch + 1, at, events).await
            }
            told => told,
        }
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Summary>> {
        let mut listed = self.own.list(filter).await?;
        if self.has(Fault::ListsTheOldestFirst) {
            listed.reverse();
        }
        Ok(listed)
    }

    async fn events(&self, id: &DeploymentId, after: u64) -> Result<Vec<Event>> {
        let mut events = self.own.events(id, after).await?;
        if self.has(Fault::LosesAnEvent) {
            events.retain(|event| event.number != 4);
        }
        Ok(events)
    }

    async fn claim(&self, scope: &Scope, holder: &str, ttl: Duration, least: u64) -> Result<Lease> {
        match self.own.claim(scope, holder, ttl, least).await {
            Err(error) if error.kind() == Kind::Busy && self.has(Fault::GivesTheLeaseTwice) => {
                let holder = error.context("holder").unwrap_or_default().to_owned();
                self.own.claim(scope, &holder, ttl, least).await
            }
            told => told,
        }
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease> {
        self.own.renew(lease, ttl).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.own.release(lease).await
    }

    async fn signal(&self, id: &DeploymentId, ask: &Ask, actor: &Actor) -> Result<Signal> {
        self.own.signal(id, ask, actor).await
    }

    async fn signals(&self, id: &DeploymentId, after: u64) -> Result<Vec<Signal>> {
        self.own.signals(id, after).await
    }
}

async fn told(fault: Fault) -> String {
    let make = move |clock: Clock| async move {
        let read = clock.clone();
        let own = Arc::new(Memory::new(move || read.read()));
        Ok((Wrong { fault, clock, own: own.clone() }, (own, Arc::new(AtomicBool::new(false)))))
    };
    let reopen = move |(own, damaged): (Arc<Memory>, Arc<AtomicBool>), clock: Clock| async move {
        let (read, is_damaged) = (clock.clone(), damaged.load(Ordering::SeqCst));
        match fault {
            Fault::OverwritesTheDamaged if is_damaged => {
                let own = Arc::new(Memory::new(move || read.read()));
                Ok((Wrong { fault, clock, own: own.clone() }, (own, damaged)))
            }
            _ if is_damaged => Err(Error::new(Kind::Corrupt, "it is damaged")),
            _ => Ok((Wrong { fault, clock, own: own.clone() }, (own, damaged))),
        }
    };
    let suite = conformance::Store::new(make).reopened(reopen);
    broken(suite.damaged(|(_, damaged)| damaged.store(true, Ordering::SeqCst)).run().await)
}

#[tokio::test]
async fn a_store_that_appends_without_compare() {
    begins(
        &told(Fault::AppendsWithoutCompare).await,
        "the contract (compare-and-append) is broken in step \"events are added after the newest one, under the newest epoch, or not at all\": told [Event",
    );
}

#[tokio::test]
async fn a_store_that_loses_an_event() {
    let line = told(Fault::LosesAnEvent).await;
    assert!(line.ends_with("told [1, 2, 3], expected [1, 2, 3, 4]"), "{line}");
    begins(&line, "G10 is broken in step \"events are gapless, and the record equals their fold\"");
}

#[tokio::test]
async fn a_store_that_gives_a_lease_twice() {
    let line = told(Fault::GivesTheLeaseTwice).await;
    begins(&line, "G7 is broken in step \"a lease is held by one, until it ends\": told Lease");
    assert!(line.ends_with("expected the error Busy"), "{line}");
}

#[tokio::test]
async fn a_store_whose_time_runs_backward() {
    assert_eq!(
        told(Fault::RunsBackward).await,
        "the contract (`now` never runs backward) is broken in step \"time stands still while the clock runs backward\": told 1970-01-01T00:15:00Z, expected 1970-01-01T00:16:40Z"
    );
}

#[tokio::test]
async fn a_store_that_takes_a_late_epoch() {
    begins(
        &told(Fault::TakesALateEpoch).await,
        "G7 is broken in step \"an append under an epoch that is not the newest is refused\"",
    );
}

#[tokio::test]
async fn a_store_that_makes_anew_what_was_damaged() {
    begins(
        &told(Fault::OverwritesTheDamaged).await,
        "the contract (a store that cannot be read as what it should be says so and is never overwritten) is broken in step \"what was damaged is told, every time, and nothing is made anew in its place\": told the error NotFound",
    );
}

#[tokio::test]
async fn a_store_that_lists_the_oldest_first() {
    begins(
        &told(Fault::ListsTheOldestFirst).await,
        "the contract (the deployments that fit, the newest first) is broken",
    );
}
