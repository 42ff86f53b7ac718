//! Guards that are taken away one at a time: for each, a test must fail.
//!
//! `xtask/mutants/*.txt` hold them: a guard in words, the file, the lines that are found there once, and the lines that
//! stand instead, in which `MUTANT` is true for this one alone. All are built into one copy of the sources and switched
//! by an environment variable, so that a mutant costs a test run and no build.

use crate::place::Place;
use crate::report::{Report, heading};
use crate::step;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BUILD: Duration = Duration::from_secs(45 * 60);
/// A mutant that never ends is caught.
const RUN: Duration = Duration::from_secs(180);
/// Where they are looked for, the least powerful first: package and test binary.
const TESTS: &[(&str, &str)] = &[
    ("deploy-core", "orders"),
    ("deploy-core", "plans"),
    ("deploy-core", "machine"),
    ("deploy-fleet", "limits"),
    ("deploy-fleet", "pitfalls"),
    ("deploy-fleet", "executor"),
    ("deploy-fleet", "properties"),
    ("deploy-testkit", "patience"),
    ("deploy-testkit", "pitfalls"),
    ("deploy-testkit", "every_stage"),
    ("deploy-testkit", "guarantees"),
    ("deploy-store", "sqlite"),
    ("deploy-engine", "deploy"),
];
const LIBRARY: &str = "deploy-core/src/lib.rs";
const SWITCH: &str = r#"
/// Whether a mutant is the one that is tried.
#[doc(hidden)]
pub fn mutant(number: usize) -> bool {
    static NOW: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    let read = || std::env::var("DEPLOY_MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(0);
    *NOW.get_or_init(read) == number
}
"#;

/// A guard, and how it is taken away.
#[derive(Debug, PartialEq, Eq)]
struct Mutant {
    guard: String,
    file: PathBuf,
    found: String,
    instead: String,
}

/// Tries all, or those whose guard contains some words, and tells which test caught each.
pub(crate) fn try_all(place: &Place, report: &mut Report, words: &str) {
    let tree = place.target.join("mutants/tree");
    let mutants = match prepare(place, &tree) {
        Ok(mutants) => mutants,
        Err(error) => return report.broken("mutants", &error.to_string()),
    };
    let whole = TESTS.iter().all(|(package, test)| {
        let name = format!("{package} {test} without a mutant");
        report.check(place, &name, &mut run(place, &tree, package, test), BUILD).success
    });
    let wanted = |mutant: &Mutant| whole && mutant.guard.contains(words);
    heading("mutants");
    for (number, mutant) in mutants.iter().enumerate().filter(|(_, mutant)| wanted(mutant)) {
        attempt(place, report, &tree, number + 1, mutant);
    }
}

/// A copy of the sources with all mutants in it.
fn prepare(place: &Place, tree: &Path) -> io::Result<Vec<Mutant>> {
    let mutants = all(&place.root)?;
    copy(place, tree, &mutants)?;
    write(&place.root, &mutants, |path, text| put(&tree.join(path), text.as_bytes()))?;
    Ok(mutants)
}

fn attempt(place: &Place, report: &mut Report, tree: &Path, number: usize, mutant: &Mutant) {
    let by = TESTS.iter().find_map(|(package, test)| {
        let ended = step::run(place, run(place, tree, package, test).env("DEPLOY_MUTANT", number.to_string()), RUN);
        (!ended.success).then(|| format!("{package} {test} {}", first_failed(&ended.output)))
    });
    report.figures.push(format!("{} | {}", mutant.guard, by.as_deref().unwrap_or("SURVIVED")));
    println!("{number:3} {}: {}", mutant.guard, by.as_deref().unwrap_or("SURVIVED"));
    report.counted(&format!("mutant survived: {}", mutant.guard), by.is_some());
}

fn first_failed(output: &str) -> &str {
    let failed = |line: &'_ str| line.starts_with("test ") && line.ends_with("FAILED");
    let name = output.lines().find(|line| failed(line)).and_then(|line| line.split(' ').nth(1));
    name.unwrap_or("(did not end)")
}

fn run(place: &Place, tree: &Path, package: &str, test: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--quiet", "--package", package, "--test", test, "--manifest-path"]);
    cargo.arg(tree.join("Cargo.toml")).env("CARGO_TARGET_DIR", place.target.join("mutants/target"));
    cargo.args(["--", "--format", "pretty"]).env("RUST_BACKTRACE", "0").env("RUSTFLAGS", "-Aunused_parens");
    cargo
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
    let files: std::collections::BTreeSet<_> = mutants.iter().map(|mutant| &mutant.file).collect();
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
    put(Path::new(LIBRARY), &(fs::read_to_string(root.join(LIBRARY))? + SWITCH))
}

/// Writes what differs, so that nothing is built again without need.
fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, text)
}

/// Copies what git knows of and no mutant changes.
fn copy(place: &Place, tree: &Path, mutants: &[Mutant]) -> io::Result<()> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(&place.root).output()?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let changed = |name: &str| name == LIBRARY || mutants.iter().any(|mutant| mutant.file == Path::new(name));
    for name in names.split('\0').filter(|name| !name.is_empty() && !changed(name)) {
        match fs::read(place.root.join(name)) {
            Ok(bytes) => put(&tree.join(name), &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
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
    fn every_mutant_has_its_place() {
        let root = Place::here().root;
        let mutants = all(&root).unwrap();
        assert!(mutants.len() >= 40, "{}", mutants.len());
        write(&root, &mutants, |_, _| Ok(())).unwrap();
    }
}
