//! The commands of the project, as its help lists them. Only std, so that it builds in seconds.

#![allow(clippy::print_stdout, reason = "a command speaks to people")]

mod bench;
mod checks;
mod deny;
mod examples;
mod floors;
mod fuzz;
mod mutants;
mod needs;
mod paper;
mod place;
mod report;
mod soak;
mod step;
mod tally;
mod tests;
mod tool;

use place::Place;
use report::Report;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test    all tests: unit, integration, live ones that can run here, doctests, examples
cargo xtask soak    the long form: tests, seeds, chaos, kills, quickstarts, fuzz [or those parts alone; DEPLOY_SEED=n repeats];
                    each writes docs/reports/soak-<part>-<time>.md
cargo xtask fuzz    the fuzzing of the soak, or those targets alone   [DEPLOY_FUZZ_SECONDS=n for each target; 1800]
cargo xtask bench   every figure beside its goal, in one table; writes docs/reports/bench-<time>.md   [or those parts alone]
cargo xtask ci      test, and before it formatting, lints, docs, floors, licences, bans, sources, advisories
cargo xtask mutants each guard taken away in turn: the test that caught it [or those with the words in the guard, or `28-59`];
                    writes docs/reports/mutants-<time>.md
cargo xtask mutate  each change that cargo-mutants lists of core, moves and strategies: whether the tests of its package catch
                    it, or others [or those whose name contains the words]; writes docs/reports/mutate-<time>.md
cargo xtask floors  who may know whom, alone: seconds

The last line of each is `N passed, M failed`. With CI=true a suite that could not run counts as failed.
DEPLOY_CACHE  where tools are kept between runs; default ~/.cache/deploy
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let rest: Vec<_> = std::env::args().skip(2).collect();
    let place = Place::here();
    let mut report = Report::default();
    match command.as_str() {
        "test" => tests::all(&place, &mut report),
        "soak" => soak::all(&place, &mut report, &rest),
        "mutants" => paper::written(&place, &mut report, "mutants", |report, _| {
            mutants::by_hand(&place, report, &rest.join(" "));
        }),
        "mutate" => paper::written(&place, &mut report, "mutate", |report, _| {
            mutants::listed(&place, report, &rest.join(" "));
        }),
        "fuzz" => paper::written(&place, &mut report, "soak-fuzz", |report, _| fuzz::all(&place, report, &rest)),
        "bench" => bench::all(&place, &mut report, &rest),
        "floors" => floors::all(&place, &mut report),
        "ci" => {
            checks::all(&place, &mut report);
            tests::all(&place, &mut report);
        }
        _ => {
            print!("{HELP}");
            return if command == "help" { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    }
    report.end(place.ci)
}
