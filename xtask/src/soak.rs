//! The long form of the tests, and its report.

use crate::place::Place;
use crate::report::Report;
use crate::{fuzz, needs, tests};
use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs all tests with `DEPLOY_SOAK=1`, those that stand for the soak alone too, then the fuzzing, and writes down every figure.
///
/// A test reads `DEPLOY_SEED` and prints what it measured as a line `figure: <name> = <value>`.
pub(crate) fn all(place: &Place, report: &mut Report) {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seed = std::env::var("DEPLOY_SEED").unwrap_or_else(|_| begun.to_string());
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
    write(place, report, begun, &seed);
}

fn write(place: &Place, report: &Report, begun: u64, seed: &str) {
    let folder = place.root.join("docs/reports");
    let path = folder.join(format!("soak-{begun}.md"));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, page(place, report, begun, seed)));
    match written {
        Ok(()) => println!("report: {}", path.display()),
        Err(error) => println!("the report could not be written to {}: {error}", path.display()),
    }
}

fn page(place: &Place, report: &Report, begun: u64, seed: &str) -> String {
    let told = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(&place.root).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let dirty = if told("git", &["status", "--porcelain"]).is_empty() { "" } else { ", with changes" };
    let mut page = format!(
        "# Soak\n\n* begun: {}\n* commit: {}{dirty}\n* seed: {seed}\n* machine: {}\n* result: {}\n",
        told("date", &["-u", "-d", &format!("@{begun}"), "+%Y-%m-%dT%H:%M:%SZ"]),
        told("git", &["rev-parse", "HEAD"]),
        machine(),
        report.line(place.ci),
    );
    page.extend(report.failures().iter().map(|name| format!("* failed: {name}\n")));
    page.extend(report.left_out().map(|what| format!("* not run: {what}\n")));
    page += "\n## Figures\n\n";
    page.extend(report.figures.iter().map(|figure| format!("* {figure}\n")));
    page
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total =
        memory.lines().next().and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok());
    format!("{cores} cores, {} MiB, {}", total.unwrap_or(0) / 1024, std::env::consts::ARCH)
}
