//! The trait of strategies, and what they are shown.

use crate::{Amount, Capabilities, Count, Observed, Result, Revision, Stages, StrategyRef, Traffic, Workload};
use std::fmt::Debug;
use std::sync::Arc;

/// What a strategy is shown: one workload that is to change.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The workload as it is asked for.
    pub workload: &'a Workload,
    /// What runs and is to be replaced. A strategy is asked only where there is a stable and a candidate.
    pub stable: &'a Revision,
    /// What is to replace it.
    pub candidate: &'a Revision,
    /// The platform's facts of today.
    pub capabilities: &'a Capabilities,
    /// What runs now.
    pub observed: &'a Observed,
}

impl Change<'_> {
    /// The workload's whole count: every instance of it, or the platform's own business where that scales to zero.
    pub fn count(&self) -> Count {
        if self.workload.is_serverless() { Count::Platform } else { Count::ALL }
    }

    /// Whether requests are routed to it.
    pub fn is_routed(&self) -> bool {
        self.workload.is_routed()
    }

    /// Whether at most one instance may be there at a time.
    pub fn is_exclusive(&self) -> bool {
        self.workload.is_exclusive()
    }

    /// The traffic; a worker has none: what is pooled replaces in place there.
    pub fn traffic(&self, traffic: Traffic) -> Traffic {
        match traffic {
            traffic if self.is_routed() => traffic,
            Traffic::Pooled => Traffic::InPlace,
            _ => Traffic::NotRouted,
        }
    }

    /// An amount of the workload's count as asked for.
    pub fn amount(&self, amount: Amount) -> u32 {
        amount.up(self.workload.count())
    }
}

/// Lays out the way from what runs now to the candidate. Pure.
///
/// # Contract
/// * The same change gives the same stages. No clock, no I/O, no random numbers.
/// * First deployments, removals, scaling alone and the same release again are core's own stages: a strategy is asked only
///   where one revision replaces another.
/// * Places, the clearing of strays and the way home are core's too, as is the division of a step into orders.
/// * What it returns is verified before anything is touched.
pub trait Strategy: Debug + Send + Sync {
    /// Lays out the stages.
    ///
    /// # Errors
    /// `Unsupported` for what the platform cannot do; `Invalid` for settings that make no sense for this workload.
    fn plan(&self, change: &Change<'_>) -> Result<Stages>;
}

/// Finds the strategy of a name. `deploy_strategies::Registry` is one.
pub trait Strategies: Debug + Send + Sync {
    /// The strategy with its settings.
    ///
    /// # Errors
    /// `NotFound` for an unknown name, listing those that exist; `Invalid` for settings it does not take.
    fn get(&self, strategy: &StrategyRef) -> Result<Arc<dyn Strategy>>;
}
