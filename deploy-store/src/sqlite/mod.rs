//! Records in one SQLite file.

mod append;
mod cache;
mod error;
mod file;
mod instances;
mod read;
mod store;
mod write;

pub use instances::InstanceRow;

use append::Waiting;
use cache::Cache;
use deploy_core::{Clock, DeploymentId, Result, Timestamp};
use error::failed;
use futures::channel::mpsc::UnboundedSender;
use sqlx::SqliteConnection;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync;

/// Keeps records in one SQLite file: WAL, synchronous FULL, one writer, several readers.
///
/// * A commit is on the disk before it is acknowledged. A full disk is `Full`; nothing acknowledged is lost, and writes
///   go on once there is room.
/// * A file that is damaged, cut short, empty, or of another program is refused as `Corrupt` before anything is written
///   to it; one of a newer schema as `Unsupported`. A new file appears whole or not at all.
/// * Appends that come while another write goes on share one commit; each is taken or refused by itself.
/// * Several processes may use one file; a write waits up to 5 s for another's. The file must be on a local disk.
/// * `now` is the clock, but never before the newest time that was written, by any process, before a restart too.
/// * [`watch`](deploy_core::Store::watch) tells of this process's writes only; those of others are found by asking.
///
/// A clone is another handle of the same store. Needs a tokio runtime.
#[derive(Clone)]
pub struct Sqlite(Arc<Inner>);

struct Inner {
    path: PathBuf,
    clock: Clock,
    pages: Option<u32>,
    latest: Mutex<Timestamp>,
    /// None while a write has it, or after one that failed: the next makes a new one.
    writer: Arc<sync::Mutex<Option<SqliteConnection>>>,
    waiting: Mutex<Vec<Waiting>>,
    readers: SqlitePool,
    cache: Mutex<Cache>,
    watchers: Mutex<Vec<UnboundedSender<DeploymentId>>>,
}

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    clock: Clock,
    pages: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(Timestamp::now), pages: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("pages", &self.pages).finish_non_exhaustive()
    }
}

impl Options {
    /// Takes the time from a clock. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Lets the file grow to so many bytes at most (in pages of 4 KiB); then writes fail as `Full`. Default: no limit.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.pages = Some(u32::try_from(bytes / 4096).unwrap_or(u32::MAX).max(1));
        self
    }

    /// Opens a store, as [`Sqlite::open`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<Sqlite> {
        let path = path.as_ref();
        file::ready(path).await?;
        let readers = SqlitePoolOptions::new().max_connections(4).connect_lazy_with(file::connecting(path));
        let store = Sqlite(Arc::new(Inner {
            path: path.to_owned(),
            clock: self.clock,
            pages: self.pages,
            latest: Mutex::default(),
            writer: Arc::default(),
            waiting: Mutex::default(),
            readers,
            cache: Mutex::default(),
            watchers: Mutex::default(),
        }));
        store.tick().await?;
        Ok(store)
    }
}

impl Sqlite {
    /// Opens the store in a file; makes it where there is none.
    ///
    /// # Errors
    /// `Corrupt` for a file that is damaged, cut short, empty or of another program, which is left as it is;
    /// `Unsupported` for a newer schema; `NotFound` for a folder that is not there; `Denied`; `Full`; `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped; the file is there whole or not at all.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::default().open(path).await
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Ends all connections, so that the file stands alone, without its `-wal`. A handle that is used afterwards fails.
    pub async fn close(&self) {
        let writer = self.0.writer.lock().await.take();
        self.0.readers.close().await;
        if let Some(writer) = writer {
            let _nothing_is_open = sqlx::Connection::close(writer).await;
        }
    }

    /// Now: the clock, but not before `seen` nor any earlier answer.
    fn at_least(&self, seen: Timestamp) -> Timestamp {
        let mut latest = locked(&self.0.latest);
        *latest = seen.max(*latest).max((self.0.clock)());
        *latest
    }

    fn tell(&self, id: &DeploymentId) {
        locked(&self.0.watchers).retain(|watcher| watcher.unbounded_send(id.clone()).is_ok());
    }

    fn failed(&self, error: sqlx::Error) -> deploy_core::Error {
        failed(&self.0.path, error)
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.0.path).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
