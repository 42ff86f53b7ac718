//! Folding events into the record.

use crate::orders::{OrderNow, Standing};
use crate::record::{Crash, GateState, Grip, Judged, Pause, Point, TaskState, TrackState};
use crate::{
    Ask, DeploymentId, Error, Event, Kind, Plan, Record, Result, Signal, Status, TaskOutcome, Timestamp, TrackRef,
    Verdict, Way, What, time,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Record {
    /// Folds all events of a deployment.
    ///
    /// # Errors
    /// `Corrupt` where the first is not number 1 and a request, or a number is missing.
    pub fn fold(id: &DeploymentId, events: impl IntoIterator<Item = Event>) -> Result<Self> {
        let mut events = events.into_iter();
        let corrupt = |what: &str| Error::new(Kind::Corrupt, format!("the events of deployment {id} {what}"));
        let first = events.next().ok_or_else(|| corrupt("are missing"))?;
        let mut record = Self::first(id, first).ok_or_else(|| corrupt("do not begin with its request"))?;
        for event in events {
            if event.number != record.version + 1 {
                return Err(corrupt(&format!("have a gap after number {}", record.version)));
            }
            record.apply(&event);
        }
        Ok(record)
    }

    fn first(id: &DeploymentId, event: Event) -> Option<Self> {
        let What::Requested { request, actor } = event.what else { return None };
        (event.number == 1).then(|| Self {
            id: id.clone(),
            scope: request.scope(),
            request: Arc::new(*request),
            actor,
            created: event.at,
            version: event.number,
            epoch: 0,
            way: Way::Pending { deadline: None },
            paused: None,
            plan: None,
            tracks: BTreeMap::new(),
            tasks: BTreeMap::new(),
            gates: BTreeMap::new(),
            back_refused: None,
            promoted: false,
            signals: 0,
            progress: 0,
        })
    }

    /// Takes in one more event: the next by number.
    pub fn apply(&mut self, event: &Event) {
        self.version = event.number;
        self.take(&event.what, event.at);
        self.progress = self.progress_now().max(if self.is_back() { 0 } else { self.progress });
    }

    fn is_back(&self) -> bool {
        matches!(self.way, Way::Back { .. } | Way::Ended { status: Status::RolledBack | Status::Failed, .. })
    }

    fn take(&mut self, what: &What, at: Timestamp) {
        match what {
            What::Requested { .. } => {}
            What::PendingUntil { deadline } => self.way = Way::Pending { deadline: Some(*deadline) },
            What::Claimed { epoch, tracks, renewed } => self.claimed(*epoch, tracks, *renewed, at),
            What::Started { plan, deadline } => self.started(plan, *deadline, at),
            What::TaskBegan { track, key, name, undo } => self.task_began(track, key, name, *undo, at),
            What::TaskEnded { key, outcome, track } => {
                if let Some(task) = self.tasks.get_mut(key) {
                    task.outcome = Some(outcome.clone());
                }
                if *outcome == TaskOutcome::Done {
                    self.with(track, |state| state.task_done(at));
                }
            }
            What::GateAsked { key, name, deadline, track } => {
                if let Some(track) = track {
                    self.with(track, |state| state.reach(Point::Gate, at));
                }
                let gate = GateState { name: name.clone(), deadline: *deadline, decision: None };
                self.gates.insert(key.clone(), gate);
            }
            What::GateDecided { key, decision, .. } => {
                if let Some(gate) = self.gates.get_mut(key) {
                    gate.decision = Some(decision.clone());
                }
            }
            What::SignalRefused { signal, .. } => self.signals = signal.number,
            What::Signalled { signal } => self.signalled(signal),
            What::Paused { reason, deadline } => {
                self.paused = Some(Pause { reason: reason.clone(), since: at, deadline: *deadline });
            }
            What::Resumed { .. } => self.resumed(at),
            What::RollbackStarted { reason, legs, deadline, .. } => self.go_back(reason, legs, *deadline, at),
            What::BackRefused { reason } => self.back_refused = Some(reason.clone()),
            What::Committed { deadline } => self.committed_at(*deadline, at),
            What::Completed => self.end(Status::Completed, None, at),
            What::RolledBack { reason } => self.end(Status::RolledBack, Some(reason), at),
            What::Failed { reason, .. } => self.end(Status::Failed, Some(reason), at),
            What::Cancelled { reason } => self.end(Status::Cancelled, Some(reason), at),
            _ => {
                let earns_until = self.paused.as_ref().map_or(at, |pause| pause.since);
                if let Some(track) = what.track() {
                    self.with(track, |state| state.take(what, at, earns_until));
                    self.note_judge(track, what);
                }
            }
        }
    }

    fn with(&mut self, track: &TrackRef, change: impl FnOnce(&mut TrackState)) {
        if let Some(state) = self.tracks.get_mut(track) {
            change(state);
        }
    }

    /// A stage with a judge earns by its verdicts alone.
    fn note_judge(&mut self, track: &TrackRef, what: &What) {
        if !matches!(what, What::StageBegan { .. }) {
            return;
        }
        let stage = self.track(track).and_then(|(planned, state)| self.stage(planned, state));
        let judging = stage.is_some_and(|stage| stage.stage.holds.judge.is_some());
        self.with(track, |state| state.judging = judging);
    }

    fn signalled(&mut self, signal: &Signal) {
        self.signals = signal.number;
        let Ask::Promote { to_the_end } = signal.ask else { return };
        self.promoted |= to_the_end;
        for state in self.tracks.values_mut().filter(|state| state.point > Point::Idle && state.point < Point::Done) {
            state.promoted = true;
        }
    }

    fn end(&mut self, status: Status, reason: Option<&String>, at: Timestamp) {
        self.paused = None;
        self.way = Way::Ended { status, reason: reason.cloned(), at };
    }

    fn claimed(&mut self, epoch: u64, tracks: &[TrackRef], renewed: Option<Timestamp>, at: Timestamp) {
        self.epoch = epoch;
        let renewed = match &self.paused {
            Some(pause) => Some(renewed.map_or(pause.since, |renewed| renewed.min(pause.since))),
            None => renewed,
        };
        for track in tracks {
            let state = self.tracks.entry(track.clone()).or_default();
            state.grip = Grip::Unread;
            state.void_gap(renewed, at);
            state.health.values_mut().for_each(|folded| folded.fresh = false);
        }
    }

    fn started(&mut self, plan: &Arc<Plan>, deadline: Timestamp, at: Timestamp) {
        self.way = Way::Forward { deadline };
        self.tracks.retain(|track, _| plan.tracks.contains_key(track));
        for (track, planned) in &plan.tracks {
            let state = self.tracks.entry(track.clone()).or_default();
            state.standing =
                Standing { counts: planned.made_from.sides.clone(), spread: planned.made_from.spread.clone() };
            state.standing_before = state.standing.clone();
            state.since = at;
        }
        self.plan = Some(plan.clone());
    }

    fn task_began(&mut self, track: &TrackRef, key: &str, name: &str, undo: bool, at: Timestamp) {
        let task = TaskState { name: name.to_owned(), began: at, outcome: None, undo };
        self.tasks.insert(key.to_owned(), task);
        self.with(track, |state| state.touched = true);
    }

    fn resumed(&mut self, at: Timestamp) {
        let Some(pause) = self.paused.take() else { return };
        let span = time::between(pause.since, at);
        match &mut self.way {
            Way::Forward { deadline } | Way::After { deadline } | Way::Back { deadline, .. } => {
                *deadline = time::after(*deadline, span);
            }
            Way::Pending { deadline } => *deadline = deadline.map(|deadline| time::after(deadline, span)),
            Way::Ended { .. } => {}
        }
        for gate in self.gates.values_mut().filter(|gate| gate.decision.is_none()) {
            gate.deadline = time::after(gate.deadline, span);
        }
        for state in self.tracks.values_mut() {
            state.resumed(pause.since, span, at);
        }
    }

    fn go_back(
        &mut self,
        reason: &str,
        legs: &BTreeMap<TrackRef, Vec<crate::PlanStage>>,
        deadline: Timestamp,
        at: Timestamp,
    ) {
        self.way = Way::Back { reason: reason.to_owned(), deadline };
        self.paused = None;
        for (track, state) in &mut self.tracks {
            state.back = legs.get(track).cloned().unwrap_or_default();
            state.begin_leg(at);
        }
    }

    fn committed_at(&mut self, deadline: Timestamp, at: Timestamp) {
        self.way = Way::After { deadline };
        self.tracks.values_mut().for_each(|state| state.begin_leg(at));
    }

    /// Progress in stages passed: forward counts the steps after the commit too, back only its own.
    fn progress_now(&self) -> u8 {
        let Some(plan) = self.plan.as_deref() else { return if self.status() == Status::Completed { 100 } else { 0 } };
        if let Way::Ended { status: Status::Completed | Status::RolledBack, .. } = self.way {
            return 100;
        }
        let mut done = 0.0;
        let mut all = 0.0;
        for (track, planned) in &plan.tracks {
            let Some(state) = self.tracks.get(track) else { continue };
            let (before, after) = (planned.before.len(), planned.after.len());
            let passed = if state.point == Point::Done { self.leg(planned, state).len() } else { state.stage };
            let (passed, total) = match self.way {
                Way::Back { .. } => (passed, state.back.len()),
                Way::After { .. } => (before + passed, before + after),
                _ => (passed, before + after),
            };
            let part = if state.lines.is_empty() { 0.0 } else { state.part_of_stage() };
            done += passed as f64 + if state.point == Point::Done { 0.0 } else { part };
            all += total as f64;
        }
        if all == 0.0 { 0 } else { ((done / all) * 100.0).min(99.0) as u8 }
    }
}

impl TrackState {
    fn take(&mut self, what: &What, at: Timestamp, earns_until: Timestamp) {
        match what {
            What::TokenRead { newest, .. } => {
                self.generation = self.generation.max(newest.generation) + 1;
                self.grip = Grip::Read;
            }
            What::Fenced { .. } => self.grip = Grip::Held,
            What::Prepared { .. } => self.prepared = true,
            What::StageBegan { index, taken, baseline, lines, deadline, .. } => {
                self.stage = *index;
                self.stage_began = at;
                self.taken = *taken;
                self.baseline = *baseline;
                self.lines = lines.clone();
                self.deadline = Some(*deadline);
                self.earned = Duration::ZERO;
                self.judged = None;
                self.promoted = false;
                self.flaps.clear();
                self.reach(Point::Before(0), at);
            }
            What::CountRaised { taken, lines, .. } => {
                self.earn(earns_until);
                self.taken = *taken;
                self.lines = lines.clone();
                self.reach(Point::Next(0), at);
            }
            What::OrderBegan { order, .. } => self.order_began(order, at),
            What::TrafficSeen { .. } => self.traffic_seen = Some(at),
            What::OrderSettled { .. } => {
                let next = match self.point {
                    Point::Order(index) if index + 1 < self.lines.len() => Point::Next(index + 1),
                    _ => Point::After(0),
                };
                self.reach(next, at);
            }
            What::Settled { .. } => self.reach(Point::Bake, at),
            What::Unsettled { .. } => {
                self.earn(earns_until);
                self.reach(Point::Order(self.lines.len().saturating_sub(1)), at);
            }
            What::Judged { interval, state, verdict, .. } => {
                let judged = Judged { interval: *interval, at, state: state.clone(), verdict: verdict.clone() };
                self.judged(judged, at);
            }
            What::StagePassed { .. } => {
                self.stage += 1;
                self.reach(Point::Idle, at);
            }
            What::TrackDone { .. } => self.reach(Point::Done, at),
            What::HealthChanged { instance, folded, .. } => self.health_changed(instance, *folded),
            What::InstanceEnded { instance, side, slot, exit, .. } => {
                self.ended.insert(instance.clone());
                self.evidence.insert(instance.clone());
                let words = exit.to_string();
                self.crashes.push(Crash { slot: slot.clone(), side: side.clone(), at, words });
            }
            What::Evidence { instance, .. } => {
                self.evidence.insert(instance.clone());
            }
            What::ConditionsChanged { conditions, .. } => {
                (self.conditions, self.conditions_at) = (conditions.clone(), at);
            }
            What::TroubleBegan { trouble, .. } => {
                let since = self.troubles.get(&trouble.at).map_or(at, |(since, _)| *since);
                self.troubles.insert(trouble.at.clone(), (since, trouble.clone()));
            }
            What::TroubleEnded { place, .. } => {
                self.troubles.remove(place);
            }
            What::Warned { .. } => self.warned = true,
            _ => {}
        }
    }

    fn reach(&mut self, point: Point, at: Timestamp) {
        self.point = point;
        self.since = at;
    }

    fn begin_leg(&mut self, at: Timestamp) {
        self.stage = 0;
        self.lines.clear();
        self.promoted = false;
        self.deadline = None;
        self.troubles.clear();
        self.warned = false;
        self.reach(Point::Idle, at);
    }

    fn task_done(&mut self, at: Timestamp) {
        match self.point {
            Point::Before(index) => self.reach(Point::Before(index + 1), at),
            Point::After(index) => self.reach(Point::After(index + 1), at),
            _ => {}
        }
    }

    fn order_began(&mut self, order: &OrderNow, at: Timestamp) {
        self.touched = true;
        self.generation += 1;
        self.traffic_seen = None;
        self.standing_before = self.standing.clone();
        let counts = [(&order.from, order.line.from), (&order.to, order.line.to)];
        self.standing.counts = counts.into_iter().filter_map(|(side, count)| Some((side.clone()?, count))).collect();
        if !order.line.traffic.is_worker() {
            self.standing.spread = order.frame().spread(&order.line.traffic);
        }
        self.order = Some(order.clone());
        self.reach(Point::Order(order.index), at);
    }

    fn health_changed(&mut self, instance: &crate::InstanceId, folded: Option<crate::Folded>) {
        let Some(folded) = folded else {
            self.health.remove(instance);
            return;
        };
        let before = self.health.insert(instance.clone(), folded);
        if before.is_some_and(|before| before.health != folded.health) {
            *self.flaps.entry(instance.clone()).or_default() += 1;
        }
    }

    /// A pass earns the interval, anything else earns nothing.
    fn judged(&mut self, judged: Judged, at: Timestamp) {
        if judged.verdict == Verdict::Pass && self.point == Point::Bake {
            self.earned += time::between(self.since, at);
        }
        self.since = at;
        self.intervals = judged.interval;
        self.judged = Some(judged);
    }

    /// Keeps what the bake has earned so far. An interval that was not judged to its end is void.
    fn earn(&mut self, until: Timestamp) {
        match self.point {
            Point::Bake if self.judging => self.intervals += 1,
            Point::Bake => self.earned += time::between(self.since, until),
            _ => {}
        }
    }

    /// A gap between engines earns nothing: the bake keeps what it had at the last renewal.
    fn void_gap(&mut self, renewed: Option<Timestamp>, at: Timestamp) {
        if self.point == Point::Bake {
            let until = renewed.unwrap_or(self.since).max(self.since).min(at);
            self.earn(until);
            self.since = at;
        }
    }

    fn resumed(&mut self, paused: Timestamp, span: Duration, at: Timestamp) {
        self.deadline = self.deadline.map(|deadline| time::after(deadline, span));
        self.troubles.clear();
        if self.point == Point::Bake {
            self.earn(paused.max(self.since));
            self.since = at;
        }
    }

    fn part_of_stage(&self) -> f64 {
        let steps = self.lines.len() as f64 + 1.0;
        match self.point {
            Point::Next(index) | Point::Order(index) => index as f64 / steps,
            Point::After(_) | Point::Bake | Point::Gate => self.lines.len() as f64 / steps,
            _ => 0.0,
        }
    }
}
