//! The time of a run, over several runtimes.

use deploy_core::{Timestamp, time};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The time of a run. While a process is run it follows that process's paused runtime; between two it stands still.
///
/// Clones are one clock. Hand it to stores and platforms: `move || clock.now()`.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Mutex<At>>);

#[derive(Debug)]
struct At {
    time: Timestamp,
    entered: Option<Instant>,
}

impl Clock {
    /// A clock that shows this time.
    pub fn new(time: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(At { time, entered: None })))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.lock().now()
    }

    /// Lets time pass while no process runs.
    pub fn pass(&self, span: Duration) {
        let mut at = self.lock();
        at.time = time::after(at.now(), span);
    }

    pub(super) fn set(&self, time: Timestamp) {
        self.lock().time = time;
    }

    /// Follows the runtime in whose context this is called.
    pub(super) fn enter(&self) {
        self.lock().entered = Some(Instant::now());
    }

    pub(super) fn leave(&self) {
        let mut at = self.lock();
        at.time = at.now();
        at.entered = None;
    }

    fn lock(&self) -> MutexGuard<'_, At> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl At {
    fn now(&self) -> Timestamp {
        self.entered.map_or(self.time, |entered| time::after(self.time, entered.elapsed()))
    }
}
