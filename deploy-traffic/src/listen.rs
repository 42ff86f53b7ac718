//! Ports, and the connections of clients.

use crate::config::Config;
use crate::mirror::Mirror;
use crate::presence::{Heard, Presence};
use crate::serve;
use crate::track::Track;
use deploy_core::{Error, Kind, Result, TrackRef};
use futures::FutureExt;
use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// As many connections wait to be accepted.
const BACKLOG: u32 = 1024;

/// What every connection shares.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) mirror: Mirror,
    pub(crate) tasks: TaskTracker,
    /// Room for clients.
    pub(crate) room: Arc<Semaphore>,
}

/// A port that is listened on for a workload.
#[derive(Debug)]
pub(crate) struct Port {
    listener: Arc<TcpListener>,
    address: SocketAddr,
    stop: CancellationToken,
    clients: Arc<Clients>,
}

/// The connections of a port.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    phase: AtomicU8,
    next: AtomicU64,
    wakers: Mutex<HashMap<u64, Waker>>,
}

const SERVING: u8 = 0;
/// The next answer on each connection is its last.
const LEAVING: u8 = 1;
/// What is idle is closed.
const CLOSING: u8 = 2;

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    clients: Arc<Clients>,
    pub(crate) presence: Arc<Presence>,
    _room: Option<OwnedSemaphorePermit>,
}

/// A client, as its requests see it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) config: Arc<Config>,
    pub(crate) mirror: Mirror,
    pub(crate) tasks: TaskTracker,
    pub(crate) track: Arc<Track>,
    /// The address it comes from.
    pub(crate) peer: HeaderValue,
    pub(crate) connection: Connection,
}

impl Port {
    /// Opens a port.
    pub(crate) fn bind(address: IpAddr, port: u16, track: &TrackRef) -> Result<Self> {
        let listener =
            listen(SocketAddr::new(address, port)).map_err(|error| cannot_listen(address, port, track, error))?;
        Self::of(listener)
    }

    /// Takes a port that is open already.
    pub(crate) fn adopt(listener: std::net::TcpListener) -> Result<Self> {
        let set = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
        Self::of(set.map_err(|error| Error::new(Kind::Unclassified, "a port cannot be taken over").from_source(error))?)
    }

    fn of(listener: TcpListener) -> Result<Self> {
        let address = listener.local_addr().map_err(|error| {
            Error::new(Kind::Unclassified, "a port that was opened has no address").from_source(error)
        })?;
        Ok(Self { listener: Arc::new(listener), address, stop: CancellationToken::new(), clients: Arc::default() })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn listener(&self) -> Arc<TcpListener> {
        Arc::clone(&self.listener)
    }

    /// Begins to accept.
    pub(crate) fn serve(&self, track: &Arc<Track>, shared: &Shared) {
        let accept = accept_all(
            Arc::clone(&self.listener),
            self.stop.clone(),
            Arc::clone(&self.clients),
            Arc::clone(track),
            shared.clone(),
        );
        shared.tasks.spawn(accept);
    }

    /// Accepts nobody any more, and closes each connection after its next answer, or after a grace when it is idle.
    pub(crate) fn leave(self, grace: Duration) {
        self.clients.enter(LEAVING);
        self.stop.cancel();
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            self.clients.enter(CLOSING);
        });
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn cannot_listen(address: IpAddr, port: u16, track: &TrackRef, error: io::Error) -> Error {
    let (kind, message) = match error.kind() {
        io::ErrorKind::AddrInUse => (Kind::Invalid, format!("port {port} on {address} is taken by another program")),
        io::ErrorKind::PermissionDenied => {
            (Kind::Denied, format!("port {port} on {address} may not be opened by this user: use one above 1023"))
        }
        io::ErrorKind::AddrNotAvailable => (Kind::Invalid, format!("{address} is not an address of this machine")),
        _ => (Kind::Unavailable, format!("port {port} on {address} cannot be opened: {error}")),
    };
    Error::new(kind, message).with("track", track).from_source(error)
}

async fn accept_all(
    listener: Arc<TcpListener>,
    stop: CancellationToken,
    clients: Arc<Clients>,
    track: Arc<Track>,
    shared: Shared,
) {
    while let Some((room, accepted)) = stop.run_until_cancelled(accept(&listener, &shared.room)).await {
        match accepted {
            Ok((stream, peer)) => greet(stream, peer, room, &clients, &track, &shared),
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // Who is in the queue already would be cut off when the port is closed.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        greet(stream, peer, None, &clients, &track, &shared);
    }
}

/// Waits for room, then for a client.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, io::Result<(TcpStream, SocketAddr)>) {
    let room = Arc::clone(room).acquire_owned().await.ok();
    (room, listener.accept().await)
}

fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    room: Option<OwnedSemaphorePermit>,
    clients: &Arc<Clients>,
    track: &Arc<Track>,
    shared: &Shared,
) {
    let _ = stream.set_nodelay(true);
    let connection = Connection {
        id: clients.next.fetch_add(1, Ordering::Relaxed),
        clients: Arc::clone(clients),
        presence: Arc::new(Presence::new()),
        _room: room,
    };
    let client = Arc::new(Client {
        config: Arc::clone(&shared.config),
        mirror: shared.mirror.clone(),
        tasks: shared.tasks.clone(),
        track: Arc::clone(track),
        peer: HeaderValue::try_from(peer.ip().to_string()).unwrap_or(HeaderValue::from_static("unknown")),
        connection,
    });
    shared.tasks.spawn(talk(stream, client));
}

async fn talk(stream: TcpStream, client: Arc<Client>) {
    let asked = Arc::clone(&client);
    let service = service_fn(move |request| serve::answer(Arc::clone(&asked), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    let stream = Heard::new(stream, Arc::clone(&client.connection.presence));
    let mut conversation = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut silence = pin!(sleep_until(Instant::now() + client.config.client_idle));
    let (mut registered, mut closing, mut warned) = (false, false, false);
    let ended = poll_fn(|cx| {
        // The waker of a task stays the same, so once is enough.
        if !std::mem::replace(&mut registered, true) {
            client.connection.register(cx.waker());
        }
        if !closing && client.connection.is_to_close() {
            closing = true;
            conversation.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(ended) = conversation.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        if client.is_silent(silence.as_mut(), warned, cx) {
            if warned || !client.connection.presence.is_http2() {
                return Poll::Ready(Ok(()));
            }
            (closing, warned) = (true, true);
            conversation.as_mut().graceful_shutdown();
            silence.as_mut().reset(Instant::now() + client.config.header_timeout);
            // The goodbye is sent, and the sleep begun, at the next turn.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    });
    if let Err(error) = ended.await {
        tracing::debug!(error, "a connection of a client broke");
    }
}

impl Client {
    /// Whether it has been silent for as long as allowed, or, once warned, to the end of the sleep. Sleeps until it may be.
    fn is_silent(&self, mut silence: Pin<&mut Sleep>, warned: bool, cx: &mut Context<'_>) -> bool {
        let due = self.connection.presence.due(&self.config);
        let due = due.map(|due| if warned { silence.deadline() } else { due });
        if due.is_some_and(|due| due < silence.deadline()) {
            silence.as_mut().reset(due.unwrap_or_else(Instant::now));
        }
        while silence.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            match due {
                Some(due) if due <= now => return true,
                Some(due) => silence.as_mut().reset(due),
                None => silence.as_mut().reset(now + self.config.client_idle),
            }
        }
        false
    }
}

impl Clients {
    fn enter(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::AcqRel);
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).values() {
            waker.wake_by_ref();
        }
    }
}

impl Connection {
    fn register(&self, waker: &Waker) {
        self.clients.wakers.lock().unwrap_or_else(PoisonError::into_inner).insert(self.id, waker.clone());
    }

    /// Whether the next answer is to be the last.
    pub(crate) fn is_leaving(&self) -> bool {
        self.clients.phase.load(Ordering::Acquire) > SERVING
    }

    /// HTTP/2 can say goodbye without losing a request, so it need not wait for the next.
    fn is_to_close(&self) -> bool {
        let phase = self.clients.phase.load(Ordering::Acquire);
        phase == CLOSING || (phase == LEAVING && self.presence.is_http2())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.clients.wakers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
