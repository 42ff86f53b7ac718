//! What is seen of one track's instances, found and counted once for all that is asked in a look.

use super::TrackSeen;
use crate::{Counts, Folded, Health, InOrder, Instance, InstanceState, Running, Side};

/// What is seen of one track.
#[derive(Debug)]
pub(super) struct Roll<'a> {
    pub(super) seen: &'a TrackSeen,
    pub(super) sides: Vec<Part<'a>>,
}

/// What is seen of one side.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) side: &'a Side,
    /// Numbers, where the platform gives no instances.
    pub(super) counts: Option<Counts>,
    pub(super) entries: Vec<Entry<'a>>,
    /// Instances that are neither ended nor terminating.
    pub(super) total: u32,
    pub(super) terminating: u32,
    /// Instances that cannot be told.
    pub(super) unknown: u32,
    /// Some have ended.
    has_ended: bool,
}

/// One instance with its folded health as it is known now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) instance: &'a Instance,
    pub(super) folded: Option<Folded>,
}

impl<'a> Roll<'a> {
    pub(super) fn of(seen: &'a TrackSeen) -> Self {
        let mut health = InOrder::new(&seen.health);
        let sides = seen.observed.iter().flat_map(|observed| &observed.sides);
        let sides = sides.map(|(side, running)| match running {
            Running::Counts(counts) => Part::of_counts(side, *counts),
            Running::Instances(instances) => {
                let entry = |instance: &'a Instance| Entry { instance, folded: health.get(&instance.id).copied() };
                Part::of_entries(side, instances.iter().map(entry).collect())
            }
        });
        Self { seen, sides: sides.collect() }
    }

    pub(super) fn side(&self, side: &Side) -> Option<&Part<'a>> {
        self.sides.iter().find(|part| part.side == side)
    }

    /// Every instance of every side.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.sides.iter().flat_map(|part| &part.entries)
    }

    /// Those that have ended.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Entry<'a>> {
        let sides = self.sides.iter().filter(|part| part.has_ended);
        sides.flat_map(|part| &part.entries).filter(|entry| entry.instance.exit().is_some())
    }
}

impl<'a> Part<'a> {
    fn of_counts(side: &'a Side, counts: Counts) -> Self {
        let Counts { total, terminating, unknown, .. } = counts;
        Self { side, counts: Some(counts), entries: Vec::new(), total, terminating, unknown, has_ended: false }
    }

    fn of_entries(side: &'a Side, entries: Vec<Entry<'a>>) -> Self {
        let mut part = Self { side, counts: None, entries, total: 0, terminating: 0, unknown: 0, has_ended: false };
        for entry in &part.entries {
            match entry.instance.state {
                InstanceState::Running => part.total += 1,
                InstanceState::Unknown => (part.total, part.unknown) = (part.total + 1, part.unknown + 1),
                InstanceState::Terminating => part.terminating += 1,
                InstanceState::Exited(_) => part.has_ended = true,
            }
        }
        part
    }

    /// Whether there is nothing of it at all, ended instances aside.
    pub(super) const fn is_gone(&self) -> bool {
        self.total == 0 && self.terminating == 0
    }
}

impl Entry<'_> {
    pub(super) fn is_healthy(&self) -> bool {
        self.folded.is_some_and(|folded| folded.health == Health::Healthy)
    }

    pub(super) fn is_unhealthy(&self) -> bool {
        self.folded.is_some_and(|folded| folded.health == Health::Unhealthy)
    }
}
