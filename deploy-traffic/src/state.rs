//! The file that routes are kept in.

use crate::book::Book;
use deploy_core::{Error, Kind, Result};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A state file that this process alone writes.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    lock: File,
}

impl StateFile {
    /// Takes the file and reads it. Nothing there: nothing was told yet.
    ///
    /// # Errors
    /// `Busy` where another process has it; `Corrupt` where it cannot be read as what it should be: it is left as it is.
    pub(crate) fn open(path: &Path) -> Result<(Self, Book)> {
        let file = Self::take(path)?;
        let book = read(path)?;
        Ok((file, book))
    }

    /// Takes the file from a process that has given it up, without reading it.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let file = Self { path: path.to_owned(), lock: open_lock(path)? };
        file.acquire().map(|()| file)
    }

    /// Takes the file back.
    pub(crate) fn acquire(&self) -> Result<()> {
        flock(&self.lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let message = format!("the state file {} is in use by another proxy", self.path.display());
            Error::new(Kind::Busy, message).from_source(error)
        })
    }

    /// Gives the file up.
    pub(crate) fn release(&self) {
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }

    /// Writes it so that either all of it is there after a crash, or all of what was there before.
    pub(crate) fn write(&self, book: &Book) -> Result<()> {
        let text = book.print()?;
        replace(&self.path, &text).map_err(|error| cannot("write", &self.path, error))
    }
}

fn open_lock(path: &Path) -> Result<File> {
    let path = beside(path, "lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    opened.map_err(|error| cannot("open", &path, error))
}

fn read(path: &Path) -> Result<Book> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Book::default()),
        Err(error) => return Err(cannot("read", path, error)),
    };
    Book::parse(&text).map_err(|reason| {
        let message = format!(
            "the state file {} cannot be read: {reason}. It was left as it is; move it away to start without routes",
            path.display()
        );
        Error::new(Kind::Corrupt, message)
    })
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn cannot(act: &str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Full,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
        _ => Kind::Unavailable,
    };
    Error::new(kind, format!("cannot {act} {}: {error}", path.display())).from_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_there_for_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let (file, mut book) = StateFile::open(&path).unwrap();
        book.page_mut(&"shop/production/web@here".parse().unwrap()).ports = vec![80];
        file.write(&book).unwrap();
        drop(file);
        assert_eq!(StateFile::open(&path).unwrap().1, book);
    }

    #[test]
    fn two_processes_cannot_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let (first, _) = StateFile::open(&path).unwrap();
        assert_eq!(StateFile::open(&path).unwrap_err().kind(), Kind::Busy);
        first.release();
        StateFile::open(&path).unwrap();
    }

    #[test]
    fn a_corrupt_file_is_told_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        std::fs::write(&path, r#"{"version":1,"tra"#).unwrap();
        let error = StateFile::open(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.message().contains("move it away to start without routes"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"version":1,"tra"#);
    }
}
