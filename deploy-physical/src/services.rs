//! What keeps programs running on a host.

use crate::host::{Run, Tail};
use async_trait::async_trait;
use deploy_core::{Exit, Result, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Starts and stops programs that outlive the engine: plain processes, or an init system's units.
///
/// Each program has a directory of its own, which is its identity: what is known of it stands there, and a program whose
/// directory is gone cannot start any more.
///
/// # Contract
/// * `start` is called once for a directory, by one caller at a time.
/// * How a program ended is known also when no engine lived at that time.
/// * Nothing is signalled that was not surely started for this directory.
#[async_trait]
pub trait ServiceManager: Debug + Send + Sync {
    /// Starts a program and returns at once.
    ///
    /// # Errors
    /// `Denied`, `Full`, `Unavailable`: it was not started.
    ///
    /// # Cancel safety
    /// May be dropped: `look` says whether it was started.
    async fn start(&self, service: &Service) -> Result<()>;

    /// Waits a moment until a program that was just started can be told from one that never came to run. It may come back earlier.
    async fn started(&self, dir: &Path);

    /// How the program of a directory stands; none where it was never asked for.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn look(&self, dir: &Path) -> Result<Option<Standing>>;

    /// How the programs of all directories in a directory stand, by the name of theirs.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list(&self, under: &Path) -> Result<BTreeMap<String, Standing>>;

    /// What their callers wanted to know of the programs of all directories in a directory, however they stand.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn notes(&self, under: &Path) -> Result<Vec<serde_json::Value>> {
        Ok(self.list(under).await?.into_values().map(|standing| standing.note).collect())
    }

    /// Asks a program to end, and kills it where it was asked longer ago than `grace`. Returns at once.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: the next call goes on.
    async fn stop(&self, dir: &Path, grace: Duration) -> Result<()>;

    /// The end of what a program said; nothing where it said nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn log(&self, dir: &Path, most: u64) -> Result<Tail>;

    /// Waits until the program of a directory has ended and its end can be seen. Comes back early where that cannot be told.
    async fn ended(&self, dir: &Path);
}

/// A program to be kept running.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its directory, not there yet.
    pub dir: PathBuf,
    /// What it is to be known by: its variable [`MARK`](crate::MARK).
    pub mark: String,
    /// What is run.
    pub run: Run,
    /// What its caller wants to know of it later.
    pub note: serde_json::Value,
}

/// How a program stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// When it was asked for, by the clock of the engine that asked.
    pub asked: Timestamp,
    /// What its caller wanted to know of it.
    pub note: serde_json::Value,
    /// Its state.
    pub state: State,
    /// It was asked to end, and has ended or not.
    pub asked_to_end: bool,
}

/// The state of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs, or is about to.
    Running,
    /// It was asked to end, at this time by the clock of the engine that asked, and still runs.
    Stopping(Timestamp),
    /// It has ended.
    Ended(Exit),
    /// It was asked for and never came to run.
    Never,
}

impl State {
    /// Whether it runs, asked to end or not.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Stopping(_))
    }
}
