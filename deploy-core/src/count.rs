//! How many instances a side has.

use crate::Share;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many instances a side is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// So many.
    Exactly(u32),
    /// So large a part of the workload's count, rounded up, at least one of a share above nothing.
    Share(Share),
    /// So many at least: an autoscaler lives above it.
    AtLeast(u32),
    /// The platform's own business: it scales to zero.
    Platform,
}

impl Count {
    /// None.
    pub const NONE: Self = Self::Exactly(0);
    /// The workload's whole count.
    pub const ALL: Self = Self::Share(Share::WHOLE);

    /// Half of it, rounded up.
    #[must_use]
    pub const fn half(self) -> Self {
        self.share(Share::percent(50))
    }

    /// A share of it, rounded up.
    #[must_use]
    pub const fn share(self, share: Share) -> Self {
        match self {
            Self::Exactly(n) => Self::Exactly(share.of(n)),
            Self::AtLeast(n) => Self::AtLeast(share.of(n)),
            Self::Share(whole) => Self::Share(Share::basis_points(share.of(whole.points() as u32) as u16)),
            Self::Platform => Self::Platform,
        }
    }

    /// As a number, of a workload's count. The platform's own is the workload's count.
    pub const fn of(self, count: u32) -> u32 {
        match self {
            Self::Exactly(n) | Self::AtLeast(n) => n,
            Self::Share(share) => share.of(count),
            Self::Platform => count,
        }
    }

    /// Whether it is none of any count.
    pub const fn is_none(self) -> bool {
        matches!(self, Self::Exactly(0)) || matches!(self, Self::Share(share) if share.is_none())
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Exactly(n) => n.to_string(),
            Self::Share(share) if share.is_whole() => "all".to_owned(),
            Self::Share(share) => format!("{share} of them"),
            Self::AtLeast(n) => format!("{n} or more"),
            Self::Platform => "its own count".to_owned(),
        };
        f.pad(&text)
    }
}
