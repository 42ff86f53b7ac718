//! The proxy's side of the control socket.

use crate::book::Book;
use crate::control::client::Line;
use crate::control::elder::Elder;
use crate::control::fds;
use crate::control::protocol::{self, Ask, Hello};
use crate::proxy::{Proxy, Role, replaced};
use deploy_core::{Error, Kind, Result, RouteState, TrackRef};
use std::collections::HashMap;
use std::fs::Permissions;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// How long a successor may take until it accepts.
const TAKING: Duration = Duration::from_secs(30);

/// How long a proxy may take to hand its ports and routes over.
const HANDING: Duration = Duration::from_secs(5);

/// What the control socket speaks for.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) elder: Elder,
    /// Somebody told it to stop.
    pub(crate) stop: CancellationToken,
    /// Another proxy has taken over.
    pub(crate) replaced: CancellationToken,
}

/// A control socket that is not at its place yet.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    here: Aside,
    place: PathBuf,
}

/// A file that goes unless it was put at its place.
#[derive(Debug)]
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Socket {
    /// Opens it beside its place, for its owner alone.
    pub(crate) fn open(place: &Path) -> Result<Self> {
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let here = PathBuf::from(name);
        let _ = std::fs::remove_file(&here);
        let opened = UnixListener::bind(&here)
            .and_then(|listener| std::fs::set_permissions(&here, Permissions::from_mode(0o600)).map(|()| listener));
        let listener = opened.map_err(|error| cannot(place, error))?;
        Ok(Self { listener, here: Aside(here), place: place.to_owned() })
    }

    /// Puts it at its place, whoever was there, and answers from now on.
    pub(crate) fn serve(self, control: &Arc<Control>) -> Result<()> {
        std::fs::rename(&self.here.0, &self.place).map_err(|error| cannot(&self.place, error))?;
        tokio::spawn(answer_all(self.listener, Arc::clone(control)));
        Ok(())
    }
}

fn cannot(place: &Path, error: io::Error) -> Error {
    let message = format!("the control socket {} cannot be opened: {error}", place.display());
    Error::new(Kind::Unavailable, message).from_source(error)
}

async fn answer_all(listener: UnixListener, control: Arc<Control>) {
    while let Some(accepted) = control.replaced.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => drop(tokio::spawn(converse(BufReader::new(stream), Arc::clone(&control)))),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn converse(mut line: Line, control: Arc<Control>) {
    if let Err(error) = control.answer(&mut line).await {
        tracing::debug!(%error, "a connection to the control socket broke");
    }
}

/// Reads a line; none at the end.
async fn next(line: &mut Line) -> io::Result<Option<Vec<u8>>> {
    let mut read = Vec::new();
    line.take(protocol::LONGEST).read_until(b'\n', &mut read).await?;
    Ok(read.ends_with(b"\n").then_some(read))
}

impl Control {
    async fn answer(&self, line: &mut Line) -> io::Result<()> {
        while let Some(request) = next(line).await? {
            let answer = match protocol::asked(&request) {
                _ if self.replaced.is_cancelled() => protocol::answer::<()>(Err(replaced())),
                Ok(Ask::Takeover) => return self.hand_over(line).await,
                Ok(ask) => self.act(ask, Role::Leading).await,
                Err(error) => protocol::answer::<()>(Err(error)),
            };
            line.get_mut().write_all(&answer).await?;
        }
        Ok(())
    }

    async fn act(&self, ask: Ask, role: Role) -> Vec<u8> {
        match ask {
            Ask::Hello => protocol::answer(Ok(Hello { version: protocol::VERSION, pid: std::process::id() })),
            Ask::CanListen { track, ports } => protocol::answer(self.proxy.can_listen(&track, &ports)),
            Ask::Apply { .. } => protocol::answer(self.apply(ask, role).await),
            Ask::Observe { track } => protocol::answer(self.observe(track, role).await),
            Ask::Fence { track, token } => protocol::answer(self.proxy.fence(track, token).await),
            Ask::Remove { .. } => protocol::answer(self.remove(ask, role).await),
            Ask::Figures { track, side, since } => protocol::answer(self.proxy.figures(&track, &side, since)),
            Ask::Addresses { track } => protocol::answer(Ok(self.proxy.addresses(&track))),
            Ask::Takeover | Ask::Taken => protocol::answer::<()>(Err(Error::invalid("this is no takeover"))),
            Ask::Stop => {
                self.stop.cancel();
                protocol::answer(Ok(()))
            }
        }
    }

    async fn apply(&self, ask: Ask, role: Role) -> Result<()> {
        if let Ask::Apply { routes } = &ask {
            match role {
                Role::Following => self.proxy.follow(routes.clone()).await?,
                _ => self.proxy.apply(routes.clone()).await?,
            }
        }
        self.elder.ask::<()>(&ask).await.map(|_| ())
    }

    async fn remove(&self, ask: Ask, role: Role) -> Result<()> {
        if let Ask::Remove { track, token } = &ask {
            self.proxy.remove(track.clone(), *token, role).await?;
        }
        self.elder.ask::<()>(&ask).await.map(|_| ())
    }

    async fn observe(&self, track: TrackRef, role: Role) -> Result<RouteState> {
        self.proxy.expect(role).await?;
        let mut state = self.proxy.observe(&track);
        self.elder.add_flights(&mut state, &Ask::Observe { track }).await;
        Ok(state)
    }

    /// Gives ports and routes to a successor, and follows it once it accepts.
    async fn hand_over(&self, line: &mut Line) -> io::Result<()> {
        let (book, ports) = match self.proxy.begin_yielding().await {
            Ok(yielded) => yielded,
            Err(error) => return line.get_mut().write_all(&protocol::answer::<()>(Err(error))).await,
        };
        let handed = self.hand(line, book, &ports).await;
        drop(ports);
        if !matches!(handed, Ok(true)) {
            tracing::warn!("a proxy wanted to take over and did not");
            if let Err(error) = self.proxy.stop_yielding().await {
                tracing::error!(%error, "the state file cannot be taken back");
            }
            return handed.map(|_| ());
        }
        self.proxy.step_down().await;
        self.replaced.cancel();
        line.get_mut().write_all(&protocol::answer(Ok(()))).await?;
        self.follow(line).await
    }

    async fn hand(&self, line: &mut Line, book: Book, ports: &[Arc<tokio::net::TcpListener>]) -> io::Result<bool> {
        let files: Vec<_> = ports.iter().map(AsFd::as_fd).collect();
        fds::send(line.get_ref(), &files).await?;
        line.get_mut().write_all(&protocol::answer(Ok(book))).await?;
        let request = tokio::time::timeout(TAKING, next(line)).await??;
        Ok(request.is_some_and(|request| matches!(protocol::asked(&request), Ok(Ask::Taken))))
    }

    async fn follow(&self, line: &mut Line) -> io::Result<()> {
        while let Some(request) = next(line).await? {
            let answer = match protocol::asked(&request) {
                Ok(ask) => self.act(ask, Role::Following).await,
                Err(error) => protocol::answer::<()>(Err(error)),
            };
            line.get_mut().write_all(&answer).await?;
        }
        Ok(())
    }
}

/// What a running proxy handed over.
#[derive(Debug)]
pub(crate) struct Handed {
    line: Line,
    pub(crate) book: Book,
    pub(crate) ports: HashMap<u16, TcpListener>,
}

/// Asks a running proxy for its ports and routes. It goes on as before if this is dropped.
pub(crate) async fn take_over(socket: &Path) -> Result<Handed> {
    let failed = |error: io::Error| {
        Error::new(Kind::Unavailable, format!("the proxy on {} hands nothing over: {error}", socket.display()))
    };
    let mut stream = UnixStream::connect(socket).await.map_err(failed)?;
    stream.write_all(&protocol::ask(&Ask::Takeover)?).await.map_err(failed)?;
    let received = tokio::time::timeout(HANDING, fds::receive(&stream, protocol::LONGEST)).await;
    let (line, files) = received.unwrap_or_else(|late| Err(late.into())).map_err(failed)?;
    let book = protocol::answered(&line)?;
    let port = |listener: TcpListener| Ok((listener.local_addr()?.port(), listener));
    let ports = files.into_iter().map(|file| port(file.into())).collect::<io::Result<_>>().map_err(failed)?;
    Ok(Handed { line: BufReader::new(stream), book, ports })
}

impl Handed {
    /// Tells it that its successor accepts.
    pub(crate) async fn taken(mut line: Line) -> Elder {
        let told = async {
            let request = protocol::ask(&Ask::Taken).map_err(io::Error::other)?;
            crate::control::client::exchange(&mut line, &request).await
        };
        match told.await {
            Ok(_) => Elder::new(line),
            Err(error) => {
                tracing::warn!(%error, "the proxy that is replaced has ended already");
                Elder::default()
            }
        }
    }

    /// The connection, the routes and the ports.
    pub(crate) fn into_parts(self) -> (Line, Book, HashMap<u16, TcpListener>) {
        (self.line, self.book, self.ports)
    }
}
