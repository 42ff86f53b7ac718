//! Who goes, and when.

use super::traffic::{Wanted, need};
use super::view::{Role, Seen, View};
use super::{Stop, Wait};
use deploy_core::{Health, InstanceState, Traffic};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Those that go, by their place in the list; drained first where they are routed.
#[derive(Debug, Default)]
pub(super) struct Retiring {
    chosen: BTreeSet<usize>,
    /// More are to go than may go now.
    left: u32,
}

impl Retiring {
    pub(super) fn contains(&self, index: usize) -> bool {
        self.chosen.contains(&index)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }
}

/// How gladly an instance of one role is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Bad,
    NeverAdmitted,
    Draining,
    NotKnown,
    Ready,
}

/// What may still be taken; of a role where it is an array.
#[derive(Debug)]
struct Means {
    ready: u32,
    ready_of: [u32; 3],
    /// How many have to stay ready for the share.
    need_of: [u32; 3],
    excess: [u32; 3],
    /// In the router's set, and not known to be bad: requests reach them, whether anybody here can or not.
    serving: u32,
    /// So many of these stay where nobody is known to be ready.
    least: u32,
}

/// Who goes now: strays first, then of each side in excess the known bad, the never admitted, the newest.
pub(super) fn choose(view: &View<'_>, wanted: &Wanted) -> Retiring {
    let mut means = Means::of(view);
    let mut retiring = Retiring::default();
    for (class, index) in candidates(view, means.excess) {
        let seen = &view.seen[index];
        if means.take(view, wanted, class, seen) {
            retiring.chosen.insert(index);
        }
    }
    retiring.left = means.excess.iter().sum();
    retiring
}

/// What is stopped now: what goes and is out, what is ending already, what has ended and is recorded.
pub(super) fn stops(view: &View<'_>, retiring: &Retiring) -> Vec<Stop> {
    let stops = view.seen.iter().enumerate().filter(|(index, seen)| match seen.instance.state {
        InstanceState::Running => retiring.contains(*index) && !view.order.paused && view.is_out(seen),
        InstanceState::Terminating => !seen.is_admitted(),
        InstanceState::Exited(_) => view.order.ended.contains(&seen.instance.id),
        InstanceState::Unknown => false,
    });
    let stop = |seen: &Seen<'_>| Stop {
        instance: seen.instance.id.clone(),
        grace: view.grace(&seen.instance.side),
        again: seen.is_ending(),
    };
    stops.map(|(_, seen)| stop(seen)).collect()
}

/// Why those that are to go are not gone.
pub(super) fn waits(view: &View<'_>, retiring: &Retiring) -> Vec<Wait> {
    let going = retiring.chosen.iter().map(|index| &view.seen[*index]);
    let mut waits: Vec<_> = going.filter_map(|seen| wait(view, seen)).collect();
    waits.extend((retiring.left > 0).then_some(Wait::Excess { left: retiring.left }));
    waits
}

fn wait(view: &View<'_>, seen: &Seen<'_>) -> Option<Wait> {
    let instance = seen.instance.id.clone();
    match seen.member {
        _ if !seen.instance.runs() => Some(Wait::Unreachable { instance }),
        Some(routed) if !view.is_drained(routed) => Some(Wait::Drain { instance, in_flight: routed.in_flight }),
        _ => None,
    }
}

/// All that could go, in the order of preference: of roles in excess. In a pause only those that are leaving already.
fn candidates(view: &View<'_>, excess: [u32; 3]) -> Vec<(Class, usize)> {
    let all = view.seen.iter().enumerate().filter(|(_, seen)| seen.stands && excess[seen.role as usize] > 0);
    let may = all.filter(|(_, seen)| !view.order.paused || seen.draining().is_some());
    let mut ranked: Vec<_> = may.map(|(index, seen)| (rank(view, seen), index)).collect();
    ranked.sort();
    ranked.into_iter().map(|((_, class, ..), index)| (class, index)).collect()
}

type Rank<'a> = (bool, Class, Reverse<Option<deploy_core::Timestamp>>, Reverse<&'a str>);

fn rank<'a>(view: &View<'_>, seen: &Seen<'a>) -> Rank<'a> {
    let newest = Reverse(seen.instance.started);
    (seen.role != Role::Stray, class(view, seen), newest, Reverse(seen.instance.id.as_str()))
}

fn class(view: &View<'_>, seen: &Seen<'_>) -> Class {
    match () {
        () if seen.is_known_bad() => Class::Bad,
        () if never_admitted(view, seen) => Class::NeverAdmitted,
        () if seen.draining().is_some() => Class::Draining,
        () if view.is_ready(seen) => Class::Ready,
        () => Class::NotKnown,
    }
}

/// A router that lost its state has forgotten whom it had: what is healthy may have been one of them. A stray does not
/// come back into it.
fn never_admitted(view: &View<'_>, seen: &Seen<'_>) -> bool {
    let healthy = seen.folded.is_some_and(|folded| folded.health == Health::Healthy);
    let forgotten = view.lost && healthy && seen.role != Role::Stray;
    view.routes.is_some() && seen.member.is_none() && !forgotten
}

impl Means {
    fn of(view: &View<'_>) -> Self {
        let ready = |role| view.standing_of(role).filter(|seen| view.is_ready(seen)).count() as u32;
        let ready_of = Role::ALL.map(ready);
        let (need_of, excess) = (Role::ALL.map(|role| need(view, role)), Role::ALL.map(|role| excess(view, role)));
        let serving = view.standing().filter(|seen| seen.may_serve()).count() as u32;
        Self { ready: ready_of.iter().sum(), ready_of, need_of, excess, serving, least: least(view) }
    }

    /// Takes one where it is in excess and may go; nothing else is counted again.
    fn take(&mut self, view: &View<'_>, wanted: &Wanted, class: Class, seen: &Seen<'_>) -> bool {
        let of = seen.role as usize;
        if self.excess[of] == 0 || !self.allows(view, wanted, class, of) || !self.leaves_somebody(class, seen) {
            return false;
        }
        self.excess[of] -= 1;
        self.serving -= u32::from(seen.may_serve());
        if class == Class::Ready {
            self.ready -= 1;
            self.ready_of[of] -= 1;
        }
        true
    }

    /// Known bad and never admitted go freely; others while the rest is enough, and the traffic is seen to be as ordered.
    fn allows(&self, view: &View<'_>, wanted: &Wanted, class: Class, of: usize) -> bool {
        if matches!(class, Class::Bad | Class::NeverAdmitted) {
            return true;
        }
        let less = u32::from(class == Class::Ready);
        let enough = self.ready >= view.order.floor + less && self.ready_of[of] >= self.need_of[of] + less;
        enough && wanted.ordered && wanted.seen
    }

    /// Whether somebody is left whom requests reach.
    fn leaves_somebody(&self, class: Class, seen: &Seen<'_>) -> bool {
        let ready = self.ready - u32::from(class == Class::Ready);
        !seen.may_serve() || ready > 0 || self.serving > self.least
    }
}

/// How many of those that may serve stay while nobody is known to be ready: who cannot be reached from here may be all that
/// serve. With shares each side that has one keeps its need.
fn least(view: &View<'_>) -> u32 {
    let order = view.order;
    if order.traffic != Traffic::Pooled || order.exclusive {
        return 0;
    }
    let total = order.count.min(order.sides().map(|side| side.count).sum());
    total.saturating_sub(order.max_unavailable + order.written_off.len() as u32)
}

/// How many of a role are too many. A side that is to be gone loses those that are written off as well.
fn excess(view: &View<'_>, role: Role) -> u32 {
    let count = view.count(role);
    let all = view.standing_of(role).filter(|seen| count == 0 || !seen.written_off).count() as u32;
    let open = view.ordered(role).is_some_and(|ordered| ordered.at_least);
    if open { 0 } else { all.saturating_sub(count) }
}
