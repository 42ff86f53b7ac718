//! The whole state of a deployment: the fold of its events.

use crate::orders::{OrderLine, OrderNow, Standing, Taken};
use crate::{
    Actor, Condition, Decision, DeploymentId, Folded, InstanceId, JudgeState, Plan, PlanStage, Request, Scope, Side,
    SlotId, TaskOutcome, Timestamp, Track, TrackRef, Trouble, Verdict,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How a deployment stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has not begun.
    Pending,
    /// It is under way.
    InProgress,
    /// It waits for a person.
    Paused,
    /// It goes back.
    RollingBack,
    /// The candidate serves everything.
    Completed,
    /// The earlier release serves everything again.
    RolledBack,
    /// It ended otherwise.
    Failed,
    /// It ended before anything was changed.
    Cancelled,
}

impl Status {
    /// Whether it has ended.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::RolledBack | Self::Failed | Self::Cancelled)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Paused => "paused",
            Self::RollingBack => "rolling_back",
            Self::Completed => "completed",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Which way a deployment goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It has not begun.
    Pending {
        /// It has failed when it has not begun by then.
        deadline: Option<Timestamp>,
    },
    /// To the candidate.
    Forward {
        /// The whole way is late then.
        deadline: Timestamp,
    },
    /// After the commit.
    After {
        /// The steps after the commit are late then.
        deadline: Timestamp,
    },
    /// Back to stable.
    Back {
        /// Why.
        reason: String,
        /// The whole way back is late then.
        deadline: Timestamp,
    },
    /// Ended.
    Ended {
        /// How.
        status: Status,
        /// Why, where that is worth a word.
        reason: Option<String>,
        /// When.
        at: Timestamp,
    },
}

/// A wait for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// It ends by itself then.
    pub deadline: Timestamp,
}

/// A task that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// Its name in the plan.
    pub name: String,
    /// Since when.
    pub began: Timestamp,
    /// Its end, once it is known.
    pub outcome: Option<TaskOutcome>,
    /// It takes back another one.
    pub undo: bool,
}

/// A gate that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateState {
    /// Its name in the plan.
    pub name: String,
    /// No decision by then is a refusal.
    pub deadline: Timestamp,
    /// What it decided.
    pub decision: Option<Decision>,
}

/// How far a platform took an engine's token. Its observations count once it is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grip {
    /// Its newest token is not known yet.
    #[default]
    Unread,
    /// This engine's token is to be written.
    Read,
    /// It is written: older ones are refused.
    Held,
}

/// Where in its leg a track stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Its stage has not begun.
    #[default]
    Idle,
    /// Before anything moves: the task of this index.
    Before(usize),
    /// The order of this index is to begin.
    Next(usize),
    /// The order of this index is under way.
    Order(usize),
    /// Settled: the task of this index.
    After(usize),
    /// It bakes, with or without a judge.
    Bake,
    /// A gate decides.
    Gate,
    /// All stages of the leg have passed.
    Done,
}

impl Point {
    /// Whether a stage is under way, and its deadline counts: it has begun, and no gate is asked that has its own.
    pub(crate) fn is_under_way(self) -> bool {
        self > Self::Idle && self < Self::Gate
    }
}

/// What a judge said so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The interval that was judged last, from 1.
    pub interval: u64,
    /// When.
    pub at: Timestamp,
    /// What it remembers.
    pub state: JudgeState,
    /// What it said.
    pub verdict: Verdict,
}

/// An instance that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// The slot it stood in.
    pub slot: SlotId,
    /// Its side.
    pub side: Side,
    /// When it was seen.
    pub at: Timestamp,
    /// How it ended, in words.
    pub words: String,
}

/// One track of a deployment that is under way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackState {
    /// How far the platform took this engine's token.
    pub grip: Grip,
    /// What it needs was shipped.
    pub prepared: bool,
    /// An order or a task of it is recorded.
    pub touched: bool,
    /// The newest generation; its epoch is the record's.
    pub generation: u64,
    /// The stage of the leg.
    pub stage: usize,
    /// Where in the stage.
    pub point: Point,
    /// When the point was reached.
    #[serde(default)]
    pub since: Timestamp,
    /// When its stage began.
    #[serde(default)]
    pub stage_began: Timestamp,
    /// The stage is late then.
    pub deadline: Option<Timestamp>,
    /// The counts as taken when the stage began.
    pub taken: Taken,
    /// How many of what serves were ready when a stage began; never lowered.
    pub baseline: u32,
    /// The orders of the stage.
    pub lines: Vec<OrderLine>,
    /// The last order that was begun: what the platform is held to.
    pub order: Option<OrderNow>,
    /// Where the last order left it.
    pub standing: Standing,
    /// Where the order before that left it.
    pub standing_before: Standing,
    /// A change of traffic was ordered, and no order has settled since.
    #[serde(default)]
    pub shifting: bool,
    /// When the change of traffic was first seen.
    pub traffic_seen: Option<Timestamp>,
    /// How much of the bake was earned before `since`.
    #[serde(with = "crate::time::human")]
    pub earned: Duration,
    /// Its stage is judged: it earns by verdicts alone.
    #[serde(default)]
    pub judging: bool,
    /// The number of the last interval that was judged, or void, over all stages.
    #[serde(default)]
    pub intervals: u64,
    /// What the judge said in this stage.
    pub judged: Option<Judged>,
    /// Promoted: bake, judge and gate of the stage are passed over.
    pub promoted: bool,
    /// Folded health of every instance that is known.
    pub health: BTreeMap<InstanceId, Folded>,
    /// Changes of health in this stage, by instance.
    pub flaps: BTreeMap<InstanceId, u32>,
    /// Instances whose end is recorded.
    pub ended: BTreeSet<InstanceId>,
    /// Instances of a failed candidate of which all is kept.
    pub evidence: BTreeSet<InstanceId>,
    /// Ends by themselves, the newest last.
    pub crashes: Vec<Crash>,
    /// What the platform says.
    pub conditions: Vec<Condition>,
    /// When that was noted.
    #[serde(default)]
    pub conditions_at: Timestamp,
    /// What cannot be done, and since when.
    pub troubles: BTreeMap<String, (Timestamp, Trouble)>,
    /// Told that nobody of what serves is ready.
    pub warned: bool,
    /// The way back, once it goes back.
    pub back: Vec<PlanStage>,
}

/// The whole state of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The deployment.
    pub id: DeploymentId,
    /// Its application and environment.
    pub scope: Scope,
    /// What was asked for.
    pub request: Arc<Request>,
    /// Who asked for it.
    pub actor: Actor,
    /// When.
    pub created: Timestamp,
    /// The number of its newest event.
    pub version: u64,
    /// The epoch of the engine that has it.
    pub epoch: u64,
    /// Which way it goes.
    pub way: Way,
    /// It waits for a person.
    pub paused: Option<Pause>,
    /// The plan, once it has begun.
    pub plan: Option<Arc<Plan>>,
    /// Every track; shared by clones of the record until an event changes it.
    pub tracks: BTreeMap<TrackRef, Arc<TrackState>>,
    /// Every task that was begun, by its stable key.
    pub tasks: BTreeMap<String, TaskState>,
    /// Every gate that was asked, by its stable key.
    pub gates: BTreeMap<String, GateState>,
    /// Why it cannot go back, once it would have.
    pub back_refused: Option<String>,
    /// Promote to the end was asked.
    pub promoted: bool,
    /// The newest signal that was taken.
    pub signals: u64,
    /// 0 to 100.
    pub progress: u8,
}

impl Record {
    /// How it stands.
    pub fn status(&self) -> Status {
        match &self.way {
            Way::Ended { status, .. } => *status,
            _ if self.paused.is_some() => Status::Paused,
            Way::Pending { .. } => Status::Pending,
            Way::Forward { .. } | Way::After { .. } => Status::InProgress,
            Way::Back { .. } => Status::RollingBack,
        }
    }

    /// Whether anything was changed.
    pub fn touched(&self) -> bool {
        self.tracks.values().any(|track| track.touched)
    }

    /// Whether it is past its commit.
    pub fn committed(&self) -> bool {
        matches!(self.way, Way::After { .. } | Way::Ended { status: Status::Completed, .. })
    }

    /// A track of the plan with its state.
    pub fn track(&self, track: &TrackRef) -> Option<(&Track, &TrackState)> {
        Some((&**self.plan.as_deref()?.tracks.get(track)?, &**self.tracks.get(track)?))
    }

    /// The stages a track is on: forward, after the commit, or back.
    pub fn leg<'a>(&'a self, planned: &'a Track, state: &'a TrackState) -> &'a [PlanStage] {
        match self.way {
            Way::Back { .. } => &state.back,
            Way::After { .. } | Way::Ended { .. } => &planned.after,
            _ => &planned.before,
        }
    }

    /// The stage a track is at.
    pub fn stage<'a>(&'a self, planned: &'a Track, state: &'a TrackState) -> Option<&'a PlanStage> {
        self.leg(planned, state).get(state.stage)
    }

    /// Folded health as it counts: an instance that flapped more than 10 times in a stage is unhealthy for that stage,
    /// unless it cannot be told.
    pub fn settle_health(&self, track: &TrackRef, instance: &InstanceId, folded: Folded) -> Folded {
        let flaps = self.tracks.get(track).and_then(|state| state.flaps.get(instance)).copied().unwrap_or(0);
        let is_told = folded.health != crate::Health::Unknown;
        if flaps > Self::FLAPS && is_told { Folded { health: crate::Health::Unhealthy, ..folded } } else { folded }
    }

    /// So many changes of health of an instance in a stage are recorded; then it is unhealthy for that stage.
    pub const FLAPS: u32 = 10;

    /// When it ended.
    pub fn ended(&self) -> Option<Timestamp> {
        match self.way {
            Way::Ended { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Why it ended as it did, or goes back.
    pub fn reason(&self) -> Option<&str> {
        match &self.way {
            Way::Ended { reason, .. } => reason.as_deref(),
            Way::Back { reason, .. } => Some(reason),
            _ => self.paused.as_ref().map(|pause| pause.reason.as_str()),
        }
    }
}
