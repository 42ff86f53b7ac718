//! Files of this machine, blocking.

use crate::error::io;
use crate::host::{Files, Looked, Shape, Tail};
use deploy_core::Result;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

/// None where there is no such thing.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    there(fs::read(path)).map_err(|error| io("read", path, error))
}

pub(crate) fn tail(path: &Path, most: u64) -> Result<Option<Tail>> {
    let read = || {
        let Some(mut file) = there(File::open(path))? else { return Ok(None) };
        let skipped = file.metadata()?.len().saturating_sub(most);
        file.seek(SeekFrom::Start(skipped))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(Tail { bytes, cut: skipped > 0 }))
    };
    read().map_err(|error| io("read", path, error))
}

pub(crate) fn files(dir: &Path, names: &[String]) -> Result<Files> {
    let read = |name: &String| read(&dir.join(name)).map(|bytes| bytes.map(|bytes| (name.clone(), bytes)));
    names.iter().filter_map(|name| read(name).transpose()).collect()
}

pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let whole = || {
        let dir = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        file.write_all(content)?;
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync(dir)
    };
    whole().map_err(|error| io("write", path, error))
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The names in a directory, without those of writes that were cut off.
pub(crate) fn list(dir: &Path) -> Result<Vec<String>> {
    let read = || -> io::Result<Vec<String>> {
        let Some(entries) = there(fs::read_dir(dir))? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with(".new-")));
        }
        names.sort();
        Ok(names)
    };
    read().map_err(|error| io("list", dir, error))
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    let gone = || {
        let Some(found) = there(fs::symlink_metadata(path))? else { return Ok(()) };
        there(if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }).map(drop)
    };
    gone().map_err(|error| io("remove", path, error))
}

pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path.parent().unwrap_or(path));
    let made = made.and_then(|()| fs::DirBuilder::new().recursive(true).mode(mode).create(path));
    made.map_err(|error| io("make the directory", path, error))
}

pub(crate) fn link(at: &Path, target: &Path) -> Result<()> {
    let linked = || {
        let dir = at.parent().unwrap_or(Path::new("/"));
        let beside = tempfile::Builder::new().prefix(".new-").make_in(dir, |path| symlink(target, path))?;
        beside.into_temp_path().persist(at)?;
        sync(dir)
    };
    linked().map_err(|error| io("link", at, error))
}

pub(crate) fn look(path: &Path) -> Result<Option<Looked>> {
    let look = || {
        if there(fs::symlink_metadata(path))?.is_none() {
            return Ok(None);
        }
        let link = fs::read_link(path).ok();
        let Some(found) = there(fs::metadata(path))? else {
            return Ok(Some(Looked { link, shape: Shape::Other, mode: 0, head: Vec::new() }));
        };
        let shape = match (found.is_file(), found.is_dir()) {
            (true, _) => Shape::File,
            (_, true) => Shape::Dir,
            _ => Shape::Other,
        };
        let mut head = Vec::new();
        if let (Shape::File, Ok(file)) = (shape, File::open(path)) {
            file.take(256).read_to_end(&mut head)?;
        }
        Ok(Some(Looked { link, shape, mode: found.permissions().mode() & 0o7777, head }))
    };
    look().map_err(|error| io("look at", path, error))
}

pub(crate) fn ship(tree: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return remove(tree);
    }
    make_dir(to.parent().unwrap_or(to), 0o755)?;
    // A release that is there is taken for whole, after a loss of power too.
    let flushed = File::open(tree).and_then(|tree| Ok(rustix::fs::syncfs(tree)?));
    flushed.map_err(|error| io("write", tree, error))?;
    match fs::rename(tree, to) {
        // Another call was faster, one that its caller has given up perhaps.
        Err(_) if to.exists() => remove(tree)?,
        moved => moved.map_err(|error| io("move into place", to, error))?,
    }
    sync(to.parent().unwrap_or(to)).map_err(|error| io("write", to, error))
}

pub(crate) fn trim(path: &Path, most: u64) -> Result<()> {
    let trim = || {
        if fs::metadata(path)?.len() <= most {
            return Ok(());
        }
        let mut old = path.as_os_str().to_owned();
        old.push(".1");
        let (mut from, mut to) = (File::options().read(true).write(true).open(path)?, File::create(old)?);
        // Once more for what came in the meantime; what comes between that and the cut is lost.
        io::copy(&mut from, &mut to)?;
        io::copy(&mut from, &mut to)?;
        // Its writers append, so they go on at the new end.
        from.set_len(0)
    };
    // It may be moved away meanwhile.
    there(trim()).map(drop).map_err(|error| io("cut", path, error))
}

/// Removes what has stood in a directory for longer than that: what a killed engine left.
pub(crate) fn sweep(dir: &Path, longer: Duration) -> Result<()> {
    for name in list(dir)? {
        let path = dir.join(name);
        let age = fs::symlink_metadata(&path).and_then(|found| found.modified()).map(|at| at.elapsed());
        if matches!(age, Ok(Ok(age)) if age > longer) {
            remove(&path)?;
        }
    }
    Ok(())
}
