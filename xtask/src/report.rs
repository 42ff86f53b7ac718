//! What ran and how it ended.

use crate::place::Place;
use crate::step::{self, Ended};
use crate::tally::{Tally, slow};
use std::io::{Write as _, stdout};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// What ran and how it ended.
#[derive(Debug)]
pub(crate) struct Report {
    begun: Instant,
    tally: Tally,
    failures: Vec<String>,
    not_run: Vec<String>,
    notes: Vec<String>,
    pub(crate) figures: Vec<String>,
}

impl Default for Report {
    fn default() -> Self {
        let begun = Instant::now();
        Self { begun, tally: Tally::default(), failures: vec![], not_run: vec![], notes: vec![], figures: vec![] }
    }
}

impl Report {
    /// Runs a check; one that fails counts as one failed.
    pub(crate) fn check(&mut self, place: &Place, name: &str, command: &mut Command, limit: Duration) -> Ended {
        heading(name);
        let ended = step::run(place, command, limit);
        self.checked(name, &ended);
        ended
    }

    /// Takes what was checked without a command of its own.
    pub(crate) fn checked(&mut self, name: &str, ended: &Ended) {
        println!("{} in {:.1} s", if ended.success { "ok" } else { "FAILED" }, ended.took.as_secs_f64());
        if !ended.success {
            println!("{}", ended.output);
            self.tally.failed += 1;
            self.failures.push(name.to_owned());
        }
    }

    /// Takes what could not even be tried.
    pub(crate) fn broken(&mut self, name: &str, why: &str) {
        println!("FAILED {name}: {why}");
        self.counted(name, false);
    }

    /// Counts one thing that was tried.
    pub(crate) fn counted(&mut self, name: &str, passed: bool) {
        self.tally.passed += u64::from(passed);
        self.tally.failed += u64::from(!passed);
        self.failures.extend((!passed).then(|| name.to_owned()));
    }

    /// Runs one thing that counts as one test.
    pub(crate) fn one(&mut self, place: &Place, name: &str, command: &mut Command, limit: Duration) -> Ended {
        let ended = self.check(place, name, command, limit);
        self.tally.passed += u64::from(ended.success);
        ended
    }

    /// Runs test binaries, whose own counts are added up.
    pub(crate) fn tests(&mut self, place: &Place, name: &str, command: &mut Command, limit: Duration) {
        heading(name);
        let ended = step::run(place, command, limit);
        let mut tally = Tally::of(&ended.output);
        if !ended.success && tally.failed == 0 {
            tally.failed = 1;
        }
        self.figures.extend(ended.output.lines().filter_map(|line| line.strip_prefix("figure: ")).map(str::to_owned));
        self.tally += tally;
        let Tally { passed, failed, ignored } = tally;
        println!("{passed} passed, {failed} failed, {ignored} ignored in {:.1} s", ended.took.as_secs_f64());
        slow(&ended.output).iter().for_each(|(took, suite)| println!("  {took:6.1} s {suite}"));
        if tally.failed > 0 {
            println!("{}", ended.output);
            self.failures.push(name.to_owned());
        }
    }

    /// Says that a suite could not run; in CI that is a failure.
    pub(crate) fn not_run(&mut self, name: &str, why: &str) {
        heading(name);
        println!("NOT RUN: {why}");
        self.not_run.push(format!("{name}: {why}"));
    }

    /// Says that something could not run and that this is no failure even in CI.
    pub(crate) fn not_reachable(&mut self, name: &str, why: &str) {
        heading(name);
        println!("NOT RUN: {why}");
        self.notes.push(format!("{name}: {why}"));
    }

    /// Takes in what another one tells.
    pub(crate) fn add(&mut self, other: Self) {
        self.tally += other.tally;
        self.failures.extend(other.failures);
        self.not_run.extend(other.not_run);
        self.notes.extend(other.notes);
        self.figures.extend(other.figures);
    }

    /// What failed, in words.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Everything that did not run, in words.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = &String> {
        self.not_run.iter().chain(&self.notes)
    }

    /// `N passed, M failed`.
    pub(crate) fn line(&self, ci: bool) -> String {
        let missing = if ci { self.not_run.len() as u64 } else { 0 };
        format!("{} passed, {} failed", self.tally.passed, self.tally.failed + missing)
    }

    /// Prints the end; its last line is `N passed, M failed`.
    pub(crate) fn end(&self, ci: bool) -> ExitCode {
        heading(&format!("all in {:.0} s", self.begun.elapsed().as_secs_f64()));
        self.failures.iter().for_each(|name| println!("failed: {name}"));
        self.left_out().for_each(|what| println!("NOT RUN: {what}"));
        println!("{}", self.line(ci));
        let good = self.failures.is_empty() && (self.not_run.is_empty() || !ci);
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// A heading is seen before its step begins.
pub(crate) fn heading(name: &str) {
    println!("\n== {name}");
    let _ = stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn of(run: impl Fn(&mut Report, &Place)) -> (Report, String) {
        let mut report = Report::default();
        run(&mut report, &Place::here());
        let line = report.line(true);
        (report, line)
    }

    #[test]
    fn tests_are_added_up_and_a_passed_check_counts_nothing() {
        let line = "echo 'test result: ok. 4 passed; 0 failed; 0 ignored'";
        let (report, end) = of(|report, place| {
            report.tests(place, "unit", &mut shell(line), LIMIT);
            report.one(place, "example", &mut shell("true"), LIMIT);
            report.check(place, "fmt", &mut shell("true"), LIMIT);
        });
        assert_eq!(end, "5 passed, 0 failed");
        assert_eq!(report.end(true), ExitCode::SUCCESS);
    }

    #[test]
    fn tests_that_do_not_compile_count_as_one_failed() {
        let (report, end) = of(|report, place| report.tests(place, "unit", &mut shell("exit 101"), LIMIT));
        assert_eq!(end, "0 passed, 1 failed");
        assert_eq!(report.end(false), ExitCode::FAILURE);
    }

    #[test]
    fn a_failed_check_counts_and_the_others_still_run() {
        let (report, end) = of(|report, place| {
            report.check(place, "fmt", &mut shell("false"), LIMIT);
            report.one(place, "example", &mut shell("true"), LIMIT);
        });
        assert_eq!(end, "1 passed, 1 failed");
        assert_eq!(report.failures(), ["fmt"]);
    }

    #[test]
    fn what_could_not_run_fails_in_ci_alone() {
        let (report, end) = of(|report, _| report.not_run("live", "needs docker"));
        assert_eq!((end.as_str(), report.line(false).as_str()), ("0 passed, 1 failed", "0 passed, 0 failed"));
        assert_eq!((report.end(true), report.end(false)), (ExitCode::FAILURE, ExitCode::SUCCESS));
    }

    #[test]
    fn what_cannot_be_reached_is_told_and_fails_nowhere() {
        let (report, end) = of(|report, _| report.not_reachable("advisories", "no database"));
        assert_eq!(end, "0 passed, 0 failed");
        assert_eq!(report.left_out().count(), 1);
        assert_eq!(report.end(true), ExitCode::SUCCESS);
    }
}
