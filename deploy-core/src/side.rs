//! The two things that counts and traffic move between.

use crate::RevisionId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a revision stands on platforms with stable names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The stable name: Deployment `app`, service `app`. The only place where there are no stable names.
    #[default]
    Home,
    /// Beside it.
    Aside,
}

impl Place {
    /// The other place.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Home => Self::Aside,
            Self::Aside => Self::Home,
        }
    }
}

/// A revision at a place. Written `3f9a…@home` as text and as a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Side {
    /// What the instances are made from.
    pub revision: RevisionId,
    /// Where they stand.
    pub place: Place,
}

impl Side {
    /// A revision at a place.
    pub const fn new(revision: RevisionId, place: Place) -> Self {
        Self { revision, place }
    }

    /// A revision at the stable name, or on a platform without stable names.
    pub const fn home(revision: RevisionId) -> Self {
        Self::new(revision, Place::Home)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Home => "home",
            Place::Aside => "aside",
        };
        write!(f, "{}@{place}", self.revision)
    }
}

impl From<Side> for String {
    fn from(side: Side) -> Self {
        side.to_string()
    }
}

impl TryFrom<String> for Side {
    type Error = crate::Error;
    fn try_from(text: String) -> crate::Result<Self> {
        let (revision, place) = match text.rsplit_once('@') {
            Some((revision, "home")) => (revision, Place::Home),
            Some((revision, "aside")) => (revision, Place::Aside),
            _ => return Err(crate::Error::invalid(format!("`{text}` is not revision@home or revision@aside"))),
        };
        Ok(Self::new(revision.into(), place))
    }
}
