//! Ready and settled.

use super::look::Sight;
use crate::orders::OrderNow;
use crate::record::Point;
use crate::{Evidence, Fence, Health, Instance, InstanceState, OrderKind, Running, Side, Traffic, time};
use std::collections::BTreeSet;
use std::time::Duration;

impl Sight<'_> {
    /// How many of a side are ready: healthy for min ready time, seen so by this engine, and in the router's set where requests are routed.
    pub(super) fn ready(&self, side: &Side, traffic: &Traffic, min_ready: Duration) -> u32 {
        match self.observed().and_then(|observed| observed.side(side)) {
            None => 0,
            Some(Running::Counts(counts)) => counts.ready,
            Some(Running::Instances(instances)) => {
                instances.iter().filter(|instance| self.is_ready(instance, traffic, min_ready)).count() as u32
            }
        }
    }

    fn is_ready(&self, instance: &Instance, traffic: &Traffic, min_ready: Duration) -> bool {
        let admitted = instance.admitted || !self.planned.routed || !traffic.serves();
        let well = |folded: crate::Folded| {
            folded.health == Health::Healthy && folded.fresh && time::between(folded.since, self.look.now) >= min_ready
        };
        instance.runs() && admitted && self.folded(instance).is_some_and(well)
    }

    /// How many of a side are not known to be unwell: what a floor is made of before anything was probed twice.
    pub(super) fn presumed_ready(&self, side: &Side) -> u32 {
        match self.observed().and_then(|observed| observed.side(side)) {
            None => 0,
            Some(Running::Counts(counts)) => counts.ready,
            Some(Running::Instances(instances)) => {
                instances.iter().filter(|instance| self.may_be_ready(instance)).count() as u32
            }
        }
    }

    fn may_be_ready(&self, instance: &Instance) -> bool {
        let bad = self.folded(instance).is_some_and(|folded| folded.health == Health::Unhealthy);
        instance.runs() && !bad && (instance.admitted || !self.planned.routed)
    }

    /// Whether every instance of what serves was looked at by this engine, or long enough was waited for it.
    pub(super) fn knows_what_serves(&self) -> bool {
        const LONG: Duration = Duration::from_secs(30);
        let known = |instance: &Instance| !instance.runs() || self.folded(instance).is_some_and(|folded| folded.fresh);
        let all = self.observed().is_none_or(|observed| {
            observed
                .sides
                .iter()
                .filter(|(side, _)| !self.is_candidate(side))
                .all(|(_, running)| running.instances().iter().all(known))
        });
        all || time::between(self.state.since, self.look.now) >= LONG
    }

    /// Failed or unreachable instances, up to max failed: taken anew at each look.
    pub(super) fn written_off(&self) -> BTreeSet<crate::InstanceId> {
        let Some(order) = &self.state.order else { return BTreeSet::new() };
        let allowed = order.budget.max_failed.down(order.count) as usize;
        if allowed == 0 || self.planned.exclusive {
            return BTreeSet::new();
        }
        let failed = |instance: &&Instance| {
            let unwell = self.folded(instance).is_some_and(|folded| folded.health == Health::Unhealthy);
            instance.state == InstanceState::Unknown || (instance.runs() && unwell)
        };
        let failed = self.observed().into_iter().flat_map(|observed| observed.instances().filter(failed));
        failed.take(allowed).map(|instance| instance.id.clone()).collect()
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
        let Some(observed) = self.observed() else { return false };
        let Some(seen) = &observed.traffic else { return false };
        let counts = observed.sides.iter().map(|(side, running)| (side.clone(), running.total())).collect();
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
        let moves = matches!(order.line.kind, OrderKind::Shift | OrderKind::InPlace) && self.planned.routed;
        if !moves || evidence == Evidence::DataPlane {
            return None;
        }
        let Some(first) = self.state.traffic_seen else { return Some("the change of traffic was not seen yet".into()) };
        let until = time::after(first, self.planned.followed());
        (self.look.now < until).then(|| format!("traffic is known as {evidence} only: waiting until {until}"))
    }

    fn counts_unsettled(&self, order: &OrderNow, written_off: &BTreeSet<crate::InstanceId>) -> Option<String> {
        let observed = self.observed()?;
        let wanted = observed.wanted.is_some();
        let gone_needed = !matches!(order.line.kind, OrderKind::Grow | OrderKind::Shift);
        for side in order.frame().from.into_iter().chain(order.frame().to) {
            let count = order.count_of(side);
            let running = observed.side(side);
            let total = running.map_or(0, Running::total);
            let lost = running.map_or(0, |running| self.lost(order, running, written_off));
            let unreachable = running.map_or(0, Running::unknown).min(lost);
            let fits = (total >= self.least(order, side).saturating_sub(lost) && total <= count + unreachable)
                || (wanted && total >= count && count > 0);
            if !fits {
                return Some(format!("{total} of {count} instances of {side} stand"));
            }
            let terminating = running.map_or(0, Running::terminating);
            if terminating > 0 {
                return Some(format!("{terminating} instances of {side} are still stopping"));
            }
        }
        let stray = observed.sides.iter().find(|(side, running)| {
            Some(*side) != order.from.as_ref() && Some(*side) != order.to.as_ref() && !running.is_gone()
        });
        stray.filter(|_| gone_needed).map(|(side, _)| format!("{side} belongs to neither side and is still there"))
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
    fn lost(&self, order: &OrderNow, running: &Running, written_off: &BTreeSet<crate::InstanceId>) -> u32 {
        match running {
            Running::Counts(counts) => (counts.failed + counts.unknown).min(order.budget.max_failed.down(order.count)),
            Running::Instances(instances) => {
                instances.iter().filter(|instance| instance.stands() && written_off.contains(&instance.id)).count()
                    as u32
            }
        }
    }

    fn readiness_unsettled(&self, order: &OrderNow, written_off: &BTreeSet<crate::InstanceId>) -> Option<String> {
        let (side, count) = match self.is_back() {
            true => (order.from.as_ref()?, order.line.from.min(self.state.baseline)),
            false => (order.to.as_ref()?, order.line.to),
        };
        let lost = self.observed()?.side(side).map_or(0, |running| self.lost(order, running, written_off));
        let ready = self.ready(side, &order.line.traffic, order.budget.min_ready);
        let needed = count.saturating_sub(lost);
        (ready < needed).then(|| format!("{ready} of {needed} are ready{}", self.unhealthy_words(side)))
    }

    /// How many of a side are known to be unwell, where any are.
    fn unhealthy_words(&self, side: &Side) -> String {
        let instances = self.observed().and_then(|observed| observed.side(side)).map_or(&[][..], Running::instances);
        let unwell = |instance: &&Instance| {
            instance.runs() && self.folded(instance).is_some_and(|folded| folded.health == Health::Unhealthy)
        };
        match instances.iter().filter(unwell).count() {
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
