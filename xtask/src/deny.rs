//! Licences, bans, sources and advisories by cargo-deny, as `deny.toml` says.

use crate::place::Place;
use crate::report::{Report, heading};
use crate::step;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const VERSION: &str = "0.20.2";
const LIMIT: Duration = Duration::from_secs(30 * 60);
const REACH: Duration = Duration::from_secs(60);

/// Checks the supply chain; duplicates in the tree are bans, each exception with its reason.
pub(crate) fn all(place: &Place, report: &mut Report) {
    let Some(program) = installed(place).or_else(|| install(place)) else {
        return report.not_run("licences, bans, sources", &format!("cargo-deny {VERSION} could not be installed"));
    };
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["--workspace", "--all-features", "--locked"]).args(arguments);
        command
    };
    let always = &mut deny(&["check", "licenses", "bans", "sources"]);
    report.check(place, "licences, bans, sources", always, LIMIT);
    if step::run(place, &mut deny(&["fetch", "db"]), REACH).success {
        let advisories = &mut deny(&["check", "--disable-fetch", "advisories"]);
        report.check(place, "advisories", advisories, LIMIT);
    } else {
        report.not_reachable("advisories", "no advisory database could be reached from here");
    }
}

fn program(place: &Place) -> PathBuf {
    place.tools.join("bin/cargo-deny")
}

fn installed(place: &Place) -> Option<PathBuf> {
    let program = program(place);
    let output = Command::new(&program).arg("--version").output().ok()?;
    String::from_utf8_lossy(&output.stdout).contains(VERSION).then_some(program)
}

fn install(place: &Place) -> Option<PathBuf> {
    heading(&format!("cargo-deny {VERSION} is installed into {}", place.tools.display()));
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "cargo-deny", "--locked", "--version", VERSION, "--root"]).arg(&place.tools);
    let ended = step::run(place, &mut cargo, LIMIT);
    println!("{}", if ended.success { "" } else { &ended.output });
    ended.success.then(|| program(place))
}
