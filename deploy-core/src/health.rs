//! Whether an instance is well, as far as is known.

use crate::{Result, Side, Timestamp};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};

/// Three-valued: what could not be told is never taken for good or bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It says it is well.
    Healthy,
    /// It says it is not, or gives no answer although it was reached.
    Unhealthy,
    /// Nobody could tell.
    #[default]
    Unknown,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        })
    }
}

/// Health by thresholds: the state that samples were folded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    /// The state.
    pub health: Health,
    /// Since when, without a break.
    pub since: Timestamp,
    /// Whether this engine has seen it itself, rather than read it in the record of another.
    pub fresh: bool,
}

/// What a check needs to know of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// The instance.
    pub instance: crate::InstanceId,
    /// Its side.
    pub side: Side,
    /// `host:port` of the routed port, where it has one.
    pub address: Option<String>,
    /// `host:port` of each port by name.
    pub ports: std::collections::BTreeMap<String, String>,
    /// Whether the platform says that its process runs.
    pub running: bool,
    /// What its version header may say: the version label or the revision id.
    pub versions: Vec<String>,
}

/// Is it well?
///
/// # Contract
/// `Err` never means "unhealthy"; it means that the check itself broke (no file handles left, a program that is not
/// there). A refused connection, a wrong answer or no answer in time from an instance that should answer is `Unhealthy`.
#[async_trait]
pub trait HealthCheck: Debug + Send + Sync {
    /// Asks once. The caller bounds the time: dropping it ends the question.
    ///
    /// # Errors
    /// When the check itself broke; taken as unknown.
    async fn probe(&self, target: &ProbeTarget) -> Result<Health>;
}
