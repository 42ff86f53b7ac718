//! What runs, as a plan is made from it.

use crate::{Capabilities, MadeFrom, Observed, Place, Running, Side};
use std::collections::BTreeMap;

pub(super) fn standing(observed: &Observed) -> BTreeMap<Side, u32> {
    let stands = observed.sides.iter().map(|(side, running)| (side.clone(), running.total()));
    stands.filter(|(_, count)| *count > 0).collect()
}

pub(super) fn made_from(capabilities: &Capabilities, observed: &Observed, sides: BTreeMap<Side, u32>) -> MadeFrom {
    let spread = observed.traffic.as_ref().map(|traffic| traffic.spread.clone()).unwrap_or_default();
    MadeFrom { sides, spread, capabilities: capabilities.clone() }
}

/// Stable: of the sides that run, and first of those with anybody ready, the one with the most traffic, then ready, then home.
pub(super) fn leading(observed: &Observed, standing: &BTreeMap<Side, u32>, candidate: Option<&Side>) -> Option<Side> {
    let rank = |side: &Side| {
        let ready = ready(observed.side(side));
        let share = observed.traffic.as_ref().and_then(|traffic| traffic.share(side)).map_or(0, crate::Share::points);
        (ready > 0, share, ready, side.place == Place::Home, Some(side) != candidate)
    };
    standing.keys().max_by_key(|side| rank(side)).cloned()
}

/// Who is in the router's set, or counted ready: before anything was probed that is the best word there is.
fn ready(running: Option<&Running>) -> usize {
    match running {
        None => 0,
        Some(Running::Counts(counts)) => counts.ready as usize,
        Some(Running::Instances(instances)) => {
            instances.iter().filter(|instance| instance.runs() && instance.admitted).count()
        }
    }
}
