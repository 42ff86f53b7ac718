//! The fence.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Fence and lag mark of every write: a platform refuses an older one. Ordered by epoch, then generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The epoch of the lease: one more at each claim.
    pub epoch: u64,
    /// One more at each order of the track; a deployment's first is the platform's newest + 1.
    pub generation: u64,
}

impl Token {
    /// The token of an epoch and a generation.
    pub const fn new(epoch: u64, generation: u64) -> Self {
        Self { epoch, generation }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.generation)
    }
}
