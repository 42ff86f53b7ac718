//! Why a deployment is looked at.

use deploy_core::{Timestamp, time};
use tokio::time::Instant;

/// What made a runner look. Nothing else wakes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wake {
    /// It was begun, or taken over.
    Start,
    /// Its turn may have come.
    Turn,
    /// A platform gave a hint.
    Hint,
    /// A probe changed the health of an instance.
    Probe,
    /// A call came back with something new.
    Call,
    /// A deployer, a gate, a task or a backoff said when.
    Again,
    /// A deadline, the end of a bake or of a judge's interval.
    Due,
    /// Somebody asked for something.
    Signal,
    /// Nothing happened for 30 s; for 2 s where a platform gives no hints.
    Periodic,
}

impl Wake {
    const ALL: [Self; 9] = [
        Self::Start,
        Self::Turn,
        Self::Hint,
        Self::Probe,
        Self::Call,
        Self::Again,
        Self::Due,
        Self::Signal,
        Self::Periodic,
    ];

    /// Its name, as in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Turn => "turn",
            Self::Hint => "hint",
            Self::Probe => "probe",
            Self::Call => "call",
            Self::Again => "again",
            Self::Due => "due",
            Self::Signal => "signal",
            Self::Periodic => "periodic",
        }
    }
}

/// How often a deployment was looked at, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WakeUps([u64; Wake::ALL.len()]);

impl WakeUps {
    /// How often for this cause.
    pub const fn by(&self, cause: Wake) -> u64 {
        self.0[cause as usize]
    }

    /// How often in all.
    pub fn all(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every cause with its number.
    pub fn iter(&self) -> impl Iterator<Item = (Wake, u64)> + '_ {
        Wake::ALL.into_iter().map(|cause| (cause, self.by(cause)))
    }

    pub(super) fn count(&mut self, cause: Wake) {
        self.0[cause as usize] += 1;
        crate::metrics::woke(cause);
    }
}

/// The store's time between two questions to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    at: Timestamp,
    read: Instant,
}

impl Clock {
    pub(super) fn read(at: Timestamp) -> Self {
        Self { at, read: Instant::now() }
    }

    pub(super) fn now(&self) -> Timestamp {
        time::after(self.at, self.read.elapsed())
    }

    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        // A deadline years away would overflow the runtime's clock.
        let span = time::between(self.at, at).min(std::time::Duration::from_secs(86_400));
        self.read + span
    }
}
