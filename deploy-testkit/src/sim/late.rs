//! Calls of a dead engine that land later.

use super::profile::{Profile, WINDOW};
use super::run::Run;
use super::shell::converge;
use deploy_core::machine::{Effect, Seen, order};
use deploy_core::time::{after, between};
use deploy_core::{Error, Kind, Record, Result, Timestamp, What};
use deploy_fleet::Moves;
use std::sync::Arc;
use std::time::Duration;

/// A call of a dead engine that lands later.
#[derive(Debug, Clone)]
pub(super) struct Late {
    /// When it lands.
    pub at: Timestamp,
    pub record: Arc<Record>,
    pub seen: Arc<Seen>,
    pub effect: Effect,
    /// When it compares its token, where that is not done with the write.
    pub compares: Option<Timestamp>,
    /// What it found when it compared.
    pub found: Found,
}

impl Late {
    /// Whether it compared its token no longer ago than its timeout is.
    fn is_open(&self, now: Timestamp) -> bool {
        self.compares.is_some_and(|compared| between(compared, now) <= WINDOW)
    }
}

/// What a call finds that compares its token before it writes.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// It has not looked yet.
    Nothing,
    /// A newer token.
    Newer,
    /// Its own or an older one; this is what it will do.
    Ours(Box<Moves>),
}

impl Run {
    /// The engine dies; each of these calls of it may land later.
    pub(super) fn leave_behind(&mut self, record: &Record, seen: &Seen, effects: &[Effect]) {
        let now = self.world.now;
        let (record, seen) = (Arc::new(record.clone()), Arc::new(seen.clone()));
        for effect in effects {
            if matches!(effect, Effect::Wake { .. }) || !self.dice.chance(60) {
                continue;
            }
            let at = after(now, self.dice.millis(0, 120_000));
            let span = self.dice.millis(0, WINDOW.as_millis() as u64);
            let single = matches!(effect, Effect::Converge { .. }) && self.world.profile == Profile::CheckedFence;
            let compares = single.then(|| at.checked_sub(span).unwrap_or(now).max(now));
            let (record, seen) = (record.clone(), seen.clone());
            self.late.push(Late { at, record, seen, effect: effect.clone(), compares, found: Found::Nothing });
        }
    }

    /// Lets the late calls land that are due by then, and those compare that compare by then.
    pub(super) fn late_until(&mut self, to: Timestamp) {
        let compares = |late: &Late| late.compares.filter(|_| matches!(late.found, Found::Nothing));
        let due = |late: &Late| compares(late).unwrap_or(late.at);
        while let Some((index, at)) =
            self.late.iter().map(due).enumerate().filter(|(_, at)| *at <= to).min_by_key(|(_, at)| *at)
        {
            self.world.advance(at.max(self.world.now));
            let late = self.late.swap_remove(index);
            if compares(&late).is_some() {
                let found = self.compare(&late);
                self.late.push(Late { found, ..late });
            } else {
                self.land(&late);
            }
        }
    }

    fn compare(&mut self, late: &Late) -> Found {
        let Effect::Converge { track, written_off, paused } = &late.effect else { return Found::Newer };
        let told = order(&late.record, &late.seen, track, written_off, *paused, self.world.now);
        let newest = self.world.site(track).token;
        match told {
            Some(told) if told.token >= newest => Found::Ours(Box::new(self.world.decide(&told))),
            _ => Found::Newer,
        }
    }

    /// G7: a call of a dead engine changes nothing once its successor has written, but within the window of a platform that
    /// cannot compare and set; and it writes nothing to the record.
    fn land(&mut self, late: &Late) {
        let now = self.world.now;
        let old = late.seen.lease.epoch;
        self.calls += 1;
        let (track, done) = match &late.effect {
            Effect::Converge { track, .. } if late.compares.is_some() => (track, self.land_unfenced(late)),
            Effect::Converge { track, written_off, paused } => {
                let done = converge(&mut self.world, &late.record, &late.seen, track, written_off, *paused, now);
                (track, done.map(|_| ()))
            }
            Effect::Task { run, act, token } => (&run.track, self.world.task(run, *act, *token).map(|_| ())),
            Effect::Prepare { track, revisions, token } => (track, self.world.prepare(track, revisions, *token)),
            Effect::Fence { track, token } => (track, self.world.fence(track, *token).map(|_| ())),
            _ => return,
        };
        let kind = done.as_ref().err().map(Error::kind);
        self.note(&format!("a late call of engine {old} lands: {kind:?}"));
        self.nothing_is_appended(late);
        let open = late.is_open(now);
        let decided = self.decided.get(track).is_some_and(|epoch| *epoch > old);
        let held = self.world.site(track).token.epoch > old;
        if decided && !open && (done.is_ok() || !held) && !matches!(late.effect, Effect::Fence { .. }) {
            self.world.trail.broken(now, "G7", format!("a late call of engine {old} was taken"));
        }
    }

    /// What was decided when the token was compared is written now.
    fn land_unfenced(&mut self, late: &Late) -> Result<()> {
        let Found::Ours(moves) = &late.found else { return Err(fenced()) };
        if !late.is_open(self.world.now) {
            return Err(Error::new(Kind::Timeout, "its time was over before it landed"));
        }
        let Effect::Converge { track, written_off, paused } = &late.effect else { return Ok(()) };
        let told = order(&late.record, &late.seen, track, written_off, *paused, self.world.now);
        let Some(told) = told else { return Ok(()) };
        let newest = self.world.site(track).token;
        self.world.compared = late.compares;
        self.world.carry_out(&told, moves);
        self.world.compared = None;
        if told.token < newest && !moves.is_empty() {
            self.astray = Some(self.world.now);
        }
        Ok(())
    }

    /// The store refuses what an engine writes that has lost its lease.
    fn nothing_is_appended(&mut self, late: &Late) {
        let (now, old) = (self.world.now, late.seen.lease.epoch);
        if self.ledger.epoch() <= old {
            return;
        }
        let written = self.ledger.append(now, &late.record, old, vec![What::Completed]);
        if written.is_ok() {
            self.world.trail.broken(now, "G7", format!("the store took an event of engine {old}"));
        }
    }

    /// Whether what a late call did within its window may not be mended yet.
    pub(super) fn is_astray(&self) -> bool {
        self.astray.is_some_and(|at| between(at, self.world.now) < Duration::from_secs(60))
    }
}

fn fenced() -> Error {
    Error::new(Kind::Fenced, "a newer engine stands")
}
