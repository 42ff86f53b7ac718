//! The async shell around the state machine: load, observe, probe, reconcile, append, act.
//!
//! [`Engine`] is level-triggered: it is never told why it looks, and nothing depends on having seen an event. Killed at
//! any point and started again, here or elsewhere, it goes on from the record and from what it observes.
//!
//! ```
//! use deploy_core::{Deployer, Release, Result};
//! use deploy_engine::Engine;
//!
//! async fn bring(release: &Release, cluster: impl Deployer + 'static) -> Result<()> {
//!     let engine = Engine::builder().target("cluster", cluster).build().await?;
//!     let plan = engine.plan("shop", "production", release).await?; // nothing is touched
//!     println!("{plan}");
//!     let id = engine.deploy(plan).by("ci").await?; // returns at once; survives this process, in a store that does
//!     let end = engine.wait(&id).await?;
//!     println!("{}", end.status());
//!     engine.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! One task for each deployment waits for its turn, then repeats:
//!
//! ```text
//!   lease ──> observe every platform ──> fold health ──> machine::reconcile ──> append events ──> begin what is to be done
//!     ^                                                                                                    │
//!     └── a hint, a probe, a call that came back, a time that somebody gave, a signal, or nothing for 30 s <┘
//! ```
//!
//! Events are written before anything is done. An engine whose lease is lost, by the store's word or because it could not
//! be renewed in its life, drops its calls and writes nothing more; its successor's token makes platforms refuse the rest.

mod builder;
mod deploy;
mod engine;
mod gates;
mod hints;
mod history;
mod layers;
mod lease;
mod metrics;
mod missing;
mod nearest;
mod notifier;
mod operations;
mod runner;
mod threshold;
mod timeouts;
mod watch;

pub use builder::Builder;
pub use deploy::{Deploy, DeployRequest, Planned};
pub use engine::Engine;
pub use gates::WebhookGate;
pub use layers::{Audit, AuditEntry, AuditSink, DryRun, Limit, Operation, Retry, Timeout};
pub use notifier::WebhookNotifier;
pub use operations::{Asked, Rollback};
pub use runner::{Wake, WakeUps};
pub use threshold::ThresholdJudge;
pub use timeouts::Timeouts;
