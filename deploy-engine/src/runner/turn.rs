//! Waiting for its turn: one active deployment for each scope, so many at once in all.

use super::session::{Session, own};
use super::wake::Wake;
use deploy_core::machine::{self, Claim, Effect, Seen};
use deploy_core::{Ask, DeploymentId, Filter, OnBusy, Result, What};
use futures::stream::{BoxStream, StreamExt as _};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// It looks whether its turn has come so often, where the store gives no hints.
const UNHINTED: Duration = Duration::from_secs(2);
/// The same where it does.
const HINTED: Duration = Duration::from_secs(30);

impl Session {
    /// Waits until nobody is ahead and there is a place. None: it has ended, or the engine is shut down.
    pub(super) async fn turn(&mut self) -> Result<Option<OwnedSemaphorePermit>> {
        let mut place = std::pin::pin!(self.core.places.clone().acquire_owned());
        let mut queue = None;
        loop {
            let mut ahead = self.ahead().await?;
            if queue.is_none() && !ahead.is_empty() {
                // Listened to before it is asked again, so that no end of one ahead is missed.
                queue = self.core.store.watch();
                ahead = self.ahead().await?;
            }
            self.supersede(&ahead).await?;
            let until = self.stand_by().await?;
            if self.record.way.is_ended() {
                return Ok(None);
            }
            let ending = self.ending.clone();
            tokio::select! {
                biased;
                () = ending.cancelled() => return Ok(None),
                place = &mut place, if ahead.is_empty() => return Ok(place.ok()),
                () = own(&mut self.watch, &self.id), if self.watch.is_some() => {}
                () = stirred(&mut queue, &ahead) => {}
                () = sleep_until(until) => {}
            }
            self.count(Wake::Turn);
        }
    }

    /// The unfinished deployments of the scope that were asked for before this one.
    async fn ahead(&mut self) -> Result<Vec<DeploymentId>> {
        let filter = Filter {
            application: Some(self.scope.application.clone()),
            environment: Some(self.scope.environment.clone()),
            active: Some(true),
            limit: None,
        };
        let active = self.core.store.list(&filter).await?.into_iter().map(|summary| summary.id);
        Ok(active.skip_while(|id| *id != self.id).skip(1).collect())
    }

    /// Asks those ahead to make room, each once.
    async fn supersede(&mut self, ahead: &[DeploymentId]) -> Result<()> {
        if self.record.request.on_busy != OnBusy::Supersede {
            return Ok(());
        }
        let ask = Ask::Supersede { by: self.id.clone() };
        for id in ahead {
            let asked = self.core.store.signals(id, 0).await?;
            if !asked.iter().any(|signal| signal.ask == ask) {
                self.core.store.signal(id, &ask, &self.record.actor).await?;
            }
        }
        Ok(())
    }

    /// Keeps its deadline and takes what is asked of it; touches nothing. When to look again.
    async fn stand_by(&mut self) -> Result<Instant> {
        self.reload().await?;
        self.tick().await?;
        let lease = Claim { epoch: self.record.epoch, renewed_before: None };
        let signals = self.core.store.signals(&self.id, self.record.signals).await?;
        let seen = Seen { lease, signals, ..Seen::default() };
        let now = self.clock.now();
        let mut next = machine::reconcile(&self.record, &seen, now);
        // Gates are asked when its turn has come: their deadlines begin then.
        if let Some(gate) = next.events.iter().position(|what| matches!(what, What::GateAsked { .. })) {
            next.events.truncate(gate);
        }
        if !next.events.is_empty() {
            self.append(now, next.events).await?;
        }
        let due = next.effects.into_iter().filter_map(|effect| match effect {
            Effect::Wake { at } => Some(self.clock.instant(at)),
            _ => None,
        });
        let most = Instant::now() + if self.watch.is_some() { HINTED } else { UNHINTED };
        Ok(due.min().map_or(most, |at| at.min(most)))
    }
}

/// Something was written about one that is ahead.
async fn stirred(queue: &mut Option<BoxStream<'static, DeploymentId>>, ahead: &[DeploymentId]) {
    while let Some(hints) = queue {
        match hints.next().await {
            Some(id) if ahead.contains(&id) => return,
            Some(_) => {}
            None => *queue = None,
        }
    }
    std::future::pending::<()>().await;
}
