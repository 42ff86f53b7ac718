//! What must hold of every move, judged from the world as it is and the order as it was.

use super::world::{Life, Site, Unit, World};
use deploy_core::{
    Health, InstanceId, Launch, Order, Record, Routes, Share, Side, Spread, Status, TaskAct, TaskRun, Traffic,
};

impl World {
    pub fn breaks(&mut self, guarantee: &str, how: impl std::fmt::Display) {
        self.broken.push(format!("{guarantee}: {how}"));
    }
}

/// The share of a side in a spread; none where the spread does not divide.
fn share(spread: &Spread, side: &Side) -> Option<Share> {
    match spread {
        Spread::Split { to, split, .. } if to.as_ref() == Some(side) => Some(split.candidate),
        Spread::Split { from, split, .. } if from.as_ref() == Some(side) => Some(split.candidate.rest()),
        Spread::Split { .. } | Spread::None => Some(Share::NONE),
        Spread::Pooled => None,
    }
}

fn needed(order: &Order<'_>, side: &Side, share: Share) -> u32 {
    let planned = order.side(side).map_or(0, |side| side.count);
    let lost = order.max_unavailable + order.written_off.len() as u32;
    if share.is_none() { 0 } else { share.of(order.count).min(planned).saturating_sub(lost).max(1) }
}

fn healthy(order: &Order<'_>, id: &InstanceId) -> bool {
    order.health.get(id).is_some_and(|folded| folded.health == Health::Healthy)
}

fn healthy_of(site: &Site, order: &Order<'_>, side: &Side) -> u32 {
    site.units.iter().filter(|unit| unit.side == *side && unit.runs() && healthy(order, &unit.id)).count() as u32
}

/// G1, G2, G3 and G8 on a change of the router.
pub fn routes(world: &mut World, order: &Order<'_>, routes: &Routes) {
    let site = world.site(order.track).clone();
    for ordered in order.sides() {
        let (new, old) = (share(&routes.spread, &ordered.side), share(&site.spread, &ordered.side));
        let (Some(new), Some(old)) = (new, old) else { continue };
        let ready = healthy_of(&site, order, &ordered.side);
        if new > old && ready < needed(order, &ordered.side, new) {
            world.breaks("G3", format_args!("the share of {} grows to {new} over {ready} ready", ordered.side));
        }
    }
    for old in site.members.iter().filter(|old| routes.members.iter().all(|member| member.instance != old.instance)) {
        let unit = site.units.iter().find(|unit| unit.id == old.instance && unit.life != Life::Exited);
        let rests = |since| deploy_core::time::between(since, order.now) >= super::DRAIN;
        if unit.is_some_and(|unit| old.draining.is_none_or(|since| unit.busy && !rests(since))) {
            world.breaks("G2", format_args!("{} is dropped from the router undrained", old.instance));
        }
    }
    let serves = |members: &[deploy_core::Member]| {
        let well = |unit: &&Unit| {
            let admitted = members.iter().any(|member| member.instance == unit.id && member.draining.is_none());
            unit.runs() && healthy(order, &unit.id) && admitted
        };
        site.units.iter().filter(well).count() as u32
    };
    let (before, after) = (serves(&site.members), serves(&routes.members));
    let may_be_away = order.exclusive || order.max_unavailable >= order.count || routes.spread == Spread::None;
    if after == 0 && before > 0 && !may_be_away {
        world.breaks("G8", format_args!("the last of {before} who serve is taken out"));
    }
    if after < before && after < order.floor && routes.spread != Spread::None {
        world.breaks("G1", format_args!("{before} -> {after} serve, the floor is {}", order.floor));
    }
}

/// G1 and G6 on a launch.
pub fn launch(world: &mut World, order: &Order<'_>, launch: &Launch) {
    let site = world.site(order.track).clone();
    let standing = site.units.iter().filter(|unit| unit.runs()).count() as u32;
    if standing + 1 > order.ceiling {
        world.breaks("G1", format_args!("{} stand, the ceiling is {}", standing + 1, order.ceiling));
    }
    if order.exclusive && !site.units.is_empty() {
        world.breaks("G1", "a second writer is launched");
    }
    if !site.prepared.contains(&launch.side.revision) {
        world.breaks("G6", format_args!("{} is launched and was not prepared", launch.side));
    }
}

/// G1, G2 and G3 on a stop.
pub fn stop(world: &mut World, order: &Order<'_>, id: &InstanceId) {
    let site = world.site(order.track).clone();
    let Some(unit) = site.units.iter().find(|unit| unit.id == *id) else { return };
    let member = site.members.iter().find(|member| member.instance == *id);
    match member.map(|member| member.draining) {
        Some(None) => world.breaks("G2", format_args!("{id} is stopped and still in the router's set")),
        Some(Some(since)) if unit.busy && deploy_core::time::between(since, order.now) < super::DRAIN => {
            world.breaks("G2", format_args!("{id} is stopped with a request in flight"));
        }
        _ => {}
    }
    let routed = order.traffic != Traffic::NotRouted && site.spread != Spread::None;
    let ready = |unit: &&Unit| unit.runs() && healthy(order, &unit.id) && (!routed || site.is_admitted(&unit.id));
    if !ready(&unit) {
        return;
    }
    let left: Vec<_> = site.units.iter().filter(|other| other.id != *id).filter(ready).collect();
    if (left.len() as u32) < order.floor {
        world.breaks("G1", format_args!("{} ready are left, the floor is {}", left.len(), order.floor));
    }
    let of_side = left.iter().filter(|other| other.side == unit.side).count() as u32;
    if of_side < share(&site.spread, &unit.side).map_or(0, |share| needed(order, &unit.side, share)) {
        world.breaks("G3", format_args!("{of_side} of {} are left for its share", unit.side));
    }
}

/// G2: after a turn nobody is routed to who was last folded as not healthy.
pub fn routed(world: &mut World, order: &Order<'_>) {
    let unhealthy = |id: &InstanceId| order.health.get(id).is_some_and(|folded| folded.health == Health::Unhealthy);
    let site = world.site(order.track);
    let bad = site.members.iter().find(|member| member.draining.is_none() && unhealthy(&member.instance)).cloned();
    if let Some(bad) = bad {
        world.breaks("G2", format_args!("{} is not healthy and still routed to", bad.instance));
    }
}

/// G6: no undo starts while what it undoes runs or may still start.
pub fn undo_in_order(world: &mut World, run: &TaskRun, act: TaskAct) {
    let first = run.key.split_once("/back/").and_then(|(before, name)| Some((before, name.strip_suffix("-undo")?)));
    let Some((before, name)) = first.filter(|_| act == TaskAct::Start && !world.errands.contains_key(&run.key)) else {
        return;
    };
    let over = world.errands.get(&format!("{before}/{name}")).is_some_and(|errand| errand.outcome.is_some());
    if !over {
        world.breaks("G6", format_args!("{} starts while {name} runs or may start", run.key));
    }
}

/// G8: whoever is to be served is served, by those who could.
pub fn served(world: &mut World) {
    let dark = |site: &Site| {
        let serves = |unit: &Unit| unit.life == Life::Well && site.is_admitted(&unit.id);
        let could = site.units.iter().any(|unit| unit.life == Life::Well);
        could && site.spread != Spread::None && !site.units.iter().any(serves)
    };
    let dark: Vec<_> = world.sites.iter().filter(|(_, site)| dark(site)).map(|(track, _)| track.clone()).collect();
    dark.iter().for_each(|track| world.breaks("G8", format_args!("nobody of {track} serves who could")));
}

/// G6 and G8 when it has ended; `kind`: nobody was ill, and nothing slow.
pub fn ended(world: &mut World, record: &Record, kind: bool) {
    let reason = record.reason().unwrap_or_default();
    match record.status() {
        Status::Completed => stands(world, record, true),
        status if kind => world.breaks("G6", format_args!("it ended {status} although nobody was ill: {reason}")),
        Status::RolledBack => stands(world, record, false),
        _ if reason.is_empty() => world.breaks("G8", "it failed and does not say what is where"),
        _ => {}
    }
}

fn stands(world: &mut World, record: &Record, candidate: bool) {
    let Some(plan) = record.plan.clone() else { return };
    for (name, track) in &plan.tracks {
        if !candidate && !record.tracks.get(name).is_some_and(|state| state.touched) {
            continue;
        }
        let party = if candidate { &track.candidate } else { &track.stable };
        let site = world.site(name).clone();
        let mine = |side: &Side| party.as_ref().is_some_and(|party| party.side.revision == side.revision);
        let others = site.units.iter().filter(|unit| unit.runs() && !mine(&unit.side)).count();
        let own = site.units.iter().filter(|unit| unit.life != Life::Terminating && mine(&unit.side)).count();
        let serves = match &site.spread {
            Spread::None => party.is_none() || !track.routed,
            Spread::Pooled => true,
            Spread::Split { from, to, split } => {
                let side = if split.candidate.is_whole() { to } else { from };
                split.is_whole() && side.iter().all(mine)
            }
        };
        if others > 0 || !serves || own < party.as_ref().map_or(0, |party| party.count as usize) {
            let how = format!("{own} own and {others} others stand, requests go to {:?}", site.spread);
            world.breaks("G8", format_args!("{} ended {} and {how}", name.workload, record.status()));
        }
    }
}
