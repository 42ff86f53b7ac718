//! Folding events into the record.

mod track;

use crate::orders::Standing;
use crate::record::{GateState, Grip, Pause, Point, TaskState, TrackState};
use crate::{
    Ask, DeploymentId, Error, Event, Kind, Plan, Record, Result, Signal, Status, TaskOutcome, Timestamp, TrackRef, Way,
    What, time,
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
                    self.grant_again(track, what, at);
                    self.with(track, |state| state.take(what, at, earns_until));
                    self.note_judge(track, what);
                }
            }
        }
    }

    fn with(&mut self, track: &TrackRef, change: impl FnOnce(&mut TrackState)) {
        if let Some(state) = self.tracks.get_mut(track) {
            change(Arc::make_mut(state));
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

    /// A gate's wait is no part of its stage's deadline: what fell out of settled meanwhile has the whole of it again.
    fn grant_again(&mut self, track: &TrackRef, what: &What, at: Timestamp) {
        let gated = self.tracks.get(track).is_some_and(|state| state.point == Point::Gate);
        if gated && matches!(what, What::Unsettled { .. }) {
            let deadline = self.step_deadline(track);
            self.with(track, |state| state.deadline = deadline.map(|deadline| time::after(at, deadline)));
        }
    }

    fn step_deadline(&self, track: &TrackRef) -> Option<Duration> {
        let (planned, state) = self.track(track)?;
        self.stage(planned, state).map(|stage| stage.stage.step.deadline)
    }

    fn signalled(&mut self, signal: &Signal) {
        self.signals = signal.number;
        let Ask::Promote { to_the_end } = signal.ask else { return };
        self.promoted |= to_the_end;
        for state in self.tracks.values_mut().filter(|state| state.point > Point::Idle && state.point < Point::Done) {
            Arc::make_mut(state).promoted = true;
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
            let state = Arc::make_mut(self.tracks.entry(track.clone()).or_default());
            state.grip = Grip::Unread;
            state.void_gap(renewed, at);
            state.health.values_mut().for_each(|folded| folded.fresh = false);
        }
    }

    fn started(&mut self, plan: &Arc<Plan>, deadline: Timestamp, at: Timestamp) {
        self.way = Way::Forward { deadline };
        self.tracks.retain(|track, _| plan.tracks.contains_key(track));
        for (track, planned) in &plan.tracks {
            let state = Arc::make_mut(self.tracks.entry(track.clone()).or_default());
            state.standing = Standing::before(planned);
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
        let again = self.resume_tracks(&pause, at);
        let span = time::between(pause.since, at);
        match &mut self.way {
            Way::Forward { deadline } | Way::After { deadline } | Way::Back { deadline, .. } => {
                *deadline = time::after(*deadline, span + again);
            }
            Way::Pending { deadline } => *deadline = deadline.map(|deadline| time::after(deadline, span)),
            Way::Ended { .. } => {}
        }
        for gate in self.gates.values_mut().filter(|gate| gate.decision.is_none()) {
            gate.deadline = time::after(gate.deadline, span);
        }
    }

    /// Deadlines move by the time the pause lasted; a stage that was late already has the whole of its own again, and
    /// the most of these is returned.
    fn resume_tracks(&mut self, pause: &Pause, at: Timestamp) -> Duration {
        let late = |state: &TrackState| {
            state.point.is_under_way() && state.deadline.is_some_and(|deadline| deadline <= pause.since)
        };
        let late: BTreeMap<_, _> = self
            .tracks
            .iter()
            .filter(|(_, state)| late(state))
            .filter_map(|(track, _)| Some((track.clone(), self.step_deadline(track)?)))
            .collect();
        for (track, state) in &mut self.tracks {
            Arc::make_mut(state).resumed(pause.since, at, late.get(track).copied());
        }
        late.into_values().max().unwrap_or_default()
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
            let state = Arc::make_mut(state);
            state.back = legs.get(track).cloned().unwrap_or_default();
            state.begin_leg(at);
        }
    }

    fn committed_at(&mut self, deadline: Timestamp, at: Timestamp) {
        self.way = Way::After { deadline };
        self.tracks.values_mut().map(Arc::make_mut).for_each(|state| state.begin_leg(at));
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
