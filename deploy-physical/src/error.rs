//! Errors of files, programs and tasks of the runtime, with the kind that decides what is done about them.

use deploy_core::{Error, Kind};
use std::io;
use std::path::Path;

/// An error of the file system, with what was tried and where.
pub(crate) fn io(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::new(kind(&error), format!("cannot {doing} {}: {error}", path.display())).from_source(error)
}

/// Data of ours that cannot be read as what it should be.
pub(crate) fn corrupt(path: &Path, error: serde_json::Error) -> Error {
    let words = format!("{} is not what was written there: {error}; remove it if it is beyond repair", path.display());
    Error::new(Kind::Corrupt, words).from_source(error)
}

/// Work of ours that was cut off because the runtime ends.
pub(crate) fn cut(error: tokio::task::JoinError) -> Error {
    Error::new(Kind::Unclassified, "the work was cut off: the runtime ends").from_source(error)
}

fn kind(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::OutOfMemory => Kind::Full,
        io::ErrorKind::TimedOut => Kind::Timeout,
        _ => Kind::Unavailable,
    }
}
