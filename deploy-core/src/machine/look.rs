//! One look: the lease, and every track as it is seen.

use super::roll::Roll;
use super::{Seen, TrackSeen};
use crate::record::Grip;
use crate::{Observed, Record, Side, Timestamp, Track, TrackRef, TrackState, Way, What};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is seen of every track.
pub(super) type Rolls<'a> = BTreeMap<&'a TrackRef, Roll<'a>>;

/// The record, what is seen, and the time.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) record: &'a Record,
    pub(super) seen: &'a Seen,
    pub(super) rolls: &'a Rolls<'a>,
    pub(super) now: Timestamp,
}

/// One track of a look, as far as its platform is held.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) look: Look<'a>,
    pub(super) name: &'a TrackRef,
    pub(super) planned: &'a Track,
    pub(super) state: &'a TrackState,
    pub(super) seen: &'a TrackSeen,
    pub(super) roll: &'a Roll<'a>,
}

impl<'a> Look<'a> {
    /// The lease: taken anew, each platform's token read, and its word that it took ours.
    pub(super) fn claim(&self) -> Vec<What> {
        let lease = self.seen.lease;
        if self.record.epoch != lease.epoch {
            let tracks = self.seen.tracks.keys().cloned().collect();
            return vec![What::Claimed { epoch: lease.epoch, tracks, renewed: lease.renewed_before }];
        }
        let grip = |(track, state): (&TrackRef, &Arc<TrackState>)| {
            let seen = self.seen.tracks.get(track)?;
            match (state.grip, seen.newest) {
                (Grip::Unread, Some(newest)) => Some(What::TokenRead { track: track.clone(), newest }),
                (Grip::Read, _) if seen.fenced => Some(What::Fenced { track: track.clone() }),
                _ => None,
            }
        };
        self.record.tracks.iter().find_map(grip).into_iter().collect()
    }

    /// Every track of the plan that is held and was observed.
    pub(super) fn sights(self) -> impl Iterator<Item = Sight<'a>> {
        self.all_sights().filter(Sight::is_observed)
    }

    /// Every track of the plan, observed or not.
    pub(super) fn all_sights(self) -> impl Iterator<Item = Sight<'a>> {
        let plan = self.record.plan.as_deref();
        plan.into_iter().flat_map(|plan| &plan.tracks).filter_map(move |(name, planned)| {
            let state = self.record.tracks.get(name)?;
            let roll = self.rolls.get(name)?;
            Some(Sight { look: self, name, planned, state, seen: roll.seen, roll })
        })
    }
}

impl<'a> Sight<'a> {
    pub(super) fn is_observed(&self) -> bool {
        self.state.grip == Grip::Held && self.seen.observed.is_some()
    }

    pub(super) fn record(&self) -> &'a Record {
        self.look.record
    }

    pub(super) fn observed(&self) -> Option<&'a Observed> {
        self.seen.observed.as_deref()
    }

    pub(super) fn is_back(&self) -> bool {
        matches!(self.record().way, Way::Back { .. })
    }

    pub(super) fn is_forward(&self) -> bool {
        matches!(self.record().way, Way::Forward { .. })
    }

    /// Whether a side is the candidate's, at either place.
    pub(super) fn is_candidate(&self, side: &Side) -> bool {
        self.planned.candidate.as_ref().is_some_and(|party| party.side.revision == side.revision)
    }
}
