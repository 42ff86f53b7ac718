//! A TCP connection can be made.

use crate::dial::{Dial, answer_by, deadline, verdict};
use async_trait::async_trait;
use deploy_core::{Health, HealthCheck, ProbeTarget, Result, TcpCheck};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Tcp {
    check: TcpCheck,
    limit: Duration,
}

impl Tcp {
    pub(crate) const fn new(check: TcpCheck, limit: Duration) -> Self {
        Self { check, limit }
    }
}

#[async_trait]
impl HealthCheck for Tcp {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        let deadline = deadline(self.limit);
        let dial = Dial::resolve(target, self.check.port.as_deref(), deadline).await?;
        answer_by(deadline, async { Ok(verdict(dial.connect().await?.is_some())) }).await
    }
}
