//! Health checks, and the folding of their answers by thresholds.
//!
//! [`check`] makes a [`HealthCheck`] of a [`Probe`]: HTTP, TCP, a command, the process, gRPC, and `all`, `any` and `not`
//! of them. [`Fold`] reduces its answers to a state; it has no clock and does no I/O.
//!
//! Everything is three-valued. An instance that should answer and refuses, resets, answers wrongly or not in time is
//! [`Unhealthy`](deploy_core::Health::Unhealthy). A check that itself broke (a name that does not resolve, no file
//! handles left, a program that is not there) is an error and taken as unknown, never for good or bad.
//!
//! ```
//! use deploy_core::{Health, Probe, Timestamp};
//! use deploy_health::Fold;
//!
//! # fn main() -> deploy_core::Result<()> {
//! let probe = Probe::http("/healthz");
//! let check = deploy_health::check(&probe)?; // asks by `check.probe(&target).await`
//! let mut fold = Fold::new(probe.timing, Timestamp::UNIX_EPOCH);
//! assert_eq!(fold.folded().health, Health::Unknown);
//! fold.sample(Timestamp::UNIX_EPOCH, Health::Healthy);
//! assert_eq!(fold.folded().health, Health::Healthy);
//! # drop(check);
//! # Ok(())
//! # }
//! ```

mod command;
mod compose;
mod dial;
mod fold;
mod grpc;
mod http;
mod process;
mod redirect;
mod tcp;

pub use compose::{All, Any, Not};
pub use fold::Fold;

use deploy_core::{Check, Error, HealthCheck, Probe, Result};
use std::sync::Arc;
use std::time::Duration;

/// Makes the check of a probe. Every question in it is bounded by the probe's timeout.
///
/// # Errors
/// `Invalid` where the probe says something that cannot be asked: a path, method or header that is none, a range of
/// statuses upside down, a command or a composition of nothing.
pub fn check(probe: &Probe) -> Result<Arc<dyn HealthCheck>> {
    made(&probe.check, probe.timing.timeout)
}

fn made(check: &Check, limit: Duration) -> Result<Arc<dyn HealthCheck>> {
    Ok(match check {
        Check::Http(check) => Arc::new(http::Http::new(check, limit)?),
        Check::Tcp(check) => Arc::new(tcp::Tcp::new(check.clone(), limit)),
        Check::Command(check) => Arc::new(command::Command::new(check, limit)?),
        Check::Grpc(check) => Arc::new(grpc::Grpc::new(check.clone(), limit)),
        Check::Process {} => Arc::new(process::Process),
        Check::All(checks) => Arc::new(All::new(parts(checks, limit, "all")?)),
        Check::Any(checks) => Arc::new(Any::new(parts(checks, limit, "any")?)),
        Check::Not(check) => Arc::new(Not::new(made(check, limit)?)),
    })
}

fn parts(checks: &[Check], limit: Duration, word: &str) -> Result<Vec<Arc<dyn HealthCheck>>> {
    if checks.is_empty() {
        return Err(Error::at(format!("health.{word}"), "there is no check in it; name at least one"));
    }
    checks.iter().map(|check| made(check, limit)).collect()
}
