//! The waves of one deployment, as data.

use crate::time::human;
use crate::{Capabilities, Name, ReleaseId, Revision, RevisionId, Scope, Side, Stage, Timestamp, TrackRef, Traffic};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The whole way of one deployment. It can be printed, compared, verified, approved and stored before anything is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The application and environment.
    pub scope: Scope,
    /// The release that is brought in.
    pub release: ReleaseId,
    /// Its version as people call it.
    pub version: String,
    /// When what it was made from was observed.
    pub made_at: Timestamp,
    /// What changes, by workload and target. Empty: everything is as asked already.
    pub tracks: BTreeMap<TrackRef, Box<Track>>,
    /// Tracks that run at the same time; in this order, and back in reverse.
    pub waves: Vec<Vec<TrackRef>>,
    /// The whole way forward takes at most so long.
    #[serde(with = "human")]
    pub deadline: Duration,
    /// The whole way back takes at most so long.
    #[serde(with = "human")]
    pub back_deadline: Duration,
}

/// The stages of one workload on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// What serves and is to be replaced; none for a workload that is new.
    pub stable: Option<Party>,
    /// What is brought in; none for a workload that goes.
    pub candidate: Option<Party>,
    /// The name of the strategy, or core's own: `first`, `same`, `removal`.
    pub strategy: String,
    /// Requests are routed to it.
    pub routed: bool,
    /// At most one instance at a time.
    pub exclusive: bool,
    /// Before the commit.
    pub before: Vec<PlanStage>,
    /// After it: without holds and without a way back.
    pub after: Vec<PlanStage>,
    /// What it was made from.
    pub made_from: MadeFrom,
}

/// A side of a track with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The revision at its place.
    pub side: Side,
    /// What its instances are made from.
    pub revision: Revision,
    /// The workload's count in its own release.
    pub count: u32,
    /// What its version header may say, besides the revision's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A stage with the sides it moves between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStage {
    /// What the strategy laid out. `stable` of its desired state is `from`, `candidate` is `to`.
    pub stage: Stage,
    /// The side that traffic and counts move from.
    pub from: Option<Side>,
    /// The side they move to.
    pub to: Option<Side>,
}

/// What a track was planned from: if this has changed, it is planned again or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFrom {
    /// How many stood of each side.
    pub sides: BTreeMap<Side, u32>,
    /// Where requests went.
    pub spread: crate::Spread,
    /// What the platform could do.
    pub capabilities: Capabilities,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// The track of a workload.
    pub fn track_of(&self, workload: &Name) -> Option<(&TrackRef, &Track)> {
        let mut tracks = self.tracks.iter().map(|(track, planned)| (track, &**planned));
        tracks.find(|(track, _)| track.workload == *workload)
    }

    /// The wave a track is in.
    pub fn wave_of(&self, track: &TrackRef) -> usize {
        self.waves.iter().position(|wave| wave.contains(track)).unwrap_or_default()
    }

    /// What differs from another plan but for the times, as a path and both values; none where they are equal.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let comparable = |plan: &Self| {
            let mut plan = plan.clone();
            plan.made_at = Timestamp::UNIX_EPOCH;
            serde_json::to_value(plan).unwrap_or_default()
        };
        first_difference("plan", &comparable(self), &comparable(other))
    }
}

fn first_difference(path: &str, one: &serde_json::Value, other: &serde_json::Value) -> Option<String> {
    use serde_json::Value::{Array, Object};
    match (one, other) {
        (one, other) if one == other => None,
        (Object(a), Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let null = serde_json::Value::Null;
            let value = |map: &'_ serde_json::Map<String, serde_json::Value>, key: &String| {
                map.get(key).cloned().unwrap_or(null.clone())
            };
            keys.into_iter().find_map(|key| first_difference(&format!("{path}.{key}"), &value(a, key), &value(b, key)))
        }
        (Array(a), Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| first_difference(&format!("{path}[{i}]"), a, b))
        }
        (one, other) => Some(format!("{path}: {one} was approved, {other} is so now")),
    }
}

impl Track {
    /// The parties, stable first.
    pub fn parties(&self) -> impl Iterator<Item = &Party> {
        self.stable.iter().chain(&self.candidate)
    }

    /// Whether how many run of a party is the platform's own business.
    pub fn is_serverless(&self) -> bool {
        self.parties().filter_map(|party| party.revision.spec.as_ref()).any(|spec| spec.is_serverless())
    }

    /// The party of a side: by its revision, wherever it stands.
    pub fn party(&self, revision: &RevisionId) -> Option<&Party> {
        self.candidate.iter().chain(&self.stable).find(|party| party.side.revision == *revision)
    }

    /// How long after a change of traffic was first seen every request follows it and old ones are finished, where the
    /// evidence is less than the data plane: propagation and the longer drain time of the parties.
    pub fn followed(&self) -> Duration {
        let drains = self.parties().filter_map(|party| party.revision.spec.as_ref()).map(|spec| spec.drain);
        self.made_from.capabilities.propagation + drains.max().unwrap_or_default()
    }

    /// The traffic of the way back of what is new: none of it is left. Nothing where there is a stable.
    pub(crate) fn nobody_left(&self) -> Option<Traffic> {
        self.stable.is_none().then(|| self.made_from.capabilities.nobody(self.routed))
    }

    /// Whether stable and candidate are the same revision, or one is absent.
    pub fn same_revision(&self) -> bool {
        matches!((&self.stable, &self.candidate), (Some(a), Some(b)) if a.revision.id == b.revision.id)
    }
}
