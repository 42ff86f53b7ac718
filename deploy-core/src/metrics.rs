//! Figures that judges judge.

use crate::{Result, Side, Timestamp, TrackRef};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// What was measured of one side over an interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Requests answered, or failed.
    pub requests: u64,
    /// Those that failed: no answer, or a 5xx.
    pub errors: u64,
    /// The median of the latency.
    #[serde(with = "crate::time::human::optional")]
    pub p50: Option<Duration>,
    /// The 95th percentile of the latency.
    #[serde(with = "crate::time::human::optional")]
    pub p95: Option<Duration>,
    /// The 99th percentile of the latency.
    #[serde(with = "crate::time::human::optional")]
    pub p99: Option<Duration>,
    /// Anything else, by the source's own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, f64>,
}

/// Both sides over the same interval. A side without figures was not measured, which is not zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The side that stays if the candidate fails.
    pub stable: Option<Figures>,
    /// The side on trial.
    pub candidate: Option<Figures>,
}

/// Where figures come from: the embedded proxy, Prometheus, a program of one's own.
///
/// # Contract
/// Asking again for the same interval gives the same figures or later, more complete ones. It changes nothing.
#[async_trait]
pub trait MetricSource: Debug + Send + Sync {
    /// The figures of one side from a time until now. `None` where there are none.
    ///
    /// # Errors
    /// `Unavailable` where the source cannot be reached: never taken for good or bad.
    async fn figures(&self, track: &TrackRef, side: &Side, since: Timestamp) -> Result<Option<Figures>>;
}
