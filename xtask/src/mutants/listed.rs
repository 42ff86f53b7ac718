//! Every change that cargo-mutants lists, tried by the tests of its own package, and where these miss it by the others.
//!
//! `xtask/survivors.txt` explains those that no test can or should catch: a heading for each reason, and under it the
//! mutants, each as its file, what it changes, and which of several alike it is.

use super::kept::Kept;
use super::programs::{self, Program};
use super::tree;
use crate::place::Place;
use crate::report::{Report, heading};
use crate::tool;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const VERSION: &str = "27.1.0";
const LIMIT: Duration = Duration::from_secs(60 * 60);
/// The machine that decides, what it orders and how plans are verified; how a host is moved; the strategies; the rest.
const SOURCES: [&str; 3] = ["deploy-core/src/**", "deploy-fleet/src/moves/**", "deploy-strategies/src/**"];
/// Why a mutant survives, by its name.
type Reasons = BTreeMap<String, String>;

/// One change.
#[derive(Debug)]
struct Mutant {
    number: usize,
    package: String,
    /// The file, what is changed, and which of several alike it is.
    name: String,
}

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Caught by a test of its own package.
    Own,
    /// Caught by this test of another one.
    Others(String),
    /// Caught by none.
    Survived,
}

/// Tries those whose name contains some words, or all.
pub(crate) fn try_all(place: &Place, report: &mut Report, words: &str) {
    let copy = place.target.join("mutants/all");
    let mutants = match prepare(place, report, &copy) {
        Ok(mutants) => mutants,
        Err(error) => return report.broken("mutants", &error.to_string()),
    };
    let programs = programs::built(place, report, &copy, &["--lib", "--tests"], is_asked);
    let Some(mut programs) = programs else { return };
    programs.sort_by_key(|program| program.took);
    let reasons = match fs::read_to_string(place.root.join("xtask/survivors.txt")) {
        Ok(text) => reasons(&text),
        Err(error) => return report.broken("mutants", &format!("xtask/survivors.txt cannot be read: {error}")),
    };
    let kept = match kept(place) {
        Ok(kept) => kept,
        Err(error) => return report.broken("mutants", &format!("what was caught cannot be kept: {error}")),
    };
    heading("mutants");
    report.figures.push(format!("caught by earlier runs over the same sources = {}", kept.len()));
    let wanted: Vec<_> = mutants.iter().filter(|mutant| mutant.name.contains(words)).collect();
    let outcomes = programs::for_each(&wanted, |mutant| {
        let outcome = kept.or(&mutant.name, || attempt(place, &programs, mutant));
        println!("{} {outcome:?}", mutant.name);
        outcome
    });
    for (mutant, outcome) in wanted.iter().zip(&outcomes) {
        tell(report, mutant, outcome, &reasons);
    }
    sum(report, &wanted, &outcomes, &reasons);
}

fn is_asked(program: &Program) -> bool {
    let own = SOURCES.iter().any(|source| package(source) == program.package);
    own || program.is_by_power()
}

/// What was caught before of the sources as they stand.
fn kept(place: &Place) -> io::Result<Kept> {
    let folders = SOURCES.map(package).map(|package| format!("{package}/src"));
    let listed = Command::new("git").arg("ls-files").args(folders).current_dir(&place.root).output()?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let sources: Vec<_> = names.lines().map(|name| fs::read(place.root.join(name))).collect::<io::Result<_>>()?;
    Kept::of(&place.target.join("mutants"), &sources)
}

/// A copy of the sources with all that can be built, and these.
fn prepare(place: &Place, report: &mut Report, copy: &Path) -> io::Result<Vec<Mutant>> {
    let list = place.target.join("mutants/list.json");
    fs::create_dir_all(place.target.join("mutants"))?;
    let listed =
        list_with(place).ok_or_else(|| io::Error::other(format!("cargo-mutants {VERSION} does not run here")))?;
    fs::write(&list, &listed)?;
    tree::copy(place, copy, |name| listed.contains(&format!("\"file\": \"{name}\"")))?;
    let mut switch = Command::new("cargo");
    switch.args(["run", "--quiet", "--locked", "--manifest-path", "xtask/switch/Cargo.toml", "--target-dir"]);
    switch.arg(place.target.join("switch")).arg("--").arg(&list).arg(&place.root).arg(copy);
    let ended =
        report.check(place, "all mutants in one copy", switch.env("CARGO_TARGET_DIR", copy.join("target")), LIMIT);
    if !ended.success {
        return Err(io::Error::other("the copy with all mutants could not be made"));
    }
    Ok(read(&ended.output))
}

fn list_with(place: &Place) -> Option<String> {
    let mut list = Command::new(tool::installed(place, "cargo-mutants", VERSION, &["mutants", "--version"])?);
    list.args(["mutants", "--list", "--json"]);
    list.args(SOURCES.iter().flat_map(|source| ["--file", source]));
    list.args(SOURCES.iter().flat_map(|source| ["--package", package(source)]));
    let output = list.current_dir(&place.root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whose a source is.
fn package(source: &str) -> &str {
    source.split('/').next().unwrap_or_default()
}

/// The lines `number <tab> package <tab> file:line:column: change <tab> built`.
fn read(output: &str) -> Vec<Mutant> {
    let mut alike: BTreeMap<String, usize> = BTreeMap::new();
    let mut mutants = Vec::new();
    for line in output.lines() {
        let [number, package, name, state] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        let Some(name) = without_place(name) else { continue };
        let which = alike.entry(name.clone()).or_default();
        *which += 1;
        let name = format!("{name} ({which})");
        let number = number.parse().ok().filter(|_| state == "built");
        mutants.extend(number.map(|number| Mutant { number, package: package.to_owned(), name }));
    }
    mutants
}

/// `a.rs:1:2: change` is `a.rs: change`, which stays so when lines are added above it.
fn without_place(name: &str) -> Option<String> {
    let (file, rest) = name.split_once(':')?;
    let change = rest.split_once(": ")?.1;
    Some(format!("{file}: {change}"))
}

/// The quickest of its own package's first, then the others.
fn attempt(place: &Place, programs: &[Program], mutant: &Mutant) -> Outcome {
    let own = |program: &&Program| program.package == mutant.package;
    let catches = |program: &Program| program.catches(place, mutant.number);
    if programs.iter().filter(own).any(|program| catches(program).is_some()) {
        return Outcome::Own;
    }
    let mut others = programs::by_power(programs).filter(|program| !own(program));
    others.find_map(catches).map_or(Outcome::Survived, Outcome::Others)
}

/// The mutants under each heading, with it.
fn reasons(text: &str) -> Reasons {
    let mut reason = "";
    let mut found = Reasons::new();
    for line in text.lines() {
        match line.strip_prefix("## ") {
            Some(heading) => reason = heading,
            None if !line.is_empty() && !reason.is_empty() => _ = found.insert(line.to_owned(), reason.to_owned()),
            None => {}
        }
    }
    found
}

fn tell(report: &mut Report, mutant: &Mutant, outcome: &Outcome, reasons: &Reasons) {
    let name = &mutant.name;
    match (outcome, reasons.get(name.as_str())) {
        (Outcome::Own, None) => report.counted(name, true),
        (Outcome::Others(by), None) => {
            report.figures.push(format!("{name} | only by {by}"));
            report.counted(name, true);
        }
        (Outcome::Survived, Some(reason)) => {
            report.figures.push(format!("{name} | survived: {reason}"));
            report.counted(name, true);
        }
        (Outcome::Survived, None) => {
            report.figures.push(format!("{name} | SURVIVED"));
            report.counted(&format!("mutant survived: {name}"), false);
        }
        (Outcome::Own | Outcome::Others(_), Some(_)) => {
            report.counted(&format!("xtask/survivors.txt explains what is caught: {name}"), false);
        }
    }
}

/// A line for each part of the sources.
fn sum(report: &mut Report, mutants: &[&Mutant], outcomes: &[Outcome], reasons: &Reasons) {
    for asked in mutants.iter().map(|mutant| part(&mutant.name)).collect::<BTreeSet<_>>() {
        let here = mutants.iter().zip(outcomes).filter(|(mutant, _)| part(&mutant.name) == asked);
        let (mut all, mut own, mut others, mut explained) = (0, 0, 0, 0);
        for (mutant, outcome) in here {
            all += 1;
            match outcome {
                Outcome::Own => own += 1,
                Outcome::Others(_) => others += 1,
                Outcome::Survived => explained += usize::from(reasons.contains_key(&mutant.name)),
            }
        }
        let open = all - own - others - explained;
        report.figures.push(format!(
            "{asked} = {all} mutants: {own} caught by the tests of the package, {others} by others, {explained} explained, \
             {open} open"
        ));
    }
}

fn part(name: &str) -> &'static str {
    let parts = ["deploy-core/src/machine/", "deploy-core/src/orders.rs", "deploy-core/src/verify.rs"];
    match name {
        name if parts.iter().any(|part| name.starts_with(part)) => "machine, orders and verify",
        name if name.starts_with("deploy-fleet") => "moves",
        name if name.starts_with("deploy-strategies") => "strategies",
        _ => "the rest of core",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_that_look_alike_are_told_apart_and_those_not_built_left_out() {
        let line = |number: usize, place: &str, state: &str| {
            format!("{number}\tp\ta.rs:{place}: replace < with > in f\t{state}\n")
        };
        let read = read(&(line(1, "1:2", "not built") + &line(2, "9:2", "built") + "other\n"));
        let told: Vec<_> = read.iter().map(|mutant| (mutant.number, mutant.name.as_str())).collect();
        assert_eq!(told, [(2, "a.rs: replace < with > in f (2)")]);
    }

    #[test]
    fn a_survivor_is_explained_by_the_heading_above_it() {
        let found = reasons("words\n\n## because\na.rs: one (1)\na.rs: two (1)\n\n## for that\nb.rs: three (1)\n");
        assert_eq!(found["a.rs: two (1)"], "because");
        assert_eq!(found["b.rs: three (1)"], "for that");
        assert_eq!(found.len(), 3);
    }
}
