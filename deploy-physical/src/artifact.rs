//! Bits: checked against their digest, unpacked into a tree that can be shipped.

use crate::archive::{Bounds, inside, unpack};
use crate::error::io;
use deploy_core::{DirectoryDigest, Error, FileSource, Result};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read, Seek as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Builds the tree of an artifact file in a directory that is there and empty. Blocking.
///
/// The file is copied first, and the copy is what is checked and unpacked: a file that changes meanwhile cannot be half of one and half of another.
pub(crate) fn stage_file(source: &FileSource, into: &Path, bounds: Bounds) -> Result<()> {
    let path = Path::new(&source.path);
    let mut copy = tempfile::tempfile_in(into.parent().unwrap_or(into)).map_err(|error| io("write in", into, error))?;
    let (size, digest) = copied(path, &mut copy)?;
    if size == 0 {
        return Err(empty("artifact", path));
    }
    held(path, "artifact", source, size, &digest)?;
    copy.rewind().map_err(|error| io("read", path, error))?;
    let of = |error: Error| Error::new(error.kind(), format!("artifact {}: {}", path.display(), error.message()));
    let copy = BufReader::new(copy);
    let files = match Packing::of(path) {
        Packing::Gzip => unpack(flate2::read::MultiGzDecoder::new(copy), into, bounds).map_err(of)?,
        Packing::Zstd => {
            let stream = zstd::stream::read::Decoder::new(copy).map_err(|error| io("read", path, error))?;
            unpack(stream, into, bounds).map_err(of)?
        }
        Packing::Single => single(copy, path, into)?,
    };
    if files == 0 { Err(empty("artifact", path)) } else { Ok(()) }
}

/// Builds the tree of a directory in a directory that is there and empty. Blocking.
pub(crate) fn stage_dir(source: &FileSource, into: &Path, bounds: Bounds) -> Result<()> {
    let path = Path::new(&source.path);
    if !fs::metadata(path).map_err(|error| io("read", path, error))?.is_dir() {
        return Err(Error::invalid(format!("{} is no directory", path.display())));
    }
    let mut copying = Copying { from: path, into, bounds, size: 0, entries: 0, digest: DirectoryDigest::new() };
    copying.dir(Path::new(""))?;
    if copying.digest.is_empty() {
        return Err(empty("directory", path));
    }
    held(path, "directory", source, copying.size, &copying.digest.finish())
}

enum Packing {
    Gzip,
    Zstd,
    Single,
}

impl Packing {
    fn of(path: &Path) -> Self {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        match () {
            () if ends(&[".tar.gz", ".tgz"]) => Self::Gzip,
            () if ends(&[".tar.zst", ".tzst"]) => Self::Zstd,
            () => Self::Single,
        }
    }
}

/// Whether an artifact is a program by itself.
pub(crate) fn is_single(path: &Path) -> bool {
    matches!(Packing::of(path), Packing::Single)
}

fn single(mut copy: impl Read, path: &Path, into: &Path) -> Result<u64> {
    let name = path.file_name().ok_or_else(|| Error::invalid(format!("{} has no file name", path.display())))?;
    let to = into.join(name);
    let mut file = File::create_new(&to).map_err(|error| io("write", &to, error))?;
    io::copy(&mut copy, &mut file).map_err(|error| io("write", &to, error))?;
    file.set_permissions(Permissions::from_mode(0o755)).map_err(|error| io("write", &to, error))?;
    Ok(1)
}

/// Copies a file and tells its size and digest.
fn copied(path: &Path, to: &mut impl Write) -> Result<(u64, String)> {
    let mut copy = || {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut hashed = Hashed { to, hasher: Sha256::new() };
        let size = io::copy(&mut file, &mut hashed)?;
        Ok((size, hex(&hashed.hasher.finalize())))
    };
    copy().map_err(|error| io("read", path, error))
}

struct Hashed<'a, W> {
    to: &'a mut W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn empty(what: &str, path: &Path) -> Error {
    Error::invalid(format!("{what} {} is empty: there is nothing in it to run", path.display()))
}

/// Checks size and digest.
fn held(path: &Path, what: &str, source: &FileSource, size: u64, digest: &str) -> Result<()> {
    let changed = "it is not what the release was made from";
    if let Some(said) = source.size.filter(|said| *said != size) {
        let words = format!("{what} {} has {size} bytes, the spec says {said}: {changed}", path.display());
        return Err(Error::invalid(words));
    }
    match &source.sha256 {
        Some(said) if said != digest => Err(Error::invalid(format!(
            "{what} {} has the SHA-256 {digest}, the spec says {said}: {changed}",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Copies a tree, and takes its digest on the way.
struct Copying<'a> {
    from: &'a Path,
    into: &'a Path,
    bounds: Bounds,
    size: u64,
    entries: u64,
    digest: DirectoryDigest,
}

impl Copying<'_> {
    fn dir(&mut self, dir: &Path) -> Result<()> {
        for name in names(&self.from.join(dir))? {
            self.entries += 1;
            if self.entries > self.bounds.entries || self.size > self.bounds.bytes {
                let Bounds { bytes, entries } = self.bounds;
                let words = format!("{} holds more than {entries} entries or {bytes} bytes", self.from.display());
                return Err(Error::invalid(words));
            }
            let relative = dir.join(name);
            let (from, to) = (self.from.join(&relative), self.into.join(&relative));
            if fs::symlink_metadata(&from).map_err(|error| io("read", &from, error))?.is_dir() {
                fs::create_dir(&to).map_err(|error| io("make the directory", &to, error))?;
                self.dir(&relative)?;
            } else {
                self.file(&relative, &from, &to)?;
            }
        }
        Ok(())
    }

    /// Copies a file; a link to a file counts as that file.
    fn file(&mut self, relative: &Path, from: &Path, to: &Path) -> Result<()> {
        let found = fs::metadata(from).map_err(|error| io("read", from, error))?;
        let named = relative.to_str().filter(|_| found.is_file()).ok_or_else(|| {
            Error::invalid(format!(
                "{} is neither a file nor a directory, or has a name that is not UTF-8",
                from.display()
            ))
        })?;
        let mut file = File::create_new(to).map_err(|error| io("write", to, error))?;
        let (size, digest) = copied(from, &mut file)?;
        self.size += size;
        let mode = found.permissions().mode() & 0o777 | 0o400;
        file.set_permissions(Permissions::from_mode(mode)).map_err(|error| io("write", to, error))?;
        self.digest.add(named, mode & 0o100 != 0, digest);
        Ok(())
    }
}

fn names(dir: &Path) -> Result<Vec<std::ffi::OsString>> {
    let read = || fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>();
    read().map_err(|error| io("list", dir, error))
}

/// A relative path that stays where it is; none for one that leads outside.
pub(crate) fn relative(path: &str) -> Option<PathBuf> {
    inside(Path::new(path)).filter(|path| !path.as_os_str().is_empty())
}
