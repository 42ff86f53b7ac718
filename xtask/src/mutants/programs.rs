//! The test programs of the copy, by which mutants are tried.

use crate::place::Place;
use crate::report::Report;
use crate::step;
use crate::tests::cargo;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BUILD: Duration = Duration::from_secs(60 * 60);
/// A mutant that asks for more memory is caught. In KiB.
const MEMORY: &str = "6000000";

/// A test program of the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) package: String,
    pub(super) test: String,
    folder: PathBuf,
    path: PathBuf,
}

impl Program {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.package, self.test)
    }

    /// How long it takes without a mutant; none where a test of it fails then.
    pub(super) fn takes(&self, place: &Place, report: &mut Report) -> Option<Duration> {
        let ended = report.check(place, &format!("{} without a mutant", self.name()), &mut self.run(0), BUILD);
        ended.success.then_some(ended.took)
    }

    /// The test that fails with a mutant, or takes longer than that.
    pub(super) fn catches(&self, place: &Place, mutant: usize, limit: Duration) -> Option<String> {
        let ended = step::run(place, &mut self.run(mutant), limit);
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

/// Builds those of the copy that are asked for, in a folder of its own: cargo takes two copies of a workspace for one.
pub(super) fn built(place: &Place, report: &mut Report, tree: &Path, which: &[&str]) -> Vec<Program> {
    let mut build = cargo("test");
    build.args(["--no-run", "--message-format", "json", "--manifest-path"]).arg(tree.join("Cargo.toml")).args(which);
    let ended = report.check(
        place,
        "the tests with all mutants, built",
        build.env("CARGO_TARGET_DIR", tree.join("target")),
        BUILD,
    );
    ended.output.lines().filter_map(|line| program(tree, line)).collect()
}

/// What cargo tells of a program that it made of `<package>/tests/<test>.rs`, `<test>/main.rs` or `<package>/src/lib.rs`.
fn program(tree: &Path, line: &str) -> Option<Program> {
    let told = |key: &str| line.split_once(&format!("\"{key}\":\""))?.1.split('"').next();
    let (path, source) = (PathBuf::from(told("executable")?), Path::new(told("src_path")?));
    let source = source.strip_prefix(tree).ok()?.with_extension("");
    let mut parts: Vec<_> = source.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts.retain(|part| !["tests", "src", "main"].contains(&part.as_str()));
    let [package, test] = &parts[..] else { return None };
    Some(Program { package: package.clone(), test: test.clone(), folder: tree.join(package), path })
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
