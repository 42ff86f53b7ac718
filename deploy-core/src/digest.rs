//! The digest of a directory, the same wherever it is taken.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Takes the digest of a directory from its files, given in any order. Pure: who reads the files is another's business.
///
/// The digest is the SHA-256 of one record per regular file, in the order of the bytes of their paths, and nothing else.
/// A record is `x` for a file that its owner may execute, else `-`; a space; the SHA-256 of its content as 64 digits of
/// `0-9a-f`; a space; its path relative to the directory with `/` between the parts and no `./` first; a NUL byte. A
/// symbolic link to a file counts as that file; one to a directory is to be refused. Empty directories, times, owners and
/// other mode bits do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryDigest(BTreeMap<String, (bool, String)>);

impl DirectoryDigest {
    /// A directory without files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file by its relative path; one of the same path is replaced.
    pub fn add(&mut self, path: impl Into<String>, executable: bool, sha256: impl Into<String>) -> &mut Self {
        self.0.insert(path.into(), (executable, sha256.into()));
        self
    }

    /// Whether no file was added: there is nothing to deploy.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The digest, as 64 digits of `0-9a-f`.
    pub fn finish(&self) -> String {
        let mut digest = Sha256::new();
        for (path, (executable, sha256)) in &self.0 {
            let mode = if *executable { 'x' } else { '-' };
            digest.update(format!("{mode} {sha256} {path}\0"));
        }
        hexadecimal(&digest.finalize())
    }
}

/// Writes bytes as digits of `0-9a-f`, as every digest in these crates is written.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_adding_does_not_count() {
        let (mut one, mut other) = (DirectoryDigest::new(), DirectoryDigest::new());
        one.add("a", false, "11").add("b/c", true, "22");
        other.add("b/c", true, "22").add("a", false, "11");
        assert_eq!(one.finish(), other.finish());
    }

    #[test]
    fn path_mode_and_content_count() {
        let of = |path: &str, executable, sha256: &str| DirectoryDigest::new().add(path, executable, sha256).finish();
        let plain = of("a", false, "11");
        for other in [of("b", false, "11"), of("a", true, "11"), of("a", false, "12")] {
            assert_ne!(plain, other);
        }
    }

    #[test]
    fn the_digest_is_that_of_the_records() {
        let records = Sha256::digest("- 22 a\0x 11 b/c\0");
        let digest = DirectoryDigest::new().add("b/c", true, "11").add("a", false, "22").finish();
        assert_eq!(digest, hexadecimal(&records));
    }
}
