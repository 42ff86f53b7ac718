//! Builds every mutant that cargo-mutants lists into one copy of the sources, switched at run time.
//!
//! `deploy-switch <list> <sources> <copy>`: the list is what `cargo mutants --list --json` prints. Every file that it names
//! is read from the sources and written into the copy with all of its mutants, each asking `deploy_core::mutant(number)`
//! whether it is the one; the number is its place in the list, from 1. What does not compile is left out, as long as it
//! takes until the copy does. Then one line is printed for each mutant: number, package, name, and whether it was built.

#![allow(clippy::print_stdout, reason = "this is its output")]

mod check;
mod list;
mod places;
mod sheet;

use list::Mutant;
use sheet::Sheet;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

/// More rounds than this mean that leaving out does not help.
const ROUNDS: usize = 40;

fn main() -> ExitCode {
    let paths: Vec<_> = env::args().skip(1).map(PathBuf::from).collect();
    let [list, sources, copy] = &paths[..] else {
        eprintln!("deploy-switch <list> <sources> <copy>");
        return ExitCode::FAILURE;
    };
    match switch(list, sources, copy) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn switch(list: &Path, sources: &Path, copy: &Path) -> io::Result<()> {
    let mutants = list::read(list)?;
    let (mut out, mut constant) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..ROUNDS {
        let texts = texts(&mutants, sources, &constant)?;
        let sheets = written(&mutants, &texts, copy, &mut out)?;
        let wrong = check::wrong(copy, &sheets)?;
        if wrong.is_nothing() {
            tell(&mutants, &out);
            return Ok(());
        }
        eprintln!("{} do not compile; constant: {:?}", wrong.mutants.len(), wrong.constant);
        out.extend(wrong.mutants);
        constant.extend(wrong.constant);
    }
    Err(io::Error::other(format!("the copy does not compile after {ROUNDS} rounds")))
}

fn texts(mutants: &[Mutant], sources: &Path, constant: &BTreeSet<String>) -> io::Result<BTreeMap<PathBuf, String>> {
    let files: BTreeSet<_> = mutants.iter().map(|mutant| mutant.file.clone()).collect();
    let read = |file: PathBuf| Ok((file.clone(), at_run_time(&fs::read_to_string(sources.join(file))?, constant)));
    files.into_iter().map(read).collect()
}

/// A switch is asked at run time, so no function is `const` but those that have to be. Every byte keeps its place.
fn at_run_time(text: &str, constant: &BTreeSet<String>) -> String {
    let free = text.replace("const fn ", "      fn ");
    constant.iter().fold(free, |text, name| text.replace(&format!("      fn {name}("), &format!("const fn {name}(")))
}

/// Writes every file with the mutants that are not left out; who has no place there is left out from now on.
fn written(
    mutants: &[Mutant],
    texts: &BTreeMap<PathBuf, String>,
    copy: &Path,
    out: &mut BTreeSet<usize>,
) -> io::Result<BTreeMap<PathBuf, Sheet>> {
    let mut sheets = BTreeMap::new();
    for (file, text) in texts {
        let places = places::of(text).map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
        let switch = if file.starts_with("deploy-core") { "crate" } else { "deploy_core" };
        let mut sheet = Sheet::new(text, switch);
        for (at, mutant) in mutants.iter().enumerate().filter(|(_, mutant)| mutant.file == *file) {
            if !out.contains(&(at + 1)) && !sheet.add(at + 1, mutant, &places) {
                out.insert(at + 1);
            }
        }
        put(&copy.join(file), &sheet.render())?;
        sheets.insert(file.clone(), sheet);
    }
    Ok(sheets)
}

/// Writes what differs, so that nothing is built again without need.
fn put(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, text)
}

fn tell(mutants: &[Mutant], out: &BTreeSet<usize>) {
    for (at, mutant) in mutants.iter().enumerate() {
        let state = if out.contains(&(at + 1)) { "not built" } else { "built" };
        println!("{}\t{}\t{}\t{state}", at + 1, mutant.package, mutant.name);
    }
}
