//! Who is served by which side.

use crate::Share;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Where the requests of a workload go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// A worker: nobody is routed to it.
    NotRouted,
    /// A worker whose sides replace each other at one place, in one order.
    InPlace,
    /// Nobody is served.
    None,
    /// Every admitted instance of either side alike.
    Pooled,
    /// Divided between the two sides.
    Split(Split),
}

/// The candidate's part of the traffic; the rest is stable's, so it always adds up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Split {
    /// The candidate's share of the requests that nothing else decides.
    pub candidate: Share,
    /// Requests that go to the candidate whatever the share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// Keeps a client on the side that served it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// The share of requests that are sent to the candidate as well, their answers thrown away.
    #[serde(default, skip_serializing_if = "is_none")]
    pub mirror: Share,
}

fn is_none(share: &Share) -> bool {
    share.is_none()
}

/// A request that goes to the candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Match {
    /// A header has a value.
    Header {
        /// The header's name, of any case.
        name: String,
        /// The exact value.
        value: String,
    },
    /// A cookie has a value.
    Cookie {
        /// The cookie's name.
        name: String,
        /// The exact value.
        value: String,
    },
}

/// A cookie that keeps a client on its side; who has seen the candidate stays on it as its share grows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sticky {
    /// The cookie's name.
    pub cookie: String,
    /// How long the cookie lives, in the client's clock.
    #[serde(with = "crate::time::human")]
    #[schemars(with = "String")]
    pub max_age: Duration,
}

impl Split {
    /// A candidate's share in whole percent, without matches, stickiness or mirror.
    pub const fn percent(percent: u16) -> Self {
        Self::share(Share::percent(percent))
    }

    /// A candidate's share.
    pub const fn share(candidate: Share) -> Self {
        Self { candidate, matches: Vec::new(), sticky: None, mirror: Share::NONE }
    }

    /// Everything to the candidate.
    pub const fn candidate() -> Self {
        Self::percent(100)
    }

    /// Everything to stable.
    pub const fn stable() -> Self {
        Self::percent(0)
    }

    /// Only what matches goes to the candidate.
    pub fn matching(matches: impl IntoIterator<Item = Match>) -> Self {
        Self { matches: matches.into_iter().collect(), ..Self::stable() }
    }

    /// Keeps clients on their side.
    #[must_use]
    pub fn sticky(mut self, sticky: Sticky) -> Self {
        self.sticky = Some(sticky);
        self
    }

    /// Mirrors a share of the requests to the candidate.
    #[must_use]
    pub const fn mirror(mut self, share: Share) -> Self {
        self.mirror = share;
        self
    }

    /// Whether one side has everything: no matches, no mirror.
    pub fn is_whole(&self) -> bool {
        (self.candidate.is_none() || self.candidate.is_whole()) && self.matches.is_empty() && self.mirror.is_none()
    }

    /// The split as it is ordered: a whole one ends stickiness.
    #[must_use]
    pub fn ordered(mut self) -> Self {
        if self.candidate.is_whole() {
            self.matches.clear();
            self.mirror = Share::NONE;
        }
        if self.is_whole() {
            self.sticky = None;
        }
        self
    }

    /// Whether the candidate gets requests of its own (mirrored ones are none).
    pub fn serves_candidate(&self) -> bool {
        !self.candidate.is_none() || !self.matches.is_empty()
    }

    /// Whether stable gets requests.
    pub fn serves_stable(&self) -> bool {
        !self.candidate.is_whole()
    }
}

impl Traffic {
    /// Everything to the candidate.
    pub const fn candidate() -> Self {
        Self::Split(Split::candidate())
    }

    /// Everything to stable.
    pub const fn stable() -> Self {
        Self::Split(Split::stable())
    }

    /// The split, where there is one.
    pub const fn split(&self) -> Option<&Split> {
        match self {
            Self::Split(split) => Some(split),
            _ => None,
        }
    }

    /// Whether it is a worker's.
    pub const fn is_worker(&self) -> bool {
        matches!(self, Self::NotRouted | Self::InPlace)
    }

    /// Whether one side replaces the other at one place.
    pub const fn is_in_place(&self) -> bool {
        matches!(self, Self::Pooled | Self::InPlace)
    }

    /// Whether somebody is to be served.
    pub const fn serves(&self) -> bool {
        matches!(self, Self::Pooled | Self::Split(_))
    }
}

impl From<Split> for Traffic {
    fn from(split: Split) -> Self {
        Self::Split(split)
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, value } => write!(f, "{name}: {value}"),
            Self::Cookie { name, value } => write!(f, "cookie {name}={value}"),
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotRouted | Self::InPlace => "-".to_owned(),
            Self::None => "none".to_owned(),
            Self::Pooled => "pooled".to_owned(),
            Self::Split(split) => split.to_string(),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.candidate.to_string();
        for rule in &self.matches {
            text = format!("{text} + {rule}");
        }
        if !self.mirror.is_none() {
            text = format!("{text} + mirror {}", self.mirror);
        }
        f.pad(&text)
    }
}

/// How a router's word is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Not known at all.
    Unproven,
    /// The controller took it.
    Accepted,
    /// Seen where the requests flow.
    DataPlane,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unproven => "unproven",
            Self::Accepted => "accepted",
            Self::DataPlane => "data plane",
        })
    }
}
