//! Coverage-guided fuzzing by libFuzzer: every target of `fuzz/`, each as long as `DEPLOY_FUZZ_SECONDS` says.
//!
//! The flags are those of the stable compiler; no sanitizer is used, as no crate of ours has unsafe code. What was found
//! worth keeping stays in the cache, so that the next run goes on from there.

use crate::place::Place;
use crate::report::{Report, heading};
use crate::step;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BUILD: Duration = Duration::from_secs(60 * 60);
const HALF_AN_HOUR: u64 = 30 * 60;

const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs the targets that are asked for, or all, one after the other.
pub(crate) fn all(place: &Place, report: &mut Report, asked: &[String]) {
    let compiler = step::run(place, Command::new("c++").arg("--version"), BUILD);
    if !compiler.success {
        return report.not_run("fuzzing", "this machine has no C++ compiler, which libFuzzer is built by");
    }
    let Some(driver) = built(place, report) else { return };
    let seconds = std::env::var("DEPLOY_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(HALF_AN_HOUR);
    let targets = targets(place);
    if let Some(name) = asked.iter().find(|name| !targets.contains(name)) {
        return report
            .broken("fuzzing", &format!("there is no target `{name}`: the targets are {}", targets.join(", ")));
    }
    for target in targets.into_iter().filter(|target| asked.is_empty() || asked.contains(target)) {
        run(place, report, &driver, &target, seconds);
    }
}

/// Builds the driver with what tells it which code was reached. Programs that only the build runs are left as they are.
fn built(place: &Place, report: &mut Report) -> Option<PathBuf> {
    let version = step::run(place, Command::new("rustc").arg("-vV"), BUILD).output;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "))?.to_owned();
    let folder = place.target.join("fuzz");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--manifest-path", "fuzz/driver/Cargo.toml", "--target", &host]);
    cargo.arg("--target-dir").arg(&folder).env("RUSTFLAGS", FLAGS);
    let ended = report.check(place, "the driver of the fuzz targets", &mut cargo, BUILD);
    ended.success.then(|| folder.join(host).join("release/deploy-fuzz-driver"))
}

/// Each has a folder of seeds.
fn targets(place: &Place) -> Vec<String> {
    let folders = fs::read_dir(place.root.join("fuzz/corpus")).into_iter().flatten().flatten();
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn run(place: &Place, report: &mut Report, driver: &Path, target: &str, seconds: u64) {
    let found = place.tools.with_file_name("fuzz").join(target);
    let finds = place.target.join("fuzz/finds").join(target);
    if let Err(error) = fs::create_dir_all(&found).and_then(|()| fs::create_dir_all(&finds)) {
        heading(&format!("fuzz {target}"));
        return report.not_run(&format!("fuzz {target}"), &format!("{} cannot be made: {error}", found.display()));
    }
    let mut command = Command::new(driver);
    command.env("DEPLOY_FUZZ_TARGET", target).arg(&found).arg(place.root.join("fuzz/corpus").join(target));
    command.args(["-print_final_stats=1", "-timeout=20", "-rss_limit_mb=2048"]);
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", finds.display()));
    let limit = Duration::from_secs(seconds + 10 * 60);
    let ended = report.one(place, &format!("fuzz {target}, {seconds} s"), &mut command, limit);
    report.figures.push(format!("fuzz {target} = {}", figures(&ended.output, ended.success)));
}

fn figures(output: &str, success: bool) -> String {
    let runs = output.lines().rev().find_map(|line| line.strip_prefix("stat::number_of_executed_units: "));
    let edges = output.lines().rev().find_map(|line| line.split_once(" cov: ")?.1.split_whitespace().next());
    let found = if success { "no find" } else { "a find" };
    format!("{} runs, {} edges, {found}", runs.map_or("?", str::trim), edges.unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn figures_are_read_from_what_libfuzzer_prints() {
        let output = "#2\tINITED cov: 10 ft: 11 corp: 1/1b\n#99\tNEW    cov: 120 ft: 130 corp: 9/90b\nDone 99 runs\n\
            stat::number_of_executed_units: 99\nstat::peak_rss_mb: 40\n";
        assert_eq!(figures(output, true), "99 runs, 120 edges, no find");
        assert_eq!(figures("", false), "? runs, ? edges, a find");
    }
}
