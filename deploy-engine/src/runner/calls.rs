//! Calls under way: one of each sort for each track at a time, and a pause after one that failed.

use super::session::Session;
use crate::layers::acting_for;
use deploy_core::machine::Call;
use deploy_core::{Actor, Error, InstanceId, Kind, Result, TrackRef};
use futures::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

/// What is called, and for what: one of each at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Track(TrackRef, Call),
    Task(String),
    Gate(String),
    Judge(TrackRef),
    Capture(TrackRef),
    Probe(TrackRef, InstanceId),
    Prune(TrackRef),
    Plan,
}

/// Takes in what came of a call; whether it is worth a look.
type Absorb = Box<dyn FnOnce(&mut Session) -> bool + Send>;

/// A call that came back.
pub(super) struct Done {
    pub(super) key: Key,
    failed: bool,
    absorb: Absorb,
}

/// Every call under way; dropped with them.
pub(super) struct Calls {
    actor: Actor,
    under_way: JoinSet<Done>,
    busy: BTreeSet<Key>,
    missed: BTreeSet<Key>,
    failures: BTreeMap<Key, u32>,
    not_before: BTreeMap<Key, Instant>,
}

impl Calls {
    pub(super) fn new(actor: Actor) -> Self {
        Self {
            actor,
            under_way: JoinSet::new(),
            busy: BTreeSet::new(),
            missed: BTreeSet::new(),
            failures: BTreeMap::new(),
            not_before: BTreeMap::new(),
        }
    }

    /// Whether a call may begin. Asked while the same is under way, its end is worth a look.
    pub(super) fn is_free(&mut self, key: &Key) -> bool {
        if self.busy.contains(key) {
            self.missed.insert(key.clone());
            return false;
        }
        self.wait_of(key).is_none()
    }

    /// Until when a call has to wait, where it has to.
    pub(super) fn wait_of(&self, key: &Key) -> Option<Instant> {
        self.not_before.get(key).copied().filter(|at| *at > Instant::now())
    }

    /// Not again before so long.
    pub(super) fn rest(&mut self, key: Key, span: Duration) -> Instant {
        let until = Instant::now() + span;
        self.not_before.insert(key, until);
        until
    }

    /// Begins a call. A panic in somebody's own code is an error that nobody classified.
    pub(super) fn begin<T: Send + 'static>(
        &mut self,
        key: Key,
        work: impl Future<Output = Result<T>> + Send + 'static,
        absorb: impl FnOnce(&mut Session, Result<T>) -> bool + Send + 'static,
    ) {
        self.busy.insert(key.clone());
        let work = acting_for(self.actor.clone(), AssertUnwindSafe(work).catch_unwind()).in_current_span();
        self.under_way.spawn(async move {
            let made = work.await.unwrap_or_else(|_| Err(Error::new(Kind::Unclassified, "a call panicked")));
            Done { key, failed: made.is_err(), absorb: Box::new(move |session| absorb(session, made)) }
        });
    }

    /// The next call to come back; waits for ever where none is under way.
    pub(super) async fn next(&mut self) -> Done {
        loop {
            match self.under_way.join_next().await {
                Some(Ok(done)) => return done,
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// A call that is back already, where one is.
    pub(super) fn ready(&mut self) -> Option<Done> {
        loop {
            if let Ok(done) = self.under_way.try_join_next()? {
                return Some(done);
            }
        }
    }

    /// Ends in good order: waits for calls at most so long, then drops them.
    pub(super) async fn end(&mut self, grace: Duration) {
        let all = async { while self.under_way.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(grace, all).await;
        self.under_way.abort_all();
    }

    fn came_back(&mut self, key: &Key, failed: bool) -> bool {
        self.busy.remove(key);
        let failures = if failed { self.failures.remove(key).unwrap_or(0) + 1 } else { 0 };
        self.failures.remove(key);
        if failed {
            self.failures.insert(key.clone(), failures);
            self.rest(key.clone(), backoff(failures));
        }
        self.missed.remove(key)
    }
}

/// 250 ms after the first failure, twice as long after each further one, at most 15 s.
fn backoff(failures: u32) -> Duration {
    Duration::from_millis(125).saturating_mul(1 << failures.min(7)).min(Duration::from_secs(15))
}

impl Session {
    /// Takes in what came of a call; whether it is worth a look.
    pub(super) fn absorb(&mut self, done: Done) -> bool {
        let missed = self.calls.came_back(&done.key, done.failed);
        let news = (done.absorb)(self);
        if let Some(until) = self.calls.wait_of(&done.key) {
            self.defer(until);
        }
        news || missed
    }
}
