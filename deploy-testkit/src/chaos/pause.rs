//! Two engines on one store, one of which stands still longer than its lease lasts.

use super::case::Case;
use super::play::{Outcome, Run};
use super::process::Process;
use super::scene::LEASE;
use deploy_core::{Result, time};
use std::time::Duration;

/// Two processes take turns of so long.
const TURN: Duration = Duration::from_millis(250);
/// By then a living engine has taken over: the rest of a lease, half of one until it looks, and its calls.
const TAKEN_OVER: Duration = Duration::from_millis(LEASE.as_millis() as u64 * 3 / 2 + 2_000);
/// So long is looked at what one does that woke up.
const AWAKE: Duration = Duration::from_secs(60);

impl Run {
    /// One engine is asked, the other stands by; the one that was asked stands still from a boundary on.
    pub(super) fn pause(mut self, case: &Case, peace: &Outcome) -> Result<Outcome> {
        let first = self.process(true)?;
        let heir = self.process(false)?;
        first.life.count();
        first.life.aim(case.boundary);
        let began = self.clock.now();
        while !first.life.is_frozen() && !self.is_ended() && time::between(began, self.clock.now()).as_secs() < 7_200 {
            self.turn(&[&first, &heir], TURN);
        }
        let reached = first.life.is_frozen();
        if reached {
            self.stand_still(&first, &heir);
        }
        self.turn(&[&first, &heir], TURN);
        let mut outcome = self.outcome(&first.life, Some(peace));
        outcome.reached = reached;
        Ok(outcome)
    }

    fn stand_still(&mut self, first: &Process, heir: &Process) {
        let stopped = self.clock.now();
        let before = self.record();
        let left = before.as_ref().is_some_and(|record| !record.status().is_final());
        let epoch = before.map_or(0, |record| record.epoch);
        heir.run(TAKEN_OVER);
        let taken = self.record().is_some_and(|record| record.epoch > epoch);
        if left && !taken {
            self.found.push(format!("takeover: nobody took it over within {}", time::show(TAKEN_OVER)));
        }
        let longer = if self.dice.chance(40) { Duration::from_secs(600) } else { self.dice.millis(0, 30_000) };
        heir.run(if taken { longer } else { Duration::ZERO });
        let (from, answer_first) = (self.log.len(), self.dice.chance(50));
        first.wake(time::between(stopped, self.clock.now()), answer_first);
        let woke = self.clock.now();
        while time::between(woke, self.clock.now()) < AWAKE || !self.is_ended() {
            if time::between(woke, self.clock.now()).as_secs() > 7_200 {
                return;
            }
            self.turn(&[first, heir], TURN);
        }
        let wrote = self.log.of(first.life.number(), from);
        if taken && !wrote.is_empty() {
            self.found.push(format!("G7: the engine that stood still wrote after it woke: {}", wrote.join(", ")));
        }
    }

    /// Each runs for so long, at the same time.
    fn turn(&self, processes: &[&Process], span: Duration) {
        let from = self.clock.now();
        for process in processes {
            self.clock.set(from);
            process.run(span);
        }
    }
}
