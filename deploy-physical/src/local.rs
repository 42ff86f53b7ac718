//! The machine the engine runs on.

use crate::error::{cut, io};
use crate::host::{Files, Guard, Host, Looked, Output, Process, Run, Signal, Tail};
use crate::{disk, procfs};
use async_trait::async_trait;
use deploy_core::{Error, Exit, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::watch;

/// What programs get of the engine's environment.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// Where programs are looked for when the engine has no `PATH`.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

const LOCK_WAIT: Duration = Duration::from_secs(10);
const OUTPUT_MOST: u64 = 1 << 20;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// This machine, as a [`Host`].
#[derive(Debug, Clone)]
pub struct LocalHost {
    name: String,
    staging: PathBuf,
    /// Told whenever a program that was started here has ended.
    reaped: watch::Sender<()>,
}

impl LocalHost {
    /// This machine under a name. Trees are built in the staging directory, which has to be on the same file system as what is shipped.
    pub fn new(name: impl Into<String>, staging: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), staging: staging.into(), reaped: watch::Sender::default() }
    }
}

/// Runs something that blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(cut)?
}

#[async_trait]
impl Host for LocalHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> &str {
        "127.0.0.1"
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let found = INHERITED.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
        [("PATH".to_owned(), PATH.to_owned())].into_iter().chain(found).collect()
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let path = path.to_owned();
        blocking(move || disk::read(&path)).await
    }

    async fn tail(&self, path: &Path, most: u64) -> Result<Option<Tail>> {
        let path = path.to_owned();
        blocking(move || disk::tail(&path, most)).await
    }

    async fn files(&self, dir: &Path, names: &[&str]) -> Result<Files> {
        let (dir, names) = (dir.to_owned(), owned(names));
        blocking(move || disk::files(&dir, &names)).await
    }

    async fn gather(&self, dir: &Path, names: &[&str]) -> Result<BTreeMap<String, Files>> {
        let (dir, names) = (dir.to_owned(), owned(names));
        blocking(move || {
            let children = disk::list(&dir)?.into_iter();
            children.map(|child| Ok((child.clone(), disk::files(&dir.join(child), &names)?))).collect()
        })
        .await
    }

    async fn write(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        let (path, content) = (path.to_owned(), content.to_owned());
        blocking(move || disk::write(&path, &content, mode)).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        blocking(move || std::fs::rename(&from, &to).map_err(|error| io("move", &from, error))).await
    }

    async fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let dir = dir.to_owned();
        blocking(move || disk::list(&dir)).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        let path = path.to_owned();
        blocking(move || disk::remove(&path)).await
    }

    async fn make_dir(&self, path: &Path, mode: u32) -> Result<()> {
        let path = path.to_owned();
        blocking(move || disk::make_dir(&path, mode)).await
    }

    async fn link(&self, at: &Path, target: &Path) -> Result<()> {
        let (at, target) = (at.to_owned(), target.to_owned());
        blocking(move || disk::link(&at, &target)).await
    }

    async fn look(&self, path: &Path) -> Result<Option<Looked>> {
        let path = path.to_owned();
        blocking(move || disk::look(&path)).await
    }

    async fn lock(&self, path: &Path) -> Result<Box<dyn Guard>> {
        let file = File::options().create(true).append(true).open(path).map_err(|error| io("open", path, error))?;
        let until = Instant::now() + LOCK_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Box::new(Locked(file))),
                Err(std::fs::TryLockError::Error(error)) => return Err(io("lock", path, error)),
                Err(std::fs::TryLockError::WouldBlock) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    let words = format!("another program keeps the lock {} for more than 10 s", path.display());
                    return Err(Error::new(Kind::Timeout, words));
                }
            }
        }
    }

    fn staging(&self) -> PathBuf {
        self.staging.clone()
    }

    async fn ship(&self, tree: &Path, to: &Path) -> Result<()> {
        let (tree, to) = (tree.to_owned(), to.to_owned());
        blocking(move || disk::ship(&tree, &to)).await
    }

    async fn run(&self, run: &Run, timeout: Duration) -> Result<Output> {
        let mut command = command(run);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| io("run", &run.program, error))?;
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let all = async { tokio::join!(said(out.as_mut()), said(err.as_mut()), child.wait()) };
        let (stdout, stderr, status) = tokio::time::timeout(timeout, all).await.map_err(|_| {
            let words = format!("{} took longer than {}", run.program.display(), deploy_core::time::show(timeout));
            Error::new(Kind::Timeout, words)
        })?;
        let status = status.map_err(|error| io("wait for", &run.program, error))?;
        Ok(Output { exit: Exit { code: status.code(), signal: status.signal() }, stdout, stderr })
    }

    async fn start(&self, run: &Run, log: &Path) -> Result<()> {
        let open = || File::options().create(true).append(true).open(log).map_err(|error| io("open", log, error));
        let mut command = command(run);
        command.stdout(open()?).stderr(open()?);
        let mut child = command.spawn().map_err(|error| io("start", &run.program, error))?;
        // Waited for, so that it leaves no zombie while we live; later init does it.
        let reaped = self.reaped.clone();
        tokio::spawn(async move {
            let _how = child.wait().await;
            reaped.send_replace(());
        });
        Ok(())
    }

    async fn alive(&self, processes: &[Process]) -> Result<Vec<bool>> {
        // What the kernel tells of processes is in memory: another thread would take longer to wake than this takes.
        Ok(processes.iter().map(procfs::is_alive).collect())
    }

    async fn signal(&self, process: &Process, signal: Signal) -> Result<bool> {
        procfs::signal(process, signal)
    }

    async fn ended(&self, process: &Process) {
        // A pidfd could be waited for, but tokio's way to do so is unsafe. Of what we started we are told.
        let mut reaped = self.reaped.subscribe();
        while procfs::may_live(process) {
            tokio::select! {
                _ = reaped.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    async fn listening(&self) -> Result<BTreeSet<u16>> {
        blocking(procfs::listening).await
    }

    async fn trim(&self, dir: &Path, file: &str, most: u64) -> Result<()> {
        let (dir, file) = (dir.to_owned(), file.to_owned());
        blocking(move || disk::list(&dir)?.iter().try_for_each(|child| disk::trim(&dir.join(child).join(&file), most)))
            .await
    }
}

/// A lock under flock.
#[derive(Debug)]
struct Locked(File);

impl Guard for Locked {}

impl Drop for Locked {
    fn drop(&mut self) {
        // A child between fork and exec may hold the file too: closing alone would leave it locked for that long.
        let _ = self.0.unlock();
    }
}

fn command(run: &Run) -> Command {
    let mut command = Command::new(&run.program);
    command.args(&run.args).env_clear().envs(&run.env).current_dir(&run.dir).stdin(Stdio::null()).process_group(0);
    command
}

async fn said(pipe: Option<&mut (impl tokio::io::AsyncRead + Unpin)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read until an error is what it said.
        let _ = (&mut *pipe).take(OUTPUT_MOST).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(pipe, &mut tokio::io::sink()).await;
    }
    bytes
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
