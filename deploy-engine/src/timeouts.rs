//! How long the phases of a deployment may take.

use std::time::Duration;

/// How long single calls may take. Stages, gates and the whole way have deadlines of their own, in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Observing a track, reading facts or logs, raising the fence. Default 10 s.
    pub observe: Duration,
    /// One bounded step toward an order, or forgetting a workload. Default 30 s.
    pub converge: Duration,
    /// Shipping what revisions need, or removing what is kept of them. Default 10 min.
    pub prepare: Duration,
    /// Starting, looking at or barring a task; not the task itself, which has its own. Default 30 s.
    pub task: Duration,
    /// One question to an instance, where its probe says no less. Default 30 s.
    pub health: Duration,
    /// One question to a gate or a source of figures, one message to a notifier. Default 10 s.
    pub outside: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            observe: Duration::from_secs(10),
            converge: Duration::from_secs(30),
            prepare: Duration::from_secs(600),
            task: Duration::from_secs(30),
            health: Duration::from_secs(30),
            outside: Duration::from_secs(10),
        }
    }
}
