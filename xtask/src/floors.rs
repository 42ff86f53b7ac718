//! The floors of the house: who may know whom.
//!
//! An arrow never runs up, nor sideways, but from deploy-config to deploy-strategies and from a platform to fleet,
//! traffic and health. Dev-dependencies for tests may.

use crate::place::Place;
use crate::report::{Report, heading};
use crate::step::{self, Ended};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// What one package may know.
struct Floor {
    package: &'static str,
    features: &'static str,
    /// The only packages of the house it may know.
    below: &'static [&'static str],
    /// Packages of others it must not bring along.
    never: &'static [&'static str],
}

const ALL: &str = "--all-features";
const NONE: &str = "--no-default-features";
const PLATFORM: &[&str] = &["deploy-core", "deploy-fleet", "deploy-traffic", "deploy-health"];
const RUNTIMES: &[&str] = &["tokio", "hyper", "sqlx", "reqwest", "kube", "bollard", "russh"];
const BACKENDS: &[&str] = &["sqlx", "kube", "bollard", "russh"];
const HOUSE: &[&str] = &[
    "deploy-core",
    "deploy-strategies",
    "deploy-fleet",
    "deploy-config",
    "deploy-health",
    "deploy-traffic",
    "deploy-store",
    "deploy-engine",
    "deploy-physical",
];

const FLOORS: &[Floor] = &[
    Floor { package: "deploy-core", features: ALL, below: &[], never: RUNTIMES },
    Floor { package: "deploy-strategies", features: ALL, below: &["deploy-core"], never: RUNTIMES },
    Floor { package: "deploy-config", features: ALL, below: &["deploy-core", "deploy-strategies"], never: RUNTIMES },
    Floor {
        package: "deploy-fleet",
        features: ALL,
        below: &["deploy-core"],
        never: &["hyper", "reqwest", "sqlx", "kube", "bollard", "russh"],
    },
    Floor { package: "deploy-health", features: ALL, below: &["deploy-core"], never: BACKENDS },
    Floor { package: "deploy-traffic", features: ALL, below: &["deploy-core"], never: BACKENDS },
    Floor {
        package: "deploy-store",
        features: ALL,
        below: &["deploy-core"],
        never: &["hyper", "reqwest", "kube", "bollard", "russh"],
    },
    Floor {
        package: "deploy-engine",
        features: ALL,
        below: &[
            "deploy-core",
            "deploy-strategies",
            "deploy-fleet",
            "deploy-config",
            "deploy-health",
            "deploy-traffic",
            "deploy-store",
        ],
        never: &["kube", "bollard", "russh"],
    },
    Floor { package: "deploy-physical", features: ALL, below: PLATFORM, never: &["sqlx", "kube", "bollard"] },
    Floor { package: "deploy-testkit", features: ALL, below: HOUSE, never: &["kube", "bollard", "russh"] },
    Floor { package: "deploy-kit", features: NONE, below: &["deploy-core"], never: RUNTIMES },
    Floor { package: "deploy-kit", features: ALL, below: HOUSE, never: &["deploy-testkit"] },
];

/// Members of the workspace that nobody builds on.
const TOP: &[&str] = &["xtask", "deploy-benches", "deploy-fuzz"];

/// Proves the floors by what `cargo tree` shows.
pub(crate) fn all(place: &Place, report: &mut Report) {
    heading("floors");
    let begun = Instant::now();
    let mut wrong = strangers(place).unwrap_or_else(|error| vec![error]);
    for floor in FLOORS {
        wrong.extend(breaches(place, floor).unwrap_or_else(|error| vec![error]));
    }
    let ended = Ended { success: wrong.is_empty(), output: wrong.join("\n"), took: begun.elapsed() };
    report.checked("floors", &ended);
}

fn strangers(place: &Place) -> Result<Vec<String>, String> {
    let members = tree(place, &["--workspace", "--depth", "0"])?;
    let known =
        |name: &&String| TOP.contains(&name.as_str()) || FLOORS.iter().any(|floor| floor.package == name.as_str());
    let unknown = members.iter().filter(|name| !known(name));
    Ok(unknown.map(|name| format!("{name} stands on no floor: give it a row in xtask/src/floors.rs")).collect())
}

fn breaches(place: &Place, floor: &Floor) -> Result<Vec<String>, String> {
    let known = tree(place, &["--package", floor.package, floor.features])?;
    if !known.contains(floor.package) {
        return Err(format!("cargo tree shows nothing of {}: the floors are unproven", floor.package));
    }
    let wrong = known.iter().filter(|name| !floor.allows(name));
    let tell = |name| {
        format!(
            "{} ({}) must not know {name}; `cargo tree -p {} -i {name}` shows the way",
            floor.package, floor.features, floor.package
        )
    };
    Ok(wrong.map(tell).collect())
}

impl Floor {
    fn allows(&self, name: &str) -> bool {
        let ours = name.starts_with("deploy-") || TOP.contains(&name);
        let below = name == self.package || self.below.contains(&name);
        (!ours || below) && !self.never.contains(&name)
    }
}

fn tree(place: &Place, which: &[&str]) -> Result<BTreeSet<String>, String> {
    let mut command = Command::new("cargo");
    command.args(["tree", "--quiet", "--locked", "--edges", "normal", "--prefix", "none"]).args(which);
    let ended = step::run(place, &mut command, Duration::from_secs(120));
    if ended.success { Ok(packages(&ended.output)) } else { Err(format!("{command:?} failed:\n{}", ended.output)) }
}

/// The names in `name v1.2.3 (path)` lines.
fn packages(tree: &str) -> BTreeSet<String> {
    let name = |line: &str| line.split_once(" v").map(|(name, _)| name.trim().to_owned());
    tree.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_tree() {
        let tree = "deploy-core v0.1.0 (/somewhere)\nserde v1.0.229\nserde_derive v1.0.229 (proc-macro) (*)\n\n";
        assert_eq!(packages(tree).into_iter().collect::<Vec<_>>(), ["deploy-core", "serde", "serde_derive"]);
    }

    #[test]
    fn what_is_above_or_beside_is_a_breach() {
        let floor = Floor { package: "deploy-config", features: ALL, below: &["deploy-core"], never: &["tokio"] };
        let allowed = ["deploy-config", "deploy-core", "serde", "tokio-util"];
        assert!(allowed.iter().all(|name| floor.allows(name)));
        assert!(["deploy-engine", "deploy-store", "tokio"].iter().all(|name| !floor.allows(name)));
    }

    #[test]
    fn no_floor_knows_itself_to_be_below_itself() {
        assert!(FLOORS.iter().all(|floor| !floor.below.contains(&floor.package) || floor.below.len() == HOUSE.len()));
    }
}
