//! Leases: claimed when a deployment of a scope begins its work, renewed in the background, given back at the end.

use deploy_core::{Error, Kind, Lease, Result, Scope, Store, time};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The leases of one engine, one for each scope, shared by all that work there.
#[derive(Debug)]
pub(crate) struct Leases {
    store: Arc<dyn Store>,
    holder: String,
    ttl: Duration,
    held: tokio::sync::Mutex<BTreeMap<Scope, Weak<Held>>>,
    /// Above what was lost: calls that were dropped then may still land, and must not pass for ours.
    least: Mutex<BTreeMap<Scope, u64>>,
}

/// A lease that is renewed in the background until nobody holds it any more.
#[derive(Debug)]
pub(crate) struct Held {
    store: Arc<dyn Store>,
    ttl: Duration,
    lease: Mutex<Lease>,
    /// When it was last asked for and given: it lasts at least its life from then on.
    renewed: Mutex<Instant>,
    users: AtomicUsize,
    renewing: tokio::sync::Mutex<()>,
    compared: AtomicBool,
    lost: CancellationToken,
}

impl Leases {
    pub(crate) fn new(store: Arc<dyn Store>, holder: String, ttl: Duration) -> Self {
        Self { store, holder, ttl, held: tokio::sync::Mutex::default(), least: Mutex::default() }
    }

    pub(crate) const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Claims the lease of a scope, or shares it where this engine has it.
    pub(crate) async fn hold(&self, scope: &Scope) -> Result<Arc<Held>> {
        let mut all = self.held.lock().await;
        let shared = all.get(scope).and_then(Weak::upgrade).filter(|held| !held.lost.is_cancelled());
        if let Some(held) = shared {
            held.users.fetch_add(1, Ordering::SeqCst);
            return Ok(held);
        }
        let asked = Instant::now();
        let lease = self.store.claim(scope, &self.holder, self.ttl, self.least(scope)).await?;
        tracing::debug!(%scope, epoch = lease.epoch, "claimed");
        let held = Arc::new(Held::new(self.store.clone(), self.ttl, lease, asked));
        tokio::spawn(renew(Arc::downgrade(&held), held.lost.clone(), self.ttl));
        all.insert(scope.clone(), Arc::downgrade(&held));
        Ok(held)
    }

    fn least(&self, scope: &Scope) -> u64 {
        self.least.lock().unwrap_or_else(PoisonError::into_inner).get(scope).copied().unwrap_or(0)
    }

    /// Gives a lease back when the last one that worked under it has ended.
    pub(crate) async fn give_back(&self, held: Arc<Held>) {
        let mut all = self.held.lock().await;
        if held.lost.is_cancelled() {
            let lost = held.lease();
            self.least.lock().unwrap_or_else(PoisonError::into_inner).insert(lost.scope, lost.epoch + 1);
            return;
        }
        if held.users.fetch_sub(1, Ordering::SeqCst) > 1 {
            return;
        }
        let _turn = held.renewing.lock().await;
        let lease = held.lease();
        all.remove(&lease.scope);
        if let Err(error) = self.store.release(&lease).await {
            tracing::warn!(scope = %lease.scope, %error, "the lease could not be given back; it ends by itself");
        }
    }
}

impl Held {
    fn new(store: Arc<dyn Store>, ttl: Duration, lease: Lease, asked: Instant) -> Self {
        let compared = AtomicBool::new(lease.renewed_before.is_some());
        Self {
            store,
            ttl,
            lease: Mutex::new(lease),
            renewed: Mutex::new(asked),
            users: AtomicUsize::new(1),
            renewing: tokio::sync::Mutex::default(),
            compared,
            lost: CancellationToken::new(),
        }
    }

    pub(crate) fn lease(&self) -> Lease {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Whether the store knew the scope before, or its epoch was compared with the platforms'.
    pub(crate) fn is_compared(&self) -> bool {
        self.compared.load(Ordering::SeqCst)
    }

    pub(crate) fn compared(&self) {
        self.compared.store(true, Ordering::SeqCst);
    }

    /// Takes an epoch above what a platform reports: the store has lost what it knew. Refused where another engine
    /// holds the lease by now.
    pub(crate) async fn raise(&self, least: u64) -> Result<()> {
        let _turn = self.renewing.lock().await;
        let lease = self.store.renew(&self.lease(), self.ttl).await.inspect_err(|error| self.yielded(error))?;
        tracing::warn!(scope = %lease.scope, epoch = lease.epoch, least, "a platform knows a newer epoch than the store");
        self.store.release(&lease).await?;
        let claimed = self.store.claim(&lease.scope, &lease.holder, self.ttl, least).await;
        let raised = claimed.inspect_err(|_| self.lost.cancel())?;
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = raised;
        self.compared();
        Ok(())
    }

    /// How long no call of ours may last on a platform that cannot tell our token from a newer one in the same step.
    pub(crate) fn bound(&self) -> Duration {
        self.ttl / 2
    }

    /// When it ends, as far as this engine knows.
    fn ends(&self) -> Instant {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) + self.ttl
    }

    fn left(&self) -> Duration {
        self.ends().saturating_duration_since(Instant::now())
    }

    /// Sees to it that more than so long is left of it: where it is not, it is renewed first.
    ///
    /// # Errors
    /// `Fenced` where it is lost; `Unavailable` where it could not be renewed.
    pub(crate) async fn ensure(&self, span: Duration) -> Result<()> {
        if self.left() > span {
            return Ok(());
        }
        let renewed = tokio::time::timeout_at(self.ends(), self.renew()).await;
        if self.left() > span {
            return Ok(());
        }
        let (scope, left) = (self.lease().scope, time::show(self.left()));
        let message =
            format!("{left} are left of the lease of {scope}: no call is begun that may take {}", time::show(span));
        let error = Error::new(Kind::Unavailable, message);
        Err(match renewed {
            Ok(Err(fenced)) if fenced.kind() == Kind::Fenced => fenced,
            Ok(Err(why)) => error.from_source(why),
            _ => error,
        })
    }

    fn yielded(&self, error: &Error) {
        if error.kind() == Kind::Fenced {
            self.lost.cancel();
        }
    }

    async fn renew(&self) -> Result<()> {
        let _turn = self.renewing.lock().await;
        let asked = Instant::now();
        let renewed = self.store.renew(&self.lease(), self.ttl).await.inspect_err(|error| self.yielded(error))?;
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).until = renewed.until;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        Ok(())
    }
}

/// Renews three times in the life of a lease; what was not renewed in its life is lost, whatever the store may say later.
async fn renew(held: Weak<Held>, lost: CancellationToken, ttl: Duration) {
    while !lost.is_cancelled() {
        tokio::time::sleep(ttl / 3).await;
        let Some(held) = held.upgrade() else { return };
        match tokio::time::timeout_at(held.ends(), held.renew()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(scope = %held.lease().scope, %error, "the lease was not renewed"),
            Err(_) => lost.cancel(),
        }
        if held.left().is_zero() {
            lost.cancel();
        }
    }
}
