//! Revisions whose count is the platform's own: as many run as it likes, and none at times.

use super::control::{Told, is_ready, start};
use super::site::Site;
use super::unit::{Life, Temper, Unit};
use super::world::World;
use deploy_core::{Counts, Place, Side, Timestamp, TrackRef};
use std::time::Duration;

/// Never more of a revision than this.
const MOST: u64 = 3;

/// A revision that is there, whether or not anybody runs of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosted {
    /// One of its instances was ready: from then on a request to none waits until one is up again.
    proven: bool,
    /// So many are to run now.
    wanted: u32,
}

impl Hosted {
    /// Now and then another number is wanted. Until one was ready, one.
    fn wants(&mut self, roll: u64) {
        self.wanted = match roll % 16 {
            _ if !self.proven => 1,
            number if number <= MOST => number as u32,
            _ => self.wanted,
        };
    }
}

impl Site {
    fn running<'a>(&'a self, side: &'a Side) -> impl Iterator<Item = &'a Unit> {
        self.units.iter().filter(move |unit| unit.side == *side && !matches!(unit.life, Life::Terminating(_)))
    }

    /// Whether a request to a serverless side is answered, if not at once: it was ready before, and of those that run one
    /// is, or is about to be.
    pub(super) fn answers(&self, side: &Side, now: Timestamp) -> bool {
        let hosted = self.control.as_ref().and_then(|control| control.hosted.get(side));
        let soon =
            |unit: &Unit| unit.runs() && (unit.well_at > now && unit.well_at < Timestamp::MAX || unit.is_well(now));
        hosted.is_some_and(|hosted| hosted.proven)
            && (self.running(side).next().is_none() || self.running(side).any(soon))
    }

    /// It as the platform tells it: the revision is counted.
    pub(super) fn counts_hosted(&self, now: Timestamp) -> impl Iterator<Item = (Side, Counts)> {
        let hosted = self.control.iter().flat_map(|control| control.hosted.keys());
        let leaving = self.units.iter().filter(|unit| matches!(unit.life, Life::Terminating(_))).map(|unit| &unit.side);
        let sides: std::collections::BTreeSet<_> = hosted.chain(leaving).cloned().collect();
        sides.into_iter().map(move |side| {
            let there = self.control.as_ref().is_some_and(|control| control.hosted.contains_key(&side));
            let failed = self.running(&side).any(|unit| matches!(unit.life, Life::Exited(_)));
            let ready = there && self.answers(&side, now);
            let all = self.units.iter().filter(|unit| unit.side == side).count();
            let terminating = if there { 0 } else { all - self.running(&side).count() };
            let counts = Counts {
                total: u32::from(there),
                ready: u32::from(ready),
                failed: u32::from(there && failed && !ready),
                terminating: terminating as u32,
                ..Counts::default()
            };
            (side, counts)
        })
    }

    /// The revisions at a name but one go, with everybody who runs of them.
    fn leave(&mut self, place: Place, but: Option<&Side>, until: Timestamp) {
        let goes = |side: &Side| side.place == place && Some(side) != but;
        for unit in self.units.iter_mut().filter(|unit| goes(&unit.side) && !matches!(unit.life, Life::Terminating(_)))
        {
            unit.life = Life::Terminating(until);
        }
        if let Some(control) = &mut self.control {
            control.hosted.retain(|side, _| !goes(side));
        }
    }
}

impl World {
    /// Takes a name with a revision that scales by itself a step further. True while it is not as told.
    pub(super) fn host(&mut self, track: &TrackRef, place: Place, told: &Told) -> bool {
        let (now, temper, span, roll) = (self.now, self.temper(&told.revision), self.start_span(), self.dice.roll());
        let until = deploy_core::time::after(now, super::control::PRE_STOP);
        let side = Side::new(told.revision.clone(), place);
        let site = self.site(track);
        if told.replicas == 0 {
            site.leave(place, None, until);
            return false;
        }
        let Some(control) = &mut site.control else { return false };
        let alone = control.hosted.keys().all(|other| other.place != place || *other == side);
        if told.paused && !alone {
            return true;
        }
        let hosted = control.hosted.entry(side.clone()).or_default();
        hosted.wants(roll);
        let wanted = hosted.wanted;
        scale(site, &side, wanted, until, (now, span, temper));
        let proven = site.running(&side).any(|unit| is_ready(unit, now));
        if let Some(hosted) = site.control.as_mut().and_then(|control| control.hosted.get_mut(&side)) {
            hosted.proven |= proven;
            if hosted.proven {
                site.leave(place, Some(&side), until);
            }
        }
        !proven
    }
}

fn scale(site: &mut Site, side: &Side, wanted: u32, until: Timestamp, begin: (Timestamp, Duration, Temper)) {
    let (now, span, temper) = begin;
    let there = site.running(side).count();
    if temper == Temper::Impossible && there < wanted as usize {
        site.impossible.insert(side.clone());
        return;
    }
    for _ in there..wanted as usize {
        start(site, side, now, span, temper);
    }
    let more = there.saturating_sub(wanted as usize);
    let mut running: Vec<_> = site.units.iter_mut().filter(|unit| unit.side == *side && unit.runs()).collect();
    running.sort_by_key(|unit| is_ready(unit, now));
    running.into_iter().take(more).for_each(|unit| unit.life = Life::Terminating(until));
}
