//! A program of cargo's kind that is installed where it is missing, and kept between runs.

use crate::place::Place;
use crate::report::heading;
use crate::step;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30 * 60);

/// A program of a version, which it tells when it is asked so; none where it cannot be installed.
pub(crate) fn installed(place: &Place, name: &str, version: &str, asked: &[&str]) -> Option<PathBuf> {
    let program = place.tools.join("bin").join(name);
    let told = Command::new(&program).args(asked).output();
    if told.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains(version)) {
        return Some(program);
    }
    heading(&format!("{name} {version} is installed into {}", place.tools.display()));
    let mut cargo = Command::new("cargo");
    cargo.args(["install", name, "--locked", "--version", version, "--root"]).arg(&place.tools);
    let ended = step::run(place, &mut cargo, LIMIT);
    println!("{}", if ended.success { "" } else { &ended.output });
    ended.success.then_some(program)
}
