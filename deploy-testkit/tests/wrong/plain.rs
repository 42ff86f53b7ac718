//! Instances in memory: a sound platform, and a wrong one for each fault.

use async_trait::async_trait;
use deploy_core::{
    Error, Exit, Fence, Instance, InstanceId, InstanceState, Instances, InstancesCapabilities, Kind, Launch, Result,
    Revision, RevisionId, Side, Slot, SlotId, Source, TaskAct, TaskOutcome, TaskRun, Token, TrackRef,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

use super::plain_tasks::Errands;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    LaunchesTwice,
    TakesAnotherRevision,
    LaunchesHalf,
    TellsTheStoppedAsEnded,
    TakesOlder,
    ForgetsTheMark,
    ListsLate,
    StopsOnlyKnown,
    RestartsWhenShipped,
    LogsOfNobody,
    DeclaresHints,
    EndedRuns,
    EndedVanishes,
    KeepsTheEnded,
    KillsAtOnce,
    NeverKills,
    LogsTheFirst,
    RunsWhatCannot,
    TakesWrongBits,
    MarksNothing,
    MarksForAnybody,
    PrunesTheRunning,
    PrunesTheNamed,
    PrunesNothing,
    LeavesBits,
    RemovesTheNeighbour,
    ForgetsTheFence,
    ForgetsInstances,
    ForgetsTasks,
    TakesTasksSilently,
    RunsTheBarred,
    StartsForAnybody,
    RunsAgain,
    StartsHalf,
    FailureIsSuccess,
    NeverLate,
    BarsNothing,
}

/// Instances that run at once, and end at the second call of `stop`. Clones share them.
#[derive(Debug, Clone)]
pub struct Plain {
    pub fault: Option<Fault>,
    pub inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
pub struct Inner {
    serial: u32,
    tokens: BTreeMap<TrackRef, Token>,
    units: Vec<Unit>,
    reserved: BTreeSet<SlotId>,
    shown: Vec<Instance>,
    pub kept: BTreeSet<(TrackRef, RevisionId)>,
    pub serving: Option<RevisionId>,
    pub errands: Errands,
}

#[derive(Debug, Clone)]
struct Unit {
    track: TrackRef,
    instance: Instance,
    words: Vec<String>,
    /// When it was told to stop, and how long it may take.
    asked: Option<(Instant, Duration)>,
}

fn words(source: &Source) -> Vec<String> {
    if let Source::Command(words) = source { words.clone() } else { Vec::new() }
}

impl Unit {
    fn is(&self, program: &str) -> bool {
        self.words.first().is_some_and(|word| word == program)
    }

    fn has_grace(&self) -> bool {
        self.is("stubborn") && self.asked.is_some_and(|(since, grace)| since.elapsed() < grace)
    }
}

impl Plain {
    pub fn new(fault: Option<Fault>) -> Self {
        Self { fault, inner: Arc::default() }
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// As the next engine finds it.
    pub fn reopened(self) -> Self {
        if self.has(Fault::ForgetsInstances) {
            self.inner().units.clear();
        }
        if self.has(Fault::ForgetsTasks) {
            self.inner().errands.forget();
        }
        self
    }

    pub fn raise(&self, track: &TrackRef, token: Token) -> Result<()> {
        let mut inner = self.inner();
        let newest = inner.tokens.entry(track.clone()).or_default();
        if token < *newest && !self.has(Fault::TakesOlder) {
            return Err(Error::new(Kind::Fenced, format!("{token} is older than {newest}")));
        }
        *newest = token.max(*newest);
        Ok(())
    }

    fn refuses(&self, revision: &Revision) -> Result<()> {
        let words = revision.spec.as_ref().map(|spec| words(&spec.source)).unwrap_or_default();
        if words.first().is_some_and(|word| word == "invalid") && !self.has(Fault::TakesWrongBits) {
            return Err(Error::invalid("the bits are not what they should be"));
        }
        Ok(())
    }
}

#[async_trait]
impl Instances for Plain {
    fn capabilities(&self) -> InstancesCapabilities {
        InstancesCapabilities {
            fence: Fence::Atomic,
            survives_engine: true,
            relaunch_adopted: false,
            resources: true,
            tasks: !self.has(Fault::TakesTasksSilently),
            hints: self.has(Fault::DeclaresHints),
        }
    }

    async fn list(&self, track: &TrackRef) -> Result<Vec<Instance>> {
        let mut inner = self.inner();
        let ended = InstanceState::Exited(Exit { code: Some(3), signal: None });
        for unit in inner.units.iter_mut().filter(|unit| unit.is("ends") && unit.asked.is_none()) {
            if !self.has(Fault::EndedRuns) {
                unit.instance.state = ended.clone();
            }
        }
        if self.has(Fault::EndedVanishes) {
            inner.units.retain(|unit| unit.instance.exit().is_none());
        }
        let ours = inner.units.iter().filter(|unit| unit.track == *track);
        let now: Vec<_> = ours.map(|unit| unit.instance.clone()).collect();
        let before = std::mem::replace(&mut inner.shown, now.clone());
        Ok(if self.has(Fault::ListsLate) { before } else { now })
    }

    async fn slots(&self, _track: &TrackRef) -> Result<Vec<Slot>> {
        let slot = |n: u32| Slot { id: format!("here/{n}").into(), host: "here".into(), closed: None };
        Ok((0..8).map(slot).collect())
    }

    async fn launch(&self, slot: &SlotId, launch: &Launch, token: Token) -> Result<()> {
        self.raise(&launch.track, token)?;
        let words = words(&launch.spec.source);
        if words.first().is_some_and(|word| word == "broken") && !self.has(Fault::RunsWhatCannot) {
            return Err(Error::new(Kind::Candidate, "it is no program"));
        }
        if self.has(Fault::LaunchesHalf) {
            let news = self.inner().reserved.insert(slot.clone());
            tokio::task::yield_now().await;
            if !news && self.inner().units.is_empty() {
                return Err(Error::new(Kind::Busy, format!("{slot} is reserved")));
            }
        }
        let mut inner = self.inner();
        let there = inner.units.iter().find(|unit| unit.track == launch.track && unit.instance.slot == *slot);
        match there.map(|unit| unit.instance.side == launch.side) {
            Some(true) if !self.has(Fault::LaunchesTwice) => return Ok(()),
            Some(false) if self.has(Fault::TakesAnotherRevision) => return Ok(()),
            Some(false) => return Err(Error::new(Kind::Busy, format!("{slot} is taken"))),
            _ => {}
        }
        inner.reserved.remove(slot);
        inner.serial += 1;
        let (id, address) = (format!("web-{}", inner.serial), format!("127.0.0.1:{}", 20_000 + inner.serial));
        let address = launch.spec.routed_port().map(|_| address);
        let instance = Instance {
            id: id.into(),
            side: launch.side.clone(),
            slot: slot.clone(),
            state: InstanceState::Running,
            address,
            ports: [].into(),
            started: None,
            admitted: false,
            in_flight: None,
            health: None,
        };
        inner.units.push(Unit { track: launch.track.clone(), instance, words, asked: None });
        Ok(())
    }

    async fn stop(&self, track: &TrackRef, id: &InstanceId, grace: Duration, token: Token) -> Result<()> {
        self.raise(track, token)?;
        let mut inner = self.inner();
        let Some(at) = inner.units.iter().position(|unit| unit.instance.id == *id) else {
            let unknown = Error::new(Kind::NotFound, format!("there is no {id}"));
            return if self.has(Fault::StopsOnlyKnown) { Err(unknown) } else { Ok(()) };
        };
        let unit = &mut inner.units[at];
        match unit.instance.state {
            InstanceState::Exited(_) if self.has(Fault::KeepsTheEnded) => {}
            InstanceState::Running if unit.is("stubborn") && self.has(Fault::KillsAtOnce) => {
                drop(inner.units.remove(at));
            }
            InstanceState::Running => {
                unit.asked = Some((Instant::now(), grace));
                unit.instance.state = match self.fault {
                    Some(Fault::TellsTheStoppedAsEnded) => InstanceState::Exited(Exit::default()),
                    _ => InstanceState::Terminating,
                };
            }
            _ if unit.has_grace() || (unit.is("stubborn") && self.has(Fault::NeverKills)) => {}
            _ => drop(inner.units.remove(at)),
        }
        Ok(())
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        let mut inner = self.inner();
        let newest = inner.tokens.entry(track.clone()).or_default();
        if self.has(Fault::ForgetsTheMark) {
            return Ok(token);
        }
        *newest = token.max(*newest);
        Ok(*newest)
    }

    async fn token(&self, track: &TrackRef) -> Result<Token> {
        Ok(self.inner().tokens.get(track).copied().unwrap_or_default())
    }

    async fn prepare(&self, track: &TrackRef, revisions: &[Revision], token: Token) -> Result<()> {
        self.raise(track, token)?;
        for revision in revisions {
            self.refuses(revision)?;
            self.inner().kept.insert((track.clone(), revision.id.clone()));
        }
        if self.has(Fault::RestartsWhenShipped) {
            self.inner().units.iter_mut().for_each(|unit| unit.instance.id = "web-again".into());
        }
        Ok(())
    }

    async fn serving(&self, track: &TrackRef, side: &Side, token: Token) -> Result<()> {
        if !self.has(Fault::MarksForAnybody) {
            self.raise(track, token)?;
        }
        if !self.has(Fault::MarksNothing) {
            self.inner().serving = Some(side.revision.clone());
        }
        Ok(())
    }

    async fn task(&self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        if self.has(Fault::TakesTasksSilently) {
            return Ok(TaskOutcome::Done);
        }
        if act != TaskAct::Look && !self.has(Fault::StartsForAnybody) {
            self.raise(&run.track, token)?;
        }
        if self.has(Fault::StartsHalf) && act == TaskAct::Start {
            self.inner().errands.count();
            tokio::task::yield_now().await;
            self.inner().errands.uncount();
        }
        Ok(self.inner().errands.act(run, act, self.fault))
    }

    async fn logs(&self, track: &TrackRef, instance: &InstanceId, lines: usize) -> Result<Vec<String>> {
        let inner = self.inner();
        let unit = inner.units.iter().find(|unit| unit.instance.id == *instance);
        match unit {
            Some(unit) if self.has(Fault::LogsTheFirst) => Ok(unit.words.iter().skip(1).take(lines).cloned().collect()),
            Some(unit) => {
                let said = unit.words.get(1..).unwrap_or_default();
                Ok(said[said.len().saturating_sub(lines)..].to_vec())
            }
            None if self.has(Fault::LogsOfNobody) => Ok(Vec::new()),
            None => Err(Error::new(Kind::NotFound, format!("no log of `{instance}` is kept")).with("track", track)),
        }
    }

    async fn prune(&self, track: &TrackRef, keep: &[RevisionId]) -> Result<()> {
        let mut inner = self.inner();
        if self.has(Fault::PrunesTheRunning) {
            inner.units.clear();
        }
        let runs: BTreeSet<_> = inner.units.iter().map(|unit| unit.instance.side.revision.clone()).collect();
        let named = |id: &RevisionId| keep.contains(id) && !self.has(Fault::PrunesTheNamed);
        let all = self.has(Fault::PrunesNothing);
        inner.kept.retain(|(of, id)| all || of != track || runs.contains(id) || named(id));
        Ok(())
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        self.raise(track, token)?;
        let mut inner = self.inner();
        if !self.has(Fault::LeavesBits) {
            inner.kept.retain(|(of, _)| of != track);
        }
        if self.has(Fault::RemovesTheNeighbour) {
            inner.units.clear();
        }
        if self.has(Fault::ForgetsTheFence) {
            inner.tokens.remove(track);
        }
        Ok(())
    }
}
