//! What a proxy is told at its start.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// How an instance of a side is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one with the fewest requests in flight; in turn among equals.
    #[default]
    LeastInFlight,
    /// In turn.
    RoundRobin,
}

/// The settings of a proxy. Start from [`Config::default`] and change what differs.
///
/// ```
/// let mut config = deploy_traffic::Config::default();
/// config.bind = [0, 0, 0, 0].into();
/// config.response_timeout = std::time::Duration::from_secs(10);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The address that ports are opened on. Default 127.0.0.1.
    pub bind: IpAddr,
    /// The port of a workload that names none. Default 0: one that the system chooses, kept from then on.
    pub default_port: u16,
    /// How an instance of a side is chosen. Default least in flight.
    pub choice: Choice,
    /// How long a connection to an instance may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take from the last byte of the request. Default 60 s.
    pub response_timeout: Duration,
    /// How long an instance that could not be connected to is out of use before it is tried again. Default 1 s.
    pub out_of_use: Duration,
    /// How long an idle connection to an instance is kept. Default 4 s: less than what servers usually allow.
    pub upstream_idle: Duration,
    /// How long a client may keep a connection without a request. Default 75 s: longer than what usually stands before us keeps
    /// one, so that it is not we who close it under a request.
    pub client_idle: Duration,
    /// How long a client may take over the head of a request, from its first byte. Default 20 s.
    pub header_timeout: Duration,
    /// As many connections of clients are served at a time, over all ports. Default 10,000.
    pub max_clients: usize,
    /// The largest body of a request that is mirrored, in bytes. Default 64 KiB.
    pub mirror_body: usize,
    /// As many copies wait at most; more are dropped. Default 256.
    pub mirror_queue: usize,
    /// As many copies are under way at most. Default 32.
    pub mirror_at_once: usize,
    /// How long a copy may take. Default 10 s.
    pub mirror_timeout: Duration,
    /// How long a proxy that is replaced or stopped waits for the next request of an idle connection, to tell the client to
    /// close it. Default 10 s.
    pub idle_grace: Duration,
    /// How long a proxy that is replaced waits for requests and upgraded connections to end. Default 10 min.
    pub drain_limit: Duration,
    /// How long a proxy that is told to stop waits for the same. Default 30 s.
    pub stop_limit: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            default_port: 0,
            choice: Choice::default(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(60),
            out_of_use: Duration::from_secs(1),
            upstream_idle: Duration::from_secs(4),
            client_idle: Duration::from_secs(75),
            header_timeout: Duration::from_secs(20),
            max_clients: 10_000,
            mirror_body: 64 * 1024,
            mirror_queue: 256,
            mirror_at_once: 32,
            mirror_timeout: Duration::from_secs(10),
            idle_grace: Duration::from_secs(10),
            drain_limit: Duration::from_secs(600),
            stop_limit: Duration::from_secs(30),
        }
    }
}
