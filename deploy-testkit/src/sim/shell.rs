//! The shell's part, played synchronously: what it brings to a look, and what it does of the effects.

use super::world::World;
use deploy_core::machine::{Call, Captured, Claim, Effect, Judgement, Problem, Seen, TrackSeen, order};
use deploy_core::planner::{self, Known, Planning};
use deploy_core::time::after;
use deploy_core::{
    Decision, Error, Folded, Health, Instance, InstanceId, InstanceState, Kind, Observed, Plan, Record, Result, Signal,
    Strategies, Timestamp, TrackRef, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What the outside says while a deployment runs.
#[derive(Debug, Clone)]
pub struct Outside {
    /// What every gate decides, and how long after it was asked first; never, where there is none.
    pub gate: Option<(Duration, Decision)>,
    /// What the judge says from an interval on; before that it is unproven.
    pub judge: (u64, Verdict),
}

impl Default for Outside {
    fn default() -> Self {
        Self { gate: Some((Duration::from_secs(5), Decision::Open)), judge: (1, Verdict::Pass) }
    }
}

/// One engine that has a deployment: what it keeps in memory, lost when it is killed.
#[derive(Debug, Clone)]
pub struct Shell {
    /// The lease.
    pub claim: Claim,
    /// Since when it lives.
    pub began: Timestamp,
    tracks: BTreeMap<TrackRef, TrackSeen>,
    probed: BTreeMap<InstanceId, Probed>,
    plan: Option<Result<Arc<Plan>, Problem>>,
    gates: BTreeMap<String, (Timestamp, Decision)>,
    /// When something is worth a look that no probe tells.
    pub again: BTreeMap<TrackRef, Timestamp>,
    /// How many calls failed in a row, by track.
    failing: BTreeMap<TrackRef, u32>,
}

/// How an instance's probes stand.
#[derive(Debug, Clone, Copy)]
struct Probed {
    folded: Folded,
    first: Timestamp,
}

/// How long this engine takes to probe an instance it did not know.
const FIRST_PROBE: Duration = Duration::from_millis(300);
/// An instance that does not answer so long is not healthy.
const UNANSWERED: Duration = Duration::from_secs(6);

impl Shell {
    /// An engine that takes a deployment over, or begins it.
    pub fn new(claim: Claim, record: &Record, tracks: &BTreeSet<TrackRef>, now: Timestamp) -> Self {
        let known = record.tracks.values().flat_map(|state| &state.health);
        let probed =
            known.map(|(id, folded)| (id.clone(), Probed { folded: Folded { fresh: false, ..*folded }, first: now }));
        Self {
            claim,
            began: now,
            probed: probed.collect(),
            tracks: tracks.iter().map(|track| (track.clone(), TrackSeen::default())).collect(),
            plan: None,
            gates: BTreeMap::new(),
            again: BTreeMap::new(),
            failing: BTreeMap::new(),
        }
    }

    /// Brings everything to one look.
    pub fn look(&mut self, world: &mut World, record: &Record, signals: &[Signal]) -> Seen {
        let now = world.now;
        let names: Vec<_> = self.tracks.keys().cloned().collect();
        for name in names {
            let observed = world.observe(&name);
            let health = observed.as_ref().ok().map(|observed| self.probe(world, record, &name, observed));
            let Some(seen) = self.tracks.get_mut(&name) else { continue };
            seen.health = health.unwrap_or_default();
            note(seen, Call::Observe, observed.as_ref().err());
            if observed.is_err() {
                self.again.insert(name.clone(), after(now, Duration::from_secs(1)));
            }
            seen.observed = observed.ok().map(Arc::new);
        }
        let gates = self.gates.iter().filter(|(_, (at, _))| *at <= now);
        Seen {
            lease: self.claim,
            tracks: self.tracks.iter().map(|(track, seen)| (track.clone(), Arc::new(seen.clone()))).collect(),
            plan: self.plan.clone(),
            gates: gates.map(|(key, (_, decision))| (key.clone(), decision.clone())).collect(),
            signals: signals.to_vec(),
        }
    }

    /// A simple fold: what was seen first decides at once, but for silence, which is unknown for a while.
    fn probe(
        &mut self,
        world: &mut World,
        record: &Record,
        track: &TrackRef,
        observed: &Observed,
    ) -> BTreeMap<InstanceId, Folded> {
        let now = world.now;
        let mut health = BTreeMap::new();
        for instance in observed.instances().filter(|instance| instance.exit().is_none()) {
            let fresh = Probed { folded: Folded { health: Health::Unknown, since: now, fresh: false }, first: now };
            let mut probed = self.probed.get(&instance.id).copied().unwrap_or(fresh);
            let sampled = sample(world, track, instance, &probed);
            if let Some(sampled) = sampled {
                let since = if sampled == probed.folded.health { probed.folded.since } else { now };
                probed.folded = Folded { health: sampled, since, fresh: true };
            }
            self.probed.insert(instance.id.clone(), probed);
            health.insert(instance.id.clone(), record.settle_health(track, &instance.id, probed.folded));
        }
        health
    }

    /// When the next probe tells something new.
    pub fn next_probe(&self, now: Timestamp) -> Option<Timestamp> {
        let first = self.probed.values().map(|probed| after(probed.first, FIRST_PROBE));
        let silent = self.probed.values().map(|probed| after(probed.first, UNANSWERED));
        let gates = self.gates.values().map(|(at, _)| *at);
        first.chain(silent).chain(gates).chain(self.again.values().copied()).filter(|at| *at > now).min()
    }

    /// Does one effect. True where something came of it that is worth a look.
    ///
    /// # Errors
    /// `Fenced` where a newer engine stands.
    pub fn perform(
        &mut self,
        world: &mut World,
        record: &Record,
        seen: &Seen,
        effect: &Effect,
        around: &Around<'_>,
    ) -> Result<bool> {
        match effect {
            Effect::Wake { .. } => Ok(false),
            Effect::Plan => {
                self.plan = Some(self.planned(world, record, around).map(Arc::new).map_err(Problem::from));
                Ok(true)
            }
            Effect::Ask(ask) => {
                if let Some((span, decision)) = &around.outside.gate {
                    let at = after(world.now, *span);
                    self.gates.entry(ask.key.clone()).or_insert((at, decision.clone()));
                }
                Ok(false)
            }
            Effect::Judge { track, interval, .. } => {
                let (from, verdict) = &around.outside.judge;
                let missing = Verdict::Unproven("too few requests".into());
                let verdict = if interval >= from { verdict.clone() } else { missing };
                let state = serde_json::Value::from(*interval);
                self.seen(track).judged = Some(Judgement { interval: *interval, state, verdict });
                Ok(true)
            }
            Effect::Capture { track, instances } => {
                let kept = |id: &InstanceId| (id.clone(), Captured { words: vec!["seen".into()], log: vec![] });
                self.seen(track).evidence.extend(instances.iter().map(kept));
                Ok(true)
            }
            _ => self.call(world, record, seen, effect),
        }
    }

    fn seen(&mut self, track: &TrackRef) -> &mut TrackSeen {
        self.tracks.entry(track.clone()).or_default()
    }

    /// The effects that call a platform.
    fn call(&mut self, world: &mut World, record: &Record, seen: &Seen, effect: &Effect) -> Result<bool> {
        let (track, call, done) = match effect {
            Effect::ReadToken { track } => {
                let token = world.token(track);
                let seen = self.seen(track);
                seen.newest = token.as_ref().ok().copied().or(seen.newest);
                (track, Call::Observe, token.map(|_| true))
            }
            Effect::Fence { track, token } => {
                let newest = world.fence(track, *token);
                self.seen(track).fenced = newest.as_ref().is_ok_and(|newest| newest <= token);
                let done = newest.and_then(|newest| if newest <= *token { Ok(true) } else { Err(fenced()) });
                (track, Call::Fence, done)
            }
            Effect::Prepare { track, revisions, token } => {
                let done = world.prepare(track, revisions, *token);
                self.seen(track).prepared |= done.is_ok();
                (track, Call::Prepare, done.map(|()| true))
            }
            Effect::Converge { track, written_off, paused } => {
                let done = converge(world, record, seen, track, written_off, *paused, world.now);
                if let Ok(Some(turn)) = &done {
                    self.seen(track).troubles.clone_from(&turn.troubles);
                    self.again.remove(track);
                    self.again.extend(turn.again_at.map(|at| (track.clone(), at)));
                }
                (track, Call::Converge, done.map(|turn| turn.is_some_and(|turn| turn.moved)))
            }
            Effect::Task { run, act, token } => {
                let outcome = world.task(run, *act, *token);
                let changed = outcome.as_ref().ok().map(|outcome| {
                    self.seen(&run.track).tasks.insert(run.key.clone(), outcome.clone()).as_ref() != Some(outcome)
                });
                (&run.track, Call::Task, outcome.map(|_| changed.unwrap_or(false)))
            }
            Effect::Remove { track, token } => {
                let done = world.remove(track, *token);
                self.seen(track).removed |= done.is_ok();
                (track, Call::Remove, done.map(|()| true))
            }
            _ => return Ok(false),
        };
        self.settle(world.now, track, call, done)
    }

    fn settle(&mut self, now: Timestamp, track: &TrackRef, call: Call, done: Result<bool>) -> Result<bool> {
        if done.as_ref().is_err_and(|error| error.kind() == Kind::Fenced) {
            return done;
        }
        note(self.seen(track), call, done.as_ref().err());
        let failing = self.failing.entry(track.clone()).or_default();
        *failing = if done.is_err() { *failing + 1 } else { 0 };
        if done.is_err() {
            let backoff = Duration::from_millis(200) * 2u32.pow((*failing).min(7));
            self.again.insert(track.clone(), after(now, backoff));
        }
        Ok(done.unwrap_or(false))
    }

    fn planned(&self, world: &World, record: &Record, around: &Around<'_>) -> Result<Plan> {
        let mut platforms = BTreeMap::new();
        for (track, seen) in &self.tracks {
            if let Some(observed) = &seen.observed {
                platforms.insert(track.clone(), (world.capabilities(track), Observed::clone(observed)));
            }
        }
        planner::plan(&Planning {
            release: &record.request.release,
            environment: &record.request.environment,
            strategies: around.strategies,
            platforms,
            known: around.known,
            now: world.now,
        })
    }
}

/// What an engine knows besides.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Finds strategies.
    pub strategies: &'a dyn Strategies,
    /// What was brought in before.
    pub known: &'a Known,
    /// What the outside says.
    pub outside: &'a Outside,
}

/// Takes the order of a track further, as this or an earlier engine saw it.
///
/// # Errors
/// As [`World::converge`].
pub fn converge(
    world: &mut World,
    record: &Record,
    seen: &Seen,
    track: &TrackRef,
    written_off: &BTreeSet<InstanceId>,
    paused: bool,
    now: Timestamp,
) -> Result<Option<deploy_core::Turn>> {
    match order(record, seen, track, written_off, paused, now) {
        Some(order) => world.converge(&order).map(Some),
        None => Ok(None),
    }
}

fn note(seen: &mut TrackSeen, call: Call, error: Option<&Error>) {
    match error {
        Some(error) => drop(seen.problems.insert(call, Problem::from(error))),
        None => drop(seen.problems.remove(&call)),
    }
}

fn fenced() -> Error {
    Error::new(Kind::Fenced, "a newer engine stands")
}

/// One answer of a probe; none where it is not time yet.
fn sample(world: &World, track: &TrackRef, instance: &Instance, probed: &Probed) -> Option<Health> {
    let now = world.now;
    if after(probed.first, FIRST_PROBE) > now {
        return None;
    }
    let unit = world.sites.get(track).and_then(|site| site.units.iter().find(|unit| unit.id == instance.id));
    Some(match (&instance.state, unit) {
        (InstanceState::Unknown, _) | (_, None) => Health::Unknown,
        (_, Some(unit)) if unit.is_well(now) => Health::Healthy,
        (_, Some(_)) if probed.folded.health != Health::Unknown || after(probed.first, UNANSWERED) <= now => {
            Health::Unhealthy
        }
        _ => Health::Unknown,
    })
}
