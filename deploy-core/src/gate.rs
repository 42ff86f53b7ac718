//! Decisions from outside.

use crate::time::human;
use crate::{DeploymentId, Name, Result, TrackRef};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::time::Duration;

/// A decision from outside that is waited for, always with a deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateSpec {
    /// Its name, unique in its stage or environment; the stable key is made of it.
    pub name: Name,
    /// Who decides. `approval`, a person by `approve` or `promote`, is the default; others by the name they were registered with.
    #[serde(default = "approval")]
    pub kind: String,
    /// What the gate is told besides.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// No decision by then is a refusal. Default 1 h.
    #[serde(default = "hour", with = "human")]
    #[schemars(with = "String")]
    pub deadline: Duration,
}

fn approval() -> String {
    "approval".into()
}

const fn hour() -> Duration {
    Duration::from_secs(3600)
}

impl GateSpec {
    /// A person's approval within an hour.
    pub fn approval(name: Name) -> Self {
        Self { name, kind: approval(), settings: serde_json::Map::new(), deadline: hour() }
    }
}

/// What a gate is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateAsk {
    /// The stable key: the same question bears the same.
    pub key: String,
    /// The deployment that waits.
    pub deployment: DeploymentId,
    /// The track that waits; none for a gate before the deployment.
    pub track: Option<TrackRef>,
    /// The gate.
    pub gate: GateSpec,
}

/// What a gate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go on.
    Open,
    /// Do not: go back, or do not begin.
    Closed(String),
    /// Not decided yet.
    Waiting,
}

/// Decides whether a deployment may go on.
///
/// # Contract
/// Asked again and again with the same key until it decides or the deadline passes; a decision, once given, stays.
#[async_trait]
pub trait Gate: Debug + Send + Sync {
    /// Asks.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be reached: taken for waiting.
    async fn ask(&self, ask: &GateAsk) -> Result<Decision>;
}
