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
    use super::Tally;

    #[test]
    fn the_lines_of_all_binaries_are_added_up() {
        let output = "running 3 tests\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.02s\n";
        assert_eq!(Tally::of(output), Tally { passed: 12, failed: 3, ignored: 1 });
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(Tally::of("9 passed; 9 failed\nerror: could not compile"), Tally::default());
    }
}
