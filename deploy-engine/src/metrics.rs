//! Figures about the engine itself, by the `metrics` facade.

use crate::runner::Wake;
use deploy_core::{Event, Health, Record, What, time};

/// Counts a wake-up by its cause.
pub(crate) fn woke(cause: Wake) {
    metrics::counter!("deploy_wake_ups_total", "cause" => cause.name()).increment(1);
}

/// Counts a probe by what it said.
pub(crate) fn probed(health: Option<Health>) {
    let said = match health {
        Some(Health::Healthy) => "healthy",
        Some(Health::Unhealthy) => "unhealthy",
        Some(Health::Unknown) => "unknown",
        None => "broken",
    };
    metrics::counter!("deploy_probes_total", "said" => said).increment(1);
}

/// Counts a message that a notifier was too slow for.
pub(crate) fn not_told() {
    metrics::counter!("deploy_notifications_dropped_total").increment(1);
}

/// Counts what an event tells: ends with their durations, and ways back.
pub(crate) fn happened(record: &Record, event: &Event) {
    let application = record.scope.application.to_string();
    if matches!(event.what, What::RollbackStarted { .. }) {
        metrics::counter!("deploy_rollbacks_total", "application" => application.clone()).increment(1);
    }
    if record.status().is_final() {
        let status = record.status().to_string();
        let took = time::between(record.created, event.at);
        metrics::counter!("deploy_ends_total", "application" => application.clone(), "status" => status.clone())
            .increment(1);
        metrics::histogram!("deploy_duration_seconds", "application" => application, "status" => status)
            .record(took.as_secs_f64());
    }
}
