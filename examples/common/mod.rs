//! What the examples share: a site on this machine, with the proxy as a process of its own.
//!
//! The example starts itself again as the application, as its tasks and as the proxy, so it needs nothing but Rust.

#![allow(dead_code, reason = "each example uses its part")]
#![allow(clippy::print_stderr, reason = "an example speaks to people")]

use deploy::core::{Instances as _, TrackRef};
use deploy::engine::Builder;
use deploy::physical::Machine;
use deploy::prelude::*;
use deploy::traffic::{ProxyClient, ProxyProcess, ProxySettings};
use deploy_testkit::{app, process::Role};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// The application's name, its only workload, its environment and its target.
pub(crate) const NAMES: [&str; 4] = ["shop", "web", "demo", "here"];

/// Plays another role where the program was started again for one; none when a person started it.
pub(crate) async fn role() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("proxy") {
        return Some(proxy(args).await);
    }
    match Role::from_env() {
        Some(Role::App | Role::Task) => Some(app::run_from_env().await),
        _ => None,
    }
}

async fn proxy(args: impl Iterator<Item = String>) -> ExitCode {
    let ended = match ProxySettings::from_args(args) {
        Ok(settings) => deploy::traffic::run_proxy(settings).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A place on this machine: releases, records and the proxy's state under one directory.
pub(crate) struct Site {
    root: PathBuf,
    /// The port that clients use.
    pub(crate) port: u16,
    slots: u16,
}

impl Site {
    /// A new site in a new directory, with its proxy running.
    pub(crate) async fn new(name: &str) -> Result<Self> {
        let root = std::env::temp_dir().join(format!("deploy-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&root).map_err(|error| unavailable(&root, error))?;
        Self::open(&root, free_port()?).await
    }

    /// The site in a directory; its proxy is started where it does not run.
    pub(crate) async fn open(root: &Path, port: u16) -> Result<Self> {
        let program = std::env::current_exe().map_err(|error| unavailable(root, error))?;
        let settings = ProxySettings::new(root.join("proxy.sock"), root.join("proxy.json"));
        ProxyProcess::new(program, settings).arg("proxy").ensure().await?;
        Ok(Self { root: root.to_owned(), port, slots: free_slots(root)? })
    }

    /// The directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The address that clients use.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn proxy(&self) -> ProxyClient {
        ProxyClient::new(self.root.join("proxy.sock"))
    }

    fn machine(&self) -> Result<Machine> {
        let ports = self.slots..=self.slots + SLOTS - 1;
        ThisMachine::builder().root(self.root.join("machine")).ports(ports).slots_per_workload(SLOTS).build()
    }

    /// An engine with its records in SQLite and this machine as its target. It takes over what was left unfinished.
    pub(crate) async fn engine(&self) -> Result<Engine> {
        self.builder().await?.build().await
    }

    /// The same, to be given more.
    pub(crate) async fn builder(&self) -> Result<Builder> {
        Ok(Engine::builder()
            .lease(Duration::from_secs(3))
            .store(Sqlite::open(self.root.join("deploy.db")).await?)
            .target("here", Fleet::new(self.machine()?, self.proxy()))
            .metrics("here", self.proxy()))
    }

    /// A release of the demonstration application: three processes of this very program.
    pub(crate) fn release(&self, version: &str, strategy: serde_json::Value, env: &[(&str, &str)]) -> Result<Release> {
        let program = std::env::current_exe().map_err(|error| unavailable(&self.root, error))?;
        let mut web = Workload::new(Source::Command(vec![program.to_string_lossy().into_owned()]));
        web.replicas = 3;
        web.ports.insert("http".parse()?, self.port);
        web.health = Some(Probe::http("/healthz").every(Duration::from_millis(100)));
        web.drain = Duration::from_millis(2_500);
        web.grace = Duration::from_secs(5);
        let own = [("DEPLOY_ROLE", "app"), ("APP_VERSION", version), ("APP_START_DELAY_MS", "200")];
        web.env.extend(own.iter().chain(env).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let [application, workload, environment, target] = NAMES;
        let strategy = serde_json::from_value(strategy).map_err(|error| Error::invalid(error.to_string()))?;
        let spec = Spec::new(application.parse()?)
            .version(version)
            .workload(workload.parse()?, web)
            .environment(environment.parse()?, target.parse()?)
            .strategy(strategy);
        Release::new(spec)
    }

    /// The workload on this machine.
    pub(crate) fn track(&self) -> Result<TrackRef> {
        NAMES_AS_TRACK.parse()
    }

    /// The processes that bear this site's mark, whatever anybody's list says.
    pub(crate) fn marked_processes(&self) -> Vec<u32> {
        let mark = self.root.join("machine").to_string_lossy().into_owned();
        let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| is_app_of(*pid, &mark)).collect()
    }

    /// Ends the application and the proxy, and removes the directory.
    pub(crate) async fn close(self) -> Result<()> {
        let (machine, track) = (self.machine()?, self.track()?);
        let mut left = machine.list(&track).await?;
        while !left.is_empty() {
            let token = machine.token(&track).await?;
            for instance in &left {
                machine.stop(&track, &instance.id, Duration::ZERO, token).await?;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            left = machine.list(&track).await?;
        }
        let pid = self.proxy().process().await?;
        let _ = Command::new("kill").arg(pid.to_string()).status();
        let _ = std::fs::remove_dir_all(&self.root);
        Ok(())
    }
}

const NAMES_AS_TRACK: &str = "shop/demo/web@here";

/// Whether a process is the application itself, started under a directory: not the wrapper around it.
fn is_app_of(pid: u32, mark: &str) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    let has = |text: &[u8]| environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(text));
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let own = program.is_some() && program == std::env::current_exe().ok();
    own && has(b"DEPLOY_ROLE=app") && environment.windows(mark.len()).any(|part| part == mark.as_bytes())
}

/// So many instances have room.
const SLOTS: u16 = 12;

/// The first port of a range that nobody listens on; kept in the site's directory for whoever opens it again.
fn free_slots(root: &Path) -> Result<u16> {
    let file = root.join("slots");
    if let Some(kept) = std::fs::read_to_string(&file).ok().and_then(|kept| kept.parse().ok()) {
        return Ok(kept);
    }
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let free = (20_000..32_000).step_by(usize::from(SLOTS)).find(|first| (*first..first + SLOTS).all(is_free));
    let first = free.ok_or_else(|| Error::new(Kind::Full, "no free ports from 20000 to 32000"))?;
    std::fs::write(&file, first.to_string()).map_err(|error| unavailable(&file, error))?;
    Ok(first)
}

fn free_port() -> Result<u16> {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    taken
        .map(|address| address.port())
        .map_err(|error| Error::new(Kind::Unavailable, "no free port").from_source(error))
}

fn unavailable(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("{} cannot be used: {error}", path.display())).from_source(error)
}
