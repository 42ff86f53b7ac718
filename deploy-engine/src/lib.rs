//! The async shell around the state machine: load, observe, probe, reconcile, append, act.
//!
//! [`Engine`] is level-triggered: it is never told why it looks, and nothing depends on having seen an event. Killed at
//! any point and started again, here or elsewhere, it goes on from the record and from what it observes.

mod builder;
mod deploy;
mod engine;
mod gates;
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
