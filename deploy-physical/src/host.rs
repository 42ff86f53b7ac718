//! What is asked of a host.

use async_trait::async_trait;
use deploy_core::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variable that marks a process as ours; its value is the instance's id.
pub const MARK: &str = "DEPLOY_INSTANCE";

/// A machine that programs and files are put on: this one, or one over SSH.
///
/// # Contract
/// * Paths are the host's own, absolute.
/// * Each call is one round trip where there is a network between; that is why some take many files or processes.
/// * Arguments and variables reach programs as they are: a host that needs a shell quotes each of them.
/// * What is written shows at the next read. `write`, `link` and `rename` happen whole or not at all.
#[async_trait]
pub trait Host: Debug + Send + Sync {
    /// Its name, as slots bear it.
    fn name(&self) -> &str;

    /// The address that its programs listen on and are reached at.
    fn address(&self) -> &str;

    /// What programs get of its environment: `PATH` always, `HOME`, `LANG` and `TZ` where they are set.
    fn environment(&self) -> BTreeMap<String, String>;

    /// Reads a file; none where there is no such file.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>>;

    /// Reads at most so many bytes from the end of a file; none where there is no such file.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    async fn tail(&self, path: &Path, most: u64) -> Result<Option<Tail>>;

    /// Reads the named files of a directory. What is not there is missing in the answer.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    async fn files(&self, dir: &Path, names: &[&str]) -> Result<Files>;

    /// Reads the named files of every directory in a directory, by that directory's name. Of a directory that is not there: nothing.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    async fn gather(&self, dir: &Path, names: &[&str]) -> Result<BTreeMap<String, Files>>;

    /// Writes a file whole, through to the disk, with these permissions.
    ///
    /// # Errors
    /// `Denied`, `Full`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: the old content stands, or the new.
    async fn write(&self, path: &Path, content: &[u8], mode: u32) -> Result<()>;

    /// Moves a file or directory. What stands at the new place is replaced if it is a file, and is an error otherwise.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: it was moved or was not.
    async fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Names what is in a directory, in order. Of a directory that is not there: nothing.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    async fn list(&self, dir: &Path) -> Result<Vec<String>>;

    /// Removes a file, or a directory with all that is in it. What is not there is removed already.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: the next call removes the rest.
    async fn remove(&self, path: &Path) -> Result<()>;

    /// Makes a directory with all that lead to it; the last gets these permissions if it was not there.
    ///
    /// # Errors
    /// `Denied`, `Full`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: the next call makes the rest.
    async fn make_dir(&self, path: &Path, mode: u32) -> Result<()>;

    /// Points a symbolic link at a target; one that is there is replaced without a gap.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: it points to the old target or to the new.
    async fn link(&self, at: &Path, target: &Path) -> Result<()>;

    /// Looks at what stands at a path; none where nothing does.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    async fn look(&self, path: &Path) -> Result<Option<Looked>>;

    /// Takes a lock that only one holder on the host can have. It is given back when the guard is dropped or its holder dies.
    ///
    /// # Errors
    /// `Timeout` where somebody else keeps it for 10 s.
    ///
    /// # Cancel safety
    /// May be dropped: then it is not held.
    async fn lock(&self, path: &Path) -> Result<Box<dyn Guard>>;

    /// A directory on the engine's host where a tree for `ship` is best built.
    fn staging(&self) -> PathBuf;

    /// Brings a tree from the staging directory to the host, whole or not at all, and takes it from there. What stands at the new place
    /// already is left as it is.
    ///
    /// # Errors
    /// `Denied`, `Full`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: the next call ships again.
    async fn ship(&self, tree: &Path, to: &Path) -> Result<()>;

    /// Runs a program to its end. It is killed when its time is over.
    ///
    /// # Errors
    /// `NotFound`, `Denied`; `Timeout`.
    ///
    /// # Cancel safety
    /// May be dropped: the program is killed.
    async fn run(&self, run: &Run, timeout: Duration) -> Result<Output>;

    /// Starts a program that outlives us, in a process group of its own, and returns at once. It has nothing to read; what it says is added to the log.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Full`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: it was started or was not.
    async fn start(&self, run: &Run, log: &Path) -> Result<()>;

    /// Tells which of these processes live, in their order. A zombie does not.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn alive(&self, processes: &[Process]) -> Result<Vec<bool>>;

    /// Signals a process if it still is the one that is meant; says whether it was.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: it was signalled or was not.
    async fn signal(&self, process: &Process, signal: Signal) -> Result<bool>;

    /// Waits until a process has ended.
    async fn ended(&self, process: &Process);

    /// The TCP ports that somebody listens on.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn listening(&self) -> Result<BTreeSet<u16>>;

    /// Cuts each file of this name in the directories of a directory that is longer than `most`: its content moves to
    /// `<file>.1`, and writers go on at the start of an empty one. What they write at that very moment may be lost.
    ///
    /// # Errors
    /// `Denied`, `Full`, `Unavailable`.
    ///
    /// # Cancel safety
    /// May be dropped: at worst lines stand in both files, or the older ones in none.
    async fn trim(&self, dir: &Path, file: &str, most: u64) -> Result<()>;
}

/// Holds a lock until it is dropped.
pub trait Guard: Debug + Send + Sync {}

/// Files of one directory, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The end of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether there is more before them.
    pub cut: bool,
}

/// What stands at a path, links followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Whether the path itself is a symbolic link, and where it points.
    pub link: Option<PathBuf>,
    /// What it is in the end.
    pub shape: Shape,
    /// Its permissions.
    pub mode: u32,
    /// Its first 256 bytes, of a file that can be read.
    pub head: Vec<u8>,
}

/// What a path is, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A file.
    File,
    /// A directory.
    Dir,
    /// Neither, or a link to nothing.
    Other,
}

/// A program with its arguments and its whole environment.
#[derive(Clone, PartialEq, Eq)]
pub struct Run {
    /// The program: an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// Where it runs.
    pub dir: PathBuf,
}

// The values may be secret.
impl Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env: Vec<_> = self.env.keys().collect();
        f.debug_struct("Run").field("program", &self.program).field("env", &env).field("dir", &self.dir).finish()
    }
}

/// What a program said and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: deploy_core::Exit,
    /// Its standard output, at most 1 MiB.
    pub stdout: Vec<u8>,
    /// Its standard error, at most 1 MiB.
    pub stderr: Vec<u8>,
}

/// One process and no other: its number may be another's by now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it was started, in clock ticks since the boot; where it is not known, the mark has to be there.
    pub started: Option<u64>,
    /// What its variable [`MARK`] says. One that says something else is not ours. It may be gone, as programs that set
    /// their title write over it; then the start decides.
    pub mark: String,
}

/// A signal that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Please end (SIGTERM).
    Term,
    /// End (SIGKILL).
    Kill,
}
