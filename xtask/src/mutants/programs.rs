//! The test programs of the copy, by which mutants are tried.

use crate::place::Place;
use crate::report::Report;
use crate::step;
use crate::tests::cargo;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Package and test, the least powerful first: a guard is best held by a small test.
pub(super) const BY_POWER: &[(&str, &str)] = &[
    ("deploy-core", "orders"),
    ("deploy-core", "verify"),
    ("deploy-core", "notes"),
    ("deploy-core", "settle"),
    ("deploy-core", "plans"),
    ("deploy-core", "back"),
    ("deploy-core", "waits"),
    ("deploy-core", "machine"),
    ("deploy-core", "transcripts"),
    ("deploy-strategies", "stages"),
    ("deploy-fleet", "situations"),
    ("deploy-fleet", "limits"),
    ("deploy-fleet", "pitfalls"),
    ("deploy-fleet", "executor"),
    ("deploy-fleet", "properties"),
    ("deploy-config", "refusals"),
    ("deploy-config", "files"),
    ("deploy-testkit", "patience"),
    ("deploy-testkit", "pitfalls"),
    ("deploy-testkit", "every_stage"),
    ("deploy-testkit", "troubles"),
    ("deploy-store", "conformance"),
    ("deploy-store", "sqlite"),
    ("deploy-engine", "deploy"),
    ("deploy-testkit", "model"),
    ("deploy-testkit", "guarantees"),
];

const BUILD: Duration = Duration::from_secs(60 * 60);
/// A mutant that asks for more memory is caught. In KiB.
const MEMORY: &str = "6000000";
/// So is one with which a program takes so many times as long as without, and some seconds.
const SLOWER: u32 = 20;
const AT_LEAST: Duration = Duration::from_secs(5);

/// A test program of the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) package: String,
    pub(super) test: String,
    folder: PathBuf,
    path: PathBuf,
    /// How long it takes without a mutant.
    pub(super) took: Duration,
}

impl Program {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.package, self.test)
    }

    /// Whether it is one of those that try all mutants.
    pub(super) fn is_by_power(&self) -> bool {
        BY_POWER.iter().any(|name| self.is(name))
    }

    fn is(&self, (package, test): &(&str, &str)) -> bool {
        self.package == *package && self.test == *test
    }

    /// It with how long it takes without a mutant; none where a test of it fails then.
    fn timed(self, place: &Place, report: &mut Report) -> Option<Self> {
        let ended = report.check(place, &format!("{} without a mutant", self.name()), &mut self.run(0), BUILD);
        ended.success.then_some(Self { took: ended.took, ..self })
    }

    /// The test that fails with a mutant, or does not end.
    pub(super) fn catches(&self, place: &Place, mutant: usize) -> Option<String> {
        let ended = step::run(place, &mut self.run(mutant), self.took * SLOWER + AT_LEAST);
        (!ended.success).then(|| format!("{} {}", self.name(), first_failed(&ended.output)))
    }

    /// It, in the folder where cargo would run it.
    fn run(&self, mutant: usize) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {MEMORY}; cd \"$0\" && exec \"$@\"")]).arg(&self.folder).arg(&self.path);
        shell.args(["--format", "pretty"]).env("RUST_BACKTRACE", "0").env("DEPLOY_MUTANT", mutant.to_string());
        shell.env("INSTA_UPDATE", "no");
        shell
    }
}

/// Builds what is asked for of the copy, in a folder of its own: cargo takes two copies of a workspace for one. None where a
/// wanted program fails without a mutant, or one of [`BY_POWER`] is not there.
pub(super) fn built(
    place: &Place,
    report: &mut Report,
    tree: &Path,
    which: &[&str],
    is_wanted: impl Fn(&Program) -> bool,
) -> Option<Vec<Program>> {
    let mut build = cargo("test");
    build.args(["--no-run", "--message-format", "json", "--manifest-path"]).arg(tree.join("Cargo.toml")).args(which);
    let ended = report.check(
        place,
        "the tests with all mutants, built",
        build.env("CARGO_TARGET_DIR", tree.join("target")),
        BUILD,
    );
    let programs = ended.output.lines().filter_map(|line| program(tree, line)).filter(is_wanted);
    let timed: Vec<_> = programs.map(|program| program.timed(place, report)).collect::<Option<_>>()?;
    let missing = BY_POWER.iter().find(|name| !timed.iter().any(|program| program.is(name)));
    if let Some((package, test)) = missing {
        report.broken("mutants", &format!("there is no test program `{test}` of {package}"));
        return None;
    }
    Some(timed)
}

/// The programs of the list that are there, in its order.
pub(super) fn by_power(programs: &[Program]) -> impl Iterator<Item = &Program> {
    BY_POWER.iter().filter_map(|name| programs.iter().find(|program| program.is(name)))
}

/// Does it for each, as many at a time as there are cores.
pub(super) fn for_each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let take = || {
        let at = next.fetch_add(1, Ordering::Relaxed);
        Some((at, items.get(at)?))
    };
    let worker = || {
        while let Some((at, item)) = take() {
            let result = work(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// What cargo tells of a program that it made of `<package>/tests/<test>.rs`, `<test>/main.rs` or `<package>/src/lib.rs`.
fn program(tree: &Path, line: &str) -> Option<Program> {
    let told = |key: &str| line.split_once(&format!("\"{key}\":\""))?.1.split('"').next();
    let (path, source) = (PathBuf::from(told("executable")?), Path::new(told("src_path")?));
    let source = source.strip_prefix(tree).ok()?.with_extension("");
    let mut parts: Vec<_> = source.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts.retain(|part| !["tests", "src", "main"].contains(&part.as_str()));
    let [package, test] = &parts[..] else { return None };
    let (package, test) = (package.clone(), test.clone());
    Some(Program { folder: tree.join(&package), package, test, path, took: Duration::ZERO })
}

fn first_failed(output: &str) -> &str {
    let failed = |line: &'_ str| line.starts_with("test ") && line.ends_with("FAILED");
    let name = output.lines().find(|line| failed(line)).and_then(|line| line.split(' ').nth(1));
    name.unwrap_or("(did not end)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_for_each_stands_in_order() {
        let numbers: Vec<usize> = (0..100).collect();
        assert_eq!(
            for_each(&numbers, |number| number * 2),
            numbers.iter().map(|number| number * 2).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_program_is_known_by_its_source() {
        let line = |source: &str| {
            format!(
                r#"{{"target":{{"name":"x","src_path":"/a/{source}.rs","doc":false}},"executable":"/a/target/x-1","fresh":true}}"#
            )
        };
        let name = |source: &str| program(Path::new("/a"), &line(source)).map(|program| program.name());
        assert_eq!(name("deploy-core/tests/orders").as_deref(), Some("deploy-core orders"));
        assert_eq!(name("deploy-testkit/tests/chaos/main").as_deref(), Some("deploy-testkit chaos"));
        assert_eq!(name("deploy-core/src/lib").as_deref(), Some("deploy-core lib"));
        assert_eq!(program(Path::new("/a"), r#"{"src_path":"/a/deploy-core/tests/x.rs","executable":null}"#), None);
    }
}
