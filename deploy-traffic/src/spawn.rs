//! Starting a proxy that outlives its starter.

use crate::control::client::ProxyClient;
use crate::process::ProxySettings;
use deploy_core::{Error, Kind, Result};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long a proxy may take until it answers.
const LIMIT: Duration = Duration::from_secs(10);

/// A proxy as a process of its own: a program, what comes before its settings, and the settings.
///
/// The program is `deploy-proxy`, or one that hands its arguments to [`ProxySettings::from_args`] and [`run_proxy`]
/// (its own executable, say, with a first argument that tells so).
///
/// ```no_run
/// # async fn example() -> deploy_core::Result<()> {
/// use deploy_traffic::{ProxyProcess, ProxySettings};
///
/// let settings = ProxySettings::new("/run/proxy.sock", "/var/lib/proxy.json");
/// let router = ProxyProcess::new("deploy-proxy", settings).log("/var/log/proxy.log").ensure().await?;
/// println!("served by process {}", router.process().await?);
/// # Ok(())
/// # }
/// ```
///
/// [`run_proxy`]: crate::run_proxy
#[derive(Debug, Clone)]
pub struct ProxyProcess {
    program: PathBuf,
    first: Vec<OsString>,
    settings: ProxySettings,
    log: Option<PathBuf>,
}

impl ProxyProcess {
    /// A program with its settings. Of the [`Config`](crate::Config) only `bind` is handed on.
    pub fn new(program: impl Into<PathBuf>, settings: ProxySettings) -> Self {
        Self { program: program.into(), first: Vec::new(), settings, log: None }
    }

    /// Adds an argument before those of the settings.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.first.push(arg.into());
        self
    }

    /// The file that its output is added to. Default: beside the state file, with `.log`.
    #[must_use]
    pub fn log(mut self, log: impl Into<PathBuf>) -> Self {
        self.log = Some(log.into());
        self
    }

    /// Starts it if nobody answers on the socket, and waits until it answers.
    ///
    /// It is in a process group of its own, and goes on when this process ends.
    ///
    /// # Errors
    /// `NotFound` where there is no such program; `Unavailable` where it ends at once, with its last words; `Timeout` where
    /// it does not answer within 10 s.
    ///
    /// # Cancel safety
    /// May be dropped at any await: the process may have been started then.
    pub async fn ensure(&self) -> Result<ProxyClient> {
        let client = ProxyClient::new(&self.settings.socket);
        if client.hello_now().await.is_some() {
            return Ok(client);
        }
        let child = self.start(&self.settings)?;
        self.wait(child, &client, |_| true).await?;
        Ok(client)
    }

    /// Starts it in place of the one that answers on the socket, if one does, and waits until it answers.
    ///
    /// No request is lost: it takes the open ports over, and the one before answers what it has accepted.
    ///
    /// # Errors
    /// As for [`ensure`](Self::ensure). The one before goes on then.
    ///
    /// # Cancel safety
    /// May be dropped at any await: the process may have been started then.
    pub async fn replace(&self) -> Result<ProxyClient> {
        let client = ProxyClient::new(&self.settings.socket);
        let child = self.start(&ProxySettings { takeover: true, ..self.settings.clone() })?;
        let new = child.id();
        self.wait(child, &client, |pid| Some(pid) == new).await?;
        Ok(client)
    }

    fn start(&self, settings: &ProxySettings) -> Result<Child> {
        let log = self.open_log()?;
        let errors = log.try_clone().map_err(|error| self.cannot(error))?;
        let mut command = Command::new(&self.program);
        command.args(&self.first).args(settings.to_args());
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0).kill_on_drop(false);
        command.spawn().map_err(|error| self.cannot(error))
    }

    async fn wait(&self, mut child: Child, client: &ProxyClient, is_it: impl Fn(u32) -> bool) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            if client.hello_now().await.is_some_and(|hello| is_it(hello.pid)) {
                return Ok(());
            }
            if let Ok(Some(status)) = child.try_wait() {
                // Another may have been faster.
                let other = client.hello_now().await.is_some_and(|hello| is_it(hello.pid));
                return if other { Ok(()) } else { Err(self.ended(status)) };
            }
            if Instant::now() > end {
                let message = format!("the proxy does not answer on {} within 10 s", client.socket().display());
                return Err(Error::new(Kind::Timeout, message).with("log", self.log_path().display()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn ended(&self, status: std::process::ExitStatus) -> Error {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let last = log.lines().last().unwrap_or("it said nothing").to_owned();
        Error::new(Kind::Unavailable, format!("the proxy ended at once with {status}: {last}"))
            .with("log", self.log_path().display())
    }

    fn log_path(&self) -> PathBuf {
        self.log.clone().unwrap_or_else(|| {
            let mut name = self.settings.state.clone().into_os_string();
            name.push(".log");
            name.into()
        })
    }

    fn open_log(&self) -> Result<File> {
        let path = self.log_path();
        OpenOptions::new().create(true).append(true).open(&path).map_err(|error| cannot_log(&path, error))
    }

    fn cannot(&self, error: std::io::Error) -> Error {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::PermissionDenied => Kind::Denied,
            _ => Kind::Unavailable,
        };
        Error::new(kind, format!("the proxy {} cannot be started: {error}", self.program.display())).from_source(error)
    }
}

fn cannot_log(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("the log {} cannot be opened: {error}", path.display())).from_source(error)
}
