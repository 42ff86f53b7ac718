//! What goes wrong with a store.

use deploy_core::Kind;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// What goes wrong with a store, from one of its appends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The append is done so late.
    Late(Duration),
    /// The append is done at once, its answer comes so late.
    Slow(Duration),
    /// The append is done, its answer is lost.
    Lost,
    /// Appends find no room for so long.
    Full(Duration),
    /// Nothing can be read or listed for so long.
    Unread(Duration),
    /// Nothing can be reached for so long, leases neither.
    Gone(Duration),
}

/// What strikes one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    Nothing,
    Fails(Kind),
    Late(Duration),
    Slow(Duration),
    Lost,
}

/// A fault, and until when it lasts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasting {
    pub(super) fault: Fault,
    until: Option<Instant>,
}

impl Lasting {
    pub(super) const fn new(fault: Fault) -> Self {
        Self { fault, until: None }
    }

    /// What strikes a call of this name; `first` at the boundary that the fault begins with.
    pub(super) fn strike(&mut self, name: &str, first: bool) -> Strike {
        match self.fault {
            Fault::Late(span) if first => Strike::Late(span),
            Fault::Slow(span) if first => Strike::Slow(span),
            Fault::Lost if first => Strike::Lost,
            Fault::Full(span) if name == "append" => self.lasts(span, Kind::Full),
            Fault::Unread(span) if matches!(name, "load" | "list" | "events" | "signals") => {
                self.lasts(span, Kind::Unavailable)
            }
            Fault::Gone(span) if is_of_store(name) => self.lasts(span, Kind::Unavailable),
            _ => Strike::Nothing,
        }
    }

    fn lasts(&mut self, span: Duration, kind: Kind) -> Strike {
        let until = *self.until.get_or_insert_with(|| Instant::now() + span);
        if Instant::now() < until { Strike::Fails(kind) } else { Strike::Nothing }
    }
}

/// Whether a call is one of a store's.
fn is_of_store(name: &str) -> bool {
    const CALLS: [&str; 11] =
        ["now", "create", "load", "append", "list", "events", "claim", "renew", "release", "signal", "signals"];
    CALLS.contains(&name)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Late(_) => "late",
            Self::Slow(_) => "slow",
            Self::Lost => "lost",
            Self::Full(_) => "full",
            Self::Unread(_) => "unread",
            Self::Gone(_) => "gone",
        })
    }
}
