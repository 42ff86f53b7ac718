//! All that the shell brings to one look, and all that it is told to do.

use crate::{
    Decision, Error, Folded, GateAsk, InstanceId, JudgeSpec, JudgeState, Kind, Observed, Plan, Revision, Signal,
    TaskAct, TaskOutcome, TaskRun, Timestamp, Token, TrackRef, Trouble, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What went wrong in a call, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind of the error.
    pub kind: Kind,
    /// What went wrong, where, and what to do.
    pub message: String,
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

/// All that the shell brings to one look.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The lease this engine holds.
    pub lease: Claim,
    /// Every track of the release and of the one before it.
    pub tracks: BTreeMap<TrackRef, Arc<TrackSeen>>,
    /// The plan as it is made of what is seen now; asked for by [`Effect::Plan`].
    pub plan: Option<Result<Arc<Plan>, Problem>>,
    /// What gates say, by stable key.
    pub gates: BTreeMap<String, Decision>,
    /// What was asked and not yet taken, oldest first.
    pub signals: Vec<Signal>,
}

impl Seen {
    /// What is seen of a track, to be changed. What shares it keeps what it has.
    pub fn track_mut(&mut self, track: &TrackRef) -> Option<&mut TrackSeen> {
        self.tracks.get_mut(track).map(Arc::make_mut)
    }
}

/// What the machine needs to know of the lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claim {
    /// Its epoch.
    pub epoch: u64,
    /// When the lease before it was last renewed.
    pub renewed_before: Option<Timestamp>,
}

/// What is seen of one track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrackSeen {
    /// The newest token that the platform reports; observed for itself before this engine has written its own.
    pub newest: Option<Token>,
    /// The platform took this engine's token.
    pub fenced: bool,
    /// What runs; none where it could not be observed.
    pub observed: Option<Arc<Observed>>,
    /// Why a call for the whole track failed, by what was called; gone when the same call succeeds.
    pub problems: BTreeMap<Call, Problem>,
    /// Folded health of every instance that the engine probes, and `since` carried over from the record.
    pub health: BTreeMap<InstanceId, Folded>,
    /// What it needs was shipped, under this engine's lease.
    pub prepared: bool,
    /// It was removed, its route with it.
    pub removed: bool,
    /// Outcomes of tasks, by stable key.
    pub tasks: BTreeMap<String, TaskOutcome>,
    /// What the last call could not do.
    pub troubles: Vec<Trouble>,
    /// What is kept of instances, asked for by [`Effect::Capture`]: words and the last lines of their logs.
    pub evidence: BTreeMap<InstanceId, Captured>,
    /// The verdict on the interval that was asked for.
    pub judged: Option<Judgement>,
}

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Observe.
    Observe,
    /// Fence.
    Fence,
    /// Prepare.
    Prepare,
    /// Converge.
    Converge,
    /// Task.
    Task,
    /// Remove.
    Remove,
}

/// What is kept of an instance before it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// Probe results and conditions, in words.
    pub words: Vec<String>,
    /// The last 200 lines of its log.
    pub log: Vec<String>,
}

/// The verdict on one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The interval's number.
    pub interval: u64,
    /// What the judge remembers.
    pub state: JudgeState,
    /// What it says.
    pub verdict: Verdict,
}

/// Something for the shell to do. Each is idempotent; what came of it is in the next [`Seen`].
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read the newest token of a track.
    ReadToken {
        /// The track.
        track: TrackRef,
    },
    /// Write this engine's token.
    Fence {
        /// The track.
        track: TrackRef,
        /// The token.
        token: Token,
    },
    /// Make the plan of what is seen now.
    Plan,
    /// Ship what revisions need.
    Prepare {
        /// The track.
        track: TrackRef,
        /// The revisions.
        revisions: Vec<Revision>,
        /// The token.
        token: Token,
    },
    /// Take the order that is under way further; [`order`](crate::machine::order) makes it.
    Converge {
        /// The track.
        track: TrackRef,
        /// What is counted neither in settled nor in the floor.
        written_off: BTreeSet<InstanceId>,
        /// Nothing is launched, retired or shifted.
        paused: bool,
    },
    /// Start, look at or bar a task.
    Task {
        /// The task.
        run: TaskRun,
        /// What to do about it.
        act: TaskAct,
        /// The token.
        token: Token,
    },
    /// Ask a gate.
    Ask(GateAsk),
    /// Have one more interval judged.
    Judge {
        /// The track.
        track: TrackRef,
        /// The judge.
        judge: JudgeSpec,
        /// The interval's number, from 1.
        interval: u64,
        /// It began then.
        began: Timestamp,
        /// It ends then; the figures are asked for from then on.
        ends: Timestamp,
        /// What the judge remembers.
        state: JudgeState,
    },
    /// Keep what is known of instances before they go.
    Capture {
        /// The track.
        track: TrackRef,
        /// The instances.
        instances: Vec<InstanceId>,
    },
    /// Forget a workload that was removed.
    Remove {
        /// The track.
        track: TrackRef,
        /// The token.
        token: Token,
    },
    /// Look again at this time at the latest.
    Wake {
        /// When.
        at: Timestamp,
    },
}

/// What follows from one look: first the events are appended, then the effects are done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Next {
    /// What happened.
    pub events: Vec<crate::What>,
    /// What is to be done, a function of the record after the events and of what was seen alone.
    pub effects: Vec<Effect>,
}
