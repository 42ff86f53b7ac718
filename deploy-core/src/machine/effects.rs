//! What is to be done: a function of the record and of what is seen alone.

use super::Effect;
use super::look::{Look, Sight};
use super::order::token;
use crate::record::{Grip, Point};
use crate::{GateAsk, Revision, TaskAct, Timestamp, Token, Way, time};
use std::sync::Arc;
use std::time::Duration;

impl Look<'_> {
    pub(super) fn effects(&self) -> Vec<Effect> {
        if self.record.way.is_ended() {
            return Vec::new();
        }
        let mut effects = self.grips();
        match self.record.way {
            Way::Pending { .. } => effects.extend(self.begin()),
            _ => self.all_sights().for_each(|sight| sight.effects(&mut effects)),
        }
        effects.extend(self.wake().map(|at| Effect::Wake { at }));
        effects
    }

    /// Tokens are read, then ours is written.
    fn grips(&self) -> Vec<Effect> {
        let gated = matches!(self.record.way, Way::Pending { .. }) && !self.gates_open();
        let grip = |(track, state): (&crate::TrackRef, &Arc<crate::TrackState>)| match state.grip {
            Grip::Unread => Some(Effect::ReadToken { track: track.clone() }),
            Grip::Read if !gated => Some(Effect::Fence { track: track.clone(), token: token(self.record, state) }),
            _ => None,
        };
        self.record.tracks.iter().filter_map(grip).collect()
    }

    fn begin(&self) -> Vec<Effect> {
        if self.gates_open() {
            return if self.all_held() { vec![Effect::Plan] } else { Vec::new() };
        }
        let waits = |gate: &&crate::GateSpec| {
            self.record.gates.get(&self.gate_before_key(gate)).is_some_and(|asked| asked.decision.is_none())
        };
        let ask = |gate: &crate::GateSpec| {
            let (key, deployment) = (self.gate_before_key(gate), self.record.id.clone());
            Effect::Ask(GateAsk { key, deployment, track: None, gate: gate.clone() })
        };
        self.gates_before_specs().iter().filter(waits).map(ask).collect()
    }

    /// The next time at which something follows from time alone.
    fn wake(&self) -> Option<Timestamp> {
        let way = match &self.record.way {
            Way::Pending { deadline } => *deadline,
            Way::Forward { deadline } | Way::After { deadline } | Way::Back { deadline, .. } => Some(*deadline),
            Way::Ended { .. } => None,
        };
        let pause = self.record.paused.as_ref().map(|pause| pause.deadline);
        let way = if pause.is_some() { None } else { way };
        let gates = self.record.gates.values().filter(|gate| gate.decision.is_none()).map(|gate| gate.deadline);
        let tracks = self.all_sights().flat_map(|sight| sight.wakes());
        way.into_iter().chain(pause).chain(gates).chain(tracks).filter(|at| *at > self.now).min()
    }
}

impl Sight<'_> {
    fn effects(&self, effects: &mut Vec<Effect>) {
        if self.state.grip != Grip::Held {
            return;
        }
        let token = token(self.record(), self.state);
        if !self.state.prepared {
            effects.push(Effect::Prepare { track: self.name.clone(), revisions: self.revisions(), token });
        }
        if !self.is_observed() {
            return;
        }
        self.capture(effects);
        if self.state.touched && self.state.order.is_some() {
            let paused = self.is_held_up() || self.before_first_back_order();
            effects.push(Effect::Converge { track: self.name.clone(), written_off: self.written_off(), paused });
        }
        self.task(effects, token);
        self.hold(effects);
        let removed = self.removes() && self.record().stage(self.planned, self.state).is_none() && !self.seen.removed;
        if removed && self.state.point != Point::Done {
            effects.push(Effect::Remove { track: self.name.clone(), token });
        }
    }

    fn revisions(&self) -> Vec<Revision> {
        self.planned.parties().map(|party| party.revision.clone()).filter(|revision| revision.spec.is_some()).collect()
    }

    fn capture(&self, effects: &mut Vec<Effect>) {
        let ended = self.roll.ended().filter(|entry| !self.state.ended.contains(&entry.instance.id));
        let wanted = ended.chain(self.wanted_evidence()).map(|entry| &entry.instance.id);
        let instances: Vec<_> = wanted.filter(|id| !self.seen.evidence.contains_key(*id)).cloned().collect();
        if !instances.is_empty() {
            effects.push(Effect::Capture { track: self.name.clone(), instances });
        }
    }

    fn task(&self, effects: &mut Vec<Effect>, token: Token) {
        if let Some((key, state)) = self.unbarred().filter(|_| self.is_back()) {
            effects.extend(self.barred_run(key, &state.name).map(|run| Effect::Task { run, act: TaskAct::Bar, token }));
            return;
        }
        let Some(stage) = self.record().stage(self.planned, self.state) else { return };
        let task = match self.state.point {
            Point::Before(index) => self.due(&stage.stage.step.before, index),
            Point::After(index) => self.due(&stage.stage.step.after, index),
            _ => None,
        };
        let Some(task) = task else { return };
        let Some(begun) = self.record().tasks.get(&self.task_key(task)) else { return };
        if begun.outcome.is_none() {
            let act = if self.is_held_up() || self.is_overdue(task) { TaskAct::Look } else { TaskAct::Start };
            effects.push(Effect::Task { run: self.task_run(task), act, token });
        }
    }

    fn hold(&self, effects: &mut Vec<Effect>) {
        let Some(stage) = self.record().stage(self.planned, self.state) else { return };
        match (self.state.point, &stage.stage.holds.judge, &stage.stage.holds.gate) {
            (Point::Bake, Some(judge), _) if !self.is_held_up() => {
                let Some((interval, began, ends)) = self.next_interval(stage) else { return };
                let state = self.state.judged.as_ref().map_or(serde_json::Value::Null, |judged| judged.state.clone());
                if self.look.now >= ends {
                    effects.push(Effect::Judge {
                        track: self.name.clone(),
                        judge: judge.clone(),
                        interval,
                        began,
                        ends,
                        state,
                    });
                }
            }
            (Point::Gate, _, Some(gate)) => {
                let key = self.gate_key(gate);
                let waits = self.record().gates.get(&key).is_some_and(|asked| asked.decision.is_none());
                if waits {
                    let (deployment, track) = (self.record().id.clone(), Some(self.name.clone()));
                    effects.push(Effect::Ask(GateAsk { key, deployment, track, gate: gate.clone() }));
                }
            }
            _ => {}
        }
    }

    /// Times at which something of this track follows from time alone.
    fn wakes(&self) -> Vec<Timestamp> {
        let mut at: Vec<Timestamp> = Vec::new();
        let paused = self.record().paused.is_some();
        at.extend(self.state.deadline.filter(|_| !paused && self.state.point != Point::Done));
        if !self.state.prepared {
            at.push(time::after(self.state.since, crate::Step::DEADLINE));
        }
        if let Some(stage) = self.record().stage(self.planned, self.state)
            && self.state.point == Point::Bake
            && !self.is_held_up()
        {
            at.extend(self.next_interval(stage).map(|(_, _, ends)| ends));
            at.push(time::after(self.state.since, stage.stage.holds.bake.saturating_sub(self.state.earned)));
        }
        if self.state.point == Point::Idle {
            at.push(time::after(self.state.since, Duration::from_secs(30)));
        }
        at.extend(self.task_wake());
        at.extend(self.retry_wake());
        at.extend(self.readiness_wake());
        at
    }

    fn task_wake(&self) -> Option<Timestamp> {
        let mine = self.record().tasks.values().filter(|task| task.outcome.is_none());
        mine.map(|task| {
            let timeout = self.forward_task(&task.name).map_or(crate::Step::DEADLINE, |task| task.timeout);
            time::after(task.began, timeout)
        })
        .min()
    }

    /// When min ready time or propagation is over.
    fn readiness_wake(&self) -> Vec<Timestamp> {
        let (Some(order), Point::Order(_)) = (&self.state.order, self.state.point) else { return Vec::new() };
        let seen = self.state.traffic_seen.map(|seen| time::after(seen, self.planned.followed()));
        let healthy = self.roll.entries().filter(|entry| entry.is_healthy()).filter_map(|entry| entry.folded);
        let long_ago = time::before(self.look.now, order.budget.min_ready);
        let lately = healthy.map(|folded| folded.since).filter(|since| *since > long_ago);
        let ready = lately.min().map(|since| time::after(since, order.budget.min_ready));
        ready.into_iter().chain(seen).collect()
    }
}
