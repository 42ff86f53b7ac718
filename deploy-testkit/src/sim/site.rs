//! The platform of one workload.

use super::control::Control;
use super::unit::{Life, Temper, Unit};
use deploy_core::time::after;
use deploy_core::{InstanceId, Member, RevisionId, Side, SlotId, Spread, Timestamp, Token, TrackRef};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The platform of one workload: what runs in truth, and what its router was told.
#[derive(Debug, Clone)]
pub struct Site {
    /// The workload.
    pub track: TrackRef,
    /// The newest token that wrote.
    pub token: Token,
    /// All instances, the ended ones too.
    pub units: Vec<Unit>,
    /// What was shipped.
    pub prepared: BTreeSet<RevisionId>,
    /// How the router spreads requests, where the platform has no controller.
    pub spread: Spread,
    /// Whom the router has in its set, where the platform has no controller.
    pub members: Vec<Member>,
    /// Its controller.
    pub control: Option<Control>,
    /// Sides that were tried in vain.
    pub impossible: BTreeSet<Side>,
    /// The floor of the order that it was told last.
    pub floor: u32,
    /// How many instances were ever started.
    pub serial: u32,
}

impl Site {
    pub(crate) const fn new(track: TrackRef, control: Option<Control>) -> Self {
        Self {
            track,
            token: Token::new(0, 0),
            units: Vec::new(),
            prepared: BTreeSet::new(),
            spread: Spread::None,
            members: Vec::new(),
            control,
            impossible: BTreeSet::new(),
            floor: 0,
            serial: 0,
        }
    }

    /// Starts an instance, and says which.
    pub(crate) fn start(
        &mut self,
        side: &Side,
        slot: SlotId,
        now: Timestamp,
        span: Duration,
        temper: Temper,
    ) -> InstanceId {
        self.serial += 1;
        let id = InstanceId::new(format!("{}-{}", self.track.workload, self.serial));
        let well_at = if temper == Temper::NeverWell { Timestamp::MAX } else { after(now, span) };
        let ends = |span: Duration| Some(after(now, span));
        let crash_at = match temper {
            Temper::CrashAtStart => ends(span / 2),
            Temper::CrashAfter(late) => ends(span + late),
            _ => None,
        };
        let sick = match temper {
            Temper::SickAfter(late) => Some((after(now, span + late), Timestamp::MAX)),
            _ => None,
        };
        let (side, life) = (side.clone(), Life::Running);
        self.units.push(Unit {
            id: id.clone(),
            side,
            slot,
            started: now,
            well_at,
            sick,
            crash_at,
            temper,
            life,
            restarts: 0,
            requests: vec![],
        });
        id
    }

    /// Time passes.
    pub(crate) fn age(&mut self, now: Timestamp) {
        self.units.iter_mut().for_each(|unit| unit.age(now));
        self.units.retain(|unit| !unit.is_gone(now));
    }

    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let units = self.units.iter().filter_map(|unit| unit.next_change(now));
        units.chain(self.control.iter().filter_map(|control| control.next_change(now))).min()
    }

    pub(crate) fn unit(&mut self, id: &InstanceId) -> Option<&mut Unit> {
        self.units.iter_mut().find(|unit| unit.id == *id)
    }

    /// Forgets the workload; what it was told by stays refused.
    pub(crate) fn forget(&mut self) {
        self.units.clear();
        self.members.clear();
        self.spread = Spread::None;
        self.control = self.control.as_ref().map(|_| Control::default());
    }

    /// How many of a side run and are well in truth.
    pub fn well(&self, side: &Side, now: Timestamp) -> u32 {
        self.units.iter().filter(|unit| unit.side == *side && unit.runs() && unit.is_well(now)).count() as u32
    }

    /// The sides of which anything stands.
    pub fn sides(&self) -> BTreeSet<&Side> {
        let hosted = self.control.iter().flat_map(|control| control.hosted.keys());
        self.units.iter().filter(|unit| unit.runs()).map(|unit| &unit.side).chain(hosted).collect()
    }

    /// How many stand of each side; a revision that scales by itself is counted itself.
    pub fn counts(&self) -> BTreeMap<&Side, u32> {
        let hosted = self.control.iter().flat_map(|control| control.hosted.keys());
        let serverless = self.control.as_ref().is_some_and(Control::is_serverless);
        let stands = |unit: &&Unit| !serverless && !matches!(unit.life, Life::Terminating(_));
        let mut counts = BTreeMap::new();
        for side in self.units.iter().filter(stands).map(|unit| &unit.side).chain(hosted) {
            *counts.entry(side).or_default() += 1;
        }
        counts
    }
}
