//! Shares and amounts.

use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A part of a whole in basis points, 0 to 10,000; written `12.5%`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "String")]
#[schemars(with = "String")]
pub struct Share(u16);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
}

impl TryFrom<Written> for Share {
    type Error = Error;
    fn try_from(written: Written) -> Result<Self> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Number(number) => number.to_string().parse(),
        }
    }
}

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The whole.
    pub const WHOLE: Self = Self(10_000);

    /// A share in whole percent; more than 100 is the whole.
    pub const fn percent(percent: u16) -> Self {
        Self::basis_points(if percent > 100 { 10_000 } else { percent * 100 })
    }

    /// A share in basis points; more than 10,000 is the whole.
    pub const fn basis_points(points: u16) -> Self {
        Self(if points > 10_000 { 10_000 } else { points })
    }

    /// In basis points, 0 to 10,000.
    pub const fn points(self) -> u16 {
        self.0
    }

    /// What is left of the whole.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(10_000 - self.0)
    }

    /// Whether it is nothing.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether it is the whole.
    pub const fn is_whole(self) -> bool {
        self.0 == 10_000
    }

    /// This share of a number, rounded up: any share above nothing is at least one of one.
    pub const fn of(self, number: u32) -> u32 {
        ((number as u64 * self.0 as u64).div_ceil(10_000)) as u32
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => f.pad(&format!("{whole}%")),
            part if part % 10 == 0 => f.pad(&format!("{whole}.{}%", part / 10)),
            part => f.pad(&format!("{whole}.{part:02}%")),
        }
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl FromStr for Share {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid(format!("`{text}` is not a share: use 0% to 100%, in steps of 0.01%"));
        let number = text.trim();
        let number = number.strip_suffix('%').unwrap_or(number).trim();
        let percent: f64 = number.parse().map_err(|_| wrong())?;
        let points = percent * 100.0;
        let exact = (points - points.round()).abs() < 1e-6;
        if !(0.0..=10_000.0).contains(&points) || !exact {
            return Err(wrong());
        }
        Ok(Self(points.round() as u16))
    }
}

/// A number of instances, or a share of the workload's count; written `2` or `25%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Amount {
    /// So many instances.
    Number(u32),
    /// So large a part of the workload's count.
    Share(Share),
}

impl Amount {
    /// None.
    pub const NONE: Self = Self::Number(0);

    /// Of a count, rounded up (surge).
    pub const fn up(self, count: u32) -> u32 {
        match self {
            Self::Number(number) => number,
            Self::Share(share) => share.of(count),
        }
    }

    /// Of a count, rounded down (unavailable, failed).
    pub const fn down(self, count: u32) -> u32 {
        match self {
            Self::Number(number) => number,
            Self::Share(share) => (count as u64 * share.points() as u64 / 10_000) as u32,
        }
    }

    /// Whether it is nothing of any count.
    pub const fn is_none(self) -> bool {
        matches!(self, Self::Number(0) | Self::Share(Share(0)))
    }
}

impl Default for Amount {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}
