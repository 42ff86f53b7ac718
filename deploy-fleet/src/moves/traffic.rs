//! Where requests are to go now: as ordered, or as before while a side that gains has too few ready.

use super::Wait;
use super::view::{Role, View};
use deploy_core::{Frame, Order, OrderKind, Share, Side, Split, Spread, Traffic};

/// The spread to be applied now.
#[derive(Debug)]
pub(super) struct Wanted {
    pub spread: Spread,
    /// It is what the order says.
    pub ordered: bool,
    /// The router is seen to do it already.
    pub seen: bool,
    /// Why it is not what the order says.
    pub held: Option<Wait>,
}

impl Wanted {
    pub(super) fn serves(&self) -> bool {
        self.spread != Spread::None
    }
}

/// The spread to be applied now. What falls is never held back; what grows is.
pub(super) fn wanted(view: &View<'_>) -> Wanted {
    let target = spread(view.order, &view.order.traffic);
    let held = short(view, &target);
    let spread = if view.order.paused || held.is_some() { kept(view) } else { target.clone() };
    let seen = view.routes.is_none_or(|routes| routes.spread == spread);
    Wanted { ordered: spread == target, seen, held, spread }
}

/// How many ready a side has to keep for the share it is ordered to have.
pub(super) fn need(view: &View<'_>, role: Role) -> u32 {
    let Traffic::Split(split) = &view.order.traffic else { return 0 };
    let share = match role {
        Role::From => split.candidate.rest(),
        Role::To if !split.matches.is_empty() => Share::WHOLE,
        Role::To => split.candidate.max(split.mirror),
        Role::Stray => Share::NONE,
    };
    needed(view, role, share)
}

/// A traffic in terms of the order's sides.
fn spread(order: &Order<'_>, traffic: &Traffic) -> Spread {
    let (from, to) = (order.from.as_ref(), order.to.as_ref());
    Frame { from: from.map(|ordered| &ordered.side), to: to.map(|ordered| &ordered.side) }.spread(traffic)
}

/// What stays while nothing may move: what the router does, or did before it lost its state.
fn kept(view: &View<'_>) -> Spread {
    let told = view.routes.map(|routes| &routes.spread).filter(|spread| !view.lost || **spread != Spread::None);
    told.cloned().unwrap_or_else(|| match view.order.kind {
        OrderKind::Shift => spread(view.order, &view.order.traffic_before),
        _ => spread(view.order, &view.order.traffic),
    })
}

/// The first side that would gain and has too few ready for it.
fn short(view: &View<'_>, target: &Spread) -> Option<Wait> {
    let Spread::Split { split, .. } = target else { return None };
    let before = kept(view);
    [Role::From, Role::To].into_iter().find_map(|role| {
        let need = gain(view, role, split, &before)?;
        let side = view.ordered(role)?.side.clone();
        let ready = view.standing_of(role).filter(|seen| view.could_serve(seen)).count() as u32;
        (ready < need).then_some(Wait::Share { side, ready, need })
    })
}

/// How many ready a side needs for what it would gain; none where it gains nothing.
fn gain(view: &View<'_>, role: Role, split: &Split, before: &Spread) -> Option<u32> {
    let side = &view.ordered(role)?.side;
    if role == Role::From {
        let old = share(view, side, before).max(left(view, side, before));
        return (split.candidate.rest() > old).then(|| needed(view, role, split.candidate.rest()));
    }
    let old = share(view, side, before);
    let had = match before {
        Spread::Split { to: Some(to), split, .. } if to == side => Some(split),
        _ => None,
    };
    let matched = !split.matches.is_empty() && had.is_none_or(|had| had.matches != split.matches);
    let mirrored = split.mirror > had.map_or(Share::NONE, |had| had.mirror);
    let by_match = matched.then(|| all(view, role));
    let by_mirror = mirrored.then(|| needed(view, role, split.mirror));
    let by_share = (split.candidate > old).then(|| needed(view, role, split.candidate));
    by_match.max(by_mirror).max(by_share)
}

/// What a share needs: its part of the workload's count, but never more than is ordered of the side.
fn needed(view: &View<'_>, role: Role, share: Share) -> u32 {
    if share.is_none() {
        return 0;
    }
    let part = share.of(view.order.count).min(view.count(role));
    part.saturating_sub(view.order.max_unavailable + written_off(view, role)).max(1)
}

/// What a match needs, whose share is not known.
fn all(view: &View<'_>, role: Role) -> u32 {
    view.count(role).saturating_sub(written_off(view, role)).max(1)
}

fn written_off(view: &View<'_>, role: Role) -> u32 {
    view.seen.iter().filter(|seen| seen.role == role && seen.written_off).count() as u32
}

/// A side's share of a spread; under a pooled one, its share of the members.
fn share(view: &View<'_>, side: &Side, spread: &Spread) -> Share {
    match spread {
        Spread::None => Share::NONE,
        Spread::Pooled => pooled(view, side),
        Spread::Split { to, split, .. } if to.as_ref() == Some(side) => split.candidate,
        Spread::Split { from, split, .. } if from.as_ref() == Some(side) => split.candidate.rest(),
        Spread::Split { .. } => Share::NONE,
    }
}

/// What of a split nobody else stands for: a sick release must be replaceable, also where the router still has a pair
/// of which one is gone.
fn left(view: &View<'_>, side: &Side, spread: &Spread) -> Share {
    let Spread::Split { from, to, split } = spread else { return Share::NONE };
    let others = [(from, split.candidate.rest()), (to, split.candidate)].into_iter();
    let there = others.filter(|(other, _)| other.as_ref().is_some_and(|other| other != side && view.is_there(other)));
    Share::basis_points(there.map(|(_, share)| share.points()).sum()).rest()
}

/// Its part of those that are admitted. While nobody is, `from` is taken to have had it all: a sick release must be
/// replaceable.
fn pooled(view: &View<'_>, side: &Side) -> Share {
    let members = view.routes.into_iter().flat_map(|routes| &routes.members).map(|routed| &routed.member);
    let sides: Vec<_> = members.filter(|member| member.draining.is_none()).map(|member| &member.side).collect();
    let own = sides.iter().filter(|member| **member == side).count();
    match (own * 10_000).checked_div(sides.len()) {
        Some(points) => Share::basis_points(points as u16),
        None if view.order.from.as_ref().is_some_and(|from| from.side == *side) => Share::WHOLE,
        None => Share::NONE,
    }
}
