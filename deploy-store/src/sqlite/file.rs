//! The file: made whole or not at all, and looked at before anything is written to it.

use super::error::{corrupt, failed};
use deploy_core::{Error, Kind, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `PRAGMA application_id`: "dply".
const APPLICATION: u32 = 0x6470_6c79;
/// Schema versions in order; `PRAGMA user_version` is how many are in.
const MIGRATIONS: [&str; 2] = [include_str!("../../migrations/1.sql"), include_str!("../../migrations/2.sql")];
const MAGIC: &[u8] = b"SQLite format 3\0";
const HEADER: usize = 100;

/// How every connection to a file is made.
pub(crate) fn connecting(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(5))
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .disable_statement_logging()
}

/// Makes the file if it is not there, else checks that it is ours and whole, and brings its schema up to date.
pub(crate) async fn ready(path: &Path) -> Result<()> {
    match File::open(path) {
        Ok(mut file) => ours(path, &mut file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path).await?,
        Err(error) => return Err(unreadable(path, error)),
    }
    whole(path).await?;
    let mut connection = connecting(path).connect().await.map_err(|error| failed(path, error))?;
    migrate(path, &mut connection).await?;
    connection.close().await.map_err(|error| failed(path, error))
}

/// Looks at the first bytes: <https://www.sqlite.org/fileformat.html#the_database_header>.
fn ours(path: &Path, file: &mut File) -> Result<()> {
    let mut header = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut header).map_err(|error| unreadable(path, error))?;
    if header.is_empty() {
        return Err(corrupt(path, "is empty (if it is to be a new one, remove the empty file)"));
    }
    if !header.starts_with(MAGIC) || header.len() < HEADER {
        return Err(corrupt(path, "is no SQLite file, or only the beginning of one"));
    }
    let application = header.get(68..72).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    if application != Some(APPLICATION) {
        return Err(corrupt(path, "is the SQLite file of another program"));
    }
    Ok(())
}

/// Lets SQLite check every page, over a connection that cannot write.
async fn whole(path: &Path) -> Result<()> {
    let damaged = |error: sqlx::Error| match failed(path, error) {
        error if error.kind() == Kind::Corrupt => corrupt(path, "is damaged or cut short").from_source(error),
        error => error,
    };
    let mut reader = connecting(path).read_only(true).connect().await.map_err(damaged)?;
    let found: Vec<String> =
        sqlx::query_scalar("PRAGMA quick_check(1)").fetch_all(&mut reader).await.map_err(damaged)?;
    reader.close().await.map_err(damaged)?;
    match found.first().map(String::as_str) {
        Some("ok") => Ok(()),
        first => Err(corrupt(path, "is damaged or cut short").with("check", first.unwrap_or("gave no answer"))),
    }
}

/// Builds the file aside and links it into place, so that a crash leaves none or a whole one.
async fn create(path: &Path) -> Result<()> {
    for suffix in ["-wal", "-journal"] {
        let left = beside(path, suffix);
        if left.exists() {
            let what = format!("is missing but its {} is there", left.display());
            return Err(corrupt(path, &what));
        }
    }
    let aside = beside(path, &format!(".new-{}-{:x}", std::process::id(), unique()));
    let made = build(path, &aside).await.and_then(|()| place(&aside, path));
    let _gone_already = fs::remove_file(&aside);
    made
}

async fn build(path: &Path, aside: &Path) -> Result<()> {
    let options = connecting(aside).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.connect().await.map_err(|error| failed(path, error))?;
    migrate(path, &mut connection).await?;
    connection.close().await.map_err(|error| failed(path, error))
}

fn place(aside: &Path, path: &Path) -> Result<()> {
    let linked = fs::hard_link(aside, path).or_else(|error| match error.kind() {
        // Another process was first; its file is as good.
        io::ErrorKind::AlreadyExists => Ok(()),
        _ if !path.exists() => fs::rename(aside, path),
        _ => Err(error),
    });
    linked.map_err(|error| unreadable(path, error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unreadable(path, error))
}

async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<()> {
    let done = known(path, connection).await?;
    if done == MIGRATIONS.len() {
        return Ok(());
    }
    run(path, connection, "BEGIN IMMEDIATE").await?;
    // Another process may have done it meanwhile.
    let done = known(path, connection).await?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        run(path, connection, migration).await?;
        let version = index + 1;
        let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {version}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(&mut *connection).await.map_err(|e| failed(path, e))?;
    }
    run(path, connection, "COMMIT").await
}

async fn run(path: &Path, connection: &mut SqliteConnection, sql: &'static str) -> Result<()> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop).map_err(|error| failed(path, error))
}

/// How many migrations are in.
async fn known(path: &Path, connection: &mut SqliteConnection) -> Result<usize> {
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await.map_err(|error| failed(path, error))?;
    usize::try_from(version).ok().filter(|version| *version <= MIGRATIONS.len()).ok_or_else(|| {
        let (path, known) = (path.display(), MIGRATIONS.len());
        let message = format!(
            "the store {path} has schema {version}, this program knows up to {known}; use a newer version of it"
        );
        Error::new(Kind::Unsupported, message)
    })
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => Kind::Denied,
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Full,
        _ => Kind::Unavailable,
    };
    let message = format!("the store {} cannot be opened; look at its folder and the rights on it", path.display());
    Error::new(kind, message).from_source(error)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Tells apart the openings of one process.
fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
