//! What is noted of a track whichever way it goes: health, ends, what is kept of those that failed, conditions, troubles.

use super::Captured;
use super::look::{Look, Sight};
use super::roll::Entry;
use crate::record::Point;
use crate::{Condition, Folded, Health, InOrder, InstanceId, Record, What, time};
use std::collections::BTreeSet;
use std::time::Duration;

impl Look<'_> {
    /// All notes of one sort that one track has.
    pub(super) fn notes(&self) -> Vec<What> {
        self.sights().map(Sight::notes).find(|notes| !notes.is_empty()).unwrap_or_else(|| self.unheld_troubles())
    }
}

impl<'a> Sight<'a> {
    /// One sort at a time. Of health, ends and evidence each note is about an instance of its own and changes nothing for
    /// the others: all are given at once.
    fn notes(self) -> Vec<What> {
        let notes: [fn(Self) -> Vec<What>; 5] =
            [Self::health, Self::ended, Self::evidence, Self::conditions, |sight| {
                sight.trouble().into_iter().collect()
            }];
        notes.into_iter().map(|note| note(self)).find(|notes| !notes.is_empty()).unwrap_or_default()
    }

    /// Health that changed, then who is gone.
    fn health(self) -> Vec<What> {
        let mut recorded = InOrder::new(&self.state.health);
        let mut standing = 0;
        let mut notes = Vec::new();
        for entry in self.roll.entries() {
            let known = recorded.get(&entry.instance.id);
            standing += usize::from(known.is_some());
            notes.extend(entry.folded.filter(|folded| self.is_new(entry, known, folded)).map(|folded| {
                let folded = Some(Folded { fresh: false, ..folded });
                let (instance, side) = (entry.instance.id.clone(), Some(entry.instance.side.clone()));
                What::HealthChanged { track: self.name.clone(), instance, side, folded }
            }));
        }
        if standing < self.state.health.len() {
            notes.extend(self.gone());
        }
        notes
    }

    /// Whether folded health is another than the record's. Of one that flaps only that it is unwell.
    fn is_new(&self, entry: &Entry<'_>, known: Option<&Folded>, folded: &Folded) -> bool {
        let flapping = || self.state.flaps.get(&entry.instance.id).copied().unwrap_or(0) > Record::FLAPS;
        match known {
            Some(known) if known.health == folded.health => known.since != folded.since && !flapping(),
            Some(_) => folded.health == Health::Unhealthy || !flapping(),
            None => true,
        }
    }

    /// Instances that are recorded and seen no more.
    fn gone(self) -> impl Iterator<Item = What> {
        let standing: BTreeSet<&InstanceId> = self.roll.entries().map(|entry| &entry.instance.id).collect();
        let gone = self.state.health.keys().filter(move |id| !standing.contains(id));
        gone.map(move |id| {
            let (track, instance) = (self.name.clone(), id.clone());
            What::HealthChanged { track, instance, side: None, folded: None }
        })
    }

    /// Ends that are not recorded yet, once their logs are there.
    fn ended(self) -> Vec<What> {
        let new = self.roll.ended().filter(|entry| !self.state.ended.contains(&entry.instance.id));
        let ended = new.filter_map(|Entry { instance, .. }| {
            let log = self.seen.evidence.get(&instance.id)?.log.clone();
            let (exit, id) = (instance.exit()?, instance.id.clone());
            let (track, side, slot) = (self.name.clone(), instance.side.clone(), instance.slot.clone());
            Some(What::InstanceEnded { track, instance: id, side, slot, exit, log })
        });
        ended.collect()
    }

    fn evidence(self) -> Vec<What> {
        let kept = self.wanted_evidence().filter_map(|Entry { instance, .. }| {
            let Captured { words, log } = self.seen.evidence.get(&instance.id)?.clone();
            let (track, side) = (self.name.clone(), instance.side.clone());
            Some(What::Evidence { track, instance: instance.id.clone(), side, words, log })
        });
        kept.collect()
    }

    /// Instances of the candidate that are not well when it goes back, of which nothing is kept yet.
    pub(super) fn wanted_evidence(&self) -> impl Iterator<Item = &'a Entry<'a>> {
        let sight = *self;
        let due = self.is_back() && self.state.touched && self.state.stage == 0 && self.state.point <= Point::Next(0);
        let sides = self.roll.sides.iter().filter(move |part| due && sight.is_candidate(part.side));
        sides.flat_map(|part| &part.entries).filter(move |entry| {
            let id = &entry.instance.id;
            entry.instance.exit().is_none() && !entry.is_healthy() && !sight.state.evidence.contains(id)
        })
    }

    /// A condition that began or ended is noted at once, other words for the same ones once a minute.
    fn conditions(self) -> Vec<What> {
        const OTHER_WORDS: Duration = Duration::from_secs(60);
        let Some(observed) = self.observed() else { return Vec::new() };
        let (conditions, known) = (&observed.conditions, &self.state.conditions);
        let about = |conditions: &'a [Condition]| -> BTreeSet<_> {
            conditions.iter().map(|one| (one.kind, &one.side, &one.instance)).collect()
        };
        let due = || time::between(self.state.conditions_at, self.look.now) >= OTHER_WORDS;
        let changed = conditions != known && (about(conditions) != about(known) || due());
        let note = || What::ConditionsChanged { track: self.name.clone(), conditions: conditions.clone() };
        changed.then(note).into_iter().collect()
    }
}
