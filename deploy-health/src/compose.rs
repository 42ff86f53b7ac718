//! Several checks taken together, in three-valued logic.

use async_trait::async_trait;
use deploy_core::{Health, HealthCheck, ProbeTarget, Result};
use futures::stream::{FuturesUnordered, StreamExt as _};
use std::sync::Arc;

/// Healthy if all parts are; unhealthy as soon as one is. Parts are asked at the same time. Where no part is unhealthy
/// and one could not tell, neither can this: the first error, else unknown.
#[derive(Debug, Clone)]
pub struct All(Vec<Arc<dyn HealthCheck>>);

impl All {
    /// Takes checks together. Without any it is healthy.
    pub const fn new(parts: Vec<Arc<dyn HealthCheck>>) -> Self {
        Self(parts)
    }
}

#[async_trait]
impl HealthCheck for All {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        ask(&self.0, target, Health::Unhealthy).await
    }
}

/// Healthy as soon as one part is; unhealthy if all parts are. Parts are asked at the same time. Where no part is
/// healthy and one could not tell, neither can this: the first error, else unknown.
#[derive(Debug, Clone)]
pub struct Any(Vec<Arc<dyn HealthCheck>>);

impl Any {
    /// Takes checks together. Without any it is unhealthy.
    pub const fn new(parts: Vec<Arc<dyn HealthCheck>>) -> Self {
        Self(parts)
    }
}

#[async_trait]
impl HealthCheck for Any {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        ask(&self.0, target, Health::Healthy).await
    }
}

/// Healthy if the other is unhealthy, and the other way round; what could not be told stays so.
#[derive(Debug, Clone)]
pub struct Not(Arc<dyn HealthCheck>);

impl Not {
    /// Turns a check round.
    pub const fn new(other: Arc<dyn HealthCheck>) -> Self {
        Self(other)
    }
}

#[async_trait]
impl HealthCheck for Not {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        self.0.probe(target).await.map(flipped)
    }
}

const fn flipped(health: Health) -> Health {
    match health {
        Health::Healthy => Health::Unhealthy,
        Health::Unhealthy => Health::Healthy,
        Health::Unknown => Health::Unknown,
    }
}

/// Asks all parts until one gives the answer that decides.
async fn ask(parts: &[Arc<dyn HealthCheck>], target: &ProbeTarget, decides: Health) -> Result<Health> {
    let mut answers: FuturesUnordered<_> = parts.iter().map(|part| part.probe(target)).collect();
    let mut together = Ok(flipped(decides));
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(health) if health == decides => return Ok(decides),
            Ok(Health::Unknown) if together.is_ok() => together = Ok(Health::Unknown),
            Err(error) if together.is_ok() => together = Err(error),
            _ => {}
        }
    }
    together
}
