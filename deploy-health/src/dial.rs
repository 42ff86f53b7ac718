//! Reaching an instance, and telling its fault from ours.

use deploy_core::{Error, Health, Kind, ProbeTarget, Result};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// An instance's address with its name resolved.
#[derive(Debug)]
pub(crate) struct Dial {
    address: String,
    sockets: Vec<SocketAddr>,
}

impl Dial {
    /// Finds the address of a port by name, or of the routed one, and resolves it.
    pub(crate) async fn resolve(target: &ProbeTarget, port: Option<&str>, deadline: Instant) -> Result<Self> {
        let address = address(target, port)?.to_owned();
        let failed = |kind| Error::new(kind, format!("the address `{address}` cannot be resolved here"));
        let sockets = timeout_at(deadline, tokio::net::lookup_host(&address))
            .await
            .map_err(|_| failed(Kind::Timeout))?
            .map_err(|error| failed(Kind::Unavailable).from_source(error))?
            .collect();
        Ok(Self { address, sockets })
    }

    /// `host:port` as the platform gave it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Makes a new connection. None: the instance refuses, resets, or is not there.
    pub(crate) async fn connect(&self) -> Result<Option<TcpStream>> {
        let mut ours = None;
        let mut refused = false;
        for socket in &self.sockets {
            match TcpStream::connect(socket).await {
                Ok(stream) => return Ok(Some(stream)),
                Err(error) if is_theirs(&error) => refused = true,
                Err(error) => ours = Some(error),
            }
        }
        if refused {
            return Ok(None);
        }
        let error =
            Error::new(Kind::Unavailable, format!("no connection to {} could be tried from here", self.address));
        Err(ours.into_iter().fold(error, Error::from_source))
    }
}

/// The answer, or unhealthy if there is none by then.
pub(crate) async fn answer_by(deadline: Instant, answer: impl Future<Output = Result<Health>>) -> Result<Health> {
    timeout_at(deadline, answer).await.unwrap_or(Ok(Health::Unhealthy))
}

/// The time after so long; far away where it would overflow.
pub(crate) fn deadline(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now + Duration::from_secs(86_400))
}

pub(crate) fn verdict(good: bool) -> Health {
    if good { Health::Healthy } else { Health::Unhealthy }
}

fn address<'a>(target: &'a ProbeTarget, port: Option<&str>) -> Result<&'a str> {
    let found = match port {
        Some(name) => target.ports.get(name),
        None => target.address.as_ref(),
    };
    found.map(String::as_str).ok_or_else(|| {
        let what = port.map_or_else(|| "no routed port".to_owned(), |name| format!("no port `{name}`"));
        Error::new(Kind::NotFound, format!("instance {} shows {what}, so its check cannot ask", target.instance))
    })
}

fn is_theirs(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, TimedOut};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | ConnectionAborted | TimedOut | HostUnreachable)
}
