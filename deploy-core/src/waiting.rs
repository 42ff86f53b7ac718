//! What a deployment waits for, as data.

use crate::record::{Grip, Point};
use crate::time::{between, show};
use crate::{Record, Timestamp, Track, TrackRef, TrackState, Way};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that is awaited: what, since when, until when, and what comes then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The track that waits; none for the deployment as a whole.
    pub track: Option<TrackRef>,
    /// The stage of how many, from 1.
    pub stage: Option<(usize, usize)>,
    /// What is awaited, in words.
    pub on: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when at the latest.
    pub until: Option<Timestamp>,
    /// What comes then.
    pub then: String,
}

impl Record {
    /// Everything that is awaited now; empty once it has ended.
    pub fn waiting(&self) -> Vec<Waiting> {
        if let Some(pause) = &self.paused {
            let then = if self.committed() { "goes on" } else { "goes back" };
            return vec![whole(format!("paused: {}", pause.reason), pause.since, Some(pause.deadline), then)];
        }
        match &self.way {
            Way::Ended { .. } => Vec::new(),
            Way::Pending { deadline } => self.waiting_to_begin(*deadline),
            _ => self.waiting_tracks(),
        }
    }

    fn waiting_to_begin(&self, deadline: Option<Timestamp>) -> Vec<Waiting> {
        let gates: Vec<_> = self.gates.values().filter(|gate| gate.decision.is_none()).collect();
        if gates.is_empty() {
            return vec![whole("to begin".into(), self.created, deadline, "fails, nothing changed")];
        }
        gates
            .iter()
            .map(|gate| {
                whole(format!("gate {}", gate.name), self.created, Some(gate.deadline), "fails, nothing changed")
            })
            .collect()
    }

    fn waiting_tracks(&self) -> Vec<Waiting> {
        let plan = self.plan.iter().flat_map(|plan| &plan.tracks);
        let tracks = plan.filter_map(|(name, planned)| Some((name, planned, self.tracks.get(name)?)));
        tracks
            .filter(|(_, _, state)| state.point != Point::Done)
            .map(|(name, planned, state)| self.waiting_track(name, planned, state))
            .collect()
    }

    fn waiting_track(&self, name: &TrackRef, planned: &Track, state: &TrackState) -> Waiting {
        let leg = self.leg(planned, state);
        let (until, then) = match self.way {
            Way::Forward { deadline } => (state.deadline.unwrap_or(deadline), "goes back"),
            Way::After { deadline } => (state.deadline.unwrap_or(deadline), "fails, and says what is where"),
            Way::Back { deadline, .. } => (deadline, "fails, and says what is where"),
            _ => (state.since, "nothing"),
        };
        let until = self.gate_deadline(state).unwrap_or(until);
        let then = match leg.get(state.stage).map(|stage| stage.stage.on_deadline) {
            Some(crate::OnDeadline::Pause) if matches!(self.way, Way::Forward { .. }) => "pauses",
            _ => then,
        };
        Waiting {
            track: Some(name.clone()),
            stage: (!leg.is_empty()).then(|| (leg.len().min(state.stage + 1), leg.len())),
            on: self.awaited(planned, state),
            since: state.since,
            until: Some(until),
            then: then.to_owned(),
        }
    }

    fn gate_deadline(&self, state: &TrackState) -> Option<Timestamp> {
        let open = || self.gates.values().filter(|gate| gate.decision.is_none()).map(|gate| gate.deadline).min();
        (state.point == Point::Gate).then(open).flatten()
    }

    fn awaited(&self, planned: &Track, state: &TrackState) -> String {
        let stage = self.stage(planned, state);
        let task = |task: Option<&crate::Task>| task.map_or_else(move_on, |task| format!("task {}", task.name));
        match state.point {
            _ if state.grip != Grip::Held => "its platform to take our token".into(),
            Point::Idle if !state.prepared => "to be prepared".into(),
            Point::Idle => "its turn".into(),
            Point::Before(index) => task(stage.and_then(|stage| stage.stage.step.before.get(index))),
            Point::After(index) => task(stage.and_then(|stage| stage.stage.step.after.get(index))),
            Point::Next(_) | Point::Done => move_on(),
            Point::Order(_) => {
                let order = state.order.as_ref().map(|order| order.line.words());
                let trouble = state.troubles.values().next().map(|(_, trouble)| trouble.message.clone());
                order.into_iter().chain(trouble).collect::<Vec<_>>().join("; ")
            }
            Point::Bake => {
                let bake = stage.map(|stage| stage.stage.holds.bake).unwrap_or_default();
                format!(
                    "baking, {} of {} earned before {}",
                    show(state.earned),
                    show(bake),
                    state.since.strftime("%H:%M:%SZ")
                )
            }
            Point::Gate => stage
                .and_then(|stage| stage.stage.holds.gate.as_ref())
                .map_or_else(move_on, |gate| format!("gate {}", gate.name)),
        }
    }
}

fn move_on() -> String {
    "to move on".into()
}

fn whole(on: String, since: Timestamp, until: Option<Timestamp>, then: &str) -> Waiting {
    Waiting { track: None, stage: None, on, since, until, then: then.to_owned() }
}

impl crate::OrderLine {
    /// The order in words: `bringing up 3 of stable and 6 of the candidate`, `moving traffic to 10%`.
    pub fn words(&self) -> String {
        let doing = match self.kind {
            crate::OrderKind::Grow => "bringing up",
            crate::OrderKind::Shift => "moving traffic to",
            crate::OrderKind::Shrink => "taking down to",
            crate::OrderKind::InPlace => "replacing, to",
        };
        match self.kind {
            crate::OrderKind::Shift => format!("{doing} {}", self.traffic),
            _ => format!("{doing} {} of stable and {} of the candidate", self.from, self.to),
        }
    }
}

impl Waiting {
    /// For people, at a time: `web on edge, stage 2 of 6: baking, …; ends 15:41:12Z at the latest, then goes back`.
    pub fn at(&self, now: Timestamp) -> String {
        let mut words =
            self.track.as_ref().map_or_else(String::new, |track| format!("{} on {}", track.workload, track.target));
        if let Some((stage, of)) = self.stage {
            words = format!("{words}, stage {stage} of {of}");
        }
        let separator = if words.is_empty() { "" } else { ": " };
        words = format!("{words}{separator}{}, since {}", self.on, show(between(self.since, now)));
        match self.until {
            Some(until) => format!("{words}; ends {} at the latest, then {}", until.strftime("%H:%M:%SZ"), self.then),
            None => words,
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at(self.since))
    }
}
