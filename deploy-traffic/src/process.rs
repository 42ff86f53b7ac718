//! The proxy as a process of its own.

use crate::config::Config;
use crate::control::elder::Elder;
use crate::control::server::{self, Control, Handed, Socket};
use crate::proxy::Proxy;
use crate::state::StateFile;
use deploy_core::{Error, Kind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a proxy that is told to stop waits for the next request of an idle connection.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// What a proxy that is a process of its own is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxySettings {
    /// The control socket.
    pub socket: PathBuf,
    /// The file that routes are kept in.
    pub state: PathBuf,
    /// Replaces the proxy that answers on the socket, if one does.
    pub takeover: bool,
    /// The rest.
    pub config: Config,
}

impl ProxySettings {
    /// A proxy with a control socket and a state file.
    pub fn new(socket: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), state: state.into(), takeover: false, config: Config::default() }
    }

    /// Reads `--socket PATH --state PATH [--bind ADDRESS] [--takeover]`.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    ///
    /// ```
    /// use deploy_traffic::ProxySettings;
    ///
    /// let settings = ProxySettings::from_args(["--socket", "/run/proxy.sock", "--state", "/var/lib/proxy.json"])?;
    /// assert_eq!(settings, ProxySettings::new("/run/proxy.sock", "/var/lib/proxy.json"));
    /// # Ok::<(), deploy_core::Error>(())
    /// ```
    pub fn from_args<T: Into<String>>(args: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut settings = Self::new("", "");
        let mut args = args.into_iter().map(Into::into);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| Error::invalid(format!("{arg} needs a value")));
            match arg.as_str() {
                "--socket" => settings.socket = value()?.into(),
                "--state" => settings.state = value()?.into(),
                "--bind" => settings.config.bind = address(&value()?)?,
                "--takeover" => settings.takeover = true,
                _ => return Err(Error::invalid(format!("{arg} is not known here; {USAGE}"))),
            }
        }
        if settings.socket.as_os_str().is_empty() || settings.state.as_os_str().is_empty() {
            return Err(Error::invalid(USAGE));
        }
        Ok(settings)
    }

    /// The arguments that say the same, but for what only code can say.
    pub(crate) fn to_args(&self) -> Vec<std::ffi::OsString> {
        let mut args = vec!["--socket".into(), self.socket.clone().into(), "--state".into(), self.state.clone().into()];
        args.extend(["--bind".into(), self.config.bind.to_string().into()]);
        if self.takeover {
            args.push("--takeover".into());
        }
        args
    }
}

const USAGE: &str = "use --socket PATH --state PATH [--bind ADDRESS] [--takeover]";

fn address(text: &str) -> Result<std::net::IpAddr> {
    text.parse().map_err(|_| Error::invalid(format!("--bind {text}: not an IP address")))
}

/// Is the proxy: returns when it was told to stop (by SIGTERM, SIGINT or its control socket) or was replaced, and has
/// answered what was under way. SIGHUP is ignored.
///
/// # Errors
/// `Busy` where another proxy answers on the socket or has the state file, `Corrupt` where the state file cannot be read (it
/// is left as it is), `Invalid` where a port is taken.
///
/// # Cancel safety
/// May be dropped at any await: what was acknowledged is in the state file.
pub async fn run_proxy(settings: ProxySettings) -> Result<()> {
    let mut signals = Signals::new()?;
    let control = if is_there(&settings.socket).await { replace(&settings).await? } else { begin(&settings).await? };
    tracing::info!(socket = %settings.socket.display(), "the proxy is ready");
    tokio::select! {
        () = control.replaced.cancelled() => {}
        () = signals.stopped(&control.stop) => {
            let _ = std::fs::remove_file(&settings.socket);
            // Whoever is started next need not wait for the last request.
            drop(control.proxy.begin_yielding().await);
            control.proxy.leave(STOP_GRACE);
            control.proxy.ended(control.proxy.config().stop_limit).await;
            return Ok(());
        }
    }
    tokio::select! {
        () = control.proxy.ended(control.proxy.config().drain_limit) => {}
        () = signals.stopped(&control.stop) => control.proxy.ended(control.proxy.config().stop_limit).await,
    }
    Ok(())
}

async fn is_there(socket: &Path) -> bool {
    tokio::net::UnixStream::connect(socket).await.is_ok()
}

async fn begin(settings: &ProxySettings) -> Result<Arc<Control>> {
    let (file, book) = StateFile::open(&settings.state)?;
    let socket = Socket::open(&settings.socket)?;
    let proxy = Proxy::start(&Handle::current(), settings.config.clone(), Some(file));
    proxy.restore(book).await?;
    serve(socket, proxy, Elder::default())
}

async fn replace(settings: &ProxySettings) -> Result<Arc<Control>> {
    if !settings.takeover {
        let message = format!("a proxy answers on {} already: replace it with --takeover", settings.socket.display());
        return Err(Error::new(Kind::Busy, message));
    }
    let socket = Socket::open(&settings.socket)?;
    let (line, book, ports) = server::take_over(&settings.socket).await?.into_parts();
    let file = StateFile::take(&settings.state)?;
    file.write(&book)?;
    let proxy = Proxy::start(&Handle::current(), settings.config.clone(), Some(file));
    proxy.inherit(book, ports)?;
    let elder = Handed::taken(line).await;
    serve(socket, proxy, elder)
}

fn serve(socket: Socket, proxy: Arc<Proxy>, elder: Elder) -> Result<Arc<Control>> {
    let control =
        Arc::new(Control { proxy, elder, stop: CancellationToken::new(), replaced: CancellationToken::new() });
    socket.serve(&control)?;
    Ok(control)
}

struct Signals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
    _hup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let take = |kind| {
            signal(kind).map_err(|error| Error::new(Kind::Unavailable, "signals cannot be received").from_source(error))
        };
        let (term, int) = (take(SignalKind::terminate())?, take(SignalKind::interrupt())?);
        Ok(Self { term, int, _hup: take(SignalKind::hangup())? })
    }

    async fn stopped(&mut self, told: &CancellationToken) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
            () = told.cancelled() => {}
        }
    }
}
