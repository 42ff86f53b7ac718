//! The long form of the tests, and its report.

use crate::paper::Paper;
use crate::place::Place;
use crate::report::Report;
use crate::{fuzz, needs, tests};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs all tests with `DEPLOY_SOAK=1`, those that stand for the soak alone too, then the fuzzing, and writes down every figure.
///
/// A test reads `DEPLOY_SEED` and prints what it measured as a line `figure: <name> = <value>`.
pub(crate) fn all(place: &Place, report: &mut Report) {
    let paper = Paper::begin("soak");
    let seed = std::env::var("DEPLOY_SEED").unwrap_or_else(|_| paper.begun.to_string());
    let marked = needs::marked(place);
    for need in needs::missing(&marked) {
        report.not_run(&format!("tests that need {need}"), &format!("this machine has no {need}"));
    }
    let mut all = tests::built();
    all.args(["--include-ignored", "--nocapture", "--test-threads", "1"]);
    for mark in marked.iter().filter(|mark| !needs::can(&mark.need)) {
        all.args(["--skip", &mark.test]);
    }
    report.tests(place, "soak", all.env("DEPLOY_SOAK", "1").env("DEPLOY_SEED", &seed), LIMIT);
    fuzz::all(place, report);
    paper.write(place, &page(place, report, &paper, &seed));
}

fn page(place: &Place, report: &Report, paper: &Paper, seed: &str) -> String {
    let mut page = format!("# Soak\n\n{}* seed: {seed}\n* result: {}\n", paper.head(place), report.line(place.ci));
    page.extend(report.failures().iter().map(|name| format!("* failed: {name}\n")));
    page.extend(report.left_out().map(|what| format!("* not run: {what}\n")));
    page += "\n## Figures\n\n";
    page.extend(report.figures.iter().map(|figure| format!("* {figure}\n")));
    page
}
