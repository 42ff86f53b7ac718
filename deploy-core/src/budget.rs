//! The limits on the way.

use crate::Amount;
use crate::time::human;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The limits on the way from one count to another. Shares are of the workload's count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// So many more instances than ordered; a share is rounded up. Default 1.
    pub max_surge: Amount,
    /// So many fewer ready than ordered; a share is rounded down. Default 0.
    pub max_unavailable: Amount,
    /// How long an instance has to be healthy before it counts as ready. Default 0.
    #[serde(with = "human")]
    pub min_ready: Duration,
    /// So many may fail or be unreachable without holding the rest up; a share is rounded down. Default 0.
    pub max_failed: Amount,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            max_surge: Amount::Number(1),
            max_unavailable: Amount::NONE,
            min_ready: Duration::ZERO,
            max_failed: Amount::NONE,
        }
    }
}
