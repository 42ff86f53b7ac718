//! Connections to one instance that wait for a request.

use crate::body::Outgoing;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A connection that takes one request at a time.
pub(crate) type Sender = SendRequest<Outgoing>;

/// As many idle connections to one instance are kept.
const MOST: usize = 256;

/// The idle connections of one instance, the one used last first.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Idle>);

#[derive(Debug, Default)]
struct Idle {
    closed: bool,
    waiting: Vec<(Instant, Sender)>,
}

impl Pool {
    /// Takes a connection that has not been idle for longer than allowed.
    pub(crate) fn take(&self, longest: Duration) -> Option<Sender> {
        let mut idle = self.lock();
        while let Some((since, sender)) = idle.waiting.pop() {
            if since.elapsed() > longest {
                // Those below have waited longer still.
                let old = std::mem::take(&mut idle.waiting);
                drop(idle);
                drop(old);
                return None;
            }
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    /// Gives a connection back.
    pub(crate) fn put(&self, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.lock();
        if !idle.closed && idle.waiting.len() < MOST {
            idle.waiting.push((Instant::now(), sender));
        }
    }

    /// Closes what has been idle for longer than allowed.
    pub(crate) fn sweep(&self, longest: Duration) {
        self.lock().waiting.retain(|(since, sender)| since.elapsed() <= longest && !sender.is_closed());
    }

    /// Closes all that is idle, and keeps none while closed.
    pub(crate) fn set_closed(&self, closed: bool) {
        let mut idle = self.lock();
        idle.closed = closed;
        let gone = if closed { std::mem::take(&mut idle.waiting) } else { Vec::new() };
        drop(idle);
        drop(gone);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a connection. The future that drives it runs until it is closed.
pub(crate) async fn connect(address: &str, limit: Duration) -> io::Result<Sender> {
    let stream = tokio::time::timeout(limit, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to an instance broke");
        }
    });
    Ok(sender)
}

/// Whether it is this machine that has no room for a connection, and not the instance that refused it.
pub(crate) fn is_local(error: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    error.kind() == io::ErrorKind::AddrNotAvailable || matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}
