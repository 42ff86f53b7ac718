//! Names and ids. They are in most of what is recorded: clones share their text.

use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A name that fits a label on every platform: 1 to 40 characters, `a-z`, `0-9` and `-`, a letter first, no `-` last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"))]
pub struct Name(Arc<str>);

impl Name {
    /// The longest name, in characters.
    pub const LONGEST: usize = 40;

    /// Takes a name.
    ///
    /// # Errors
    /// `Invalid`, saying what is allowed.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let fits = name.len() <= Self::LONGEST
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && !name.ends_with('-')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if fits {
            return Ok(Self(name.into()));
        }
        Err(Error::invalid(format!(
            "`{name}` is not a name: use 1 to {} of a-z, 0-9 and `-`, a letter first, no `-` last",
            Self::LONGEST
        )))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = Error;
    fn try_from(name: String) -> Result<Self> {
        Self::new(name)
    }
}

impl FromStr for Name {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.to_string()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes an id as it is.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into().into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }
    };
}

id! {
    /// One deployment: the caller's own id, or a UUID version 7.
    DeploymentId
}
id! {
    /// One instance of a workload, in the platform's own words. A relaunched instance is another one.
    InstanceId
}
id! {
    /// One place an instance can stand in: a host and a port, or a number on platforms without bounds.
    SlotId
}
id! {
    /// A release: the first 16 hexadecimal digits of the SHA-256 of its content.
    ReleaseId
}
id! {
    /// What an instance is made from: the first 16 hexadecimal digits of the SHA-256 of its spec, or `adopted`.
    RevisionId
}

impl RevisionId {
    /// What ran before we came.
    pub fn adopted() -> Self {
        Self("adopted".into())
    }

    /// Whether it ran before we came.
    pub fn is_adopted(&self) -> bool {
        self.as_str() == "adopted"
    }
}

/// One workload of one application in one environment on one target; written `shop/production/web@edge`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrackRef {
    /// The application.
    pub application: Name,
    /// The environment.
    pub environment: Name,
    /// The workload.
    pub workload: Name,
    /// The target it runs on.
    pub target: Name,
}

impl fmt::Display for TrackRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}@{}", self.application, self.environment, self.workload, self.target)
    }
}

impl From<TrackRef> for String {
    fn from(track: TrackRef) -> Self {
        track.to_string()
    }
}

impl TryFrom<String> for TrackRef {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl FromStr for TrackRef {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let shape = || Error::invalid(format!("`{text}` is not application/environment/workload@target"));
        let (path, target) = text.split_once('@').ok_or_else(shape)?;
        let [application, environment, workload] = path.split('/').collect::<Vec<_>>()[..] else { return Err(shape()) };
        Ok(Self {
            application: application.parse()?,
            environment: environment.parse()?,
            workload: workload.parse()?,
            target: target.parse()?,
        })
    }
}

/// What a lease covers: an application in an environment; written `shop/production`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The application.
    pub application: Name,
    /// The environment.
    pub environment: Name,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.application, self.environment)
    }
}
