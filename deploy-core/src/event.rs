//! What happened, in order: the record is the fold of it.

use crate::{
    Actor, Condition, Decision, Disposition, Exit, Folded, InstanceId, JudgeState, Kind, OrderLine, OrderNow, Plan,
    PlanStage, Request, Side, Signal, Taken, TaskOutcome, Timestamp, TrackRef, Trouble, Verdict,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that happened to a deployment. Events are gapless and never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place, from 1 without gaps.
    pub number: u64,
    /// When, by the store's clock, UTC.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened. [`What::name`] is the name that people rely on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs, reason = "each variant is documented; its fields say what they are by name and type")]
#[non_exhaustive]
pub enum What {
    /// It was asked for.
    Requested { request: Box<Request>, actor: Actor },
    /// It has until then to begin.
    PendingUntil { deadline: Timestamp },
    /// An engine took it, under an epoch; what each platform's newest token was.
    Claimed { epoch: u64, tracks: Vec<TrackRef>, renewed: Option<Timestamp> },
    /// What a platform's newest token was: this engine's is the next.
    TokenRead { track: TrackRef, newest: crate::Token },
    /// A platform took the token: its observations count from here on.
    Fenced { track: TrackRef },
    /// It has begun.
    Started { plan: Arc<Plan>, deadline: Timestamp },
    /// What a track needs was shipped.
    Prepared { track: TrackRef },
    /// A stage began, or a step after the commit or of the way back.
    StageBegan {
        track: TrackRef,
        index: usize,
        taken: Taken,
        baseline: u32,
        lines: Vec<OrderLine>,
        deadline: Timestamp,
    },
    /// The workload's count has grown: the stage grows again.
    CountRaised { track: TrackRef, taken: Taken, lines: Vec<OrderLine> },
    /// A task began, under its stable key.
    TaskBegan { track: TrackRef, key: String, name: String, undo: bool },
    /// A task ended.
    TaskEnded { track: TrackRef, key: String, outcome: TaskOutcome },
    /// An order began.
    OrderBegan { track: TrackRef, order: Box<OrderNow> },
    /// The change of traffic was seen for the first time.
    TrafficSeen { track: TrackRef },
    /// An order is settled.
    OrderSettled { track: TrackRef, line: OrderLine, to: Option<Side> },
    /// All orders of a stage are settled and its tasks are done: it bakes.
    Settled { track: TrackRef },
    /// What was settled is so no more; the order is taken up again.
    Unsettled { track: TrackRef, reason: String },
    /// A judge gave its verdict on one more interval.
    Judged { track: TrackRef, interval: u64, state: JudgeState, verdict: Verdict },
    /// A gate is asked; it has until then.
    GateAsked { track: Option<TrackRef>, key: String, name: String, deadline: Timestamp },
    /// A gate decided, or somebody for it.
    GateDecided { track: Option<TrackRef>, key: String, decision: Decision },
    /// A stage has passed.
    StagePassed { track: TrackRef, index: usize },
    /// All stages of a track, or all steps of its way back, have passed.
    TrackDone { track: TrackRef },
    /// Folded health changed. No side and no health: the instance is gone.
    HealthChanged { track: TrackRef, instance: InstanceId, side: Option<Side>, folded: Option<Folded> },
    /// An instance ended by itself; the last lines of what it said.
    InstanceEnded {
        track: TrackRef,
        instance: InstanceId,
        side: Side,
        slot: crate::SlotId,
        exit: Exit,
        log: Vec<String>,
    },
    /// What is known of an instance of a candidate that failed, kept before it goes.
    Evidence { track: TrackRef, instance: InstanceId, side: Side, words: Vec<String>, log: Vec<String> },
    /// What the platform says has changed.
    ConditionsChanged { track: TrackRef, conditions: Vec<Condition> },
    /// Something could not be done.
    TroubleBegan { track: TrackRef, trouble: Trouble },
    /// It can be done again.
    TroubleEnded { track: TrackRef, place: String },
    /// What somebody asked for was taken up.
    Signalled { signal: Signal },
    /// What somebody asked for is not possible now.
    SignalRefused { signal: Signal, reason: String },
    /// It waits for a person. Until then; then it goes back, or on after the commit.
    Paused { reason: String, deadline: Timestamp },
    /// It goes on; deadlines moved by the time it was paused.
    Resumed { by: Actor },
    /// It goes back, by these steps.
    RollbackStarted {
        reason: String,
        disposition: Disposition,
        legs: BTreeMap<TrackRef, Vec<PlanStage>>,
        deadline: Timestamp,
    },
    /// It would go back but cannot.
    BackRefused { reason: String },
    /// Nobody of what serves is ready and the other side could serve; what would help.
    Warned { track: TrackRef, words: String },
    /// All workloads together: from here on there is no way back.
    Committed { deadline: Timestamp },
    /// The candidate serves everything.
    Completed,
    /// The earlier release serves everything again.
    RolledBack { reason: String },
    /// It ended otherwise: what is where.
    Failed { reason: String, kind: Kind },
    /// It ended before anything was changed.
    Cancelled { reason: String },
}

impl What {
    /// The name that people rely on, as in `deployment_started`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "deployment_requested",
            Self::PendingUntil { .. } => "deployment_pending",
            Self::Claimed { .. } => "engine_claimed",
            Self::TokenRead { .. } => "token_read",
            Self::Fenced { .. } => "platform_fenced",
            Self::Started { .. } => "deployment_started",
            Self::Prepared { .. } => "service_prepared",
            Self::StageBegan { .. } => "service_updating",
            Self::CountRaised { .. } => "count_raised",
            Self::TaskBegan { .. } => "task_started",
            Self::TaskEnded { .. } => "task_ended",
            Self::OrderBegan { order, .. } => order.line.began(),
            Self::TrafficSeen { .. } => "traffic_seen",
            Self::OrderSettled { line, .. } => line.settled(),
            Self::Settled { .. } => "service_settled",
            Self::Unsettled { .. } => "service_unsettled",
            Self::Judged { .. } => "release_judged",
            Self::GateAsked { .. } => "gate_asked",
            Self::GateDecided { .. } => "gate_decided",
            Self::StagePassed { .. } => "stage_passed",
            Self::TrackDone { .. } => "service_updated",
            Self::HealthChanged { .. } => "health_changed",
            Self::InstanceEnded { .. } => "instance_ended",
            Self::Evidence { .. } => "evidence_kept",
            Self::ConditionsChanged { .. } => "conditions_changed",
            Self::TroubleBegan { .. } => "trouble_began",
            Self::TroubleEnded { .. } => "trouble_ended",
            Self::Signalled { .. } => "signal_taken",
            Self::SignalRefused { .. } => "signal_refused",
            Self::Paused { .. } => "deployment_paused",
            Self::Resumed { .. } => "deployment_resumed",
            Self::RollbackStarted { .. } => "rollback_started",
            Self::BackRefused { .. } => "rollback_refused",
            Self::Warned { .. } => "deployment_warned",
            Self::Committed { .. } => "deployment_committed",
            Self::Completed => "deployment_completed",
            Self::RolledBack { .. } => "rollback_completed",
            Self::Failed { .. } => "deployment_failed",
            Self::Cancelled { .. } => "deployment_cancelled",
        }
    }

    /// The track it is about, where it is about one.
    pub fn track(&self) -> Option<&TrackRef> {
        match self {
            Self::Fenced { track }
            | Self::TokenRead { track, .. }
            | Self::Settled { track }
            | Self::Prepared { track }
            | Self::StageBegan { track, .. }
            | Self::CountRaised { track, .. }
            | Self::TaskBegan { track, .. }
            | Self::TaskEnded { track, .. }
            | Self::OrderBegan { track, .. }
            | Self::TrafficSeen { track }
            | Self::OrderSettled { track, .. }
            | Self::Unsettled { track, .. }
            | Self::Judged { track, .. }
            | Self::StagePassed { track, .. }
            | Self::TrackDone { track }
            | Self::HealthChanged { track, .. }
            | Self::InstanceEnded { track, .. }
            | Self::Evidence { track, .. }
            | Self::ConditionsChanged { track, .. }
            | Self::TroubleBegan { track, .. }
            | Self::TroubleEnded { track, .. }
            | Self::Warned { track, .. } => Some(track),
            Self::GateAsked { track, .. } | Self::GateDecided { track, .. } => track.as_ref(),
            _ => None,
        }
    }
}

impl OrderLine {
    fn began(&self) -> &'static str {
        match self.kind {
            crate::OrderKind::Grow if self.from > 0 => "green_deployment_started",
            crate::OrderKind::Grow => "services_starting",
            crate::OrderKind::Shift => "traffic_switching",
            crate::OrderKind::Shrink => "services_stopping",
            crate::OrderKind::InPlace => "services_replacing",
        }
    }

    fn settled(&self) -> &'static str {
        match self.kind {
            crate::OrderKind::Grow => "services_started",
            crate::OrderKind::Shift => "traffic_switched",
            crate::OrderKind::Shrink => "services_stopped",
            crate::OrderKind::InPlace => "services_replaced",
        }
    }
}
