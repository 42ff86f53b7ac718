//! Asking again.

use super::{Layer, Operation, Write, deployer};
use backon::{ExponentialBuilder, Retryable as _};
use deploy_core::{Deployer, Disposition, Error, Result, TrackRef};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Asks again where a read failed in passing: at most three times in two seconds. Writes are never repeated here: the
/// machine does that, by deadlines that are stored.
#[derive(Debug)]
pub struct Retry {
    inner: Arc<dyn Deployer>,
}

impl Retry {
    /// So many tries in all.
    pub const TRIES: usize = 3;
    /// No try begins later than so long after the first.
    pub const WITHIN: Duration = Duration::from_secs(2);

    /// Around a deployer.
    pub fn new(inner: Arc<dyn Deployer>) -> Self {
        Self { inner }
    }
}

impl Layer for Retry {
    fn inner(&self) -> &Arc<dyn Deployer> {
        &self.inner
    }

    async fn read<'a, T: Send + 'a>(
        &'a self,
        _operation: Operation,
        _track: &'a TrackRef,
        ask: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync + 'a,
    ) -> Result<T> {
        let began = Instant::now();
        let delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_factor(4.0)
            .with_max_times(Self::TRIES - 1);
        let passing = |error: &Error| error.disposition() == Disposition::Retry && began.elapsed() < Self::WITHIN;
        (|| ask()).retry(delays).when(passing).await
    }
}

deployer!(Retry);
