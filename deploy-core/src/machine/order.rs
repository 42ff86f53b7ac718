//! The order that is under way, as a deployer is told it.

use super::{Seen, TrackSeen};
use crate::{
    Folded, InstanceId, Order, OrderSide, Record, Running, Side, Timestamp, Token, Track, TrackRef, TrackState, Way,
};
use std::collections::{BTreeMap, BTreeSet};

static NO_PORTS: BTreeMap<crate::Name, u16> = BTreeMap::new();

/// The order that a track has under way, as [`Effect::Converge`](super::Effect::Converge) asks for it. None where it has none.
pub fn order<'a>(
    record: &'a Record,
    seen: &'a Seen,
    track: &'a TrackRef,
    written_off: &'a BTreeSet<InstanceId>,
    paused: bool,
    now: Timestamp,
) -> Option<Order<'a>> {
    let (planned, state) = record.track(track)?;
    let seen: &'a TrackSeen = seen.tracks.get(track)?;
    let under_way = state.order.as_ref()?;
    let health: &'a BTreeMap<InstanceId, Folded> = &seen.health;
    let wanted = seen.observed.as_ref().is_some_and(|observed| observed.wanted.is_some());
    let side = |side: &Option<Side>, count: u32, leads: bool| -> Option<OrderSide> {
        let side = side.clone()?;
        let spec = planned.party(&side.revision).and_then(|party| party.revision.spec.clone());
        Some(OrderSide { side, spec, count, at_least: wanted && leads && count > 0 })
    };
    let to_leads = leads(&under_way.line.traffic);
    let to = if matches!(record.way, Way::Back { .. }) {
        under_way.line.to.min(standing(seen, under_way.to.as_ref()))
    } else {
        under_way.line.to
    };
    Some(Order {
        track,
        kind: under_way.line.kind,
        from: side(&under_way.from, under_way.line.from, !to_leads),
        to: side(&under_way.to, to, to_leads),
        traffic: under_way.line.traffic.clone(),
        traffic_before: before(planned, state),
        ports: ports(planned),
        count: under_way.count,
        floor: floor(under_way, written_off.len() as u32),
        ceiling: under_way.bounds.ceiling,
        max_unavailable: under_way.budget.max_unavailable.down(under_way.count),
        budget: &under_way.budget,
        written_off,
        exclusive: planned.exclusive,
        paused,
        health,
        ended: &state.ended,
        token: token(record, state),
        now,
    })
}

/// The floor with so many written off. The baseline does not contain them: they are taken from the counts alone.
fn floor(order: &crate::OrderNow, written_off: u32) -> u32 {
    let counted = (order.line.from + order.line.to).min(order.count).saturating_sub(written_off);
    order.bounds.floor.min(counted.saturating_sub(order.budget.max_unavailable.down(order.count)))
}

/// How many of a side stand: on the way back nothing is launched of what is left.
fn standing(seen: &TrackSeen, side: Option<&Side>) -> u32 {
    let observed = seen.observed.as_deref();
    side.and_then(|side| observed?.side(side)).map_or(0, Running::total)
}

/// The token of a track's writes.
pub(super) fn token(record: &Record, state: &TrackState) -> Token {
    Token::new(record.epoch, state.generation)
}

/// Whether the side it moves to has more of the traffic.
pub(super) fn leads(traffic: &crate::Traffic) -> bool {
    match traffic {
        crate::Traffic::Split(split) => split.candidate.points() > 5_000,
        crate::Traffic::Pooled | crate::Traffic::InPlace => true,
        _ => false,
    }
}

fn before(planned: &Track, state: &TrackState) -> crate::Traffic {
    let Some(order) = &state.order else { return crate::Traffic::None };
    if !planned.routed {
        return crate::Traffic::NotRouted;
    }
    order.frame().traffic(&state.standing_before.spread, &state.standing_before.counts)
}

fn ports(planned: &Track) -> &BTreeMap<crate::Name, u16> {
    let mut specs = planned.candidate.iter().chain(&planned.stable).filter_map(|party| party.revision.spec.as_deref());
    specs.next().map_or(&NO_PORTS, |spec| &spec.ports)
}
