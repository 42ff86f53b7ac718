//! An open-loop client that counts lost requests.
//!
//! ```no_run
//! # async fn example() -> deploy_core::Result<()> {
//! use deploy_testkit::load::Load;
//!
//! let running = Load::to("127.0.0.1:8080").rate(500).start()?;
//! running.mark("rolling to v2");
//! // ... the deployment ...
//! let report = running.stop().await;
//! println!("{report}");
//! report.none_lost()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is lost
//! A request that was sent and got, within the timeout (5 s), no complete response, or a 5xx that does not bear the
//! application's own version header. A 5xx that bears it is the release's own answer and is counted apart, as
//! [`Section::own_errors`], and for each version in [`Section::own_errors_of`]. Any other complete response is [`Section::ok`]; [`Section::statuses`] tells them apart.
//!
//! The client never retries, with one exception that is counted alone, as [`Section::reused_closed`]: a reused idle
//! connection that was closed before any byte of a response, within [`IDLE_CLOSE`] of the sending. The server may close
//! an idle connection at any time, so every HTTP client must bear that race (RFC 9110, section 9.2.2; RFC 9112,
//! section 9.3.1). Such a request is sent once more, on a new connection, and that result counts. A connection that is
//! cut later than that was at work and not idle: lost. (A machine so busy that the client itself is held up that long
//! shows here; [`Section::latest_start`] tells.) A connection that is found closed before the request is on it
//! is replaced, and nothing is counted: nothing was sent. With HTTP/2 the same holds for a stream that the server says
//! it has not processed (`REFUSED_STREAM`, or a `GOAWAY` without an error: RFC 9113, section 8.7); it is counted and sent
//! anew until it is on a connection that it opened itself.
//!
//! # Calls between services
//! A call ([`Load::calls`]) is a request under which the application asks another service and answers with what that one
//! answered, its version in `x-callee-version`. It is lost as any other request, and also when the application answers it
//! with 502 or 504 that bear no version of the called service: that one had no answer. [`Section::calls`] has them apart.
//!
//! # The WebSocket
//! It sends a numbered message every 100 ms and expects its echo. It is lost, once, when it ends without a close frame,
//! ends with a code other than 1000, 1001 or 1012, or leaves a message unanswered for the timeout; what was unanswered
//! then is part of that one loss. After a close frame with one of these codes nothing is lost: the client connects again
//! and first resends, in order, whatever was unanswered when it saw the frame. By the order of messages these were sent
//! after the server had stopped to read. Their time goes on from when they were first sent. A failed handshake is a
//! loss as any other request's, and is tried again after 100 ms.
//!
//! # Open loop
//! Requests start when the schedule says so, whatever became of the earlier ones, and latency counts from the
//! scheduled instant ([`Section::latency_from_send`] beside it leaves the timer's part out). At most 2,000 are outstanding; one that would exceed this is not sent and counted as
//! [`Section::overrun`]. How late the client itself was at worst is [`Section::latest_start`].
//! A request belongs to the section in which it was sent, wherever it ends.

mod book;
mod client;
mod connection;
mod figures;
mod latency;
mod report;
mod running;
mod schedule;
mod socket;
mod verdict;

pub use connection::IDLE_CLOSE;
pub use figures::{CallFigures, ClientFigures, SocketFigures};
pub use latency::Latency;
pub use report::{ClientKind, Loss, Report, Section};
pub use running::{Running, Snapshot};

use connection::Target;
use deploy_core::{Error, Result};
use http::{HeaderName, HeaderValue};
use std::{net::SocketAddr, time::Duration};
use verdict::Marks;

/// Describes a load: how many requests of which clients to which address.
#[derive(Debug, Clone)]
pub struct Load {
    address: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    version_header: String,
    side_header: String,
    timeout: Duration,
    path: String,
    slow_path: String,
    socket_path: String,
    rate: u32,
    slow_percent: f64,
    call_path: String,
    call_percent: f64,
    keep_alive: usize,
    closing: usize,
    http2: usize,
    sockets: usize,
    outstanding: usize,
}

impl Load {
    /// A load on an address (`127.0.0.1:8080`): 500 requests/s by 20 keep-alive and 20 closing clients, 1 % of them
    /// slow, and one WebSocket.
    pub fn to(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            host: None,
            headers: Vec::new(),
            version_header: "x-app-version".into(),
            side_header: "x-app-side".into(),
            timeout: Duration::from_secs(5),
            path: "/".into(),
            slow_path: "/slow".into(),
            socket_path: "/ws".into(),
            rate: 500,
            slow_percent: 1.0,
            call_path: String::new(),
            call_percent: 0.0,
            keep_alive: 20,
            closing: 20,
            http2: 0,
            sockets: 1,
            outstanding: 2_000,
        }
    }

    /// Sets the requests per second of all clients together (500). 0 leaves the WebSocket alone.
    #[must_use]
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = per_second;
        self
    }

    /// Sets the number of keep-alive clients (20). Each reuses its idle connections and opens another when all are busy.
    #[must_use]
    pub fn keep_alive(mut self, clients: usize) -> Self {
        self.keep_alive = clients;
        self
    }

    /// Sets the number of closing clients (20): one connection for each request.
    #[must_use]
    pub fn closing(mut self, clients: usize) -> Self {
        self.closing = clients;
        self
    }

    /// Sets the number of HTTP/2 clients (0): one connection each, with prior knowledge, without TLS.
    #[must_use]
    pub fn http2(mut self, clients: usize) -> Self {
        self.http2 = clients;
        self
    }

    /// Sets the number of WebSockets (1).
    #[must_use]
    pub fn sockets(mut self, sockets: usize) -> Self {
        self.sockets = sockets;
        self
    }

    /// Sets the share of slow requests in percent (1.0), evenly spread.
    #[must_use]
    pub fn slow_percent(mut self, percent: f64) -> Self {
        self.slow_percent = percent;
        self
    }

    /// Sets the path of the quick requests (`/`).
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the path of the slow requests (`/slow`).
    #[must_use]
    pub fn slow_path(mut self, path: impl Into<String>) -> Self {
        self.slow_path = path.into();
        self
    }

    /// Makes a share (in percent) of the requests that are not slow calls between services: to a path of the application
    /// (`/call?port=8081`) under which it asks another service (none).
    #[must_use]
    pub fn calls(mut self, path: impl Into<String>, percent: f64) -> Self {
        (self.call_path, self.call_percent) = (path.into(), percent);
        self
    }

    /// Sets the path of the WebSocket (`/ws`).
    #[must_use]
    pub fn socket_path(mut self, path: impl Into<String>) -> Self {
        self.socket_path = path.into();
        self
    }

    /// Sets the `host` header (the address).
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the name of the header in which the application tells its version (`x-app-version`).
    #[must_use]
    pub fn version_header(mut self, name: impl Into<String>) -> Self {
        self.version_header = name.into();
        self
    }

    /// Sets the name of the header in which an instance tells its side (`x-app-side`).
    #[must_use]
    pub fn side_header(mut self, name: impl Into<String>) -> Self {
        self.side_header = name.into();
        self
    }

    /// Sets within which time a complete response must be there (5 s).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many requests may be outstanding (2,000).
    #[must_use]
    pub fn outstanding(mut self, requests: usize) -> Self {
        self.outstanding = requests;
        self
    }

    /// Starts the load on the current tokio runtime, in a first section named `start`.
    ///
    /// # Errors
    /// `Invalid` when the address, a header or the share cannot be, or when requests are asked for and no client is there.
    pub fn start(self) -> Result<Running> {
        let target = self.target()?;
        if self.rate > 0 && self.keep_alive + self.closing + self.http2 == 0 {
            return Err(Error::invalid("a load needs at least one client; set keep_alive, closing or http2"));
        }
        for (name, percent) in [("slow_percent", self.slow_percent), ("the percent of calls", self.call_percent)] {
            if !(0.0..=100.0).contains(&percent) {
                return Err(Error::invalid(format!("{name} is {percent}; it must be 0 to 100")));
            }
        }
        Ok(Running::start(&self, target))
    }

    fn target(&self) -> Result<Target> {
        let address: SocketAddr = self.address.parse().map_err(|e| {
            Error::invalid(format!("{:?} is no address; give an IP and a port, as in 127.0.0.1:8080", self.address))
                .from_source(e)
        })?;
        let host = header_value("host", self.host.as_deref().unwrap_or(&self.address))?;
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| Ok((header_name(name)?, header_value(name, value)?)))
            .collect::<Result<_>>()?;
        let marks = Marks { version: header_name(&self.version_header)?, side: header_name(&self.side_header)? };
        Ok(Target { address, host, headers, marks, timeout: self.timeout })
    }
}

fn header_name(name: &str) -> Result<HeaderName> {
    name.parse().map_err(|e| Error::invalid(format!("{name:?} is no name of a header")).from_source(e))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue> {
    value.parse().map_err(|e| Error::invalid(format!("the value of the header {name} is none")).from_source(e))
}
