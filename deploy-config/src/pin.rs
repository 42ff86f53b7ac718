//! Holds local sources to what they are when the spec is loaded.

use deploy_core::{DirectoryDigest, Error, FileSource, Result, Source, Spec, hexadecimal};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

/// The deepest directory that is walked.
const DEEPEST: usize = 64;

/// Makes the paths of local sources absolute and fills in digests and sizes, in workloads and in overlays.
pub(crate) fn pin(spec: &mut Spec, directory: &Path) -> Result<()> {
    for (name, workload) in &mut spec.workloads {
        source(&mut workload.source, directory, &format!("workloads.{name}.source"))?;
    }
    for (environment, here) in &mut spec.environments {
        for (name, overlay) in &mut here.workloads {
            let at = format!("environments.{environment}.workloads.{name}.source");
            overlay.source.iter_mut().try_for_each(|found| source(found, directory, &at))?;
        }
    }
    Ok(())
}

/// What is found where a path leads.
struct Found {
    sha256: String,
    size: u64,
}

fn source(source: &mut Source, directory: &Path, at: &str) -> Result<()> {
    let (key, file) = match source {
        Source::Artifact(file) => ("artifact", file),
        Source::Directory(file) => ("directory", file),
        Source::Image(_) | Source::Command(_) => return Ok(()),
    };
    let at = format!("{at}.{key}");
    let path = directory.join(&file.path);
    let found = if key == "artifact" { artifact(&path) } else { tree(&path) };
    let found = found.map_err(|message| Error::at(format!("{at}.path"), message))?;
    hold(file, &path, found, &at)
}

fn hold(file: &mut FileSource, path: &Path, found: Found, at: &str) -> Result<()> {
    let Some(absolute) = path.to_str() else {
        return Err(Error::at(at, format!("`{}` is not UTF-8; rename it", path.display())));
    };
    if let Some(given) = file.sha256.as_ref().filter(|given| **given != found.sha256) {
        let message = format!("`{}` has the SHA-256 {}, not {given}", file.path, found.sha256);
        return Err(Error::at(format!("{at}.sha256"), message));
    }
    if let Some(given) = file.size.filter(|given| *given != found.size) {
        let message = format!("`{}` has {} bytes, not {given}", file.path, found.size);
        return Err(Error::at(format!("{at}.size"), message));
    }
    *file = FileSource { path: absolute.to_owned(), sha256: Some(found.sha256), size: Some(found.size) };
    Ok(())
}

fn artifact(path: &Path) -> Result<Found, String> {
    let metadata = metadata(path)?;
    if metadata.is_dir() {
        return Err(format!("`{}` is a directory: name a file, or use `directory`", path.display()));
    }
    if !metadata.is_file() {
        return Err(format!("`{}` is not a file", path.display()));
    }
    match digest(path)? {
        (_, 0) => Err(format!("`{}` is empty: there is nothing to run", path.display())),
        (sha256, size) => Ok(Found { sha256, size }),
    }
}

fn tree(path: &Path) -> Result<Found, String> {
    if !metadata(path)?.is_dir() {
        return Err(format!("`{}` is a file: name a directory, or use `artifact`", path.display()));
    }
    let mut walk = Walk::default();
    walk.directory(path, "", 1)?;
    if walk.digest.is_empty() {
        return Err(format!("`{}` is empty: there is nothing to run", path.display()));
    }
    Ok(Found { sha256: walk.digest.finish(), size: walk.size })
}

#[derive(Default)]
struct Walk {
    digest: DirectoryDigest,
    size: u64,
}

impl Walk {
    fn directory(&mut self, path: &Path, relative: &str, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("`{}` is too deep: {DEEPEST} levels are allowed", path.display()));
        }
        for entry in fs::read_dir(path).map_err(|error| unreadable(path, &error))? {
            let entry = entry.map_err(|error| unreadable(path, &error))?;
            let Some(name) = entry.file_name().to_str().map(|name| format!("{relative}{name}")) else {
                return Err(format!("`{}` is not UTF-8; rename it", entry.path().display()));
            };
            let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?;
            if kind.is_dir() {
                self.directory(&entry.path(), &format!("{name}/"), depth + 1)?;
            } else {
                self.file(&entry.path(), &name)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, relative: &str) -> Result<(), String> {
        let metadata = metadata(path)?;
        if !metadata.is_file() {
            let path = path.display();
            return Err(format!("`{path}` is neither a file, nor a directory, nor a link to a file; remove it"));
        }
        let (sha256, size) = digest(path)?;
        self.size += size;
        self.digest.add(relative, is_executable(&metadata), sha256);
        Ok(())
    }
}

fn metadata(path: &Path) -> Result<Metadata, String> {
    fs::metadata(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no `{}`", path.display()),
        _ => format!("`{}` cannot be read: {error}", path.display()),
    }
}

/// The SHA-256 of a file and how many bytes it was taken of.
fn digest(path: &Path) -> Result<(String, u64), String> {
    let unreadable = |error| unreadable(path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut digest, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hexadecimal(&digest.finalize()), size)),
            Ok(read) => {
                digest.update(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}
