//! Saying what would be done.

use super::{Layer, Operation, Write, deployer};
use deploy_core::{Deployer, Result, TrackRef};
use futures::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads as ever, writes nothing, and keeps in words what it would have done.
#[derive(Debug)]
pub struct DryRun {
    inner: Arc<dyn Deployer>,
    said: Mutex<Vec<String>>,
}

impl DryRun {
    /// Around a deployer.
    pub fn new(inner: Arc<dyn Deployer>) -> Self {
        Self { inner, said: Mutex::default() }
    }

    /// What it would have done so far, oldest first.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Layer for DryRun {
    fn inner(&self) -> &Arc<dyn Deployer> {
        &self.inner
    }

    async fn write<'a, T: Send + 'a>(
        &'a self,
        write: Write<'a>,
        instead: T,
        _work: BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let line = format!("{}: {}: {}", write.track, write.operation, write.words);
        tracing::info!(target: "deploy::dry_run", "{line}");
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Ok(instead)
    }
}

deployer!(DryRun);
