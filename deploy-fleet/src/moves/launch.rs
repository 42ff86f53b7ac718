//! What is started, and where.

use super::Wait;
use super::view::{Role, Seen, View};
use deploy_core::{InOrder, InstanceSpec, Launch, Side, Slot, SlotId, Traffic};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What is started, and what is not although it is missing.
#[derive(Debug, Default)]
pub(super) struct Fill {
    pub launch: Vec<(SlotId, Launch)>,
    pub waits: Vec<Wait>,
}

/// Launches what is missing on each side, as far as ceiling and slots allow; the side with more traffic first.
pub(super) fn fill(view: &View<'_>, slots: &[Slot]) -> Fill {
    let mut fill = Fill::default();
    let lacking: Vec<_> = sides(view).into_iter().filter(|role| missing(view, *role) > 0).collect();
    if view.order.paused || lacking.is_empty() {
        return fill;
    }
    if let Some(seen) = view.seen.first().filter(|_| view.order.exclusive) {
        fill.waits.push(Wait::Exclusive { instance: seen.instance.id.clone() });
        return fill;
    }
    let most = if view.order.exclusive { 1 } else { u32::MAX };
    let mut room = view.order.ceiling.saturating_sub(view.standing().count() as u32).min(most);
    let mut free = Free::of(view, slots);
    for role in lacking {
        room -= fill.side(view, role, room, &mut free);
    }
    fill
}

impl Fill {
    /// Launches what is missing on one side and returns how many that are.
    fn side(&mut self, view: &View<'_>, role: Role, room: u32, free: &mut Free<'_>) -> u32 {
        let Some(ordered) = view.ordered(role) else { return 0 };
        let (side, missing) = (ordered.side.clone(), missing(view, role));
        let Some(spec) = &ordered.spec else {
            self.waits.push(Wait::Adopted { side, missing });
            return 0;
        };
        let wanted = missing.min(room);
        let taken = free.take(view, role, wanted);
        let count = taken.len() as u32;
        self.launch.extend(taken.into_iter().map(|slot| (slot, launch(view, &side, spec))));
        let beyond = (missing > room).then(|| Wait::Ceiling { side: side.clone(), missing: missing - room });
        let unplaced = (count < wanted).then(|| Wait::Slots { side, missing: wanted - count });
        self.waits.extend(beyond.into_iter().chain(unplaced));
        count
    }
}

fn launch(view: &View<'_>, side: &Side, spec: &Arc<InstanceSpec>) -> Launch {
    Launch { track: view.order.track.clone(), side: side.clone(), spec: spec.clone() }
}

/// How many of a side there are to be more. Who cannot be told may still be there.
fn missing(view: &View<'_>, role: Role) -> u32 {
    view.count(role).saturating_sub(view.standing_of(role).count() as u32)
}

fn sides(view: &View<'_>) -> [Role; 2] {
    match &view.order.traffic {
        Traffic::Split(split) if split.candidate > split.candidate.rest() => [Role::To, Role::From],
        _ => [Role::From, Role::To],
    }
}

/// Free slots by host.
#[derive(Debug)]
struct Free<'a> {
    hosts: BTreeMap<&'a str, VecDeque<&'a SlotId>>,
    /// The host of each slot, taken ones too.
    of: BTreeMap<&'a SlotId, &'a str>,
    /// How many stand on each host, those launched now too.
    load: BTreeMap<&'a str, u32>,
}

impl<'a> Free<'a> {
    fn of(view: &View<'_>, slots: &'a [Slot]) -> Self {
        let taken: BTreeMap<&SlotId, ()> = view.seen.iter().map(|seen| (&seen.instance.slot, ())).collect();
        let mut taken = InOrder::new(&taken);
        let of: BTreeMap<_, _> = slots.iter().map(|slot| (&slot.id, slot.host.as_str())).collect();
        let mut hosts: BTreeMap<&str, VecDeque<&SlotId>> = BTreeMap::new();
        for slot in slots.iter().filter(|slot| taken.get(&&slot.id).is_none() && slot.closed.is_none()) {
            hosts.entry(&slot.host).or_default().push_back(&slot.id);
        }
        let load = count(&of, view.standing());
        Self { hosts, of, load }
    }

    /// Takes slots one by one from the host that has the fewest of the role, then the fewest in all.
    fn take(&mut self, view: &View<'_>, role: Role, wanted: u32) -> Vec<SlotId> {
        let own = count(&self.of, view.standing_of(role));
        let at = |map: &BTreeMap<&str, u32>, host: &str| map.get(host).copied().unwrap_or(0);
        let ranked = self.hosts.keys().map(|host| (at(&own, host), at(&self.load, host), *host));
        let mut ranked: BTreeSet<_> = ranked.collect();
        let mut taken = Vec::new();
        while taken.len() < wanted as usize {
            let Some((own, load, host)) = ranked.pop_first() else { break };
            if let Some(slot) = self.hosts.get_mut(host).and_then(VecDeque::pop_front) {
                taken.push(slot.clone());
                self.load.insert(host, load + 1);
                ranked.insert((own + 1, load + 1, host));
            }
        }
        taken
    }
}

/// How many stand on each host.
fn count<'a, 's>(
    of: &BTreeMap<&SlotId, &'a str>,
    standing: impl Iterator<Item = &'s Seen<'s>>,
) -> BTreeMap<&'a str, u32> {
    let (mut of, mut counts) = (InOrder::new(of), BTreeMap::new());
    for host in standing.filter_map(|seen| of.get(&&seen.instance.slot)) {
        *counts.entry(*host).or_default() += 1;
    }
    counts
}
