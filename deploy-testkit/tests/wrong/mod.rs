//! Implementations that break a guarantee each, and what they are told.

mod deployer;
pub mod gate;
mod health;
pub mod instances;
mod judge;
pub mod metrics;
pub mod plain;
mod plain_tasks;
pub mod router;
mod store;
mod strategy;

use deploy_testkit::conformance::{Failure, Passed};

/// The first line of a failure, which must have come; all of it bears a trace.
fn broken(ran: Result<Passed, Failure>) -> String {
    let failure = ran.expect_err("it is wrong, and should not have passed");
    let text = failure.to_string();
    assert!(text.contains("\n  trace:"), "{text}");
    text.lines().next().unwrap_or_default().to_owned()
}

/// Both begin the same way, up to what was told in detail.
fn begins(line: &str, with: &str) {
    assert!(line.starts_with(with), "\n  {line}\nshould begin with\n  {with}");
}
