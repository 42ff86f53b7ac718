//! The copy of the sources that mutants are built into.

use crate::place::Place;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

const LIBRARY: &str = "deploy-core/src/lib.rs";
const SWITCH: &str = r#"
/// Whether a mutant is the one that is tried.
#[doc(hidden)]
pub fn mutant(number: usize) -> bool {
    static NOW: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    let read = || std::env::var("DEPLOY_MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(0);
    *NOW.get_or_init(read) == number
}

/// An iterator that a mutant gives, or the one without it.
#[doc(hidden)]
pub enum Either<'a, I: Iterator> {
    /// A mutant's.
    Left(Box<dyn Iterator<Item = I::Item> + 'a>),
    /// Without it.
    Right(I),
}

impl<I: Iterator> Iterator for Either<'_, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        match self {
            Self::Left(one) => one.next(),
            Self::Right(one) => one.next(),
        }
    }
}
"#;

/// Copies what git knows of, and nothing else, but what is left to somebody else, and puts the switch into the core.
pub(super) fn copy(place: &Place, tree: &Path, left: impl Fn(&str) -> bool) -> io::Result<()> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(&place.root).output()?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    forget(tree, Path::new(""), &names.split('\0').map(Path::new).collect())?;
    for name in names.split('\0').filter(|name| !name.is_empty() && *name != LIBRARY && !left(name)) {
        match fs::read(place.root.join(name)) {
            Ok(bytes) => put(&tree.join(name), &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let library = fs::read_to_string(place.root.join(LIBRARY))?;
    put(&tree.join(LIBRARY), format!("#![allow(warnings)] {library}{SWITCH}").as_bytes())
}

/// Removes the files of a folder that are in the sources no more. What was built stays.
fn forget(tree: &Path, folder: &Path, names: &BTreeSet<&Path>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(tree.join(folder)) else { return Ok(()) };
    for entry in entries.collect::<io::Result<Vec<_>>>()? {
        let name = folder.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            if !names.contains(&*name) {
                fs::remove_file(tree.join(name))?;
            }
        } else if name != Path::new("target") {
            forget(tree, &name, names)?;
        }
    }
    Ok(())
}

/// Writes what differs, so that nothing is built again without need.
pub(super) fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, text)
}
