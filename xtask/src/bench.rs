//! Every figure beside its goal: the bench programs one after the other, their rows joined into one table.

use crate::paper::{self, Paper};
use crate::place::Place;
use crate::report::Report;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The parts, each in a process of its own: what one holds in memory or leaves running does not count in another.
const PARTS: [(&str, &str); 9] = [
    ("engine", "decide"),
    ("engine", "store"),
    ("engine", "many"),
    ("engine", "moves"),
    ("engine", "rest"),
    ("proxy", "speed"),
    ("proxy", "idle"),
    ("proxy", "switch"),
    ("proxy", "swaps"),
];
const HEAD: &str = "what\tgoal\tfigure\t\tbeside it";
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Runs the parts that are asked for, or all, prints the table and writes it down. What falls short is no failure: the
/// machine may be busy. A part that cannot be run is one.
pub(crate) fn all(place: &Place, report: &mut Report, asked: &[String]) {
    let paper = Paper::begin(place, "bench");
    let before = paper::load();
    let rows = place.target.join(format!("bench-{}.rows", paper.begun));
    let parts = PARTS.iter().filter(|(_, part)| asked.is_empty() || asked.iter().any(|one| one == part));
    let mut lost = Vec::new();
    for (program, part) in parts {
        let mut command = Command::new("cargo");
        command.args(["bench", "-q", "-p", "deploy-benches", "--bench", program, "--", part]);
        let ended = report.one(place, &format!("{program}, {part}"), command.env("DEPLOY_BENCH_ROWS", &rows), LIMIT);
        lost.extend((!ended.success).then(|| format!("{program}, {part}\t-\t-\tFAILED\tsee what it printed")));
    }
    let told = read(&rows);
    let table = table(told.lines().chain(lost.iter().map(String::as_str)));
    println!("\n{table}");
    let load = format!("* load: {before} at the beginning, {} at the end\n", paper::load());
    paper.write(place, &format!("# Bench\n\n{}{load}\n{table}", paper.head));
}

fn read(rows: &Path) -> String {
    let told = fs::read_to_string(rows).unwrap_or_default();
    let _none = fs::remove_file(rows);
    told
}

/// A table in Markdown, its columns as wide as what is in them. Cells stand between tabs.
fn table<'a>(rows: impl Iterator<Item = &'a str>) -> String {
    let cells = |row: &str| row.replace('|', "/").split('\t').map(str::to_owned).collect::<Vec<_>>();
    let mut lines: Vec<_> = std::iter::once(HEAD).chain(rows).map(cells).collect();
    let columns = lines[0].len();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0).max(1)).collect();
    lines.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} |"));
        format!("|{}\n", padded.collect::<String>())
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_all_programs_stand_in_one_table() {
        let rows = ["speed\t>= 0.9x\t0.95x\tmet\ta | b", "swaps\t-\t-\tFAILED\tsee"];
        let expected = "\
            | what  | goal    | figure |        | beside it |\n\
            | ----- | ------- | ------ | ------ | --------- |\n\
            | speed | >= 0.9x | 0.95x  | met    | a / b     |\n\
            | swaps | -       | -      | FAILED | see       |\n";
        assert_eq!(table(rows.into_iter()), expected);
    }
}
