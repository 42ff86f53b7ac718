//! Guards that are taken away one at a time: for each, a test must fail.
//!
//! `xtask/mutants/*.txt` hold them: a guard in words, the file, the lines that are found there once, and the lines that
//! stand instead, in which `MUTANT` is true for this one alone. All are built into one copy of the sources and switched
//! by an environment variable, so that a mutant costs a test run and no build.

use crate::place::Place;
use crate::report::{Report, heading};
use crate::step;
use crate::tests::cargo;
use std::collections::BTreeSet;
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
    ("deploy-core", "settle"),
    ("deploy-core", "plans"),
    ("deploy-core", "back"),
    ("deploy-core", "waits"),
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
    ("deploy-store", "conformance"),
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

/// Tries all, or those whose guard contains some words, or whose numbers are asked for, and tells which test caught each.
pub(crate) fn try_all(place: &Place, report: &mut Report, words: &str) {
    let tree = place.target.join("mutants/tree");
    let mutants = match prepare(place, &tree) {
        Ok(mutants) => mutants,
        Err(error) => return report.broken("mutants", &error.to_string()),
    };
    let programs = built(place, report, &tree);
    let whole = programs.iter().all(|program| {
        report.check(place, &format!("{} without a mutant", program.name), &mut program.run(0), BUILD).success
    });
    heading("mutants");
    let wanted = (1..).zip(&mutants).filter(|(number, mutant)| whole && is_wanted(words, *number, mutant));
    for (number, mutant) in wanted {
        attempt(place, report, &programs, number, mutant);
    }
}

/// `28-59` asks for numbers, all else for words of the guard.
fn is_wanted(words: &str, number: usize, mutant: &Mutant) -> bool {
    let range = words.split_once('-').and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    range.map_or_else(|| mutant.guard.contains(words), |range| range.contains(&number))
}

/// A test binary of the copy.
#[derive(Debug)]
struct Program {
    name: String,
    folder: PathBuf,
    path: PathBuf,
}

impl Program {
    /// It, in the folder where cargo would run it.
    fn run(&self, mutant: usize) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "cd \"$0\" && exec \"$@\""]).arg(&self.folder).arg(&self.path);
        shell.args(["--format", "pretty"]).env("RUST_BACKTRACE", "0").env("DEPLOY_MUTANT", mutant.to_string());
        shell
    }
}

/// Builds them as all tests are built, in a folder of their own: cargo would take what it made of the copy for made of the
/// sources, and would not see that these have changed.
fn built(place: &Place, report: &mut Report, tree: &Path) -> Vec<Program> {
    let mut build = cargo("test");
    build.args(["--no-run", "--message-format", "json", "--manifest-path"]).arg(tree.join("Cargo.toml"));
    let tests: BTreeSet<_> = TESTS.iter().map(|(_, test)| *test).collect();
    for test in tests {
        build.args(["--test", test]);
    }
    build.env("CARGO_TARGET_DIR", place.target.join("mutants/build"));
    let ended = report.check(place, "the tests with all mutants, built", &mut build, BUILD);
    let program = |(package, test): &(&str, &str)| {
        let source = format!("{package}/tests/{test}");
        let path = executable(&ended.output, &source);
        if path.is_none() {
            report.broken("mutants", &format!("there is no test program of {source}"));
        }
        Some(Program { name: format!("{package} {test}"), folder: tree.join(package), path: path? })
    };
    TESTS.iter().filter_map(program).collect()
}

/// The program that cargo made of a source, `<source>.rs` or `<source>/main.rs`.
fn executable(output: &str, source: &str) -> Option<PathBuf> {
    let of = |line: &&str| line.contains(&format!("/{source}.rs\"")) || line.contains(&format!("/{source}/main.rs\""));
    let named = |line: &str| Some(line.split_once("\"executable\":\"")?.1.split('"').next()?.to_owned());
    output.lines().filter(of).find_map(named).map(PathBuf::from)
}

/// A copy of the sources with all mutants in it.
fn prepare(place: &Place, tree: &Path) -> io::Result<Vec<Mutant>> {
    let mutants = all(&place.root)?;
    copy(place, tree, &mutants)?;
    write(&place.root, &mutants, |path, text| put(&tree.join(path), text.as_bytes()))?;
    Ok(mutants)
}

fn attempt(place: &Place, report: &mut Report, programs: &[Program], number: usize, mutant: &Mutant) {
    let by = programs.iter().find_map(|program| {
        let ended = step::run(place, &mut program.run(number), RUN);
        (!ended.success).then(|| format!("{} {}", program.name, first_failed(&ended.output)))
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
    fn mutants_are_asked_for_by_number_or_by_words() {
        let mutant = read("a way back-up\nfile.rs\n- one\n+ two\n");
        let asked = ["", "2-3", "4-9", "back-up", "front"].map(|words| is_wanted(words, 3, &mutant));
        assert_eq!(asked, [true, true, false, true, false]);
    }

    #[test]
    fn a_program_is_found_by_its_source() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"orders","src_path":"/a/deploy-core/tests/orders.rs","doc":false},"executable":"/a/target/orders-1","fresh":true}"#;
        let output = format!("   Compiling one\n{{\"reason\":\"build-finished\"}}\n{line}\n");
        assert_eq!(executable(&output, "deploy-core/tests/orders"), Some(PathBuf::from("/a/target/orders-1")));
        assert_eq!(executable(&output, "deploy-fleet/tests/orders"), None);
    }

    #[test]
    fn every_mutant_has_its_place() {
        let root = Place::here().root;
        let mutants = all(&root).unwrap();
        assert!(mutants.len() >= 40, "{}", mutants.len());
        write(&root, &mutants, |_, _| Ok(())).unwrap();
    }
}
