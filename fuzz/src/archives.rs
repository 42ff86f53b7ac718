//! Archives: nothing gets out, and no more comes than is allowed.

use crate::archive::{Bounds, unpack};
use crate::artifact::stage_file;
use deploy_core::FileSource;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const BOUNDS: Bounds = Bounds { bytes: 256 << 10, entries: 64 };

/// Unpacks bytes as a tar stream and, where they say so, as a packed one.
pub(crate) fn run(bytes: &[u8]) {
    let name = match bytes {
        [0x1f, 0x8b, ..] => Some("input.tar.gz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("input.tar.zst"),
        _ => None,
    };
    within(|outer, into| match name {
        Some(name) => {
            let path = outer.join(name);
            fs::write(&path, bytes).expect("written");
            let source = FileSource { path: path.display().to_string(), sha256: None, size: None };
            let _ = stage_file(&source, into, BOUNDS);
            fs::remove_file(path).expect("removed");
        }
        None => drop(unpack(bytes, into, BOUNDS)),
    });
}

/// Gives a directory inside another, and looks at both afterwards.
fn within(unpacked: impl FnOnce(&Path, &Path)) {
    let outer = tempfile::tempdir().expect("a directory");
    let (into, canary) = (outer.path().join("into"), outer.path().join("canary"));
    fs::create_dir(&into).expect("made");
    fs::write(&canary, "sings").expect("written");
    unpacked(outer.path(), &into);
    assert_eq!(fs::read_to_string(&canary).ok().as_deref(), Some("sings"), "a file outside was changed");
    assert_eq!(fs::read_dir(outer.path()).map(Iterator::count).ok(), Some(2), "something stands outside");
    let mut held = Held { root: fs::canonicalize(&into).expect("its real path"), bytes: 0, entries: 0 };
    held.walk(&into);
    assert!(held.entries <= BOUNDS.entries, "{} entries", held.entries);
    // What is one byte too much is seen when it was written.
    assert!(held.bytes <= BOUNDS.bytes + 1, "{} bytes", held.bytes);
}

/// What stands in a directory.
struct Held {
    root: std::path::PathBuf,
    bytes: u64,
    entries: u64,
}

impl Held {
    fn walk(&mut self, directory: &Path) {
        for entry in fs::read_dir(directory).expect("listed").map(|entry| entry.expect("read")) {
            let (path, found) = (entry.path(), entry.metadata().expect("looked at"));
            self.entries += 1;
            if found.is_symlink() {
                // Where it leads nowhere nothing can be read or written through it.
                let leads = fs::canonicalize(&path).ok();
                assert!(leads.is_none_or(|leads| leads.starts_with(&self.root)), "{} leads outside", path.display());
                continue;
            }
            assert!(found.is_dir() || found.is_file(), "{} is something else", path.display());
            assert_eq!(found.permissions().mode() & 0o7000, 0, "{} has special bits", path.display());
            match found.is_dir() {
                true => self.walk(&path),
                false => self.bytes += found.len(),
            }
        }
    }
}
