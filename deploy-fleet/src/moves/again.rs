//! When it is worth while to look again.

use super::Stop;
use super::retire::Retiring;
use super::view::{Seen, View};
use deploy_core::time::after;
use deploy_core::{Health, Routed, Routes, Timestamp};
use std::time::Duration;

/// How soon requests in flight and endings are looked at again.
const RECHECK: Duration = Duration::from_millis(100);

/// The earliest time at which something changes that neither a probe nor a hint may tell.
pub(super) fn at(view: &View<'_>, retiring: &Retiring, routes: Option<&Routes>, stop: &[Stop]) -> Option<Timestamp> {
    let now = view.order.now;
    let soon = after(now, RECHECK);
    let ending = (!stop.is_empty() || view.seen.iter().any(Seen::is_ending)).then_some(soon);
    let told = (routes.is_some() && !retiring.is_empty()).then_some(soon);
    let ready = view.seen.iter().filter_map(|seen| lasting_at(view, seen));
    let drains = view.routes.into_iter().flat_map(|routes| &routes.members);
    let drains = drains.filter_map(|routed| drain_at(view, routed, soon));
    ending.into_iter().chain(told).chain(ready).chain(drains).min()
}

/// The end of a wait for min ready.
fn lasting_at(view: &View<'_>, seen: &Seen<'_>) -> Option<Timestamp> {
    let folded = seen.folded.filter(|folded| folded.health == Health::Healthy && !seen.lasts)?;
    seen.stands.then(|| after(folded.since, view.order.budget.min_ready))
}

/// The end of a drain, or the next look at what is in flight.
fn drain_at(view: &View<'_>, routed: &Routed, soon: Timestamp) -> Option<Timestamp> {
    let end = view.drained_at(routed).filter(|_| !view.is_drained(routed))?;
    Some(if routed.in_flight.is_some() { end.min(soon) } else { end })
}
