//! The process runs.

use crate::dial::verdict;
use async_trait::async_trait;
use deploy_core::{Health, HealthCheck, ProbeTarget, Result};

#[derive(Debug)]
pub(crate) struct Process;

#[async_trait]
impl HealthCheck for Process {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        Ok(verdict(target.running))
    }
}
