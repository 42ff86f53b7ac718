//! Who is in the router's set.

use super::retire::Retiring;
use super::traffic::Wanted;
use super::view::{Role, Seen, View};
use deploy_core::{InstanceState, Member, Routed, Routes, Spread, Timestamp, port_numbers};

/// The whole wanted state of the router, where it differs from what it does.
pub(super) fn routes(view: &View<'_>, wanted: &Wanted, retiring: &Retiring) -> Option<Routes> {
    let told = view.routes?;
    let mut members: Vec<_> = told.members.iter().filter_map(|routed| kept(view, wanted, retiring, routed)).collect();
    members.extend(admitted(view, wanted, retiring));
    let same = told.spread == wanted.spread && told.members.iter().map(|routed| &routed.member).eq(&members);
    let order = view.order;
    (!same).then(|| Routes {
        track: order.track.clone(),
        ports: port_numbers(order.ports),
        token: order.token,
        spread: wanted.spread.clone(),
        members,
    })
}

/// A member as it is to be from now on; none when it is dropped.
fn kept(view: &View<'_>, wanted: &Wanted, retiring: &Retiring, routed: &Routed) -> Option<Member> {
    let Some((index, seen)) = view.of(&routed.member.instance) else { return drained(view, routed) };
    let stays = wanted.serves() && !seen.is_bad() && seen.stands && !retiring.contains(index);
    match seen.instance.state {
        InstanceState::Exited(_) => None,
        _ if !stays => drained(view, routed),
        _ if seen.is_admitted() => Some(member(seen, routed.member.address.clone(), None)),
        _ if returns(view, wanted, seen) => Some(member(seen, routed.member.address.clone(), None)),
        _ => drained(view, routed),
    }
}

/// Out of the set; dropped when nothing is in flight any more.
fn drained(view: &View<'_>, routed: &Routed) -> Option<Member> {
    let since = routed.member.draining.unwrap_or(view.order.now);
    (!view.is_drained(routed)).then(|| Member { draining: Some(since), ..routed.member.clone() })
}

fn member(seen: &Seen<'_>, told: String, draining: Option<Timestamp>) -> Member {
    let address = seen.instance.address.clone().unwrap_or(told);
    Member { instance: seen.instance.id.clone(), side: seen.instance.side.clone(), address, draining }
}

/// Those that are not members yet and may be, in the order of their ids.
fn admitted(view: &View<'_>, wanted: &Wanted, retiring: &Retiring) -> Vec<Member> {
    let open = Role::ALL.map(|role| wanted.serves() && is_open(view, wanted, role));
    let fresh = view.seen.iter().enumerate().filter(|(index, seen)| {
        seen.member.is_none() && !retiring.contains(*index) && open[seen.role as usize] && is_fit(view, seen)
    });
    let members = fresh.filter_map(|(_, seen)| Some(member(seen, seen.instance.address.clone()?, None)));
    let mut members: Vec<_> = members.collect();
    members.sort_by(|one, other| one.instance.cmp(&other.instance));
    members
}

/// Whether those of a role that were never admitted, or left long ago, may enter their side's set.
fn is_open(view: &View<'_>, wanted: &Wanted, role: Role) -> bool {
    if view.order.paused { is_mend(view, wanted, role) } else { is_asked_for(view, wanted, role) }
}

/// Of a side that is to be, or was to be before the router lost its state; not while its share is held back.
fn is_asked_for(view: &View<'_>, wanted: &Wanted, role: Role) -> bool {
    is_quiet(wanted, role) && (view.count(role) > 0 || (view.lost && role != Role::Stray))
}

/// Whether one more of a role gives its side no share that is held back from it.
fn is_quiet(wanted: &Wanted, role: Role) -> bool {
    wanted.ordered || wanted.spread != Spread::Pooled || role != Role::To
}

/// In a pause: what came back, and gives its side no share that it did not have.
fn is_mend(view: &View<'_>, wanted: &Wanted, role: Role) -> bool {
    match wanted.spread {
        Spread::None => false,
        Spread::Split { .. } => view.count(role) > 0,
        Spread::Pooled => role != Role::Stray && (view.dark || view.standing_of(role).any(Seen::is_admitted)),
    }
}

/// Whether a draining one that is well may come back: of a side that is to be, or because the rest is too few.
fn returns(view: &View<'_>, wanted: &Wanted, seen: &Seen<'_>) -> bool {
    let may = view.count(seen.role) > 0 && is_quiet(wanted, seen.role);
    is_fit(view, seen) && (may || view.short)
}

/// Min ready gates admission beside others; while nobody is admitted, healthy is enough.
fn is_fit(view: &View<'_>, seen: &Seen<'_>) -> bool {
    seen.is_well() && (seen.lasts || view.dark)
}
