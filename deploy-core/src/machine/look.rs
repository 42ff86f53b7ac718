//! One look: the lease, and what is noted of every track whichever way it goes.

use super::{Captured, Seen, TrackSeen};
use crate::record::{Grip, Point};
use crate::time;
use crate::{
    Condition, Folded, Health, Instance, Observed, Record, Side, Timestamp, Track, TrackRef, TrackState, Way, What,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// The record, what is seen, and the time.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) record: &'a Record,
    pub(super) seen: &'a Seen,
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
}

impl<'a> Look<'a> {
    /// The lease: taken anew, each platform's token read, and its word that it took ours.
    pub(super) fn claim(&self) -> Vec<What> {
        let lease = self.seen.lease;
        if self.record.epoch != lease.epoch {
            let tracks = self.seen.tracks.keys().cloned().collect();
            return vec![What::Claimed { epoch: lease.epoch, tracks, renewed: lease.renewed_before }];
        }
        let grip = |(track, state): (&TrackRef, &TrackState)| {
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
            Some(Sight { look: self, name, planned, state, seen: self.seen.tracks.get(name)? })
        })
    }

    /// What is noted whichever way it goes: health, ends, conditions, troubles.
    pub(super) fn notes(&self) -> Vec<What> {
        self.sights().map(Sight::notes).find(|notes| !notes.is_empty()).unwrap_or_else(|| self.unheld_troubles())
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
        self.seen.observed.as_ref()
    }

    pub(super) fn is_back(&self) -> bool {
        matches!(self.record().way, Way::Back { .. })
    }

    pub(super) fn is_forward(&self) -> bool {
        matches!(self.record().way, Way::Forward { .. })
    }

    /// Folded health as it is known now.
    pub(super) fn folded(&self, instance: &Instance) -> Option<Folded> {
        self.seen.health.get(&instance.id).copied()
    }

    /// Whether a side is the candidate's, at either place.
    pub(super) fn is_candidate(&self, side: &Side) -> bool {
        self.planned.candidate.as_ref().is_some_and(|party| party.side.revision == side.revision)
    }

    fn notes(self) -> Vec<What> {
        let notes: [fn(Self) -> Option<What>; 5] =
            [Self::health_changed, Self::gone, Self::ended, Self::evidence, Self::conditions];
        notes.into_iter().find_map(|note| note(self)).or_else(|| self.trouble()).into_iter().collect()
    }

    fn health_changed(self) -> Option<What> {
        let changed = |instance: &&Instance| {
            let Some(folded) = self.folded(instance) else { return false };
            let flapping = self.state.flaps.get(&instance.id).copied().unwrap_or(0) > Record::FLAPS;
            match self.state.health.get(&instance.id) {
                Some(known) if known.health == folded.health => known.since != folded.since && !flapping,
                Some(_) => !flapping || folded.health == Health::Unhealthy,
                None => true,
            }
        };
        let instance = self.observed()?.instances().find(changed)?;
        let folded = self.folded(instance).map(|folded| Folded { fresh: false, ..folded });
        Some(What::HealthChanged {
            track: self.name.clone(),
            instance: instance.id.clone(),
            side: instance.side.clone(),
            folded,
        })
    }

    fn gone(self) -> Option<What> {
        if self.state.health.is_empty() {
            return None;
        }
        let standing: std::collections::BTreeSet<_> =
            self.observed()?.instances().map(|instance| &instance.id).collect();
        let gone = self.state.health.keys().find(|id| !standing.contains(id))?;
        let side = self.planned.parties().next()?.side.clone();
        Some(What::HealthChanged { track: self.name.clone(), instance: gone.clone(), side, folded: None })
    }

    fn ended(self) -> Option<What> {
        let (instance, exit) = self.observed()?.instances().find_map(|instance| {
            let new = !self.state.ended.contains(&instance.id);
            instance.exit().filter(|_| new).map(|exit| (instance, exit))
        })?;
        let log = self.seen.evidence.get(&instance.id)?.log.clone();
        let (track, side, slot) = (self.name.clone(), instance.side.clone(), instance.slot.clone());
        Some(What::InstanceEnded { track, instance: instance.id.clone(), side, slot, exit, log })
    }

    fn evidence(self) -> Option<What> {
        let instance = self.wanted_evidence().find(|instance| self.seen.evidence.contains_key(&instance.id))?;
        let Captured { words, log } = self.seen.evidence.get(&instance.id)?.clone();
        let (track, side) = (self.name.clone(), instance.side.clone());
        Some(What::Evidence { track, instance: instance.id.clone(), side, words, log })
    }

    /// Instances of the candidate that are not well when it goes back, of which nothing is kept yet.
    pub(super) fn wanted_evidence(&self) -> impl Iterator<Item = &'a Instance> {
        let sight = *self;
        let due = self.is_back() && self.state.touched && self.state.stage == 0 && self.state.point <= Point::Next(0);
        let instances = self.seen.observed.iter().flat_map(Observed::instances).filter(move |_| due);
        instances.filter(move |instance| {
            let well = sight.folded(instance).is_some_and(|folded| folded.health == Health::Healthy);
            sight.is_candidate(&instance.side)
                && instance.exit().is_none()
                && !well
                && !sight.state.evidence.contains(&instance.id)
        })
    }

    /// A condition that began or ended is noted at once, other words for the same ones once a minute.
    fn conditions(self) -> Option<What> {
        const OTHER_WORDS: Duration = Duration::from_secs(60);
        let conditions: &Vec<Condition> = &self.observed()?.conditions;
        let known = &self.state.conditions;
        let about = |conditions: &[Condition]| -> BTreeSet<_> {
            conditions.iter().map(|one| (one.kind, one.side.clone(), one.instance.clone())).collect()
        };
        let due = || time::between(self.state.conditions_at, self.look.now) >= OTHER_WORDS;
        let changed = conditions != known && (about(conditions) != about(known) || due());
        changed.then(|| What::ConditionsChanged { track: self.name.clone(), conditions: conditions.clone() })
    }
}
