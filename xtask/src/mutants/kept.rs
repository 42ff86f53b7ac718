//! Mutants that were caught before, over the same sources: a run that was cut short goes on where it stopped, and one with
//! more tests tries those again that these may catch. Who survived is always tried again.

use super::listed::Outcome;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What was caught, by its name.
#[derive(Debug)]
pub(super) struct Kept {
    before: BTreeMap<String, Outcome>,
    file: Mutex<File>,
}

impl Kept {
    /// Of sources that read like this, in a folder.
    pub(super) fn of(folder: &Path, sources: &[Vec<u8>]) -> io::Result<Self> {
        let mut digest = DefaultHasher::new();
        sources.hash(&mut digest);
        let path = folder.join(format!("caught-{:016x}", digest.finish()));
        let before = fs::read_to_string(&path).unwrap_or_default().lines().filter_map(read).collect();
        Ok(Self { before, file: Mutex::new(File::options().create(true).append(true).open(path)?) })
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.before.len()
    }

    /// What was caught before, or what becomes of it now.
    pub(super) fn or(&self, name: &str, attempt: impl FnOnce() -> Outcome) -> Outcome {
        if let Some(outcome) = self.before.get(name) {
            return outcome.clone();
        }
        let outcome = attempt();
        let line = match &outcome {
            Outcome::Own => format!("{name}\t\n"),
            Outcome::Others(by) => format!("{name}\t{by}\n"),
            Outcome::Survived => return outcome,
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _lost = file.write_all(line.as_bytes()); // then it is tried again
        outcome
    }
}

fn read(line: &str) -> Option<(String, Outcome)> {
    let (name, by) = line.split_once('\t')?;
    let outcome = if by.is_empty() { Outcome::Own } else { Outcome::Others(by.to_owned()) };
    Some((name.to_owned(), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_caught_is_kept_for_the_same_sources_and_who_survived_is_tried_again() {
        let folder = std::env::temp_dir().join(format!("kept-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let of = |text: &str| Kept::of(&folder, &[text.as_bytes().to_vec()]).unwrap();
        let first = of("a");
        first.or("one", || Outcome::Own);
        first.or("two", || Outcome::Others("p test t".into()));
        first.or("three", || Outcome::Survived);
        let again = of("a");
        assert_eq!(again.len(), 2);
        assert_eq!(again.or("one", || Outcome::Survived), Outcome::Own);
        assert_eq!(again.or("two", || Outcome::Survived), Outcome::Others("p test t".into()));
        assert_eq!(again.or("three", || Outcome::Own), Outcome::Own);
        assert_eq!(of("b").len(), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
