//! What became of a part of the load.

use serde::Serialize;
use std::collections::BTreeMap;

/// What became of the WebSockets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SocketFigures {
    /// Connections made.
    pub connected: u64,
    /// Those of them made after the first one of their WebSocket.
    pub reconnected: u64,
    /// Messages sent; one that is resent after a close frame counts once.
    pub messages: u64,
    /// Messages whose echo came.
    pub answered: u64,
    /// Messages sent again, after a close frame.
    pub resent: u64,
    /// WebSockets and handshakes lost; part of [`Section::lost`](super::Section::lost).
    pub lost: u64,
}

/// What became of the requests of one kind of clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClientFigures {
    /// HTTP requests sent.
    pub sent: u64,
    /// Losses.
    pub lost: u64,
    /// Requests sent once more since a reused idle connection was closed before any byte of a response.
    pub reused_closed: u64,
}

/// What became of the calls from one service to another. They are requests too, and part of the section's other figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CallFigures {
    /// Calls asked for.
    pub sent: u64,
    /// Calls that brought the called service's answer, which was no 5xx.
    pub ok: u64,
    /// Calls without an answer: of the caller, or, as the caller says, of the called service.
    pub lost: u64,
    /// Calls that ended in a 5xx of the caller's or the called service's own.
    pub own_errors: u64,
    /// Answers by the version of the called service; `""` stands for none.
    pub versions: BTreeMap<String, u64>,
}

impl SocketFigures {
    pub(super) fn add(&mut self, other: &Self) {
        self.connected += other.connected;
        self.reconnected += other.reconnected;
        self.messages += other.messages;
        self.answered += other.answered;
        self.resent += other.resent;
        self.lost += other.lost;
    }
}

impl ClientFigures {
    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.reused_closed += other.reused_closed;
    }
}

impl CallFigures {
    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        self.lost += other.lost;
        self.own_errors += other.own_errors;
        add_counts(&mut self.versions, &other.versions);
    }
}

pub(super) fn add_counts<K: Ord + Clone>(mine: &mut BTreeMap<K, u64>, theirs: &BTreeMap<K, u64>) {
    theirs.iter().for_each(|(key, count)| *mine.entry(key.clone()).or_default() += count);
}
