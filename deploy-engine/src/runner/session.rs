//! A deployment under one lease: what is known of it, and what wakes it.

use super::calls::{Calls, Done, Key};
use super::patience::Patience;
use super::probe::Probes;
use super::{AFTER_ERROR, Runner, Wake, WakeUps, wake::Clock};
use crate::engine::Core;
use crate::lease::Held;
use deploy_core::machine::Seen;
use deploy_core::planner::{self, Known};
use deploy_core::{DeploymentId, Error, Kind, Record, Result, Scope, Timestamp, Token, TrackRef, Way};
use futures::stream::{BoxStream, SelectAll, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// At work, it looks so often although nothing happens.
const LOOK: Duration = Duration::from_secs(30);
/// The same where a platform gives no hints.
const LOOK_UNHINTED: Duration = Duration::from_secs(2);
/// Where the store gives no hints, it is asked for signals so often.
const SIGNALS: Duration = Duration::from_secs(1);
/// Calls in hand are waited for so long at a shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// After so many looks without an event ...
const QUIET: u32 = 8;
/// ... looks that anything but a deadline or a person asks for are so far apart.
const BREATH: Duration = Duration::from_millis(50);

/// Why a session is over.
pub(super) enum End {
    /// The deployment has ended.
    Ended,
    /// The engine is shut down.
    Ending,
}

/// A deployment under one lease. Nothing of it is needed to go on: it is made anew of the record and of what is observed.
pub(super) struct Session {
    pub(super) core: Arc<Core>,
    pub(super) id: DeploymentId,
    pub(super) scope: Scope,
    pub(super) held: Arc<Held>,
    pub(super) ending: CancellationToken,
    wake_ups: Arc<Mutex<WakeUps>>,
    pub(super) record: Arc<Record>,
    pub(super) seen: Seen,
    pub(super) known: Known,
    pub(super) clock: Clock,
    pub(super) calls: Calls,
    pub(super) probes: Probes,
    /// How long a look waits for each platform, and those that did not answer in it.
    pub(super) patience: Patience,
    pub(super) slow: BTreeSet<TrackRef>,
    /// A platform knows a newer epoch than ours: one at least as new as this is to be claimed.
    pub(super) raise: Option<u64>,
    /// When deployers asked to be called again.
    pub(super) again: BTreeMap<TrackRef, Timestamp>,
    /// The token that each deployer was told last.
    pub(super) told: BTreeMap<TrackRef, Token>,
    /// When the machine asked to be woken.
    pub(super) due: Option<Timestamp>,
    /// When a call that has to wait may begin.
    deferred: Option<Instant>,
    pub(super) watch: Option<BoxStream<'static, DeploymentId>>,
    hints: SelectAll<BoxStream<'static, ()>>,
    looked: Instant,
    /// Looks since the last event.
    pub(super) quiet: u32,
}

impl Session {
    pub(super) async fn open(runner: &Runner, held: &Arc<Held>) -> Result<Self> {
        let store = &runner.core.store;
        let watch = runner.core.hints.of(&runner.id);
        let record = Arc::new(store.load(&runner.id).await?);
        Ok(Self {
            core: runner.core.clone(),
            id: runner.id.clone(),
            scope: runner.scope.clone(),
            held: held.clone(),
            ending: runner.ending.clone(),
            wake_ups: runner.wake_ups.clone(),
            calls: Calls::new(record.actor.clone()),
            record,
            seen: Seen::default(),
            known: Known::default(),
            clock: Clock::read(store.now().await?),
            probes: Probes::default(),
            patience: Patience::default(),
            slow: BTreeSet::new(),
            raise: None,
            again: BTreeMap::new(),
            told: BTreeMap::new(),
            due: None,
            deferred: None,
            watch,
            hints: SelectAll::new(),
            looked: Instant::now(),
            quiet: 0,
        })
    }

    /// Waits for its turn, then looks and acts until the deployment has ended. Most of that time it waits: what only a
    /// look needs is kept apart, and given back after it.
    pub(super) async fn drive(&mut self) -> Result<End> {
        let _place = match self.record.way {
            Way::Ended { .. } => return Ok(End::Ended),
            Way::Pending { .. } => match Box::pin(self.turn()).await? {
                Some(place) => Some(place),
                None => return Ok(self.over()),
            },
            _ => self.core.places.clone().try_acquire_owned().ok(),
        };
        Box::pin(self.begin()).await?;
        let mut cause = Wake::Start;
        loop {
            self.count(cause);
            if let Err(error) = Box::pin(self.look()).await {
                Box::pin(self.recover(error)).await?;
            }
            if self.record.way.is_ended() {
                return Ok(End::Ended);
            }
            cause = match self.wait().await {
                Some(cause) => cause,
                None => {
                    self.calls.end(GRACE).await;
                    return Ok(End::Ending);
                }
            };
        }
    }

    fn over(&self) -> End {
        if self.record.way.is_ended() { End::Ended } else { End::Ending }
    }

    /// Forgets all that was seen, and finds out which tracks there are.
    pub(super) async fn begin(&mut self) -> Result<()> {
        self.known = self.core.known(&self.scope).await?;
        self.calls = Calls::new(self.record.actor.clone());
        self.probes.drop_questions();
        self.seen = Seen::default();
        self.again.clear();
        self.slow.clear();
        let mut tracks: Vec<TrackRef> = self.record.tracks.keys().cloned().collect();
        if matches!(self.record.way, Way::Pending { .. }) {
            let request = &self.record.request;
            match planner::tracks(&request.release, &request.environment, &self.known) {
                Ok(all) => tracks.extend(all),
                Err(error) => self.seen.plan = Some(Err(error.into())),
            }
        }
        self.hints = tracks.iter().filter_map(|track| self.core.deployer(track).changes(track)).collect();
        self.seen.tracks = tracks.into_iter().map(|track| (track, Default::default())).collect();
        self.probes.learn(&self.record, &self.known);
        Ok(())
    }

    pub(super) async fn reload(&mut self) -> Result<()> {
        self.record = Arc::new(self.core.store.load(&self.id).await?);
        Ok(())
    }

    /// After an error of the store: what was not acknowledged may have been written, so the record is read anew.
    async fn recover(&mut self, error: Error) -> Result<()> {
        match error.kind() {
            Kind::Fenced | Kind::NotFound | Kind::Corrupt => return Err(error),
            Kind::Conflict => tracing::debug!(%error, "looks again"),
            _ => {
                tracing::warn!(%error, "looks again");
                sleep(AFTER_ERROR).await;
            }
        }
        self.again_at_once();
        self.reload().await
    }

    fn again_at_once(&mut self) {
        self.defer(Instant::now());
    }

    pub(super) fn count(&self, cause: Wake) {
        tracing::debug!(cause = cause.name(), "wakes");
        self.wake_ups.lock().unwrap_or_else(PoisonError::into_inner).count(cause);
    }

    /// Looks again at this time at the latest.
    pub(super) fn defer(&mut self, until: Instant) {
        self.deferred = Some(self.deferred.map_or(until, |at| at.min(until)));
    }

    /// What was asked for by time before a look follows from the look anew.
    pub(super) fn looked(&mut self) {
        (self.due, self.deferred, self.looked) = (None, None, Instant::now());
        let now = self.clock.now();
        self.again.retain(|_, at| *at > now);
    }

    /// Sleeps until there is a reason to look. None: the engine is shut down.
    async fn wait(&mut self) -> Option<Wake> {
        let cause = self.reason().await?;
        if matches!(cause, Wake::Hint | Wake::Probe | Wake::Call | Wake::Again) && self.quiet > QUIET {
            tokio::select! {
                () = self.ending.cancelled() => return None,
                () = sleep(BREATH) => {}
            }
        }
        while let Some(Some(())) = futures::FutureExt::now_or_never(self.hints.next()) {}
        if let Some(done) = self.calls.ready() {
            self.absorb_all(done);
        }
        Some(cause)
    }

    /// Takes in a call that came back, and all others that are back by then: each by itself would hold up the others for
    /// as long as a look takes. Why that is worth a look, where it is.
    fn absorb_all(&mut self, first: Done) -> Option<Wake> {
        let (mut cause, mut next) = (None, Some(first));
        while let Some(done) = next {
            let of = if matches!(done.key, Key::Probe(..)) { Wake::Probe } else { Wake::Call };
            let news = self.absorb(done).then_some(of);
            cause = cause.or(news);
            next = self.calls.ready();
        }
        cause
    }

    async fn reason(&mut self) -> Option<Wake> {
        loop {
            self.probe_due();
            let (next, cause) = self.next_look();
            let probe = self.next_probe().unwrap_or(next);
            let ending = self.ending.clone();
            tokio::select! {
                biased;
                () = ending.cancelled() => return None,
                done = self.calls.next() => {
                    if let Some(cause) = self.absorb_all(done) {
                        return Some(cause);
                    }
                }
                () = own(&mut self.watch, &self.id) => {
                    if self.is_asked().await {
                        return Some(Wake::Signal);
                    }
                }
                Some(()) = self.hints.next() => return Some(Wake::Hint),
                () = sleep_until(next) => return Some(cause),
                () = sleep_until(probe) => {}
            }
        }
    }

    /// When time alone is a reason to look, and which.
    fn next_look(&self) -> (Instant, Wake) {
        let hinted = self.hints.len() >= self.seen.tracks.len();
        let periodic = self.looked + if hinted { LOOK } else { LOOK_UNHINTED };
        let again = self.again.values().min().map(|at| self.clock.instant(*at));
        let due = self.due.map(|at| self.clock.instant(at));
        let times =
            [(self.deferred, Wake::Again), (again, Wake::Again), (due, Wake::Due), (Some(periodic), Wake::Periodic)];
        let times = times.into_iter().filter_map(|(at, cause)| Some((at?, cause)));
        times.min_by_key(|(at, _)| *at).unwrap_or((periodic, Wake::Periodic))
    }

    /// Our own writes give hints too: only what was asked is a reason to look.
    async fn is_asked(&mut self) -> bool {
        self.core.store.signals(&self.id, self.record.signals).await.is_ok_and(|signals| !signals.is_empty())
    }
}

/// A hint of the store about one deployment; without hints, a tick.
pub(super) async fn own(watch: &mut Option<BoxStream<'static, DeploymentId>>, id: &DeploymentId) {
    loop {
        let Some(hints) = watch else { return sleep(SIGNALS).await };
        match hints.next().await {
            Some(hint) if hint == *id => return,
            Some(_) => {}
            None => *watch = None,
        }
    }
}
