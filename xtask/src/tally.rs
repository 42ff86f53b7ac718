//! Counts in what test binaries print.

use std::ops::AddAssign;

/// So many tests passed, failed, were ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tally {
    /// Adds up the `test result:` lines.
    pub(crate) fn of(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines().filter_map(|line| line.trim_start().strip_prefix("test result: ")) {
            sum += Self {
                passed: number(line, " passed"),
                failed: number(line, " failed"),
                ignored: number(line, " ignored"),
            };
        }
        sum
    }
}

/// The suites that took 5 s or longer, the slowest first.
pub(crate) fn slow(output: &str) -> Vec<(f64, String)> {
    let mut suite = "";
    let mut found = Vec::new();
    for line in output.lines().map(str::trim_start) {
        if let Some(running) = line.strip_prefix("Running ") {
            suite = running.split(" (").next().unwrap_or_default();
        }
        let took = line.strip_prefix("test result: ").and_then(|line| line.split("finished in ").nth(1));
        let took: f64 = took.and_then(|took| took.trim_end_matches('s').parse().ok()).unwrap_or(0.0);
        found.extend((took >= 5.0).then(|| (took, suite.to_owned())));
    }
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found
}

/// The number in front of a word.
fn number(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().unwrap_or_default();
    before.rsplit([' ', ';']).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, slow};

    #[test]
    fn the_lines_of_all_binaries_are_added_up() {
        let output = "running 3 tests\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.02s\n";
        assert_eq!(Tally::of(output), Tally { passed: 12, failed: 3, ignored: 1 });
    }

    #[test]
    fn slow_suites_are_named() {
        let output = "     Running tests/one.rs (target/debug/deps/one-1)\ntest result: ok. 1 passed; finished in 4.90s\n\
            \x20    Running tests/two.rs (target/debug/deps/two-1)\ntest result: ok. 1 passed; finished in 5.10s\n\
            \x20    Running unittests src/lib.rs (target/debug/deps/x-1)\ntest result: ok. 1 passed; finished in 71.00s\n";
        assert_eq!(slow(output), [(71.0, "unittests src/lib.rs".into()), (5.1, "tests/two.rs".into())]);
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(Tally::of("9 passed; 9 failed\nerror: could not compile"), Tally::default());
    }
}
