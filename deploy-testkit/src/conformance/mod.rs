//! Suites that hold an implementation of a trait to the trait's contract.
//!
//! Every sentence of a `# Contract` that can be checked from outside is a step of a suite. Each suite is used the same
//! way: `new` takes what makes a fresh subject, a few methods declare what it can do beside, `run` takes every step on
//! a subject of its own.
//!
//! | suite | holds |
//! |---|---|
//! | [`Deployer`] | a platform: [`deploy_core::Deployer`] |
//! | [`Instances`] | a platform of single instances: [`deploy_core::Instances`] |
//! | [`Router`] | a router: [`deploy_core::Router`] |
//! | [`Store`] | a store: [`deploy_core::Store`] |
//! | [`HealthCheck`] | a health check: [`deploy_core::HealthCheck`] |
//! | [`Strategy`] | a strategy: [`deploy_core::Strategy`] |
//! | [`Judge`] | a judge: [`deploy_core::Judge`] |
//! | [`Gate`] | a gate: [`deploy_core::Gate`] |
//! | [`MetricSource`] | a source of figures: [`deploy_core::MetricSource`] |
//!
//! What makes a subject gives it with what has to live as long as it (a folder, a process, `()`).
//!
//! ```
//! use deploy_core::Memory;
//! use deploy_testkit::conformance;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), conformance::Failure> {
//! let store = |clock: conformance::Clock| async move { Ok((Memory::new(move || clock.read()), ())) };
//! let passed = conformance::Store::new(store).run().await?;
//! println!("{passed}");
//! # Ok(())
//! # }
//! ```
//!
//! [`Passed`] lists what was checked, and what was left out and why: nothing is left out in silence. [`Failure`] names
//! the guarantee, the step, what was told and what was expected, every call of the step, and the seed of what was drawn.
//!
//! What a run does not prove: durability over a loss of power, races that did not happen in it, and anything that the
//! subject was not declared to do. A call that neither ends nor awaits hangs the run: it cannot be interrupted.

mod clock;
mod deployer;
mod dropped;
mod failure;
mod gate;
mod health;
mod instances;
mod judge;
mod metrics;
mod programs;
mod report;
mod router;
mod store;
mod strategy;
mod tasks;

pub use clock::Clock;
pub use deployer::Deployer;
pub use failure::{Failure, Guarantee};
pub use gate::Gate;
pub use health::HealthCheck;
pub use instances::Instances;
pub use judge::Judge;
pub use metrics::{Measured, MetricSource};
pub use programs::Programs;
pub use report::{Checked, LeftOut, Passed};
pub use router::Router;
pub use store::Store;
pub use strategy::Strategy;
pub use tasks::Tasks;

use deploy_core::Result;
use futures::future::LocalBoxFuture;

/// Reads something of a platform past the trait: from what was made with it.
type Read<K, T> = Box<dyn Fn(&K) -> LocalBoxFuture<'static, Result<T>>>;

fn read<K, T, F: Future<Output = Result<T>> + 'static>(how: impl Fn(&K) -> F + 'static) -> Read<K, T> {
    Box::new(move |keep| Box::pin(how(keep)))
}
