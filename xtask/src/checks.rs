//! What is checked without running the project.

use crate::place::Place;
use crate::report::Report;
use crate::tests::cargo;
use crate::{deny, floors};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30 * 60);

/// The sets of features that must be free of warnings.
const FEATURES: &[(&str, &[&str])] =
    &[("no features", &["--no-default-features"]), ("default features", &[]), ("all features", &["--all-features"])];

/// Formatting, lints, docs, floors, and the supply chain.
pub(crate) fn all(place: &Place, report: &mut Report) {
    report.check(place, "formatting", Command::new("cargo").args(["fmt", "--all", "--check"]), LIMIT);
    for (name, features) in FEATURES {
        let mut clippy = Command::new("cargo");
        clippy.args(["clippy", "--workspace", "--all-targets"]).args(*features).args(["--", "-D", "warnings"]);
        report.check(place, &format!("lints, {name}"), &mut clippy, LIMIT);
    }
    let mut docs = cargo("doc");
    report.check(place, "docs", docs.arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings"), LIMIT);
    floors::all(place, report);
    deny::all(place, report);
}
