//! One look: observe, reconcile, append, act.

use super::calls::Key;
use super::session::Session;
use super::wake::Clock;
use deploy_core::machine::{self, Call, Claim, Problem};
use deploy_core::{Event, Grip, Result, Timestamp, TrackRef, What};
use futures::FutureExt as _;
use futures::future::{join, join_all};
use std::sync::Arc;
use tokio::time::Instant;

impl Session {
    /// Looks once: all that is seen, what follows from it, then what is to be done.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn look(&mut self) -> Result<()> {
        self.raise().await?;
        let epoch = self.held.lease().epoch;
        if self.seen.lease.epoch != epoch && self.seen.lease.epoch != 0 {
            self.begin().await?;
        }
        let (store, id, taken) = (self.core.store.clone(), self.id.clone(), self.record.signals);
        let asked = async move { join(store.now().map(|now| now.map(Clock::read)), store.signals(&id, taken)).await };
        let ((), (clock, signals)) = join(self.observe(), asked).await;
        self.raise().await?;
        self.clock = clock?;
        self.looked();
        self.observe_aside();
        self.fold_all();
        let lease = self.held.lease();
        self.seen.lease = Claim { epoch: lease.epoch, renewed_before: lease.renewed_before };
        self.seen.signals = signals?;
        let now = self.clock.now();
        let next = machine::reconcile(&self.record, &self.seen, now);
        self.quiet = if next.events.is_empty() { self.quiet.saturating_add(1) } else { 0 };
        if !next.events.is_empty() {
            self.append(now, next.events).await?;
        }
        if !self.record.way.is_ended() {
            self.act(next.effects, now);
        }
        Ok(())
    }

    /// Asks the store for the time.
    pub(super) async fn tick(&mut self) -> Result<()> {
        self.clock = Clock::read(self.core.now().await?);
        Ok(())
    }

    /// Observes every platform that is held, all at the same time. One that could not be observed, or does not answer
    /// in its time, is left out and asked beside the looks: it must not hold up the others.
    async fn observe(&mut self) {
        let asked = self.seen.tracks.iter().filter(|(track, seen)| {
            (seen.fenced || self.is_held(track))
                && !seen.problems.contains_key(&Call::Observe)
                && !self.slow.contains(*track)
        });
        let asked = asked.map(|(track, _)| (track.clone(), self.core.deployer(track), self.patience.of(track)));
        let asked = asked.map(|(track, deployer, patience)| async move {
            let began = Instant::now();
            let observed = tokio::time::timeout(patience, deployer.observe(&track)).await;
            (track, began.elapsed(), observed)
        });
        let epoch = self.held.lease().epoch;
        for (track, took, observed) in join_all(asked).await {
            let observed = match observed {
                Ok(observed) => {
                    self.patience.learn(&track, took);
                    self.note(&track, Call::Observe, &observed);
                    observed.ok()
                }
                Err(_) => {
                    self.slow.insert(track.clone());
                    None
                }
            };
            self.raise = observed.as_ref().map(|seen| seen.token.epoch).filter(|newest| *newest > epoch).or(self.raise);
            if let Some(seen) = self.seen.track_mut(&track) {
                seen.observed = observed.map(Arc::new);
            }
        }
    }

    /// Observes beside the looks what could not be observed; once it can be, the next look does.
    fn observe_aside(&mut self) {
        let dark = self.seen.tracks.iter().filter(|(track, seen)| {
            let left_out = seen.problems.contains_key(&Call::Observe) || self.slow.contains(*track);
            (seen.fenced || self.is_held(track)) && left_out
        });
        let dark: Vec<TrackRef> = dark.map(|(track, _)| track.clone()).collect();
        for track in dark {
            let key = Key::Track(track.clone(), Call::Observe);
            if !self.may(&key) {
                continue;
            }
            let (deployer, of) = (self.core.deployer(&track), track.clone());
            let work = async move { deployer.observe(&of).await };
            let began = Instant::now();
            self.calls.begin(key, work, move |session, observed| {
                session.patience.learn(&track, began.elapsed());
                let was_slow = session.slow.remove(&track);
                session.note(&track, Call::Observe, &observed) || was_slow
            });
        }
    }

    fn is_held(&self, track: &TrackRef) -> bool {
        let grip = self.record.tracks.get(track).map(|state| state.grip);
        grip == Some(Grip::Held) && self.record.epoch == self.held.lease().epoch
    }

    /// Claims a newer epoch than a platform's, and begins anew under it. Refused where the lease is lost.
    async fn raise(&mut self) -> Result<()> {
        let Some(newest) = self.raise else { return Ok(()) };
        self.held.raise(newest + 1).await?;
        self.raise = None;
        self.begin().await
    }

    /// Keeps what went wrong in a call until the same succeeds. Whether that is news.
    pub(super) fn note<T>(&mut self, track: &TrackRef, call: Call, made: &Result<T>) -> bool {
        let Some(seen) = self.seen.track_mut(track) else { return false };
        match made {
            Ok(_) => seen.problems.remove(&call).is_some(),
            Err(error) => {
                tracing::debug!(%track, ?call, %error, "failed");
                let before = seen.problems.insert(call, Problem::from(error));
                before.is_none_or(|before| before.kind != error.kind())
            }
        }
    }

    /// Writes what happened, then takes it in: nothing is done before it is written.
    pub(super) async fn append(&mut self, now: Timestamp, events: Vec<What>) -> Result<()> {
        let epoch = self.held.lease().epoch;
        let events = self.core.store.append(&self.id, self.record.version, epoch, now, events).await?;
        for event in &events {
            Arc::make_mut(&mut self.record).apply(event);
            self.happened(event);
        }
        Ok(())
    }

    fn happened(&mut self, event: &Event) {
        let track = event.what.track().map(ToString::to_string).unwrap_or_default();
        tracing::info!(number = event.number, event = event.what.name(), track, "happened");
        crate::metrics::happened(&self.record, event);
        self.core.told.iter().for_each(|told| told.tell(&self.record, event));
        match &event.what {
            What::Started { plan, .. } => {
                self.seen.plan = None;
                self.seen.tracks.retain(|track, _| plan.tracks.contains_key(track));
                self.probes.learn(&self.record, &self.known);
            }
            What::StageBegan { track, .. } | What::Judged { track, .. } => {
                if let Some(seen) = self.seen.track_mut(track) {
                    seen.judged = None;
                }
            }
            _ => {}
        }
    }
}
