//! One case: what is done to a run, and where.

use super::fault::Fault;
use crate::sim::Dice;
use deploy_core::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// What is done to an engine, or to its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Its process is killed, and another one started: at once, or up to 40 s later. A call that was begun may land later.
    Kill,
    /// It is dropped, and another one built in the same process.
    Drop,
    /// Its process stands still, as by SIGSTOP, until another engine has taken over or ended the deployment.
    Pause,
    /// As `Kill`, and the platform's clock is up to 30 h from the store's.
    Skew,
    /// The store does an append late.
    Late,
    /// The store answers an append late.
    Slow,
    /// The answer of an append is lost.
    Lost,
    /// The store has no room for a while.
    Full,
    /// The store can be written, not read or listed, for a while.
    Unread,
    /// The store cannot be reached for a while.
    Gone,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Kill,
        Self::Drop,
        Self::Pause,
        Self::Skew,
        Self::Late,
        Self::Slow,
        Self::Lost,
        Self::Full,
        Self::Unread,
        Self::Gone,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Drop => "drop",
            Self::Pause => "pause",
            Self::Skew => "skew",
            Self::Late => "late",
            Self::Slow => "slow",
            Self::Lost => "lost",
            Self::Full => "full",
            Self::Unread => "unread",
            Self::Gone => "gone",
        }
    }

    /// Whether it can be done at a boundary of this name: what befalls the store does at its appends.
    pub fn strikes_at(self, boundary: &str) -> bool {
        matches!(self, Self::Kill | Self::Drop | Self::Pause | Self::Skew) || boundary == "before append"
    }

    /// The fault of the store that it is, by the seed so long.
    pub(super) fn fault(self, dice: &mut Dice) -> Option<Fault> {
        Some(match self {
            Self::Late => Fault::Late(dice.millis(500, 40_000)),
            Self::Slow => Fault::Slow(dice.millis(500, 40_000)),
            Self::Lost => Fault::Lost,
            Self::Full => Fault::Full(dice.millis(1_000, 60_000)),
            Self::Unread => Fault::Unread(dice.millis(1_000, 40_000)),
            Self::Gone => Fault::Gone(dice.millis(1_000, 40_000)),
            _ => return None,
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            Error::invalid(format!("`{name}` is no mode; there are {all}"))
        })
    }
}

/// One case. The same case gives the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Chance.
    pub seed: u64,
    /// What is done.
    pub mode: Mode,
    /// The boundary where it is done, counted from 0.
    pub boundary: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, {} at boundary {}", self.seed, self.mode, self.boundary)
    }
}
