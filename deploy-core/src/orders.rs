//! The division of a step into orders: counts or traffic, never both.

use crate::{Amount, Budget, Desired, OrderKind, PlanStage, Side, Spread, Track, Traffic};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One order of a step, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// What sort of move.
    pub kind: OrderKind,
    /// How many of the side it moves from.
    pub from: u32,
    /// How many of the side it moves to.
    pub to: u32,
    /// Where requests go when it is settled.
    pub traffic: Traffic,
}

/// An order that is under way, with all that was fixed when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderNow {
    /// Its place among the orders of the step.
    pub index: usize,
    /// The order.
    pub line: OrderLine,
    /// The side it moves from.
    pub from: Option<Side>,
    /// The side it moves to.
    pub to: Option<Side>,
    /// The limits of the step.
    pub budget: Budget,
    /// The floor and ceiling, nothing written off.
    pub bounds: Bounds,
    /// The workload's count.
    pub count: u32,
}

impl OrderNow {
    /// Its two sides.
    pub const fn frame(&self) -> Frame<'_> {
        Frame { from: self.from.as_ref(), to: self.to.as_ref() }
    }

    /// How many of a side there are to be.
    pub fn count_of(&self, side: &Side) -> u32 {
        match side {
            side if self.to.as_ref() == Some(side) => self.line.to,
            side if self.from.as_ref() == Some(side) => self.line.from,
            _ => 0,
        }
    }
}

/// Where a track was left by its last order, or found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// How many there were to be of each side.
    pub counts: BTreeMap<Side, u32>,
    /// Where requests went.
    pub spread: Spread,
}

impl Standing {
    /// Where a plan of a track begins.
    pub fn before(track: &Track) -> Self {
        Self { counts: track.made_from.sides.clone(), spread: track.made_from.spread.clone() }
    }

    /// What stands when an order has settled. A worker's traffic stays as it was.
    pub fn after(&self, line: &OrderLine, frame: Frame<'_>) -> Self {
        let counts = [(frame.from, line.from), (frame.to, line.to)];
        let counts = counts.into_iter().filter_map(|(side, count)| Some((side?.clone(), count))).collect();
        let spread = if line.traffic.is_worker() { self.spread.clone() } else { frame.spread(&line.traffic) };
        Self { counts, spread }
    }
}

/// The two counts of a workload: of stable's release and of the candidate's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Of the side it moves from.
    pub from: u32,
    /// Of the side it moves to.
    pub to: u32,
}

impl Taken {
    /// By the releases of a stage's two sides.
    pub fn by_release(track: &Track, stage: &PlanStage) -> Self {
        let party = |side: &Option<Side>| side.as_ref().and_then(|side| track.party(&side.revision));
        let count = |side: &Option<Side>| party(side).map_or(0, |party| party.count);
        Self { from: count(&stage.from), to: count(&stage.to) }
    }

    /// How many of the candidate a count is: a share is of the greater count, as its need is, but of no more than it has in its release.
    pub const fn candidate(self, count: crate::Count) -> u32 {
        match count {
            crate::Count::Share(share) => {
                let of = share.of(self.greater());
                if of < self.to { of } else { self.to }
            }
            other => other.of(self.to),
        }
    }

    /// The greater: what a share of the traffic is of.
    pub const fn greater(self) -> u32 {
        if self.from > self.to { self.from } else { self.to }
    }
}

/// The two sides of a step.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The side it moves from.
    pub from: Option<&'a Side>,
    /// The side it moves to.
    pub to: Option<&'a Side>,
}

impl Frame<'_> {
    /// Traffic seen or left, in the words of this frame. Pooled over one revision is its whole split.
    pub fn traffic(&self, spread: &Spread, counts: &BTreeMap<Side, u32>) -> Traffic {
        match spread {
            Spread::None => Traffic::None,
            Spread::Pooled => self.pooled(counts),
            Spread::Split { from, to, split } if from.as_ref() == self.from && to.as_ref() == self.to => {
                Traffic::Split(split.clone())
            }
            Spread::Split { to, split, .. } if split.candidate.is_whole() && to.is_some() => self.whole(to.as_ref()),
            Spread::Split { from, .. } => self.whole(from.as_ref()),
        }
    }

    /// Whether requests go to a side that is neither of these two.
    pub fn is_elsewhere(&self, spread: &Spread) -> bool {
        let Spread::Split { from, to, split } = spread else { return false };
        let stable = split.serves_stable() && self.is_other(from.as_ref());
        stable || (split.serves_candidate() && self.is_other(to.as_ref()))
    }

    fn is_other(&self, side: Option<&Side>) -> bool {
        side.is_some() && side != self.from && side != self.to
    }

    fn whole(&self, side: Option<&Side>) -> Traffic {
        if side == self.to { Traffic::candidate() } else { Traffic::stable() }
    }

    fn pooled(&self, counts: &BTreeMap<Side, u32>) -> Traffic {
        let stands = |side: Option<&Side>| side.is_some_and(|side| counts.get(side).copied().unwrap_or(0) > 0);
        match (stands(self.from), stands(self.to)) {
            (true, false) => Traffic::stable(),
            (false, true) => Traffic::candidate(),
            _ => Traffic::Pooled,
        }
    }

    /// Traffic of this frame, as a router is told it.
    pub fn spread(&self, traffic: &Traffic) -> Spread {
        match traffic {
            Traffic::NotRouted | Traffic::InPlace | Traffic::None => Spread::None,
            Traffic::Pooled => Spread::Pooled,
            Traffic::Split(split) => {
                Spread::Split { from: self.from.cloned(), to: self.to.cloned(), split: split.clone().ordered() }
            }
        }
    }
}

/// Divides a step into at most three orders, each to be settled before the next.
///
/// **grow** (each side at the greater of its old and new count, traffic kept), **shift** (traffic alone), **shrink**
/// (counts alone, and strays gone). A worker's step is grow and shrink. A step that replaces at one place is one order.
pub fn divide(desired: &Desired, taken: Taken, standing: &Standing, frame: Frame<'_>) -> Vec<OrderLine> {
    let old = |side: Option<&Side>| side.and_then(|side| standing.counts.get(side)).copied().unwrap_or(0);
    let new = |side: Option<&Side>, count: u32| if side.is_some() { count } else { 0 };
    let (old_from, old_to) = (old(frame.from), old(frame.to));
    let (from, to) =
        (new(frame.from, desired.stable.of(taken.from)), new(frame.to, taken.candidate(desired.candidate)));
    let traffic = ordered(&desired.traffic);
    if traffic.is_in_place() {
        return vec![OrderLine { kind: OrderKind::InPlace, from, to, traffic }];
    }
    let kept = match traffic {
        Traffic::NotRouted => Traffic::NotRouted,
        _ => frame.traffic(&standing.spread, &standing.counts),
    };
    let mut lines = Vec::with_capacity(3);
    let (most_from, most_to) = (old_from.max(from), old_to.max(to));
    if most_from > old_from || most_to > old_to {
        lines.push(OrderLine { kind: OrderKind::Grow, from: most_from, to: most_to, traffic: kept.clone() });
    }
    // Of what a side that is neither of the two gets, only traffic of its own order is proven to be gone.
    if traffic != kept || (!traffic.is_worker() && frame.is_elsewhere(&standing.spread)) {
        lines.push(OrderLine { kind: OrderKind::Shift, from: most_from, to: most_to, traffic: traffic.clone() });
    }
    let stray = standing.counts.iter().any(|(side, count)| *count > 0 && frame.is_other(Some(side)));
    if from < most_from || to < most_to || stray || lines.is_empty() {
        lines.push(OrderLine { kind: OrderKind::Shrink, from, to, traffic });
    }
    lines
}

/// Traffic as it is ordered: a whole split ends stickiness.
fn ordered(traffic: &Traffic) -> Traffic {
    match traffic {
        Traffic::Split(split) => Traffic::Split(split.clone().ordered()),
        other => other.clone(),
    }
}

/// The fewest ready and the most non-terminating instances of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The fewest ready instances.
    pub floor: u32,
    /// The most non-terminating instances.
    pub ceiling: u32,
}

/// The bounds of a step's orders, of a workload's count, for a baseline and so many written off.
///
/// Neither what is written off nor what may be unavailable is taken from the baseline: it is what is left to serve.
pub fn bounds(lines: &[OrderLine], budget: &Budget, count: u32, baseline: u32, written_off: u32) -> Bounds {
    let totals = || lines.iter().map(|line| line.from + line.to);
    let dark = lines.iter().any(|line| line.traffic == Traffic::None);
    let least = totals().min().unwrap_or(0).min(count).saturating_sub(written_off);
    let floor = least.saturating_sub(budget.max_unavailable.down(count)).min(baseline);
    let surge = if dark { Amount::NONE } else { budget.max_surge };
    Bounds { floor: if dark { 0 } else { floor }, ceiling: totals().max().unwrap_or(0) + surge.up(count) }
}

/// How many of a side a share of the traffic needs ready: its share of the count less what may be unavailable, at least one.
pub fn need(share: crate::Share, count: u32, max_unavailable: u32) -> u32 {
    if share.is_none() { 0 } else { share.of(count).saturating_sub(max_unavailable).max(1) }
}
