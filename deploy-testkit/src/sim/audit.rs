//! What is checked of every move.

use super::instant::{host, known_ready};
use super::profile::{Profile, WINDOW};
use super::unit::Life;
use super::world::World;
use deploy_core::time::between;
use deploy_core::{Health, InstanceId, Launch, Order, Routes, Share, Side, Spread, Traffic};

/// The share of a side in a spread; none where the spread does not divide.
fn share(spread: &Spread, side: &Side) -> Option<Share> {
    match spread {
        Spread::Split { to, split, .. } if to.as_ref() == Some(side) => Some(split.candidate),
        Spread::Split { from, split, .. } if from.as_ref() == Some(side) => Some(split.candidate.rest()),
        Spread::Split { .. } | Spread::None => Some(Share::NONE),
        Spread::Pooled => None,
    }
}

/// How many ready a share of a side needs under an order.
fn needed(order: &Order<'_>, side: &Side, share: Share, written_off: u32) -> u32 {
    let planned = order.side(side).map_or(0, |side| side.count);
    if share.is_none() {
        return 0;
    }
    share.of(order.count).min(planned).saturating_sub(order.max_unavailable + written_off).max(1)
}

/// What of a split nobody but this side stands for: it is nobody's, so its taking is no gain.
fn left(spread: &Spread, side: &Side, stands: impl Fn(&Side) -> bool) -> Share {
    let Spread::Split { from, to, split } = spread else { return Share::NONE };
    let others = [(from, split.candidate.rest()), (to, split.candidate)].into_iter();
    let stand = others.filter(|(other, _)| other.as_ref().is_some_and(|other| other != side && stands(other)));
    Share::basis_points(stand.map(|(_, share)| share.points()).sum()).rest()
}

/// G3: whether each side whose share grows has enough ready for it. What nobody stands for is stable's before.
pub(crate) fn gains_are_covered(
    order: &Order<'_>,
    before: &Spread,
    spread: &Spread,
    ready: impl Fn(&Side) -> u32,
    stands: impl Fn(&Side) -> bool,
) -> bool {
    let Spread::Split { split, .. } = spread else { return true };
    order.sides().all(|ordered| {
        let side = &ordered.side;
        let (Some(new), Some(old)) = (share(spread, side), share(before, side)) else { return true };
        let of_to = order.to.as_ref().is_some_and(|to| to.side == *side);
        let old = if of_to { old } else { old.max(left(before, side, &stands)) };
        let matched = of_to
            && !split.matches.is_empty()
            && !matches!(before, Spread::Split { split: old, .. } if old.matches == split.matches);
        let need = if matched { ordered.count.max(1) } else { needed(order, side, new, 0) };
        (new <= old && !matched) || ready(side) >= need
    })
}

impl World {
    /// G7: a write comes under the newest token of its platform; where that cannot compare and set, it was compared at
    /// most [`WINDOW`] ago.
    pub(crate) fn is_not_late(&mut self, order: &Order<'_>) {
        let (now, newest) = (self.now, self.site(order.track).token);
        let open = self.compared.is_some_and(|compared| between(compared, now) <= WINDOW);
        let checked = self.profile == Profile::CheckedFence;
        if order.token < newest && !(checked && open) {
            self.trail.broken(now, "G7", format!("a write of {} lands, {newest} stands", order.token));
        }
    }

    fn healthy(&mut self, order: &Order<'_>, side: &Side) -> u32 {
        let sighted = self.sighted.clone();
        let known = |unit: &&super::unit::Unit| sighted.contains(&unit.id) && known_ready(order, &unit.id);
        self.site(order.track).units.iter().filter(|unit| unit.side == *side).filter(known).count() as u32
    }

    fn written_off(&mut self, order: &Order<'_>, side: &Side) -> u32 {
        let units = &self.site(order.track).units;
        units.iter().filter(|unit| unit.side == *side && order.written_off.contains(&unit.id)).count() as u32
    }

    /// G1 and G3 on a change of the router.
    pub(crate) fn shares_are_earned(&mut self, order: &Order<'_>, routes: &Routes) {
        if self.compared.is_some() {
            return;
        }
        let sighted = self.sighted.clone();
        let (now, before) = (self.now, self.site(order.track).spread.clone());
        let sides: Vec<Side> = order.sides().map(|side| side.side.clone()).collect();
        let ready: Vec<(Side, u32)> = sides
            .iter()
            .map(|side| (side.clone(), self.healthy(order, side) + self.written_off(order, side)))
            .collect();
        let of = |side: &Side| ready.iter().find(|(known, _)| known == side).map_or(0, |(_, ready)| *ready);
        let site = self.site(order.track);
        let serves = |side: &Side| site.units.iter().any(|unit| unit.side == *side && unit.runs());
        let member = |side: &Side| site.members.iter().any(|m| m.side == *side && m.draining.is_none());
        if !gains_are_covered(order, &before, &routes.spread, of, |side| serves(side) && member(side)) {
            let how = format!("{before:?} -> {:?} over {ready:?}", routes.spread);
            self.trail.broken(now, "G3", how);
        }
        let site = self.site(order.track);
        let well = |member: &&deploy_core::Member| {
            member.draining.is_none() && known_ready(order, &member.instance) && sighted.contains(&member.instance)
        };
        let old = site.members.iter().filter(well).count() as u32;
        let new = routes.members.iter().filter(well).count() as u32;
        let least = order.sides().map(|side| side.count).sum::<u32>().min(order.count);
        let may_be_away = order.exclusive || order.max_unavailable + order.written_off.len() as u32 >= least;
        let served = |member: &&deploy_core::Member| share(&before, &member.side) != Some(Share::NONE);
        let serving = site.members.iter().filter(well).filter(served).count();
        if new == 0 && serving > 0 && routes.spread != Spread::None && !may_be_away {
            self.trail.broken(now, "G8", format!("the last of {old} who serve is taken out"));
        }
        if new < old && new < order.floor && routes.spread != Spread::None {
            let how = format!("{old} -> {new} ready in the router's set, the floor is {}", order.floor);
            self.trail.broken(now, "G1", how);
        }
    }

    /// G1: nothing is launched above the ceiling, and no second writer.
    pub(crate) fn nothing_is_too_much(&mut self, order: &Order<'_>, launch: &Launch) {
        if self.compared.is_some() {
            return;
        }
        let now = self.now;
        let site = self.site(order.track);
        let standing = site.units.iter().filter(|unit| unit.runs()).count() as u32;
        let prepared = site.prepared.contains(&launch.side.revision);
        let others = site.units.len();
        if standing + 1 > order.ceiling {
            self.trail.broken(now, "G1", format!("{} stand, the ceiling is {}", standing + 1, order.ceiling));
        }
        if order.exclusive && others > 0 {
            self.trail.broken(now, "G1", "a second writer is launched");
        }
        if !prepared {
            self.trail.broken(now, "G6", format!("{} is launched and was not prepared", launch.side));
        }
        if order.paused {
            self.trail.broken(now, "G8", "something is launched in a pause");
        }
    }

    /// G2: what is stopped is out of the router, with nothing in flight or its drain time over.
    pub(crate) fn nobody_is_lost(&mut self, order: &Order<'_>, id: &InstanceId) {
        if self.compared.is_some() {
            return;
        }
        let now = self.now;
        let site = self.site(order.track);
        let Some(member) = site.members.iter().find(|member| member.instance == *id) else { return };
        let unit = site.units.iter().find(|unit| unit.id == *id);
        let in_flight = unit.map_or(0, |unit| unit.in_flight(now));
        let how = match member.draining {
            None => format!("{id} is stopped and still in the router's set"),
            Some(since) => {
                let drained = deploy_core::time::between(since, now) >= super::scenario::DRAIN;
                if in_flight == 0 || drained {
                    return;
                }
                format!("{id} is stopped with {in_flight} requests in flight")
            }
        };
        self.trail.broken(now, "G2", how);
    }

    /// G1 and G3: what is stopped leaves enough ready.
    pub(crate) fn enough_are_left(&mut self, order: &Order<'_>, id: &InstanceId) {
        if self.compared.is_some() {
            return;
        }
        let sighted = self.sighted.clone();
        let now = self.now;
        let routed = order.traffic != Traffic::NotRouted;
        let site = self.site(order.track);
        let Some(unit) = site.units.iter().find(|unit| unit.id == *id) else { return };
        let side = unit.side.clone();
        let member = |id: &InstanceId| site.members.iter().any(|m| m.instance == *id && m.draining.is_none());
        let ready = |unit: &&super::unit::Unit| {
            sighted.contains(&unit.id)
                && known_ready(order, &unit.id)
                && (!routed || member(&unit.id) || site.spread == Spread::None)
        };
        let was = ready(&unit);
        let left = site.units.iter().filter(|other| other.id != *id && ready(other)).count() as u32;
        let of_side = site.units.iter().filter(|other| other.side == side && other.id != *id && ready(other)).count();
        let spread = site.spread.clone();
        if was && left < order.floor {
            self.trail.broken(now, "G1", format!("{left} ready are left, the floor is {}", order.floor));
        }
        let written_off = self.written_off(order, &side);
        let need = share(&spread, &side).map_or(0, |share| needed(order, &side, share, written_off));
        if was && (of_side as u32) < need {
            let how = format!("{of_side} of {side} are left, its share in {spread:?} needs {need}");
            self.trail.broken(now, "G3", how);
        }
    }

    /// G2: after a turn nobody is routed to who was last folded as not healthy.
    pub(crate) fn nobody_bad_is_routed(&mut self, order: &Order<'_>) {
        let now = self.now;
        if self.faults.rate > 0 && now < self.faults.until
            || !self.faults.throttled.is_empty()
            || self.compared.is_some()
        {
            return;
        }
        let site = self.site(order.track);
        let bad = site.members.iter().find(|member| {
            let folded = order.health.get(&member.instance).map(|folded| folded.health);
            member.draining.is_none() && folded == Some(Health::Unhealthy)
        });
        if let Some(id) = bad.map(|member| member.instance.clone()) {
            self.trail.broken(now, "G2", format!("{id} is not healthy and still routed to"));
        }
    }

    /// G1 and G3 on a scaling of a platform with a controller.
    pub(crate) fn scaling_is_safe(&mut self, order: &Order<'_>) {
        let now = self.now;
        let site = self.site(order.track);
        let Some(control) = &site.control else { return };
        let spread = control.effective(now);
        let ready = |side: &Side| {
            let ready = |unit: &super::unit::Unit| unit.side == *side && super::control::is_ready(unit, now);
            site.units.iter().any(ready) || site.answers(side, now)
        };
        let short = order.sides().find(|ordered| {
            let served = share(&spread, &ordered.side).is_some_and(|share| !share.is_none());
            served && ordered.count == 0 && order.traffic != Traffic::Pooled && ready(&ordered.side)
        });
        if let Some(side) = short.map(|ordered| ordered.side.clone()) {
            self.trail.broken(now, "G3", format!("{side} is scaled to nothing while {spread:?} serves it"));
        }
    }

    /// How many users are not served now who could be, in truth: routed to nobody who is well while somebody of the
    /// platform is.
    pub fn is_unserved(&self, track: &deploy_core::TrackRef) -> Option<String> {
        let site = self.sites.get(track)?;
        let now = self.now;
        let spread = site.control.as_ref().map_or_else(|| site.spread.clone(), |control| control.effective(now));
        let in_set = |unit: &super::unit::Unit| match &site.control {
            Some(_) => unit.is_well(now) && !matches!(unit.life, Life::Exited(_)),
            None => {
                let admitted = site.members.iter().any(|m| m.instance == unit.id && m.draining.is_none());
                admitted && unit.is_well(now) && self.reaches(host(&unit.slot))
            }
        };
        let served =
            |side: &Side| site.units.iter().any(|unit| unit.side == *side && in_set(unit)) || site.answers(side, now);
        let anybody = || site.units.iter().any(in_set) || site.sides().into_iter().any(served);
        match &spread {
            Spread::None => None,
            Spread::Pooled => (!anybody()).then(|| "nobody of the pool serves".to_owned()),
            Spread::Split { from, to, split } => {
                let without = |side: &Option<Side>, share: Share| {
                    let side = side.as_ref()?;
                    (!share.is_none() && !served(side)).then(|| format!("nobody of {side} serves its {share}"))
                };
                without(to, split.candidate).or_else(|| without(from, split.candidate.rest()))
            }
        }
    }
}
