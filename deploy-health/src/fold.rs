//! Folding answers into a state.

use deploy_core::{Folded, Health, Timestamp, Timing, time};
use std::time::Duration;

/// Reduces the answers of one instance's check to a state, by thresholds. Pure: times are handed in.
///
/// * `healthy` good answers in a row make it healthy, `unhealthy` bad ones in a row unhealthy. A threshold of 0 counts
///   as 1. Before that it is unknown.
/// * An unknown answer neither confirms nor breaks: rows of good or bad answers go on over it. `unhealthy` unknown
///   answers in a row make the state unknown; from there every row starts anew.
/// * `since` tells of an unbroken time. An answer that contradicts the state restarts it, even below the threshold, and
///   so does the first one that agrees again: a min ready time never counts over a flap.
/// * A state read in a record is not `fresh`. It becomes so, with its `since` kept, when this fold's own answers
///   confirm it by the threshold; if they confirm another, that one is fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    timing: Timing,
    folded: Folded,
    first: Timestamp,
    asked: Option<Timestamp>,
    good: u32,
    bad: u32,
    lost: u32,
    broken: bool,
}

impl Fold {
    /// The shortest interval that is kept, whatever the timing says.
    pub const SHORTEST: Duration = Duration::from_millis(10);

    /// Begins with an instance that was first seen at `born`: unknown since then.
    pub fn new(timing: Timing, born: Timestamp) -> Self {
        Self::resume(timing, Folded { health: Health::Unknown, since: born, fresh: false })
    }

    /// Goes on from a state that was read in a record. What was known is asked again at once; what was unknown, not
    /// before the initial delay is over, counted from its `since`.
    pub fn resume(timing: Timing, folded: Folded) -> Self {
        let delay = if folded.health == Health::Unknown { timing.initial_delay } else { Duration::ZERO };
        let first = time::after(folded.since, delay);
        let folded = Folded { fresh: false, ..folded };
        Self { timing, folded, first, asked: None, good: 0, bad: 0, lost: 0, broken: false }
    }

    /// The state now.
    pub const fn folded(&self) -> Folded {
        self.folded
    }

    /// The timing it folds by.
    pub const fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Takes in an answer that came at a time; a check that failed is [`Health::Unknown`]. Returns the new state if
    /// anything of it changed: the health, its `since`, or whether it is fresh.
    pub fn sample(&mut self, at: Timestamp, answer: Health) -> Option<Folded> {
        let before = self.folded;
        self.asked = self.asked.max(Some(at));
        let enough = self.count(answer);
        if answer == before.health {
            self.agree(at, enough);
        } else if enough {
            self.become_state(at, answer);
        } else if answer != Health::Unknown && before.health != Health::Unknown {
            (self.folded.since, self.broken) = (at, true);
        }
        (self.folded != before).then_some(self.folded)
    }

    /// When the next question is due, `now` at the earliest: an interval after the last answer, or as soon as the
    /// initial delay is over.
    pub fn due(&self, now: Timestamp) -> Timestamp {
        let next = self.asked.map(|asked| time::after(asked, self.timing.interval.max(Self::SHORTEST)));
        next.unwrap_or(self.first).max(now)
    }

    /// Counts an answer; true if its row is as long as its threshold.
    fn count(&mut self, answer: Health) -> bool {
        let (row, threshold) = match answer {
            Health::Healthy => (&mut self.good, self.timing.healthy),
            Health::Unhealthy => (&mut self.bad, self.timing.unhealthy),
            Health::Unknown => (&mut self.lost, self.timing.unhealthy),
        };
        *row = row.saturating_add(1);
        let enough = *row >= threshold;
        match answer {
            Health::Healthy => (self.bad, self.lost) = (0, 0),
            Health::Unhealthy => (self.good, self.lost) = (0, 0),
            Health::Unknown => {}
        }
        enough
    }

    fn agree(&mut self, at: Timestamp, enough: bool) {
        self.folded.fresh |= enough;
        if self.broken {
            (self.folded.since, self.broken) = (at, false);
        }
    }

    fn become_state(&mut self, at: Timestamp, health: Health) {
        self.folded = Folded { health, since: at, fresh: true };
        self.broken = false;
        if health == Health::Unknown {
            (self.good, self.bad) = (0, 0);
        }
    }
}
