//! Doing what the machine asks for: one call of each sort for each track at a time, different ones side by side.

use super::calls::Key;
use super::session::Session;
use crate::layers::WithinLease;
use deploy_core::machine::{self, Call, Captured, Effect, Judgement, Problem, Seen};
use deploy_core::{
    Decision, Deployer, Fence, Figures, GateAsk, InstanceId, JudgeSpec, JudgeState, Record, Result, Revision,
    RevisionId, Sample, Side, TaskAct, TaskOutcome, TaskRun, Timestamp, Token, TrackRef, Turn, Verdict, time,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A gate that has not decided is asked again so late.
const GATE: Duration = Duration::from_secs(5);
/// A task that runs is looked at again so late.
const TASK: Duration = Duration::from_millis(500);
/// Of so many revisions a platform is to keep what it has, whatever its own rules.
const KEPT: usize = 4;
/// So many lines of an instance's log are kept.
const LINES: usize = 200;

impl Session {
    /// Begins all that is to be done and not under way already.
    pub(super) fn act(&mut self, effects: Vec<Effect>, now: Timestamp) {
        let converges = effects.iter().any(|effect| matches!(effect, Effect::Converge { .. }));
        let seen = if converges { Arc::new(self.seen.clone()) } else { Arc::default() };
        for effect in effects {
            match effect {
                Effect::ReadToken { track } => self.read_token(track),
                Effect::Fence { track, token } => self.fence(track, token),
                Effect::Plan => self.plan(),
                Effect::Prepare { track, revisions, token } => self.prepare(track, revisions, token),
                Effect::Converge { track, written_off, paused } => {
                    self.converge(track, seen.clone(), written_off, paused, now);
                }
                Effect::Task { run, act, token } => self.task(run, act, token),
                Effect::Ask(ask) => self.ask_gate(ask),
                Effect::Judge { track, judge, interval, began, ends: _, state } => {
                    self.judge(track, judge, interval, began, state);
                }
                Effect::Capture { track, instances } => self.capture(track, instances),
                Effect::Remove { track, token } => self.remove(track, token),
                Effect::Wake { at } => self.due = Some(self.due.map_or(at, |due| due.min(at))),
            }
        }
    }

    /// Whether a call may begin now; where it has to wait, it is looked at again then.
    pub(super) fn may(&mut self, key: &Key) -> bool {
        let free = self.calls.is_free(key);
        if let Some(until) = self.calls.wait_of(key).filter(|_| !free) {
            self.defer(until);
        }
        free
    }

    fn deployer(&self, track: &TrackRef) -> Arc<dyn Deployer> {
        self.core.deployer(track)
    }

    /// The same for what writes: where a token is not compared in the step that writes, nothing outlives the lease.
    fn writer(&self, track: &TrackRef) -> Arc<dyn Deployer> {
        let planned = self.record.track(track).map(|(planned, _)| planned.made_from.capabilities.fence);
        match planned {
            Some(Fence::Atomic) => self.deployer(track),
            _ => Arc::new(WithinLease::new(self.deployer(track), self.held.clone(), self.core.timeouts)),
        }
    }

    fn read_token(&mut self, track: TrackRef) {
        let key = Key::Track(track.clone(), Call::Observe);
        if !self.may(&key) {
            return;
        }
        let (deployer, of) = (self.deployer(&track), track.clone());
        let work = async move { deployer.observe(&of).await };
        self.calls.begin(key, work, move |session, observed| {
            let news = session.note(&track, Call::Observe, &observed);
            let Ok(observed) = observed else { return news };
            session.compare(observed.token);
            if let Some(seen) = session.seen.track_mut(&track) {
                seen.newest = Some(observed.token);
            }
            true
        });
    }

    /// A store that knew nothing of the scope may give an epoch that platforms have seen already.
    fn compare(&mut self, newest: Token) {
        let epoch = self.held.lease().epoch;
        let unknown = !self.held.is_compared() && newest.epoch > 0;
        if newest.epoch > epoch || (unknown && newest.epoch == epoch) {
            self.raise = self.raise.max(Some(newest.epoch));
        }
    }

    fn fence(&mut self, track: TrackRef, token: Token) {
        let key = Key::Track(track.clone(), Call::Fence);
        if !self.may(&key) {
            return;
        }
        self.held.compared();
        let (deployer, of) = (self.writer(&track), track.clone());
        let work = async move { deployer.fence(&of, token).await };
        self.calls.begin(key, work, move |session, stands| {
            let news = session.note(&track, Call::Fence, &stands);
            match stands {
                Ok(newest) if newest > token => session.raise = session.raise.max(Some(newest.epoch)),
                Ok(_) => {
                    if let Some(seen) = session.seen.track_mut(&track) {
                        seen.fenced = true;
                    }
                }
                Err(error) if error.kind() == deploy_core::Kind::Fenced => {
                    session.raise = session.raise.max(Some(token.epoch));
                }
                Err(_) => return news,
            }
            true
        });
    }

    fn plan(&mut self) {
        if !self.may(&Key::Plan) {
            return;
        }
        let (core, record) = (self.core.clone(), self.record.clone());
        let known = self.known.clone();
        let work = async move { core.plan(&record.request.release, &record.scope.environment, &known).await };
        self.calls.begin(Key::Plan, work, |session, made| {
            let made = made.map(Arc::new).map_err(Problem::from);
            let news = session.seen.plan.as_ref() != Some(&made);
            session.seen.plan = Some(made);
            news
        });
    }

    fn prepare(&mut self, track: TrackRef, revisions: Vec<Revision>, token: Token) {
        let key = Key::Track(track.clone(), Call::Prepare);
        if !self.may(&key) {
            return;
        }
        let (deployer, of) = (self.deployer(&track), track.clone());
        let work = async move { deployer.prepare(&of, &revisions, token).await };
        self.calls.begin(key, work, move |session, made| {
            let news = session.note(&track, Call::Prepare, &made);
            let Some(seen) = session.seen.track_mut(&track) else { return news };
            seen.prepared |= made.is_ok();
            if made.is_ok() {
                session.prune(&track);
            }
            news || made.is_ok()
        });
    }

    /// Lets a platform remove what it keeps of old revisions: all but those of this plan, and the newest before.
    /// While it goes on, and not after its end: then another deployment may have shipped what it needs.
    fn prune(&mut self, track: &TrackRef) {
        let key = Key::Prune(track.clone());
        let Some((planned, _)) = self.record.track(track).filter(|_| self.calls.is_free(&key)) else { return };
        let mut keep: Vec<RevisionId> = planned.parties().map(|party| party.revision.id.clone()).collect();
        let before = self.known.revisions.iter().rev().filter(|known| known.track == *track);
        for known in before {
            if keep.len() < KEPT && !keep.contains(&known.revision.id) {
                keep.push(known.revision.id.clone());
            }
        }
        let (deployer, of) = (self.deployer(track), track.clone());
        let work = async move { deployer.prune(&of, &keep).await };
        self.calls.begin(key, work, |_, pruned| {
            if let Err(error) = pruned {
                tracing::warn!(%error, "old revisions were not removed");
            }
            false
        });
    }

    fn converge(
        &mut self,
        track: TrackRef,
        seen: Arc<Seen>,
        written_off: BTreeSet<InstanceId>,
        paused: bool,
        now: Timestamp,
    ) {
        let key = Key::Track(track.clone(), Call::Converge);
        if !self.may(&key) {
            return;
        }
        self.again.remove(&track);
        let (deployer, record, of) = (self.writer(&track), self.record.clone(), track.clone());
        let token = record.tracks.get(&track).map(|state| Token::new(record.epoch, state.generation));
        let work = async move {
            match machine::order(&record, &seen, &of, &written_off, paused, now) {
                Some(order) => deployer.converge(&order).await,
                None => Ok(Turn::default()),
            }
        };
        self.calls.begin(key, work, move |session, turned| session.turned(&track, token, turned));
    }

    /// An order that was told for the first time is looked at, although nothing may have moved: its token shows that it was taken.
    fn turned(&mut self, track: &TrackRef, token: Option<Token>, turned: Result<Turn>) -> bool {
        let news = self.note(track, Call::Converge, &turned);
        let Ok(turn) = turned else { return news };
        let first_told = token.is_some_and(|token| self.told.insert(track.clone(), token) != Some(token));
        let again = turn.again_at.or_else(|| self.after_trouble(track, &turn));
        if let Some(at) = again {
            self.again.insert(track.clone(), at);
        }
        let Some(seen) = self.seen.track_mut(track) else { return news };
        let kinds = |troubles: &[deploy_core::Trouble]| -> Vec<_> {
            troubles.iter().map(|trouble| (trouble.at.clone(), trouble.kind)).collect()
        };
        let changed = kinds(&seen.troubles) != kinds(&turn.troubles);
        seen.troubles = turn.troubles;
        news || changed || turn.moved || first_told
    }

    /// What is in trouble is tried again after a quarter of the trouble's age: at least 500 ms, at most 15 s.
    fn after_trouble(&self, track: &TrackRef, turn: &Turn) -> Option<Timestamp> {
        let now = self.clock.now();
        let known = self.record.tracks.get(track).map(|state| &state.troubles);
        let age = |at: &String| {
            known.and_then(|known| known.get(at)).map_or(Duration::ZERO, |(since, _)| time::between(*since, now))
        };
        let youngest = turn.troubles.iter().map(|trouble| age(&trouble.at)).min()?;
        Some(time::after(now, (youngest / 4).clamp(Duration::from_millis(500), Duration::from_secs(15))))
    }

    fn task(&mut self, run: TaskRun, act: TaskAct, token: Token) {
        let key = Key::Task(run.key.clone());
        if !self.may(&key) {
            return;
        }
        let (track, name) = (run.track.clone(), run.key.clone());
        let deployer = self.writer(&track);
        let work = async move { deployer.task(&run, act, token).await };
        self.calls.begin(key.clone(), work, move |session, outcome| {
            let news = session.note(&track, Call::Task, &outcome);
            let Ok(outcome) = outcome else { return news };
            if matches!(outcome, TaskOutcome::NotStarted | TaskOutcome::Running | TaskOutcome::Unknown) {
                session.calls.rest(key, TASK);
            }
            let Some(seen) = session.seen.track_mut(&track) else { return news };
            let before = seen.tasks.insert(name, outcome.clone());
            news || before != Some(outcome)
        });
    }

    fn ask_gate(&mut self, ask: GateAsk) {
        let key = Key::Gate(ask.key.clone());
        // Nobody is registered for what people decide.
        let Some(gate) = self.core.gates.get(&ask.gate.kind).cloned() else { return };
        if !self.may(&key) {
            return;
        }
        let timeout = self.core.timeouts.outside;
        let name = ask.key.clone();
        let work = async move { Ok(tokio::time::timeout(timeout, gate.ask(&ask)).await) };
        self.calls.begin(key.clone(), work, move |session, answer| {
            let decision = match answer {
                Ok(Ok(Ok(decision))) => decision,
                Ok(Ok(Err(error))) => waiting(&name, &error.to_string()),
                Ok(Err(_)) => waiting(&name, "no answer in time"),
                Err(error) => waiting(&name, &error.to_string()),
            };
            if decision == Decision::Waiting {
                session.calls.rest(key, GATE);
            }
            let before = session.seen.gates.insert(name, decision.clone());
            before != Some(decision.clone()) && decision != Decision::Waiting
        });
    }

    fn judge(&mut self, track: TrackRef, spec: JudgeSpec, interval: u64, began: Timestamp, state: JudgeState) {
        let key = Key::Judge(track.clone());
        if !self.may(&key) {
            return;
        }
        let Some((sides, stage_began)) = sides(&self.record, &track) else { return };
        let (core, of) = (self.core.clone(), track.clone());
        let work = async move {
            let judge = core.judge(&spec)?;
            let mut state = state;
            let verdict = match figures(&core, &of, sides, began).await {
                Ok(sample) => judge.fold(&mut state, &sample),
                Err(error) => Verdict::Unproven(error.to_string()),
            };
            Ok(Judgement { interval, state, verdict })
        };
        self.calls.begin(key, work, move |session, judged| {
            let current = session.record.tracks.get(&track).is_some_and(|state| state.stage_began == stage_began);
            let Some(seen) = session.seen.track_mut(&track).filter(|_| current) else { return false };
            match judged {
                Ok(judged) => seen.judged = Some(judged),
                Err(error) => {
                    tracing::warn!(%track, %error, "not judged");
                    return false;
                }
            }
            true
        });
    }

    fn capture(&mut self, track: TrackRef, instances: Vec<InstanceId>) {
        let key = Key::Capture(track.clone());
        if !self.may(&key) {
            return;
        }
        let words: Vec<_> = instances.into_iter().map(|id| (self.words(&track, &id), id)).collect();
        let (deployer, of) = (self.deployer(&track), track.clone());
        let work = async move {
            let logs = words.into_iter().map(|(mut words, id)| {
                let (deployer, of) = (deployer.clone(), of.clone());
                async move {
                    let log = deployer.logs(&of, &id, LINES).await;
                    words.extend(log.as_ref().err().map(|error| format!("no log: {error}")));
                    (id, Captured { words, log: log.unwrap_or_default() })
                }
            });
            Ok(futures::future::join_all(logs).await)
        };
        self.calls.begin(key, work, move |session, kept| {
            let Some(seen) = session.seen.track_mut(&track) else { return false };
            seen.evidence.extend(kept.unwrap_or_default());
            true
        });
    }

    /// What is known of an instance, in words: how it stands, what it said when asked, what the platform says of it.
    fn words(&self, track: &TrackRef, id: &InstanceId) -> Vec<String> {
        let observed = self.seen.tracks.get(track).and_then(|seen| seen.observed.as_deref());
        let instance = observed.and_then(|observed| observed.instances().find(|instance| instance.id == *id));
        let state = instance.map(|instance| match instance.exit() {
            Some(exit) => exit.to_string(),
            None => format!("{:?}", instance.state).to_lowercase(),
        });
        let conditions = observed.into_iter().flat_map(|observed| &observed.conditions);
        let conditions = conditions.filter(|condition| {
            condition.instance.as_ref().is_none_or(|of| of == id)
                && condition.side.as_ref().is_none_or(|side| instance.is_some_and(|instance| instance.side == *side))
        });
        let said = self.probes.said(track, id).into_iter();
        state.into_iter().chain(said).chain(conditions.map(|condition| condition.words.clone())).collect()
    }

    fn remove(&mut self, track: TrackRef, token: Token) {
        let key = Key::Track(track.clone(), Call::Remove);
        if !self.may(&key) {
            return;
        }
        let (deployer, of) = (self.writer(&track), track.clone());
        let work = async move { deployer.remove(&of, token).await };
        self.calls.begin(key, work, move |session, made| {
            let news = session.note(&track, Call::Remove, &made);
            let Some(seen) = session.seen.track_mut(&track) else { return news };
            seen.removed |= made.is_ok();
            news || made.is_ok()
        });
    }
}

fn waiting(gate: &str, why: &str) -> Decision {
    tracing::warn!(gate, why, "the gate could not be asked");
    Decision::Waiting
}

/// Stable and the candidate, as far as there are.
type Sides = (Option<Side>, Option<Side>);

/// The sides that a track's stage moves between, and when the stage began.
fn sides(record: &Record, track: &TrackRef) -> Option<(Sides, Timestamp)> {
    let (planned, state) = record.track(track)?;
    let stage = record.stage(planned, state)?;
    Some(((stage.from.clone(), stage.to.clone()), state.stage_began))
}

/// The figures of both sides since the interval began.
async fn figures(
    core: &crate::engine::Core,
    track: &TrackRef,
    (stable, candidate): Sides,
    since: Timestamp,
) -> Result<Sample> {
    let Some(source) = core.metrics.get(&track.target) else { return Ok(Sample::default()) };
    let of = |side: Option<Side>| async move {
        let Some(side) = side else { return Ok(None::<Figures>) };
        let asked = tokio::time::timeout(core.timeouts.outside, source.figures(track, &side, since)).await;
        asked.unwrap_or_else(|_| {
            Err(deploy_core::Error::new(deploy_core::Kind::Timeout, "the source of figures gave no answer in time"))
        })
    };
    let (stable, candidate) = futures::future::join(of(stable), of(candidate)).await;
    Ok(Sample { stable: stable?, candidate: candidate? })
}
