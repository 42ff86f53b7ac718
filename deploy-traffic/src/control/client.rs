//! The router of a proxy that is a process of its own.

use crate::control::protocol::{self, Ask, Hello};
use crate::proxy;
use async_trait::async_trait;
use deploy_core::{
    Error, Figures, Kind, MetricSource, Result, RouteState, Router, RouterCapabilities, Routes, Side, Timestamp, Token,
    TrackRef,
};
use serde::de::DeserializeOwned;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an answer may take, a restart of the proxy included.
const LIMIT: Duration = Duration::from_secs(5);
/// How long to wait before the proxy is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// Speaks with a proxy over its control socket. A proxy that was restarted or replaced is connected to again.
///
/// An answer takes 5 s at most: then it is `Unavailable` where nobody listens, `Timeout` where nobody answers.
#[derive(Debug)]
pub struct ProxyClient {
    socket: PathBuf,
    connection: Mutex<Option<Line>>,
}

/// A connection to a control socket.
pub(crate) type Line = BufReader<UnixStream>;

/// Sends a request and reads the answer.
pub(crate) async fn exchange(line: &mut Line, request: &[u8]) -> io::Result<Vec<u8>> {
    line.get_mut().write_all(request).await?;
    let mut answer = Vec::new();
    let read = line.take(protocol::LONGEST).read_until(b'\n', &mut answer).await?;
    if read == 0 || !answer.ends_with(b"\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

impl ProxyClient {
    /// Of the proxy that listens on a socket. Nothing is asked yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), connection: Mutex::new(None) }
    }

    /// The addresses that a workload is listened for on, in the order of its ports.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    pub async fn addresses(&self, track: &TrackRef) -> Result<Vec<SocketAddr>> {
        self.ask(Ask::Addresses { track: track.clone() }).await
    }

    /// The process that answers.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    pub async fn process(&self) -> Result<u32> {
        self.hello().await.map(|hello| hello.pid)
    }

    /// Tells the proxy to stop: it accepts nobody any more, answers what is under way, and ends.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    ///
    /// # Cancel safety
    /// May be dropped at any await; whether the proxy was told is not known then.
    pub async fn stop(&self) -> Result<()> {
        self.ask(Ask::Stop).await
    }

    pub(crate) async fn hello(&self) -> Result<Hello> {
        self.ask(Ask::Hello).await
    }

    /// Asks once, without waiting for a proxy that is not there.
    pub(crate) async fn hello_now(&self) -> Option<Hello> {
        let mut line = BufReader::new(UnixStream::connect(&self.socket).await.ok()?);
        let answer = tokio::time::timeout(LIMIT, exchange(&mut line, &protocol::ask(&Ask::Hello).ok()?)).await;
        protocol::answered(&answer.ok()?.ok()?).ok()
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Every request may be sent twice: what is told again changes nothing.
    async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T> {
        let request = protocol::ask(&ask)?;
        let end = Instant::now() + LIMIT;
        loop {
            let failure = match tokio::time::timeout_at(end, self.once(&request)).await {
                Ok(Ok(answer)) => match protocol::answered(&answer) {
                    Err(error) if protocol::is_replaced(&error) => {
                        self.connection.lock().await.take();
                        error
                    }
                    answer => return answer,
                },
                Ok(Err(error)) => self.unreachable(error),
                Err(_) => return Err(self.late()),
            };
            if Instant::now() + AGAIN > end {
                return Err(failure);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn once(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut connection = self.connection.lock().await;
        // Taken out, so that a call that is dropped half way leaves no half answer behind.
        let mut line = match connection.take() {
            Some(line) => line,
            None => BufReader::new(UnixStream::connect(&self.socket).await?),
        };
        let answer = exchange(&mut line, request).await?;
        *connection = Some(line);
        Ok(answer)
    }

    fn unreachable(&self, error: io::Error) -> Error {
        let message = format!("no proxy answers on {}: {error}", self.socket.display());
        Error::new(Kind::Unavailable, message).from_source(error)
    }

    fn late(&self) -> Error {
        Error::new(Kind::Timeout, format!("the proxy on {} gave no answer within 5 s", self.socket.display()))
    }
}

#[async_trait]
impl Router for ProxyClient {
    fn capabilities(&self) -> RouterCapabilities {
        proxy::capabilities(true)
    }

    async fn can_listen(&self, track: &TrackRef, ports: &[u16]) -> Result<()> {
        self.ask(Ask::CanListen { track: track.clone(), ports: ports.to_vec() }).await
    }

    async fn apply(&self, routes: &Routes) -> Result<()> {
        self.ask(Ask::Apply { routes: routes.clone() }).await
    }

    async fn observe(&self, track: &TrackRef) -> Result<RouteState> {
        self.ask(Ask::Observe { track: track.clone() }).await
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        self.ask(Ask::Fence { track: track.clone(), token }).await
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        self.ask(Ask::Remove { track: track.clone(), token }).await
    }
}

#[async_trait]
impl MetricSource for ProxyClient {
    async fn figures(&self, track: &TrackRef, side: &Side, since: Timestamp) -> Result<Option<Figures>> {
        self.ask(Ask::Figures { track: track.clone(), side: side.clone(), since }).await
    }
}
