//! What is waited for.

use deploy_core::{InstanceId, Side};
use std::fmt;

/// Why something that is ordered is not done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// There are fewer free slots than needed.
    Slots {
        /// What is to be launched.
        side: Side,
        /// How many find no slot.
        missing: u32,
    },
    /// The ceiling leaves no room.
    Ceiling {
        /// What is to be launched.
        side: Side,
        /// How many find no room.
        missing: u32,
    },
    /// What ran before we came cannot be launched again.
    Adopted {
        /// What is missing.
        side: Side,
        /// How many are missing.
        missing: u32,
    },
    /// Another instance of an exclusive workload is seen.
    Exclusive {
        /// The first that is in the way.
        instance: InstanceId,
    },
    /// A side's share grows only when enough of it are ready.
    Share {
        /// The side whose share is to grow.
        side: Side,
        /// How many of it are known to be ready.
        ready: u32,
        /// How many are needed.
        need: u32,
    },
    /// More are to go than may go now: too few others are known to be ready, or the traffic is not seen as ordered yet.
    Excess {
        /// How many are left over.
        left: u32,
    },
    /// It is out of the set and finishes what it has in flight.
    Drain {
        /// Who.
        instance: InstanceId,
        /// How many requests, where that is known.
        in_flight: Option<u64>,
    },
    /// It is to go, but its host cannot be reached.
    Unreachable {
        /// Who.
        instance: InstanceId,
    },
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slots { side, missing } => write!(f, "{missing} of {side} find no free slot"),
            Self::Ceiling { side, missing } => write!(f, "{missing} of {side} wait for others to go"),
            Self::Adopted { side, missing } => write!(f, "{missing} of {side} cannot be launched again"),
            Self::Exclusive { instance } => write!(f, "`{instance}` is still there, and there may be one at a time"),
            Self::Share { side, ready, need } => write!(f, "{ready} of {side} are ready, its share needs {need}"),
            Self::Excess { left } => write!(f, "{left} more are to go when enough others are ready"),
            Self::Drain { instance, in_flight: Some(count) } => write!(f, "`{instance}` finishes {count} requests"),
            Self::Drain { instance, in_flight: None } => write!(f, "`{instance}` finishes its requests"),
            Self::Unreachable { instance } => write!(f, "`{instance}` is to go, but its host cannot be reached"),
        }
    }
}
