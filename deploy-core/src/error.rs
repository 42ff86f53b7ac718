//! One error for the whole boundary: a kind for programs, a message and context for people.

use std::fmt;

/// The result of everything fallible in these crates.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is. Programs match on this, people read the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The input is wrong; it must be changed.
    Invalid,
    /// The platform cannot do what was asked.
    Unsupported,
    /// There is no such thing.
    NotFound,
    /// Another deployment of the same application and environment is active.
    Busy,
    /// The record was written by somebody else meanwhile.
    Conflict,
    /// A newer token or lease holds what was to be written.
    Fenced,
    /// What runs has changed since the plan was made.
    Changed,
    /// Access was denied.
    Denied,
    /// It could not be reached.
    Unavailable,
    /// It took too long.
    Timeout,
    /// The platform asked for fewer calls.
    Throttled,
    /// There is no room: disk, memory, slots, quota.
    Full,
    /// Stored data cannot be read as what it should be.
    Corrupt,
    /// The release itself is at fault and cannot become well: a terminal condition.
    Candidate,
    /// Nobody classified it.
    Unclassified,
}

/// What the machine does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Pause and tell: only a person can mend it.
    User,
    /// Again after a backoff; not held against the candidate.
    Retry,
    /// Stop and write nothing: somebody newer is at work.
    Yield,
    /// Evidence against the release: go back.
    Candidate,
}

impl Kind {
    /// What the machine does about an error of this kind. What nobody classified is [`Disposition::Retry`].
    pub const fn disposition(self) -> Disposition {
        match self {
            Self::Invalid | Self::Unsupported | Self::Denied | Self::Changed | Self::Corrupt => Disposition::User,
            Self::Fenced => Disposition::Yield,
            Self::Candidate => Disposition::Candidate,
            _ => Disposition::Retry,
        }
    }
}

/// What went wrong, where, and what to do.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind with a message that says what, where and what to do.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), context: Vec::new(), source: None }))
    }

    /// The input is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// The input at a key's path (`workloads.web.ports`) is wrong.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message).with("at", path.into())
    }

    /// Adds a context pair. A later pair of the same key stands beside the earlier one.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Adds the error this one came from.
    #[must_use]
    pub fn from_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What the machine does about it.
    pub fn disposition(&self) -> Disposition {
        self.0.kind.disposition()
    }

    /// The message without its context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The value of a context key, where it was given.
    pub fn context(&self, key: &str) -> Option<&str> {
        self.0.context.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut between = if self.0.message.contains('\n') { "\n" } else { "; " };
        for (key, value) in &self.0.context {
            write!(f, "{between}{key}: {value}")?;
            between = "; ";
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            write!(f, "\n  caused by: {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
