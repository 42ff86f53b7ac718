//! Keeping writes within the lease.

use super::{Layer, Operation, Write, deployer};
use crate::Timeouts;
use crate::lease::Held;
use deploy_core::{Deployer, Error, Kind, Result, TrackRef, time};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// Begins no write that may outlive the lease: for platforms that compare tokens before they write, not as they write.
///
/// A write takes at most half a lease, and is begun only while more than that is left of it; else the lease is renewed
/// first, and where that fails the write is refused. Shipping and pruning change nothing that lives, and go by.
#[derive(Debug)]
pub(crate) struct WithinLease {
    inner: Arc<dyn Deployer>,
    held: Arc<Held>,
    timeouts: Timeouts,
}

impl WithinLease {
    /// Around a deployer, under a lease.
    pub(crate) fn new(inner: Arc<dyn Deployer>, held: Arc<Held>, timeouts: Timeouts) -> Self {
        Self { inner, held, timeouts }
    }

    fn most(&self, operation: Operation) -> Option<Duration> {
        let most = match operation {
            Operation::Converge | Operation::Remove => self.timeouts.converge,
            Operation::Task => self.timeouts.task,
            Operation::Fence => self.timeouts.observe,
            _ => return None,
        };
        Some(most.min(self.held.bound()))
    }
}

impl Layer for WithinLease {
    fn inner(&self) -> &Arc<dyn Deployer> {
        &self.inner
    }

    async fn write<'a, T: Send + 'a>(
        &'a self,
        write: Write<'a>,
        _instead: T,
        work: BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let Some(most) = self.most(write.operation) else { return work.await };
        self.held.ensure(most).await?;
        tokio::time::timeout(most, work).await.unwrap_or_else(|_| {
            let (operation, track, most) = (write.operation, write.track, time::show(most));
            let message = format!("{operation} of {track} took longer than {most}, which is what the lease allows it");
            Err(Error::new(Kind::Timeout, message))
        })
    }
}

deployer!(WithinLease);
