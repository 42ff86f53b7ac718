//! Guards that are taken away one at a time: for each, a test must fail.
//!
//! `xtask/mutants/*.txt` hold them: a guard in words, the file, the lines that are found there once, and the lines that
//! stand instead, in which `MUTANT` is true for this one alone. All are built into one copy of the sources and switched
//! by an environment variable, so that a mutant costs a test run and no build.

use super::programs::{self, BY_POWER, Program};
use super::tree;
use crate::place::Place;
use crate::report::{Report, heading};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A guard, and how it is taken away.
#[derive(Debug, PartialEq, Eq)]
struct Mutant {
    guard: String,
    file: PathBuf,
    found: String,
    instead: String,
}

/// Tries all, or those whose guard contains some words, or whose numbers are asked for, and tells which test caught each.
pub(crate) fn try_all(place: &Place, report: &mut Report, words: &str) {
    let tree = place.target.join("mutants/tree");
    let mutants = match prepare(place, &tree) {
        Ok(mutants) => mutants,
        Err(error) => return report.broken("mutants", &error.to_string()),
    };
    let tests: BTreeSet<_> = BY_POWER.iter().map(|(_, test)| *test).collect();
    let which: Vec<_> = tests.iter().flat_map(|test| ["--test", *test]).collect();
    let Some(programs) = programs::built(place, report, &tree, &which, Program::is_by_power) else { return };
    heading("mutants");
    let wanted: Vec<_> = (1..).zip(&mutants).filter(|(number, mutant)| is_asked(words, *number, mutant)).collect();
    let caught = programs::for_each(&wanted, |(number, mutant)| {
        let by = programs::by_power(&programs).find_map(|program| program.catches(place, *number));
        println!("{number:3} {}: {}", mutant.guard, by.as_deref().unwrap_or("SURVIVED"));
        by
    });
    for ((_, mutant), by) in wanted.iter().zip(caught) {
        report.figures.push(format!("{} | {}", mutant.guard, by.as_deref().unwrap_or("SURVIVED")));
        report.counted(&format!("mutant survived: {}", mutant.guard), by.is_some());
    }
}

/// `28-59` asks for numbers, all else for words of the guard.
fn is_asked(words: &str, number: usize, mutant: &Mutant) -> bool {
    let range = words.split_once('-').and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    range.map_or_else(|| mutant.guard.contains(words), |range| range.contains(&number))
}

/// A copy of the sources with all mutants in it.
fn prepare(place: &Place, tree: &Path) -> io::Result<Vec<Mutant>> {
    let mutants = all(&place.root)?;
    tree::copy(place, tree, |name| mutants.iter().any(|mutant| mutant.file == Path::new(name)))?;
    write(&place.root, &mutants, |path, text| tree::put(&tree.join(path), text.as_bytes()))?;
    Ok(mutants)
}

/// All, in the order of their numbers.
fn all(root: &Path) -> io::Result<Vec<Mutant>> {
    let mut files: Vec<_> = fs::read_dir(root.join("xtask/mutants"))?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let texts = files.iter().map(fs::read_to_string).collect::<io::Result<Vec<_>>>()?;
    Ok(texts.iter().flat_map(|text| text.split("## ").skip(1)).map(read).collect())
}

fn read(text: &str) -> Mutant {
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default().to_owned();
    let (guard, file) = (next(), PathBuf::from(next()));
    let rest: Vec<_> = lines.collect();
    let of = |sign: &str| rest.iter().filter_map(|line| line.strip_prefix(sign)).collect::<Vec<_>>().join("\n");
    Mutant { guard, file, found: of("- "), instead: of("+ ") }
}

/// Writes every file that has any, with all of its mutants.
fn write(root: &Path, mutants: &[Mutant], put: impl Fn(&Path, &str) -> io::Result<()>) -> io::Result<()> {
    let files: BTreeSet<_> = mutants.iter().map(|mutant| &mutant.file).collect();
    for file in files {
        let mut text = fs::read_to_string(root.join(file))?;
        for (number, mutant) in mutants.iter().enumerate().filter(|(_, mutant)| mutant.file == *file) {
            if text.matches(&mutant.found).count() != 1 {
                return Err(io::Error::other(format!("`{}` has no one place in {}", mutant.guard, file.display())));
            }
            let switch = if file.starts_with("deploy-core") { "crate" } else { "deploy_core" };
            let instead = mutant.instead.replace("MUTANT", &format!("{switch}::mutant({})", number + 1));
            text = text.replace(&mutant.found, &instead);
        }
        put(file, &text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_read_with_all_of_its_lines() {
        let read = read("a guard\nfile.rs\n- one\n- two\n+ one MUTANT\n\n");
        let file = PathBuf::from("file.rs");
        let (guard, found, instead) = ("a guard".to_owned(), "one\ntwo".to_owned(), "one MUTANT".to_owned());
        assert_eq!(read, Mutant { guard, file, found, instead });
    }

    #[test]
    fn mutants_are_asked_for_by_number_or_by_words() {
        let mutant = read("a way back-up\nfile.rs\n- one\n+ two\n");
        let asked = ["", "2-3", "4-9", "back-up", "front"].map(|words| is_asked(words, 3, &mutant));
        assert_eq!(asked, [true, true, false, true, false]);
    }

    #[test]
    fn every_mutant_has_its_place() {
        let root = Place::here().root;
        let mutants = all(&root).unwrap();
        assert!(mutants.len() >= 40, "{}", mutants.len());
        write(&root, &mutants, |_, _| Ok(())).unwrap();
    }
}
