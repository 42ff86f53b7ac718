//! Bounding the calls at a time.

use super::{Layer, Operation, Write, deployer};
use deploy_core::{Deployer, Result, TrackRef};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Lets so many calls through at a time; the others wait their turn, first come, first served.
#[derive(Debug)]
pub struct Limit {
    inner: Arc<dyn Deployer>,
    places: Semaphore,
}

impl Limit {
    /// Around a deployer: at most so many calls at a time, at least one.
    pub fn new(inner: Arc<dyn Deployer>, calls: usize) -> Self {
        Self { inner, places: Semaphore::new(calls.max(1)) }
    }

    async fn in_turn<T>(&self, work: BoxFuture<'_, Result<T>>) -> Result<T> {
        let _place = self.places.acquire().await.ok();
        work.await
    }
}

impl Layer for Limit {
    fn inner(&self) -> &Arc<dyn Deployer> {
        &self.inner
    }

    async fn read<'a, T: Send + 'a>(
        &'a self,
        _operation: Operation,
        _track: &'a TrackRef,
        ask: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync + 'a,
    ) -> Result<T> {
        self.in_turn(ask()).await
    }

    async fn write<'a, T: Send + 'a>(
        &'a self,
        _write: Write<'a>,
        _instead: T,
        work: BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        self.in_turn(work).await
    }
}

deployer!(Limit);
