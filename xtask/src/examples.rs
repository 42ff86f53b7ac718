//! The examples, each run as it stands.

use crate::place::Place;
use crate::report::Report;
use crate::tests::cargo;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const BUILD: Duration = Duration::from_secs(30 * 60);
const EACH: Duration = Duration::from_secs(180);

/// Builds the examples and runs each; exit code 0 is wanted, within 3 minutes.
pub(crate) fn all(place: &Place, report: &mut Report) {
    let names = names(&place.root.join("examples"));
    if names.is_empty() {
        return report.not_run("examples", "there are none in examples/");
    }
    if !report.check(place, "examples, built", cargo("build").arg("--examples"), BUILD).success {
        return;
    }
    for name in names {
        let program = place.target.join("debug/examples").join(&name);
        report.one(place, &format!("example {name}"), &mut Command::new(program), EACH);
    }
}

/// The names that cargo gives them: `examples/name.rs`, or `examples/name/main.rs`.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is = |path: &Path| path.extension().is_some_and(|ext| ext == "rs") || path.join("main.rs").is_file();
    let name = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<_> = entries.filter(|path| is(path)).filter_map(|path| name(&path)).collect();
    names.sort();
    names
}
