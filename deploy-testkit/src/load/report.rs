//! What became of the load.

use super::figures::{CallFigures, ClientFigures, SocketFigures, add_counts};
use super::latency::{Latency, as_millis, millis};
use deploy_core::{Error, Kind, Result, Timestamp};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

/// How many losses of a section are described.
pub(super) const DESCRIBED: usize = 20;

/// Which kind of client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// HTTP/1.1, connections reused.
    KeepAlive,
    /// HTTP/1.1, one connection for each request.
    Closing,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// The WebSocket.
    WebSocket,
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepAlive => "keep-alive",
            Self::Closing => "closing",
            Self::Http2 => "HTTP/2",
            Self::WebSocket => "WebSocket",
        })
    }
}

/// One loss.
#[derive(Debug, Clone, Serialize)]
pub struct Loss {
    /// When it was seen.
    pub at: Timestamp,
    /// The same, from the start of the load.
    #[serde(rename = "after_ms", serialize_with = "as_millis")]
    pub after: Duration,
    /// Whose it was.
    pub client: ClientKind,
    /// What happened, in words.
    pub what: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s, {}: {}", self.after.as_secs_f64(), self.client, self.what)
    }
}

/// What became of the requests sent in one section of the run.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Whether the caller expects a gap in it, as recreate leaves one.
    pub expects_gap: bool,
    /// When it began.
    pub began: Timestamp,
    /// How long it was.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// HTTP requests sent.
    pub sent: u64,
    /// Complete responses that are no 5xx.
    pub ok: u64,
    /// Losses, those of the WebSockets included.
    pub lost: u64,
    /// The first 20 losses.
    pub losses: Vec<Loss>,
    /// Complete 5xx responses that bear the version header: the release's own.
    pub own_errors: u64,
    /// Requests sent once more since a reused idle connection was closed before any byte of a response.
    pub reused_closed: u64,
    /// Requests not sent since too many were outstanding.
    pub overrun: u64,
    /// How late a request was sent at worst, measured from its scheduled instant.
    #[serde(rename = "latest_start_ms", serialize_with = "as_millis")]
    pub latest_start: Duration,
    /// Complete responses by the version they bear; `""` stands for none.
    pub versions: BTreeMap<String, u64>,
    /// [`own_errors`](Self::own_errors) by the version they bear.
    pub own_errors_of: BTreeMap<String, u64>,
    /// Complete responses by the side they bear; `""` stands for none.
    pub sides: BTreeMap<String, u64>,
    /// Complete responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Latencies of the quick requests from their scheduled instant, so that no stall is left out. The runtime's timer
    /// adds up to 2 ms to each.
    pub latency: Latency,
    /// The same from the moment of sending: without the timer's part, and blind to the client's own stalls.
    pub latency_from_send: Latency,
    /// The requests by the kind of client.
    pub clients: BTreeMap<ClientKind, ClientFigures>,
    /// The calls between services.
    pub calls: CallFigures,
    /// The WebSockets.
    pub sockets: SocketFigures,
}

impl Section {
    pub(super) fn new(name: impl Into<String>, expects_gap: bool) -> Self {
        Self {
            name: name.into(),
            expects_gap,
            began: Timestamp::now(),
            duration: Duration::ZERO,
            sent: 0,
            ok: 0,
            lost: 0,
            losses: Vec::new(),
            own_errors: 0,
            reused_closed: 0,
            overrun: 0,
            latest_start: Duration::ZERO,
            versions: BTreeMap::new(),
            own_errors_of: BTreeMap::new(),
            sides: BTreeMap::new(),
            statuses: BTreeMap::new(),
            latency: Latency::default(),
            latency_from_send: Latency::default(),
            clients: BTreeMap::new(),
            calls: CallFigures::default(),
            sockets: SocketFigures::default(),
        }
    }

    /// Checks that nothing was lost here and that this was a proof: something was sent, and no request left out.
    ///
    /// # Errors
    /// `Unavailable` with the figures and the first losses; `Invalid` when nothing was sent or the load overran.
    pub fn none_lost(&self) -> Result<()> {
        if self.lost > 0 {
            return Err(Error::new(Kind::Unavailable, self.told()));
        }
        if self.sent + self.sockets.messages == 0 {
            return Err(Error::invalid(format!("section {:?}: nothing was sent, which proves nothing", self.name)));
        }
        if self.overrun > 0 {
            let message =
                format!("section {:?}: {} requests were never sent; the load overran", self.name, self.overrun);
            return Err(Error::invalid(message + "; lower the rate or the latency"));
        }
        Ok(())
    }

    fn told(&self) -> String {
        let mut told = format!("section {:?}: {} lost of {} sent", self.name, self.lost, self.sent);
        for loss in &self.losses {
            told += &format!("\n  {loss}");
        }
        told
    }

    fn add(&mut self, other: &Self) {
        self.duration += other.duration;
        self.sent += other.sent;
        self.ok += other.ok;
        self.lost += other.lost;
        self.own_errors += other.own_errors;
        self.reused_closed += other.reused_closed;
        self.overrun += other.overrun;
        self.latest_start = self.latest_start.max(other.latest_start);
        let room = DESCRIBED.saturating_sub(self.losses.len());
        self.losses.extend(other.losses.iter().take(room).cloned());
        add_counts(&mut self.versions, &other.versions);
        add_counts(&mut self.own_errors_of, &other.own_errors_of);
        add_counts(&mut self.sides, &other.sides);
        add_counts(&mut self.statuses, &other.statuses);
        other.clients.iter().for_each(|(kind, figures)| self.clients.entry(*kind).or_default().add(figures));
        self.calls.add(&other.calls);
        self.latency.add(&other.latency);
        self.latency_from_send.add(&other.latency_from_send);
        self.sockets.add(&other.sockets);
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {:.1} s, sent {}, ok {}, lost {}, own errors {}, reused closed {}, overrun {}, ",
            self.name,
            self.duration.as_secs_f64(),
            self.sent,
            self.ok,
            self.lost,
            self.own_errors,
            self.reused_closed,
            self.overrun
        )?;
        let latency = &self.latency;
        write!(f, "p50 {:.1} ms, p95 {:.1} ms, ", millis(latency.p50()), millis(latency.p95()))?;
        write!(f, "p99 {:.1} ms, versions {:?}, ", millis(latency.p99()), self.versions)?;
        if self.calls.sent > 0 {
            let calls = &self.calls;
            write!(f, "calls {}/{} ok, {} lost, called {:?}, ", calls.ok, calls.sent, calls.lost, calls.versions)?;
        }
        let sockets = &self.sockets;
        write!(f, "WebSocket {}/{} answered, ", sockets.answered, sockets.messages)?;
        write!(f, "{} reconnected", sockets.reconnected)
    }
}

/// What became of the whole load, section by section.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The sections in the order of their beginning.
    pub sections: Vec<Section>,
}

impl Report {
    /// The first section of a name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// All sections as one, named `total`.
    pub fn total(&self) -> Section {
        let mut total = Section::new("total", self.sections.iter().any(|section| section.expects_gap));
        if let Some(first) = self.sections.first() {
            total.began = first.began;
        }
        self.sections.iter().for_each(|section| total.add(section));
        total
    }

    /// Checks that nothing was lost but in sections that expect a gap, that something was sent, and that the load never overran.
    ///
    /// # Errors
    /// Those of [`Section::none_lost`].
    pub fn none_lost(&self) -> Result<()> {
        let mut rest = self.clone();
        rest.sections.retain(|section| !section.expects_gap);
        if let Some(section) = rest.sections.iter().find(|section| section.lost > 0) {
            return section.none_lost();
        }
        rest.total().none_lost()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in &self.sections {
            writeln!(f, "{section}")?;
            section.losses.iter().try_for_each(|loss| writeln!(f, "  {loss}"))?;
        }
        write!(f, "{}", self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sections: &[(u64, u64, bool)]) -> Report {
        let section =
            |(sent, lost, gap): &(u64, u64, bool)| Section { sent: *sent, lost: *lost, ..Section::new("one", *gap) };
        Report { sections: sections.iter().map(section).collect() }
    }

    #[test]
    fn a_loss_is_an_error_unless_its_section_expects_a_gap() {
        assert!(report(&[(5, 0, false)]).none_lost().is_ok());
        assert!(report(&[(5, 0, false), (5, 2, true)]).none_lost().is_ok());
        assert_eq!(report(&[(5, 0, false), (5, 2, false)]).none_lost().map_err(|e| e.kind()), Err(Kind::Unavailable));
    }

    #[test]
    fn nothing_sent_proves_nothing() {
        assert_eq!(report(&[(0, 0, false), (9, 0, true)]).none_lost().map_err(|e| e.kind()), Err(Kind::Invalid));
    }

    #[test]
    fn an_overrun_is_no_proof() {
        let mut report = report(&[(5, 0, false)]);
        report.sections[0].overrun = 1;
        assert_eq!(report.none_lost().map_err(|e| e.kind()), Err(Kind::Invalid));
    }
}
