//! Licences, bans, sources and advisories by cargo-deny, as `deny.toml` says.

use crate::place::Place;
use crate::report::Report;
use crate::{step, tool};
use std::process::Command;
use std::time::Duration;

const VERSION: &str = "0.20.2";
const LIMIT: Duration = Duration::from_secs(30 * 60);
const REACH: Duration = Duration::from_secs(60);

/// Checks the supply chain; duplicates in the tree are bans, each exception with its reason.
pub(crate) fn all(place: &Place, report: &mut Report) {
    let Some(program) = tool::installed(place, "cargo-deny", VERSION, &["--version"]) else {
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
