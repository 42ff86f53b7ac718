//! The long form of the tests, in parts that each fit into an hour or two and write a report of their own.

use crate::paper;
use crate::place::Place;
use crate::report::Report;
use crate::step::Ended;
use crate::tests::{built, cargo};
use crate::{fuzz, needs};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const BUILD: Duration = Duration::from_secs(60 * 60);
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// A run of the example has so many kills, and there are so many runs.
const KILLS: (u32, u32) = (20, 10);
const QUICKSTARTS: u32 = 40;
/// Far longer than any of the examples' runs takes.
const EXAMPLE: Duration = Duration::from_secs(20 * 60);

/// What is run, by which seed.
type Part = fn(&Place, &mut Report, u64);

const PARTS: [(&str, Part); 6] = [
    ("tests", tests),
    ("seeds", |place, report, seed| testkit(place, report, "guarantees", seed)),
    ("chaos", |place, report, seed| testkit(place, report, "chaos", seed)),
    ("kills", kills),
    ("quickstarts", quickstarts),
    ("fuzz", |place, report, _| fuzz::all(place, report, &[])),
];

/// Runs the parts that are asked for, or all; each writes down its figures when it has ended.
pub(crate) fn all(place: &Place, report: &mut Report, asked: &[String]) {
    if let Some(name) = asked.iter().find(|asked| PARTS.iter().all(|(name, _)| name != asked)) {
        let names = PARTS.map(|(name, _)| name).join(", ");
        return report.broken("soak", &format!("there is no part `{name}`: the parts are {names}"));
    }
    for (name, part) in PARTS.iter().filter(|(name, _)| asked.is_empty() || asked.iter().any(|asked| asked == name)) {
        let seed = std::env::var("DEPLOY_SEED").ok().and_then(|seed| seed.parse().ok());
        paper::written(place, report, &format!("soak-{name}"), |report, begun| {
            part(place, report, seed.unwrap_or(begun));
        });
    }
}

/// All tests but those that are parts of their own, with `DEPLOY_SOAK=1`: more seeds, one more fault in the model check.
fn tests(place: &Place, report: &mut Report, seed: u64) {
    let marked = needs::marked(place);
    for need in needs::missing(&marked) {
        report.not_run(&format!("tests that need {need}"), &format!("this machine has no {need}"));
    }
    let mut all = built();
    all.args(["--include-ignored", "--nocapture", "--test-threads", "1"]);
    for mark in marked.iter().filter(|mark| mark.soak || !needs::can(&mark.need)) {
        all.args(["--skip", &mark.test]);
    }
    report.tests(place, "tests", all.env("DEPLOY_SOAK", "1").env("DEPLOY_SEED", seed.to_string()), LIMIT);
}

/// The test of the kit that stands for the soak alone; its seeds begin at this one.
///
/// A test prints what it measured as lines `figure: <name> = <value>`.
fn testkit(place: &Place, report: &mut Report, test: &str, seed: u64) {
    let mut one = cargo("test");
    one.args(["--profile", "soak", "--test", test, "--", "--ignored", "--nocapture"]);
    report.tests(place, test, one.env("DEPLOY_SEED", seed.to_string()), LIMIT);
}

/// Real processes, their engine killed 200 times.
fn kills(place: &Place, report: &mut Report, seed: u64) {
    let Some(program) = example(place, report, "crash_recovery") else { return };
    let (kills, runs) = KILLS;
    let mut sum = Counts::default();
    for run in 0..runs {
        let seed = seed.wrapping_add(u64::from(run));
        let mut one = Command::new(&program);
        one.arg(kills.to_string()).env("DEPLOY_SEED", seed.to_string());
        let name = format!("crash_recovery, {kills} kills, seed {seed}");
        let ended = report.one(place, &name, &mut one, EXAMPLE);
        sum.add(&ended);
        sum.right += ended.output.lines().filter(|line| line.contains(", ended right ")).count();
    }
    report.figures.push(format!("kills that ended right = {} of {}", sum.right, kills * runs));
    report.figures.push(format!("requests meanwhile = {}, lost {}", sum.sent, sum.lost));
}

fn quickstarts(place: &Place, report: &mut Report, _: u64) {
    let Some(program) = example(place, report, "quickstart") else { return };
    let (mut sum, mut took) = (Counts::default(), Vec::new());
    for run in 1..=QUICKSTARTS {
        let ended = report.one(place, &format!("quickstart {run}"), &mut Command::new(&program), EXAMPLE);
        sum.right += usize::from(ended.success);
        sum.add(&ended);
        took.push(ended.took.as_secs_f64());
    }
    took.sort_by(f64::total_cmp);
    let (least, most) = (took[0], took[took.len() - 1]);
    report.figures.push(format!(
        "quickstarts that ended right = {} of {QUICKSTARTS}, in {least:.0} to {most:.0} s each",
        sum.right
    ));
    report.figures.push(format!("requests meanwhile = {}, lost outside recreate's gap {}", sum.sent, sum.lost));
}

fn example(place: &Place, report: &mut Report, name: &str) -> Option<PathBuf> {
    let build = report.check(place, &format!("example {name}, built"), cargo("build").args(["--example", name]), BUILD);
    build.success.then(|| place.target.join("debug/examples").join(name))
}

/// What the examples' last lines add up to.
#[derive(Debug, Default)]
struct Counts {
    right: usize,
    sent: u64,
    lost: u64,
}

impl Counts {
    /// Adds the line `<n> requests, <m> lost` of a run.
    fn add(&mut self, ended: &Ended) {
        let words: Vec<_> = ended.output.lines().filter(|line| line.contains(" requests, ")).collect();
        let numbers = words.last().map(|line| {
            line.split(|char: char| !char.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect::<Vec<u64>>()
        });
        if let Some([sent, lost, ..]) = numbers.as_deref() {
            self.sent += sent;
            self.lost += lost;
        }
    }
}
