//! A platform that starts single instances, behind a router that tells what it does.

use super::faults::Strike;
use super::unit::{Life, Temper};
use super::world::World;
use deploy_core::time::after;
use deploy_core::{
    Condition, ConditionKind, Error, Evidence, Health, Instance, InstanceId, Kind, Launch, Observed, Order, Result,
    RouteState, Routed, Routes, Running, Side, Slot, SlotId, Spread, Timestamp, TrackRef, TrafficSeen, Trouble, Turn,
};
use deploy_fleet::{Moves, Stop, moves};
use std::collections::BTreeMap;

/// What a full host says.
const FULL: &str = "no space left on device";

impl World {
    fn slots(&self) -> Vec<Slot> {
        let slot = |host: &String, number: u32| Slot {
            id: SlotId::new(format!("{host}/{number}")),
            host: host.clone(),
            closed: self.closed(host).map(str::to_owned),
        };
        self.hosts.iter().flat_map(|(host, count)| (0..*count).map(move |number| slot(host, number))).collect()
    }

    /// Why nothing can be launched on a host. Of a full one it is said on some platforms, on others only by the launch.
    fn closed(&self, host: &str) -> Option<&'static str> {
        match () {
            () if !self.reaches(host) => Some("it cannot be reached"),
            () if self.is_full(host) && !host.ends_with(['1', '3']) => Some(FULL),
            () => None,
        }
    }

    pub(crate) fn list(&mut self, track: &TrackRef) -> Vec<Instance> {
        let units = self.site(track).units.clone();
        let off = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond() + self.skew).unwrap_or(at);
        let listed = units.iter().map(|unit| unit.listed(self.reaches(host(&unit.slot)), false, None));
        listed.map(|instance| Instance { started: instance.started.map(off), ..instance }).collect()
    }

    fn routes(&mut self, track: &TrackRef) -> RouteState {
        let now = self.now;
        let site = self.site(track);
        let routed = |member: &deploy_core::Member| Routed {
            member: member.clone(),
            in_flight: Some(
                site.units.iter().find(|unit| unit.id == member.instance).map_or(0, |unit| unit.in_flight(now)),
            ),
        };
        RouteState {
            spread: site.spread.clone(),
            evidence: Evidence::DataPlane,
            members: site.members.iter().map(routed).collect(),
            token: site.token,
        }
    }

    pub(crate) fn observe_instant(&mut self, track: &TrackRef) -> Observed {
        let (instances, routes) = (self.list(track), self.routes(track));
        let told = routes.spread != Spread::None || !routes.members.is_empty();
        let mut sides: BTreeMap<Side, Vec<Instance>> = BTreeMap::new();
        for mut instance in instances {
            let member = routes.member(&instance.id);
            let routed = told || track.workload.as_str() != "worker";
            instance.admitted = !routed || member.is_some_and(|routed| routed.member.draining.is_none());
            instance.in_flight = member.and_then(|routed| routed.in_flight);
            sides.entry(instance.side.clone()).or_default().push(instance);
        }
        let mut left = routes.members.iter().filter(|routed| routed.member.draining.is_some());
        let drained = left.all(|routed| routed.in_flight == Some(0));
        Observed {
            sides: sides.into_iter().map(|(side, instances)| (side, Running::Instances(instances))).collect(),
            traffic: Some(TrafficSeen { spread: routes.spread.clone(), evidence: routes.evidence, drained }),
            wanted: None,
            foreign: Vec::new(),
            conditions: self.conditions(track),
            token: routes.token,
        }
    }

    /// What the platform says of revisions that cannot be started.
    pub(crate) fn conditions(&mut self, track: &TrackRef) -> Vec<Condition> {
        let tempers = self.tempers.clone();
        let site = self.site(track);
        let tried = site.impossible.iter().filter(|side| tempers.get(&side.revision) == Some(&Temper::Impossible));
        let condition = |side: &Side| Condition {
            kind: ConditionKind::Terminal,
            side: Some(side.clone()),
            instance: None,
            words: "exec format error".into(),
        };
        let looping = site.units.iter().filter(|unit| unit.restarts >= 3);
        let looping = looping.map(|unit| Condition { words: "back-off restarting it".into(), ..condition(&unit.side) });
        let mut conditions: Vec<_> = tried.map(condition).chain(looping.take(1)).collect();
        conditions.extend(self.closed_hosts());
        conditions
    }

    fn closed_hosts(&self) -> Vec<Condition> {
        if self.profile.has_controller() {
            return Vec::new();
        }
        let closed = self.hosts.keys().filter_map(|host| Some((host, self.closed(host)?)));
        let condition = |(host, why): (&String, &str)| Condition {
            kind: ConditionKind::Waiting,
            side: None,
            instance: None,
            words: format!("nothing can be launched on {host}: {why}"),
        };
        closed.map(condition).collect()
    }

    pub(crate) fn converge_instant(&mut self, order: &Order<'_>) -> Result<Turn> {
        let mut turn = Turn::default();
        let mut next = self.decide(order);
        self.answer_late();
        if let Some(routes) = &next.routes
            && self.apply(order, routes, &mut turn)
        {
            next = self.decide(order);
            if let Some(routes) = &next.routes {
                self.apply(order, routes, &mut turn);
            }
        }
        self.start_and_stop(order, &next, &mut turn);
        if !next.waits.is_empty() {
            let waits: Vec<_> = next.waits.iter().map(ToString::to_string).collect();
            self.trail.note(self.now, format!("{} waits: {}", order.track.workload, waits.join("; ")));
        }
        turn.again_at = next.again_at;
        self.nobody_bad_is_routed(order);
        Ok(turn)
    }

    /// What was decided a while ago is done now, whatever became of the platform meanwhile.
    pub(super) fn carry_out(&mut self, order: &Order<'_>, moves: &Moves) {
        let mut turn = Turn::default();
        if let Some(routes) = &moves.routes {
            self.apply(order, routes, &mut turn);
        }
        self.start_and_stop(order, moves, &mut turn);
    }

    fn start_and_stop(&mut self, order: &Order<'_>, next: &Moves, turn: &mut Turn) {
        next.stop.iter().for_each(|stop| self.stop(order, stop, turn));
        next.launch.iter().for_each(|(slot, launch)| self.launch(order, slot, launch, turn));
    }

    pub(super) fn decide(&mut self, order: &Order<'_>) -> Moves {
        let (instances, slots, routes) = (self.list(order.track), self.slots(), self.routes(order.track));
        let runs = self.site(order.track).units.iter().filter(|unit| unit.runs()).map(|unit| unit.id.clone()).collect();
        self.sighted = runs;
        moves(order, &instances, &slots, Some(&routes))
    }

    /// Something at one place: what goes wrong there holds nothing up elsewhere.
    fn at(&mut self, at: &str, turn: &mut Turn, act: impl FnOnce(&mut Self) -> Result<()>) -> bool {
        let quiet = self.faults.rate == 0 && self.faults.throttled.is_empty();
        let strike = if quiet { Strike::None } else { self.strike() };
        let done = match strike {
            Strike::Before => Err(Error::new(Kind::Unavailable, "it broke off")),
            Strike::Throttled => Err(Error::new(Kind::Throttled, "429 too many requests")),
            Strike::None => act(self),
            Strike::After => act(self).and_then(|()| Err(Error::new(Kind::Timeout, "no answer came"))),
        };
        turn.moved |= done.is_ok();
        turn.troubles.extend(done.as_ref().err().map(|error| Trouble::new(at, error)));
        done.is_ok()
    }

    fn apply(&mut self, order: &Order<'_>, routes: &Routes, turn: &mut Turn) -> bool {
        self.at("router", turn, |world| {
            world.is_not_late(order);
            world.shares_are_earned(order, routes);
            let (now, load, is_late) = (world.now, world.dice.below(4), world.compared.is_some());
            let ends: Vec<_> = (0..load).map(|_| after(now, world.dice.millis(5, 2_000))).collect();
            let site = world.site(order.track);
            for member in &routes.members {
                let was = site.members.iter().find(|old| old.instance == member.instance);
                if member.draining.is_some() && was.is_some_and(|was| was.draining.is_none()) {
                    let unit = site.units.iter_mut().find(|unit| unit.id == member.instance);
                    unit.into_iter().for_each(|unit| unit.requests.clone_from(&ends));
                }
            }
            let dropped = site.members.iter().filter(|old| {
                let kept = routes.members.iter().any(|member| member.instance == old.instance);
                let unit = site.units.iter().find(|unit| unit.id == old.instance);
                let lives = unit.is_some_and(|unit| !matches!(unit.life, Life::Exited(_)));
                !kept && lives && old.draining.is_none() && !is_late
            });
            let dropped: Vec<_> = dropped.map(|member| member.instance.clone()).collect();
            site.members.clone_from(&routes.members);
            site.spread = routes.spread.clone();
            for instance in dropped {
                world.trail.broken(now, "G2", format!("{instance} is dropped from the router undrained"));
            }
            let who: Vec<_> = routes
                .members
                .iter()
                .map(|member| format!("{}{}", member.instance, if member.draining.is_some() { "-" } else { "" }))
                .collect();
            let line = format!("{} router: {} [{}]", order.track.workload, shown(&routes.spread), who.join(" "));
            world.trail.note(now, line);
            Ok(())
        })
    }

    fn launch(&mut self, order: &Order<'_>, slot: &SlotId, launch: &Launch, turn: &mut Turn) {
        let at = slot.as_str().to_owned();
        self.at(&at, turn, |world| {
            if !world.reaches(host(slot)) {
                return Err(Error::new(Kind::Unavailable, format!("{slot} cannot be reached")));
            }
            if world.is_full(host(slot)) {
                return Err(Error::new(Kind::Full, format!("{slot}: {FULL}")));
            }
            world.is_not_late(order);
            let (now, span, temper) = (world.now, world.start_span(), world.temper(&launch.side.revision));
            world.nothing_is_too_much(order, launch);
            let site = world.site(&launch.track);
            if site.units.iter().any(|unit| unit.slot == *slot) {
                return Err(Error::new(Kind::Busy, format!("{slot} is taken")));
            }
            if temper == Temper::Impossible {
                site.impossible.insert(launch.side.clone());
                return Err(Error::new(Kind::Candidate, "exec format error"));
            }
            let id = site.start(&launch.side, slot.clone(), now, span, temper);
            let line = format!(
                "{} launches {}-{} in {slot} of {}",
                order.track.workload, order.track.workload, site.serial, launch.side
            );
            world.trail.note(now, line);
            world.sighted.insert(id);
            Ok(())
        });
    }

    fn stop(&mut self, order: &Order<'_>, stop: &Stop, turn: &mut Turn) {
        let at = stop.instance.as_str().to_owned();
        self.at(&at, turn, |world| {
            let unit = world.site(order.track).unit(&stop.instance).map(|unit| (unit.slot.clone(), unit.life));
            let Some((slot, life)) = unit else { return Ok(()) };
            if !world.reaches(host(&slot)) {
                return Err(Error::new(Kind::Unavailable, format!("{slot} cannot be reached")));
            }
            world.is_not_late(order);
            if life == Life::Running {
                world.nobody_is_lost(order, &stop.instance);
                world.enough_are_left(order, &stop.instance);
            }
            let (now, span) = (world.now, world.dice.millis(20, 1_500));
            let site = world.site(order.track);
            match life {
                Life::Exited(_) => site.units.retain(|unit| unit.id != stop.instance),
                Life::Running => {
                    let unit = site.unit(&stop.instance);
                    unit.into_iter().for_each(|unit| unit.life = Life::Terminating(after(now, span)));
                }
                Life::Terminating(_) => return Ok(()),
            }
            world.sighted.remove(&stop.instance);
            world.trail.note(now, format!("{} stops {}", order.track.workload, stop.instance));
            Ok(())
        });
    }
}

pub(crate) fn host(slot: &SlotId) -> &str {
    slot.as_str().split('/').next().unwrap_or_default()
}

/// A spread in short words.
pub(crate) fn shown(spread: &Spread) -> String {
    match spread {
        Spread::None => "none".into(),
        Spread::Pooled => "pooled".into(),
        Spread::Split { from, to, split } => {
            let side = |side: &Option<Side>| side.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            format!("{split} of {} -> {}", side(from), side(to))
        }
    }
}

/// Whether an instance is known to be ready, as an order says.
pub(crate) fn known_ready(order: &Order<'_>, id: &InstanceId) -> bool {
    order.health.get(id).is_some_and(|folded| folded.health == Health::Healthy)
}
