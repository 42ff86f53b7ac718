//! Archives, unpacked so that nothing gets out of the directory they are unpacked into.
//!
//! Taken are files, directories, symbolic links and hard links; everything else (devices, pipes, sparse files) is refused, and so is
//! * a path that is absolute or has `..`, and one that leads through a symbolic link;
//! * a symbolic link that is absolute, that has `..` behind a name, or whose leading `..` lead outside: what is left can
//!   only point to something inside, by whatever other links it goes;
//! * a hard link to anything but a file of the archive;
//! * a path that stands in the archive twice, but for directories;
//! * more entries or more bytes than the bounds allow.
//!
//! Setuid, setgid and sticky bits, owners and times are left out.

use deploy_core::{Error, Result};
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use tar::EntryType;

/// How much an archive or a directory may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes when unpacked. Default 4 GiB.
    pub bytes: u64,
    /// Files, directories and links, the directories that a path leads through included. Default 200,000.
    pub entries: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: 4 << 30, entries: 200_000 }
    }
}

/// Unpacks a tar stream into a directory that is there and empty. Returns how many files came.
///
/// # Errors
/// `Invalid`, naming the entry and what is wrong with it; others by the file system.
pub(crate) fn unpack(stream: impl Read, into: &Path, bounds: Bounds) -> Result<u64> {
    // Headers count too.
    let most = bounds.bytes.saturating_add(bounds.entries.saturating_mul(4096));
    let mut archive = tar::Archive::new(stream.take(most));
    let mut unpacking = Unpacking { root: into, bounds, left: bounds.bytes, entries: 0, files: 0 };
    let broken = |error: io::Error| Error::invalid(format!("it is no archive that can be read: {error}"));
    let mut long = Long::default();
    // Raw, as the library would read a long name of any length into memory.
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => long.path = Some(extension(&mut entry)?),
            EntryType::GNULongLink => long.link = Some(extension(&mut entry)?),
            EntryType::XHeader => long.pax(&extension(&mut entry)?)?,
            EntryType::XGlobalHeader => {}
            _ => unpacking.take(&mut entry, std::mem::take(&mut long))?,
        }
    }
    Ok(unpacking.files)
}

/// How long a name, or all attributes of an entry, may be.
const EXTENSION: u64 = 64 << 10;

/// What stands in front of an entry because its header has no room for it.
#[derive(Default)]
struct Long {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Long {
    fn pax(&mut self, attributes: &[u8]) -> Result<()> {
        for attribute in tar::PaxExtensions::new(attributes) {
            let unreadable = |error| Error::invalid(format!("an entry has attributes that cannot be read: {error}"));
            let attribute = attribute.map_err(unreadable)?;
            match attribute.key_bytes() {
                b"path" => self.path = Some(attribute.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(attribute.value_bytes().to_vec()),
                b"size" => return Err(Error::invalid("an entry has more than 8 GiB")),
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(Error::invalid("an entry is sparse: pack it without `--sparse`"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn extension<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = entry.take(EXTENSION + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::invalid(format!("it is no archive that can be read: {error}")))?;
    if bytes.len() as u64 > EXTENSION {
        return Err(Error::invalid("an entry has a name or attributes of more than 64 KiB"));
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

fn path(bytes: Vec<u8>) -> PathBuf {
    std::ffi::OsString::from_vec(bytes).into()
}

struct Unpacking<'a> {
    root: &'a Path,
    bounds: Bounds,
    left: u64,
    entries: u64,
    files: u64,
}

impl Unpacking<'_> {
    fn take<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>, long: Long) -> Result<()> {
        let kind = entry.header().entry_type();
        let named = path(long.path.unwrap_or_else(|| entry.path_bytes().into_owned()));
        let link = long.link.or_else(|| entry.link_name_bytes().map(std::borrow::Cow::into_owned)).unwrap_or_default();
        let link = path(link);
        self.count()?;
        let relative = inside(&named).ok_or_else(|| unfit(&named, "its path leads outside the release"))?;
        let path = self.root.join(&relative);
        self.lead(&relative, &named)?;
        let done = match kind {
            EntryType::Directory => return self.dir(&path, entry, &named),
            EntryType::Regular | EntryType::Continuous => {
                return self.file(&path, entry, &named);
            }
            EntryType::Symlink => symlink(link_inside(&relative, &link, &named)?, &path),
            EntryType::Link => fs::hard_link(self.hard(&link, &named)?, &path),
            _ => return Err(unfit(&named, "it is neither file, directory nor link")),
        };
        done.map_err(|error| failed(&named, &error))
    }

    /// Makes the directories that lead to a path; none of them may be anything else already.
    fn lead(&mut self, relative: &Path, named: &Path) -> Result<()> {
        let mut at = self.root.to_owned();
        for piece in relative.parent().into_iter().flat_map(Path::components) {
            at.push(piece);
            match fs::symlink_metadata(&at) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Err(unfit(named, "its path leads through something that is no directory")),
                Err(_) => {
                    self.count()?;
                    DirBuilder::new().mode(0o755).create(&at).map_err(|error| failed(named, &error))?;
                }
            }
        }
        Ok(())
    }

    /// Counts what comes to stand there, whether the archive names it or only leads through it.
    fn count(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > self.bounds.entries {
            return Err(Error::invalid(format!("it has more than {} entries", self.bounds.entries)));
        }
        Ok(())
    }

    fn dir<R: Read>(&self, path: &Path, entry: &tar::Entry<'_, R>, named: &Path) -> Result<()> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(unfit(named, "it stands in the archive twice")),
            Err(_) => DirBuilder::new().create(path).map_err(|error| failed(named, &error))?,
        }
        let mode = entry.header().mode().unwrap_or(0o755) & 0o777 | 0o700;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| failed(named, &error))
    }

    fn file<R: Read>(&mut self, path: &Path, entry: &mut tar::Entry<'_, R>, named: &Path) -> Result<()> {
        let mode = entry.header().mode().unwrap_or(0o644) & 0o777 | 0o400;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| failed(named, &error))?;
        let written = io::copy(&mut entry.take(self.left.saturating_add(1)), &mut file);
        let written = written.map_err(|error| failed(named, &error))?;
        self.left = self
            .left
            .checked_sub(written)
            .ok_or_else(|| Error::invalid(format!("it holds more than {} bytes when unpacked", self.bounds.bytes)))?;
        self.files += 1;
        file.set_permissions(Permissions::from_mode(mode)).map_err(|error| failed(named, &error))
    }

    /// The file of the archive that a hard link means.
    fn hard(&mut self, target: &Path, named: &Path) -> Result<PathBuf> {
        let outside = || unfit(named, "it links to something that is no file of the archive");
        let relative = inside(target).ok_or_else(outside)?;
        self.lead(&relative, named).map_err(|_| outside())?;
        let path = self.root.join(relative);
        let found = fs::symlink_metadata(&path).map_err(|_| outside())?;
        if found.is_file() { Ok(path) } else { Err(outside()) }
    }
}

/// A path without `.`; none where it is absolute or has `..`.
pub(crate) fn inside(path: &Path) -> Option<PathBuf> {
    path.components()
        .filter(|piece| *piece != Component::CurDir)
        .map(|piece| matches!(piece, Component::Normal(_)).then_some(piece))
        .collect()
}

/// The target of a symbolic link at a path, if it cannot lead outside.
fn link_inside<'a>(at: &Path, target: &'a Path, named: &Path) -> Result<&'a Path> {
    let ups = target.components().take_while(|piece| *piece == Component::ParentDir).count();
    let rest: PathBuf = target.components().skip(ups).collect();
    let depth = at.components().count().saturating_sub(1);
    let fits = ups <= depth && inside(&rest).is_some() && !target.as_os_str().is_empty();
    if fits { Ok(target) } else { Err(unfit(named, "it links to something outside the release")) }
}

fn unfit(named: &Path, why: &str) -> Error {
    Error::invalid(format!("entry `{}` is refused: {why}", named.display()))
}

fn failed(named: &Path, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return unfit(named, "it stands in the archive twice");
    }
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return Error::new(deploy_core::Kind::Full, format!("entry `{}` does not fit: {error}", named.display()));
    }
    Error::invalid(format!("entry `{}` cannot be unpacked: {error}", named.display()))
}
