//! Ready and settled.

use super::look::Sight;
use super::roll::{Entry, Part};
use crate::orders::OrderNow;
use crate::record::Point;
use crate::{Evidence, Fence, Health, InstanceState, Side, Traffic, time};
use std::collections::BTreeSet;
use std::time::Duration;

impl Sight<'_> {
    /// How many of a side are ready: healthy for min ready time, seen so by this engine, and in the router's set where requests are routed.
    pub(super) fn ready(&self, side: &Side, traffic: &Traffic, min_ready: Duration) -> u32 {
        self.count_ready(side, |entry| self.is_ready(entry, traffic, min_ready))
    }

    fn is_ready(&self, entry: &Entry<'_>, traffic: &Traffic, min_ready: Duration) -> bool {
        let instance = entry.instance;
        let admitted = instance.admitted || !self.planned.routed || !traffic.serves();
        let well = |folded: crate::Folded| {
            folded.health == Health::Healthy && folded.fresh && time::between(folded.since, self.look.now) >= min_ready
        };
        instance.runs() && admitted && entry.folded.is_some_and(well)
    }

    /// How many of a side are not known to be unwell: what a floor is made of before anything was probed twice.
    pub(super) fn presumed_ready(&self, side: &Side) -> u32 {
        let admitted = |entry: &Entry<'_>| entry.instance.admitted || !self.planned.routed;
        self.count_ready(side, |entry| entry.instance.runs() && !entry.is_unhealthy() && admitted(entry))
    }

    /// The platform's own number where it gives one, else the instances that are ready.
    fn count_ready(&self, side: &Side, is_ready: impl Fn(&Entry<'_>) -> bool) -> u32 {
        let Some(part) = self.roll.side(side) else { return 0 };
        let ready = || part.entries.iter().filter(|entry| is_ready(entry)).count() as u32;
        part.counts.map_or_else(ready, |counts| counts.ready)
    }

    /// Whether every instance of what serves was looked at by this engine, or long enough was waited for it.
    pub(super) fn knows_what_serves(&self) -> bool {
        const LONG: Duration = Duration::from_secs(30);
        let known = |entry: &Entry<'_>| !entry.instance.runs() || entry.folded.is_some_and(|folded| folded.fresh);
        let mut serving = self.roll.sides.iter().filter(|part| !self.is_candidate(part.side));
        let all = serving.all(|part| part.entries.iter().all(known));
        all || time::between(self.state.since, self.look.now) >= LONG
    }

    /// Failed or unreachable instances, up to max failed: taken anew at each look.
    pub(super) fn written_off(&self) -> BTreeSet<crate::InstanceId> {
        let Some(order) = &self.state.order else { return BTreeSet::new() };
        let allowed = order.budget.max_failed.down(order.count) as usize;
        let failed = |entry: &&Entry<'_>| {
            let instance = entry.instance;
            instance.state == InstanceState::Unknown || (instance.runs() && entry.is_unhealthy())
        };
        let failed = self.roll.entries().filter(failed);
        failed.take(allowed).map(|entry| entry.instance.id.clone()).collect()
    }

    /// Why the order that is under way is not settled; none when it is.
    pub(super) fn unsettled(&self) -> Option<String> {
        let order = self.state.order.as_ref()?;
        if !self.knows_of_the_order() {
            return Some("what is seen is older than the order".into());
        }
        let written_off = self.written_off();
        self.traffic_unsettled(order)
            .or_else(|| self.readiness_unsettled(order, &written_off))
            .or_else(|| self.counts_unsettled(order, &written_off))
    }

    /// Whether what is seen is not older than the order: the platform's newest token is the order's, or a later one.
    fn knows_of_the_order(&self) -> bool {
        let seen = self.observed().map(|observed| observed.token).unwrap_or_default();
        self.planned.made_from.capabilities.fence == Fence::None
            || seen >= super::order::token(self.record(), self.state)
    }

    /// Whether the traffic of the order is seen, whatever the evidence.
    pub(super) fn traffic_is_seen(&self, order: &OrderNow) -> bool {
        if !self.knows_of_the_order() {
            return false;
        }
        if !self.planned.routed || order.line.traffic.is_worker() || !self.planned.made_from.capabilities.routes {
            return true;
        }
        let Some(seen) = self.observed().and_then(|observed| observed.traffic.as_ref()) else { return false };
        if order.frame().is_elsewhere(&seen.spread) {
            return false;
        }
        let counts = self.roll.sides.iter().map(|part| (part.side.clone(), part.total)).collect();
        let traffic = order.frame().traffic(&seen.spread, &counts);
        let served_alone = |whole: &Traffic| order.line.traffic == Traffic::Pooled && traffic == *whole;
        let only_to = order.line.from == 0 && served_alone(&Traffic::candidate());
        let only_from = order.line.to == 0 && served_alone(&Traffic::stable());
        traffic == order.line.traffic || only_to || only_from
    }

    fn traffic_unsettled(&self, order: &OrderNow) -> Option<String> {
        if !self.traffic_is_seen(order) {
            return Some(format!("traffic is not at {} yet", order.line.traffic));
        }
        let evidence = self.observed()?.traffic.as_ref().map_or(Evidence::DataPlane, |traffic| traffic.evidence);
        // An order that came in the midst of a change keeps what nobody has proven yet.
        let moves = self.state.shifting && self.planned.routed;
        if !moves || evidence == Evidence::DataPlane {
            return None;
        }
        let Some(first) = self.state.traffic_seen else { return Some("the change of traffic was not seen yet".into()) };
        let until = time::after(first, self.planned.followed());
        (self.look.now < until).then(|| format!("traffic is known as {evidence} only: waiting until {until}"))
    }

    fn counts_unsettled(&self, order: &OrderNow, written_off: &BTreeSet<crate::InstanceId>) -> Option<String> {
        let wanted = self.observed()?.wanted.is_some();
        let gone_needed = order.line.kind.retires();
        for side in order.frame().from.into_iter().chain(order.frame().to) {
            let count = order.count_of(side);
            let part = self.roll.side(side);
            let total = part.map_or(0, |part| part.total);
            let lost = part.map_or(0, |part| self.lost(order, part, written_off));
            let unreachable = part.map_or(0, |part| part.unknown).min(lost);
            let fits = (total >= self.least(order, side).saturating_sub(lost) && total <= count + unreachable)
                || (wanted && total >= count && count > 0);
            if !fits {
                return Some(format!("{total} of {count} instances of {side} stand"));
            }
            let terminating = part.map_or(0, |part| part.terminating);
            if terminating > 0 {
                return Some(format!("{terminating} instances of {side} are still stopping"));
            }
        }
        let ordered = |side: &Side| order.from.as_ref() == Some(side) || order.to.as_ref() == Some(side);
        let stray = self.roll.sides.iter().find(|part| !ordered(part.side) && !part.is_gone());
        stray.filter(|_| gone_needed).map(|part| format!("{} belongs to neither side and is still there", part.side))
    }

    /// The fewest of a side that must stand. Of stable, when it is to be replaced, no more than served when the stage
    /// began: a sick release can be replaced. Of what is left behind on the way back, none.
    fn least(&self, order: &OrderNow, side: &Side) -> u32 {
        let count = order.count_of(side);
        match (self.is_back(), order.to.as_ref() == Some(side)) {
            (true, true) => 0,
            (false, false) => count.min(self.state.baseline),
            _ => count,
        }
    }

    /// How many of a side are written off; of numbers, those that failed or cannot be told, up to max failed.
    fn lost(&self, order: &OrderNow, part: &Part<'_>, written_off: &BTreeSet<crate::InstanceId>) -> u32 {
        if let Some(counts) = part.counts {
            return (counts.failed + counts.unknown).min(order.budget.max_failed.down(order.count));
        }
        let standing = part.entries.iter().map(|entry| entry.instance).filter(|instance| instance.stands());
        match written_off.is_empty() {
            true => 0,
            false => standing.filter(|instance| written_off.contains(&instance.id)).count() as u32,
        }
    }

    fn readiness_unsettled(&self, order: &OrderNow, written_off: &BTreeSet<crate::InstanceId>) -> Option<String> {
        let (side, count) = match self.is_back() {
            true => (order.from.as_ref()?, order.line.from.min(self.state.baseline)),
            false => (order.to.as_ref()?, order.line.to),
        };
        let lost = self.roll.side(side).map_or(0, |part| self.lost(order, part, written_off));
        let ready = self.ready(side, &order.line.traffic, order.budget.min_ready);
        let needed = count.saturating_sub(lost);
        (ready < needed).then(|| format!("{ready} of {needed} are ready{}", self.unhealthy_words(side)))
    }

    /// How many of a side are known to be unwell, where any are.
    fn unhealthy_words(&self, side: &Side) -> String {
        let entries = self.roll.side(side).map_or(&[][..], |part| &part.entries);
        match entries.iter().filter(|entry| entry.instance.runs() && entry.is_unhealthy()).count() {
            0 => String::new(),
            1 => ", 1 fails its health check".into(),
            count => format!(", {count} fail their health check"),
        }
    }

    /// Whether all that was ordered of the track stands as ordered.
    pub(super) fn is_settled(&self) -> bool {
        self.is_observed() && self.unsettled().is_none()
    }

    /// Whether nobody is served by its last order and that is not settled yet on: it came from none and is not up again.
    pub(super) fn is_dark(&self) -> bool {
        let spread_none = |standing: &crate::Standing| self.planned.routed && standing.spread == crate::Spread::None;
        let stands = |standing: &crate::Standing| standing.counts.values().any(|count| *count > 0);
        self.state.touched
            && match self.state.point {
                Point::Order(_) => {
                    spread_none(&self.state.standing)
                        || (spread_none(&self.state.standing_before) && stands(&self.state.standing))
                }
                _ => spread_none(&self.state.standing),
            }
    }
}
