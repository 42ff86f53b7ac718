//! What SQLite says, as one of our errors.

use deploy_core::{Error, Kind};
use std::path::Path;

/// What went wrong in a file, where, and what to do.
pub(crate) fn failed(path: &Path, error: sqlx::Error) -> Error {
    let (kind, words) = classified(&error);
    Error::new(kind, format!("the store {} {words}", path.display())).from_source(error)
}

pub(crate) fn corrupt(path: &Path, what: &str) -> Error {
    let path = path.display();
    let words = "nothing was written to it; restore it from a backup, or name another file";
    Error::new(Kind::Corrupt, format!("the store {path} {what}: {words}"))
}

fn classified(error: &sqlx::Error) -> (Kind, &'static str) {
    use sqlx::Error::{ColumnDecode, ColumnNotFound, Database, Decode, Io, PoolTimedOut, TypeNotFound};
    match error {
        Database(error) => by_code(error.code().and_then(|code| code.parse().ok()).unwrap_or(0)),
        ColumnDecode { .. } | ColumnNotFound(_) | Decode(_) | TypeNotFound { .. } => CORRUPT,
        PoolTimedOut => (Kind::Timeout, "has too many readers at once; try again"),
        Io(_) => (Kind::Unavailable, "cannot be read or written; look at the disk and try again"),
        _ => (Kind::Unavailable, "could not do what was asked; try again"),
    }
}

const CORRUPT: (Kind, &str) =
    (Kind::Corrupt, "is damaged; stop the engine, keep the file with its -wal, and restore it from a backup");

/// Result codes: <https://www.sqlite.org/rescode.html>. The low byte is the primary one.
fn by_code(code: i32) -> (Kind, &'static str) {
    const SHM_SIZE: i32 = 4874;
    match (code, code & 0xff) {
        (SHM_SIZE, _) | (_, 13) => (Kind::Full, "has no room left, and the write was not done; make room on its disk"),
        (_, 5 | 6) => (Kind::Unavailable, "was held by another process for more than 5 s; try again"),
        (_, 11 | 26) => CORRUPT,
        (_, 3 | 8 | 23) => (Kind::Denied, "may not be written by this user; give the right to its file and folder"),
        (_, 10 | 14) => (Kind::Unavailable, "cannot be read or written; look at its disk and folder and try again"),
        _ => (Kind::Unavailable, "could not do what was asked; try again"),
    }
}
