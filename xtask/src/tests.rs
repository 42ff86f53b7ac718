//! All tests of the workspace.

use crate::place::Place;
use crate::report::Report;
use crate::{examples, needs};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(45 * 60);

/// A cargo command with everything switched on, so that all builds of a run share one set of features.
pub(crate) fn cargo(command: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([command, "--workspace", "--all-features"]);
    cargo
}

/// Unit, integration and live tests, doctests, examples.
pub(crate) fn all(place: &Place, report: &mut Report) {
    let marked = needs::marked(place);
    for need in needs::missing(&marked) {
        report.not_run(&format!("tests that need {need}"), &format!("this machine has no {need}"));
    }
    let mut tests = built();
    tests.arg("--include-ignored");
    for name in marked.iter().filter(|mark| mark.soak || !needs::can(&mark.need)).map(|mark| &mark.test) {
        tests.args(["--skip", name]);
    }
    report.tests(place, "tests", &mut tests, LIMIT);
    report.tests(place, "doctests", cargo("test").args(["--doc", "--no-fail-fast"]), LIMIT);
    examples::all(place, report);
}

/// The test binaries; what follows are their arguments.
pub(crate) fn built() -> Command {
    let mut tests = cargo("test");
    tests.args(["--lib", "--bins", "--tests", "--no-fail-fast", "--"]);
    tests
}
