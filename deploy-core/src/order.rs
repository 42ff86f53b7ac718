//! What a deployer is told, and what it answers.

use crate::{
    Budget, Disposition, Error, Folded, Frame, InstanceId, InstanceSpec, Kind, Name, Place, Revision, Side, Spread,
    Timestamp, Token, TrackRef, Traffic,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What sort of move an order is: counts or traffic, never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Counts go up; traffic is kept.
    Grow,
    /// Traffic moves; counts are kept.
    Shift,
    /// Counts go down; traffic is kept.
    Shrink,
    /// One side replaces the other at one place, in one order.
    InPlace,
}

impl OrderKind {
    /// Whether instances of its sides may go: in the others their counts are kept or go up.
    pub const fn retires(self) -> bool {
        matches!(self, Self::Shrink | Self::InPlace)
    }

    /// Whether traffic moves from one side to another.
    pub(crate) const fn shifts(self) -> bool {
        matches!(self, Self::Shift | Self::InPlace)
    }
}

/// One side of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSide {
    /// The revision at its place.
    pub side: Side,
    /// What its instances are made from; absent for what ran before we came.
    pub spec: Option<Arc<InstanceSpec>>,
    /// How many there are to be; of a serverless workload 1 where its revision is to be there.
    pub count: u32,
    /// An autoscaler lives above `count`: more than `count` is right too, and its minimum is held there.
    pub at_least: bool,
}

/// What a deployer is told: counts or traffic, never both.
///
/// Traffic is always said whole. In [`OrderKind::Grow`] and [`OrderKind::Shrink`] it is what the last order left (kept),
/// so that a router that lost its state is brought back to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Order<'a> {
    /// The workload and its target.
    pub track: &'a TrackRef,
    /// What sort of move.
    pub kind: OrderKind,
    /// Mostly stable; in a home step the candidate aside. None for a workload that is new.
    pub from: Option<OrderSide>,
    /// Mostly the candidate; in a home step the candidate at home. None for a workload that goes.
    pub to: Option<OrderSide>,
    /// Where requests are to go when the order is settled. `Split` shares are of `to`.
    pub traffic: Traffic,
    /// Where requests went under the order before this one; what a shift moves from.
    pub traffic_before: Traffic,
    /// The routed ports of the side that is brought in, the first of them the routed one.
    pub ports: &'a BTreeMap<Name, u16>,
    /// The workload's count as taken for this step.
    pub count: u32,
    /// The fewest ready instances at any moment.
    pub floor: u32,
    /// The most non-terminating instances at any moment.
    pub ceiling: u32,
    /// How many may be missing from what a share of traffic needs.
    pub max_unavailable: u32,
    /// The limits as the step has them.
    pub budget: &'a Budget,
    /// Failed or unreachable instances that are counted neither in settled nor in the floor.
    pub written_off: &'a BTreeSet<InstanceId>,
    /// At most one instance, of any side, in any state.
    pub exclusive: bool,
    /// Nothing is launched, retired or shifted; what is unhealthy leaves the router.
    pub paused: bool,
    /// Folded health by instance; who is missing is unknown.
    pub health: &'a BTreeMap<InstanceId, Folded>,
    /// Ended instances whose end is recorded: they may be removed.
    pub ended: &'a BTreeSet<InstanceId>,
    /// The fence.
    pub token: Token,
    /// Now, by the store's clock.
    pub now: Timestamp,
}

impl Order<'_> {
    /// Both sides, `from` first.
    pub fn sides(&self) -> impl Iterator<Item = &OrderSide> {
        self.from.iter().chain(&self.to)
    }

    /// A side of the order by what it is.
    pub fn side(&self, side: &Side) -> Option<&OrderSide> {
        self.sides().find(|ordered| ordered.side == *side)
    }

    /// The traffic as a router is told it, and as an observation has to show it once the order is settled.
    pub fn spread(&self) -> Spread {
        let of = |ordered: &Option<OrderSide>| ordered.as_ref().map(|ordered| ordered.side.clone());
        let (from, to) = (of(&self.from), of(&self.to));
        Frame { from: from.as_ref(), to: to.as_ref() }.spread(&self.traffic)
    }

    /// Whether an instance has been well for the min ready time.
    pub fn is_healthy_for_min_ready(&self, instance: &InstanceId) -> bool {
        self.health.get(instance).is_some_and(|folded| self.lasts(folded))
    }

    /// Whether one of such folded health has been well for the min ready time.
    pub fn lasts(&self, folded: &Folded) -> bool {
        folded.health == crate::Health::Healthy && crate::time::between(folded.since, self.now) >= self.budget.min_ready
    }
}

/// What came of taking an order further.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// Whether something was changed.
    pub moved: bool,
    /// When it is worth while to look again although nobody may give a hint: by the clock that [`Order::now`] is of, not
    /// the platform's.
    pub again_at: Option<Timestamp>,
    /// What could not be done, by instance, slot or host; everything else was.
    pub troubles: Vec<Trouble>,
}

/// What could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Where: a host, a slot, an instance, `router`.
    pub at: String,
    /// The kind of the error.
    pub kind: Kind,
    /// What went wrong and what to do.
    pub message: String,
}

impl Trouble {
    /// An error at a place.
    pub fn new(at: impl Into<String>, error: &Error) -> Self {
        Self { at: at.into(), kind: error.kind(), message: error.to_string() }
    }

    /// What the machine does about it.
    pub fn disposition(&self) -> Disposition {
        self.kind.disposition()
    }
}

impl OrderSide {
    /// A side of a revision at a place with a count.
    pub fn new(revision: &Revision, place: Place, count: u32) -> Self {
        Self { side: Side::new(revision.id.clone(), place), spec: revision.spec.clone(), count, at_least: false }
    }
}
