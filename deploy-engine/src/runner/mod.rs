//! One task for each deployment: it waits for its turn, then looks and acts until the deployment has ended.

mod calls;
mod effects;
mod look;
mod patience;
mod probe;
mod session;
mod turn;
mod wake;

pub use wake::{Wake, WakeUps};

use crate::engine::Core;
use crate::lease::Held;
use deploy_core::{DeploymentId, Error, Kind, Result, Scope};
use futures::FutureExt as _;
use session::{End, Session};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// What a runner does where another engine has the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keen {
    /// It claims again until the deployment has ended: it was asked for here, or is taken over at the start.
    Stays,
    /// It leaves it: the next round looks again.
    Leaves,
}

/// What a runner needs.
pub(crate) struct Runner {
    pub(crate) core: Arc<Core>,
    pub(crate) id: DeploymentId,
    pub(crate) scope: Scope,
    pub(crate) ending: CancellationToken,
    pub(crate) wake_ups: Arc<Mutex<WakeUps>>,
    pub(crate) keen: Keen,
}

/// Where another engine has the lease, it is claimed again so late, or after a third of its life.
const CLAIM: Duration = Duration::from_secs(1);
/// After an error of the store it is asked again so late.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Sees to a deployment until it has ended, whoever else is at work on it meanwhile.
pub(crate) async fn run(mut runner: Runner) {
    let span = tracing::info_span!("deployment", id = %runner.id, scope = %runner.scope);
    async {
        if runner.keen == Keen::Leaves && !runner.is_ours().await {
            return;
        }
        while let Some(again) = runner.once().await {
            tokio::select! {
                () = runner.ending.cancelled() => return,
                () = tokio::time::sleep(again) => {}
            }
        }
    }
    .instrument(span)
    .await;
}

impl Runner {
    /// Whether this engine can do anything about it.
    async fn is_ours(&self) -> bool {
        self.core.store.load(&self.id).await.is_ok_and(|record| self.core.serves(&record))
    }

    /// Works as long as it can. When to try again, where it is not over.
    async fn once(&mut self) -> Option<Duration> {
        let held = match self.core.leases.hold(&self.scope).await {
            Ok(held) => held,
            Err(_) if self.keen == Keen::Leaves => return None,
            Err(error) => return self.without_lease(&error).await,
        };
        if self.keen == Keen::Leaves {
            tracing::info!("takes over");
            self.keen = Keen::Stays;
        }
        let worked = tokio::select! {
            biased;
            () = held.lost().cancelled() => Err(Error::new(Kind::Fenced, "the lease was lost")),
            worked = AssertUnwindSafe(self.work(&held)).catch_unwind() => worked.unwrap_or_else(|_| Err(panicked())),
        };
        self.core.leases.give_back(held).await;
        match worked {
            Ok(End::Ended | End::Ending) => None,
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Corrupt) => {
                tracing::error!(%error, "the record cannot be worked with");
                None
            }
            Err(error) if error.kind() == Kind::Fenced => {
                tracing::warn!(%error, "another engine is at work");
                Some(self.claim_again())
            }
            Err(error) => {
                tracing::warn!(%error, "begins again");
                Some(AFTER_ERROR)
            }
        }
    }

    async fn work(&self, held: &Arc<Held>) -> Result<End> {
        let mut session = Box::new(Box::pin(Session::open(self, held)).await?);
        session.drive().await
    }

    /// Another engine has it, or the store cannot be reached: tries again until it has ended.
    async fn without_lease(&self, error: &Error) -> Option<Duration> {
        tracing::debug!(%error, "no lease");
        let ended = self.core.store.load(&self.id).await.is_ok_and(|record| record.status().is_final());
        (!ended).then(|| self.claim_again())
    }

    fn claim_again(&self) -> Duration {
        CLAIM.min(self.core.leases.ttl() / 3)
    }
}

/// A panic of somebody's own code in this task must not leave the deployment alone.
fn panicked() -> Error {
    Error::new(Kind::Unclassified, "the work on the deployment panicked")
}
