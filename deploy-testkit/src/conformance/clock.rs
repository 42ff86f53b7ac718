//! A clock that a suite moves.

use deploy_core::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that the suite sets by hand. Clones share it.
#[derive(Debug, Clone)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(super) fn new(second: i64) -> Self {
        Self(Arc::new(AtomicI64::new(second)))
    }

    pub(super) fn set(&self, second: i64) {
        self.0.store(second, Ordering::SeqCst);
    }

    /// Now.
    pub fn read(&self) -> Timestamp {
        at(self.0.load(Ordering::SeqCst))
    }
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}
