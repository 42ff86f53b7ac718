//! Bounding the time of a call.

use super::{Layer, Operation, Write, deployer};
use crate::Timeouts;
use deploy_core::{Deployer, Error, Kind, Result, TrackRef, time};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// Ends a call that takes too long, as [`Kind::Timeout`]. What it did meanwhile is seen at the next look.
#[derive(Debug)]
pub struct Timeout {
    inner: Arc<dyn Deployer>,
    timeouts: Timeouts,
}

impl Timeout {
    /// Around a deployer.
    pub fn new(inner: Arc<dyn Deployer>, timeouts: Timeouts) -> Self {
        Self { inner, timeouts }
    }

    const fn of(&self, operation: Operation) -> Duration {
        match operation {
            Operation::Prepare | Operation::Prune => self.timeouts.prepare,
            Operation::Converge | Operation::Remove => self.timeouts.converge,
            Operation::Task => self.timeouts.task,
            _ => self.timeouts.observe,
        }
    }

    async fn within<T>(&self, operation: Operation, track: &TrackRef, work: BoxFuture<'_, Result<T>>) -> Result<T> {
        let most = self.of(operation);
        tokio::time::timeout(most, work).await.unwrap_or_else(|_| {
            let message = format!("{operation} of {track} took longer than {}", time::show(most));
            Err(Error::new(Kind::Timeout, message))
        })
    }
}

impl Layer for Timeout {
    fn inner(&self) -> &Arc<dyn Deployer> {
        &self.inner
    }

    async fn read<'a, T: Send + 'a>(
        &'a self,
        operation: Operation,
        track: &'a TrackRef,
        ask: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync + 'a,
    ) -> Result<T> {
        self.within(operation, track, ask()).await
    }

    async fn write<'a, T: Send + 'a>(
        &'a self,
        write: Write<'a>,
        _instead: T,
        work: BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        self.within(write.operation, write.track, work).await
    }
}

deployer!(Timeout);
