//! Stands in for `deploy_health::Fold` until that is there.

use deploy_core::{Folded, Health, Timestamp, Timing};

#[derive(Debug)]
pub(super) struct Fold {
    timing: Timing,
    folded: Folded,
    run: (Health, u32),
}

impl Fold {
    pub(super) fn new(timing: Timing, born: Timestamp) -> Self {
        Self::resume(timing, Folded { health: Health::Unknown, since: born, fresh: false })
    }

    pub(super) fn resume(timing: Timing, folded: Folded) -> Self {
        Self { timing, folded, run: (folded.health, 0) }
    }

    pub(super) fn sample(&mut self, at: Timestamp, health: Health) {
        self.run = if self.run.0 == health { (health, self.run.1 + 1) } else { (health, 1) };
        let needed = match health {
            Health::Healthy => self.timing.healthy,
            _ => self.timing.unhealthy,
        };
        if self.run.1 < needed {
            return;
        }
        if self.folded.health != health {
            self.folded = Folded { health, since: at, fresh: true };
        }
        self.folded.fresh = true;
    }

    pub(super) fn folded(&self) -> Folded {
        self.folded
    }
}
