//! One table of what was measured, each figure beside its goal.

use std::fmt;
use std::io::Write as _;

/// What a figure is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
    /// Less than this.
    Below(f64),
    /// Told beside the others; nothing is asked of it.
    Told,
}

/// What came of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The goal is met, or there is none.
    Met,
    /// The goal is not met.
    FallsShort,
    /// It was not measured.
    NotRun,
}

/// One figure and its goal.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    what: String,
    goal: Goal,
    unit: &'static str,
    figure: Option<f64>,
    note: String,
}

/// Rows, in the order they were measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table(Vec<Row>);

impl Row {
    /// A figure that was measured. `unit` is printed behind it: `"x"` for a ratio, `" MiB"`.
    pub fn new(what: impl Into<String>, goal: Goal, figure: f64, unit: &'static str) -> Self {
        Self { what: what.into(), goal, unit, figure: Some(figure), note: String::new() }
    }

    /// A figure that could not be measured, and why; say how to get what is missing.
    pub fn not_run(what: impl Into<String>, goal: Goal, unit: &'static str, why: impl Into<String>) -> Self {
        Self { what: what.into(), goal, unit, figure: None, note: why.into() }
    }

    /// Adds what is to be known beside it: the absolute figures, the reason why it falls short.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether the goal is met.
    pub fn verdict(&self) -> Verdict {
        match self.figure {
            None => Verdict::NotRun,
            Some(figure) if self.goal.is_met(figure) => Verdict::Met,
            Some(_) => Verdict::FallsShort,
        }
    }

    fn cells(&self) -> [String; 5] {
        let figure = self.figure.map_or_else(|| "-".into(), |figure| format!("{}{}", short(figure), self.unit));
        let verdict = match (self.verdict(), self.goal) {
            (Verdict::NotRun, _) => "NOT RUN",
            (Verdict::FallsShort, _) => "FALLS SHORT",
            (Verdict::Met, Goal::Told) => "told",
            (Verdict::Met, _) => "met",
        };
        [self.what.clone(), self.goal.words(self.unit), figure, verdict.into(), self.note.clone()]
    }
}

impl Goal {
    /// Whether a figure meets it. What is no number meets nothing.
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
            Self::Below(bound) => figure < bound,
            Self::Told => true,
        }
    }

    fn words(self, unit: &str) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least}{unit}"),
            Self::AtMost(most) => format!("<= {most}{unit}"),
            Self::Below(bound) => format!("< {bound}{unit}"),
            Self::Told => "-".into(),
        }
    }
}

impl Table {
    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        self.0.push(row);
    }

    /// Adds the rows of another.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Prints it. Where the variable `DEPLOY_BENCH_ROWS` names a file, its rows are added there too, a line for each, its
    /// cells between tabs: so one table is made of what several programs measure.
    #[expect(clippy::print_stdout, reason = "a benchmark prints")]
    pub fn tell(&self) {
        println!("\n{self}");
        let Some(path) = std::env::var_os("DEPLOY_BENCH_ROWS") else { return };
        let lines: String = self.0.iter().map(|row| row.cells().join("\t") + "\n").collect();
        let file = std::fs::File::options().create(true).append(true).open(path);
        if let Err(error) = file.and_then(|mut file| file.write_all(lines.as_bytes())) {
            println!("the rows could not be written: {error}");
        }
    }

    /// The rows.
    pub fn rows(&self) -> &[Row] {
        &self.0
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "goal", "figure", "", "beside it"].map(String::from);
        let lines: Vec<_> = std::iter::once(head).chain(self.0.iter().map(Row::cells)).collect();
        let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default();
        let widths = [width(0), width(1), width(2), width(3)];
        for cells in &lines {
            for (cell, width) in cells.iter().zip(widths) {
                write!(f, "{cell:width$}  ")?;
            }
            writeln!(f, "{}", cells[4])?;
        }
        Ok(())
    }
}

/// The middle one, or the mean of the two in the middle; no number for nothing.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

fn short(figure: f64) -> String {
    if figure.fract() == 0.0 { format!("{figure}") } else { format!("{figure:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_meets_its_goal_or_falls_short() {
        let verdict = |goal, figure| Row::new("", goal, figure, "x").verdict();
        assert_eq!(verdict(Goal::AtLeast(0.9), 0.9), Verdict::Met);
        assert_eq!(verdict(Goal::AtLeast(0.9), 0.89), Verdict::FallsShort);
        assert_eq!(verdict(Goal::AtMost(1.2), 1.21), Verdict::FallsShort);
        assert_eq!(verdict(Goal::Below(30.0), 30.0), Verdict::FallsShort);
        assert_eq!(verdict(Goal::AtMost(1.2), f64::NAN), Verdict::FallsShort);
        assert_eq!(verdict(Goal::Told, 9.0), Verdict::Met);
    }

    #[test]
    fn what_was_not_run_is_neither_met_nor_short() {
        let row = Row::not_run("speed", Goal::AtLeast(0.9), "x", "no nginx here");
        assert_eq!(row.verdict(), Verdict::NotRun);
        let mut table = Table::default();
        table.push(row);
        table.push(Row::new("lost", Goal::AtMost(0.0), 0.0, "").note("of 5,000"));
        let lines: Vec<_> = table.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines[1], "speed  >= 0.9x  -       NOT RUN  no nginx here");
        assert_eq!(lines[2], "lost   <= 0     0       met      of 5,000");
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(vec![]).is_nan());
    }
}
