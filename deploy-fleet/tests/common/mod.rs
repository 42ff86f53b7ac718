//! A small fleet in memory: instances start, become well, sicken, end; hosts go away; a router has requests in flight.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by several test programs; a broken test may panic"
)]

use deploy_core::{
    Budget, Evidence, Exit, Folded, Health, Instance, InstanceId, InstanceSpec, InstanceState, Member, Name, Order,
    OrderKind, OrderSide, Place, Revision, RouteState, Routed, Routes, Side, Slot, Source, Split, Spread, Timestamp,
    Token, TrackRef, Traffic, Workload,
};
use deploy_fleet::Moves;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub const DRAIN: Duration = Duration::from_secs(5);

pub fn track() -> TrackRef {
    "shop/production/web@edge".parse().unwrap()
}

pub fn spec() -> Arc<InstanceSpec> {
    let mut workload = Workload::new(Source::Command(vec!["web".into()]));
    workload.ports = [(Name::new("http").unwrap(), 8080)].into();
    workload.drain = DRAIN;
    Arc::new(workload.instance_spec())
}

pub fn side(name: &str) -> Side {
    Side::home(name.into())
}

pub fn ordered(name: &str, count: u32) -> OrderSide {
    OrderSide::new(&Revision { id: name.into(), spec: Some(spec()) }, Place::Home, count)
}

pub fn percent(share: u16) -> Traffic {
    Traffic::Split(Split::percent(share))
}

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + millis).unwrap()
}

/// An order with what it borrows.
#[derive(Debug, Clone)]
pub struct Told {
    pub track: TrackRef,
    pub kind: OrderKind,
    pub from: Option<OrderSide>,
    pub to: Option<OrderSide>,
    pub traffic: Traffic,
    pub before: Traffic,
    pub ports: BTreeMap<Name, u16>,
    pub count: u32,
    pub floor: u32,
    pub ceiling: u32,
    pub max_unavailable: u32,
    pub budget: Budget,
    pub written_off: BTreeSet<InstanceId>,
    pub exclusive: bool,
    pub paused: bool,
    pub token: Token,
}

impl Told {
    pub fn new(kind: OrderKind, from: u32, to: u32, traffic: Traffic) -> Self {
        let count = from.max(to);
        Self {
            track: track(),
            kind,
            from: Some(ordered("old", from)),
            to: Some(ordered("new", to)),
            before: traffic.clone(),
            traffic,
            ports: spec().ports.clone(),
            count,
            floor: 0,
            ceiling: from + to + 1,
            max_unavailable: 0,
            budget: Budget::default(),
            written_off: BTreeSet::new(),
            exclusive: false,
            paused: false,
            token: Token::new(1, 1),
        }
    }

    pub fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    pub fn before(mut self, before: Traffic) -> Self {
        self.before = before;
        self
    }

    pub fn limits(mut self, floor: u32, ceiling: u32) -> Self {
        (self.floor, self.ceiling) = (floor, ceiling);
        self
    }

    pub fn min_ready(mut self, span: Duration) -> Self {
        self.budget.min_ready = span;
        self
    }

    pub fn paused(mut self) -> Self {
        self.paused = true;
        self
    }

    pub fn order<'a>(&'a self, world: &'a World) -> Order<'a> {
        Order {
            track: &self.track,
            kind: self.kind,
            from: self.from.clone(),
            to: self.to.clone(),
            traffic: self.traffic.clone(),
            traffic_before: self.before.clone(),
            ports: &self.ports,
            count: self.count,
            floor: self.floor,
            ceiling: self.ceiling,
            max_unavailable: self.max_unavailable,
            budget: &self.budget,
            written_off: &self.written_off,
            exclusive: self.exclusive,
            paused: self.paused,
            health: &world.health,
            ended: &world.ended,
            token: self.token,
            now: world.now,
        }
    }

    pub fn moves(&self, world: &World) -> Moves {
        let routes = (!self.traffic.is_worker()).then_some(&world.routes);
        deploy_fleet::moves(&self.order(world), &world.instances(), &world.slots(), routes)
    }
}

/// One instance of the model.
#[derive(Debug, Clone)]
pub struct Unit {
    pub seen: Instance,
    /// Well from then on.
    pub well_at: Timestamp,
    /// Not well until then.
    pub sick_until: Timestamp,
    /// Gone at that time, once it was told to stop.
    pub gone_at: Timestamp,
}

#[derive(Debug, Clone)]
pub struct World {
    pub now: Timestamp,
    pub units: Vec<Unit>,
    /// Hosts by name, whether they can be reached, and how many slots they have.
    pub hosts: BTreeMap<String, (bool, u32)>,
    pub routes: RouteState,
    pub health: BTreeMap<InstanceId, Folded>,
    pub ended: BTreeSet<InstanceId>,
    /// How long an instance takes until it is well, and to end.
    pub start: Duration,
    pub end: Duration,
    /// Requests in flight on an instance that leaves the set, one finished a tick.
    pub load: u64,
    pub serial: u32,
    /// How many ticks the router goes on knowing nothing of requests in flight.
    pub counts: bool,
}

impl World {
    pub fn new(hosts: u32, slots: u32) -> Self {
        Self {
            now: at(0),
            units: Vec::new(),
            hosts: (0..hosts).map(|host| (format!("host-{host}"), (true, slots))).collect(),
            routes: RouteState::empty(Evidence::DataPlane),
            health: BTreeMap::new(),
            ended: BTreeSet::new(),
            start: Duration::from_millis(200),
            end: Duration::from_millis(200),
            load: 2,
            serial: 0,
            counts: true,
        }
    }

    /// A world where `count` of `old` have run for an hour.
    pub fn serving(count: u32, spread: Spread) -> Self {
        let mut world = Self::new(4, 4);
        world.routes.spread = spread;
        for _ in 0..count {
            world.run("old", true);
        }
        world
    }

    /// Puts an instance that has been well for an hour into the next free slot.
    pub fn run(&mut self, name: &str, admitted: bool) -> InstanceId {
        let slot = self.free().remove(0);
        self.run_in(&slot, name, admitted)
    }

    /// Puts an instance that has been well for an hour into a slot.
    pub fn run_in(&mut self, slot: &Slot, name: &str, admitted: bool) -> InstanceId {
        let id = self.start(slot, &side(name));
        let since = deploy_core::time::after(self.now, Duration::ZERO) - jiff::SignedDuration::from_hours(1);
        self.unit(&id).well_at = since;
        self.fold(&id, Health::Healthy, since);
        if admitted {
            let member = Member { instance: id.clone(), side: side(name), address: address(&id), draining: None };
            self.routes.members.push(Routed { member, in_flight: Some(0) });
        }
        id
    }

    pub fn fold(&mut self, id: &InstanceId, health: Health, since: Timestamp) {
        self.health.insert(id.clone(), Folded { health, since, fresh: true });
    }

    pub fn unit(&mut self, id: &InstanceId) -> &mut Unit {
        self.units.iter_mut().find(|unit| unit.seen.id == *id).unwrap()
    }

    pub fn of(&self, name: &str) -> Vec<InstanceId> {
        self.units.iter().filter(|unit| unit.seen.side == side(name)).map(|unit| unit.seen.id.clone()).collect()
    }

    /// The ids of those in the set, by side's name.
    pub fn admitted(&self, name: &str) -> usize {
        let members = self.routes.members.iter().map(|routed| &routed.member);
        members.filter(|member| member.draining.is_none() && member.side == side(name)).count()
    }

    pub fn instances(&self) -> Vec<Instance> {
        let mut all: Vec<_> = self.units.iter().map(|unit| unit.seen.clone()).collect();
        for instance in &mut all {
            if !self.reached(instance) {
                instance.state = InstanceState::Unknown;
            }
        }
        all
    }

    pub fn reached(&self, instance: &Instance) -> bool {
        let host = instance.slot.as_str().split('/').next().unwrap();
        self.hosts[host].0
    }

    pub fn slots(&self) -> Vec<Slot> {
        let slot = |host: &String, up: bool, number: u32| Slot {
            id: format!("{host}/{number}").into(),
            host: host.clone(),
            closed: (!up).then(|| "cannot be reached".to_owned()),
        };
        let of = |(host, (up, count)): (&String, &(bool, u32))| {
            (0..*count).map(|number| slot(host, *up, number)).collect::<Vec<_>>()
        };
        self.hosts.iter().flat_map(of).collect()
    }

    pub fn free(&self) -> Vec<Slot> {
        let taken: BTreeSet<_> = self.units.iter().map(|unit| unit.seen.slot.clone()).collect();
        self.slots().into_iter().filter(|slot| slot.closed.is_none() && !taken.contains(&slot.id)).collect()
    }

    pub fn start(&mut self, slot: &Slot, side: &Side) -> InstanceId {
        self.serial += 1;
        let id = InstanceId::new(format!("i{:04}", self.serial));
        let seen = Instance {
            id: id.clone(),
            side: side.clone(),
            slot: slot.id.clone(),
            state: InstanceState::Running,
            address: Some(address(&id)),
            ports: BTreeMap::new(),
            started: Some(self.now),
            admitted: false,
            in_flight: None,
            health: None,
        };
        let well_at = deploy_core::time::after(self.now, self.start);
        self.units.push(Unit { seen, well_at, sick_until: at(0), gone_at: Timestamp::MAX });
        id
    }

    pub fn stop(&mut self, id: &InstanceId) {
        let gone_at = deploy_core::time::after(self.now, self.end);
        let Some(unit) = self.units.iter_mut().find(|unit| unit.seen.id == *id) else { return };
        match unit.seen.state {
            InstanceState::Exited(_) => self.units.retain(|unit| unit.seen.id != *id),
            InstanceState::Terminating => {}
            _ => {
                unit.seen.state = InstanceState::Terminating;
                unit.gone_at = gone_at;
            }
        }
    }

    pub fn exit(&mut self, id: &InstanceId) {
        self.unit(id).seen.state = InstanceState::Exited(Exit { code: Some(1), signal: None });
        self.health.remove(id);
    }

    pub fn sicken(&mut self, id: &InstanceId, span: Duration) {
        self.unit(id).sick_until = deploy_core::time::after(self.now, span);
        let now = self.now;
        self.fold(id, Health::Unhealthy, now);
    }

    pub fn apply(&mut self, routes: &Routes) {
        let load = self.load;
        let old = std::mem::take(&mut self.routes.members);
        let members = routes.members.iter().map(|member| {
            let was = old.iter().find(|routed| routed.member.instance == member.instance);
            let draining = member.draining.is_some();
            let in_flight = match was {
                Some(routed) if routed.member.draining.is_some() => routed.in_flight,
                Some(_) if draining => self.counts.then_some(load),
                _ => self.counts.then_some(0),
            };
            Routed { member: member.clone(), in_flight }
        });
        self.routes.members = members.collect();
        self.routes.spread = routes.spread.clone();
        self.routes.token = routes.token;
    }

    pub fn carry_out(&mut self, moves: &Moves) {
        if let Some(routes) = &moves.routes {
            self.apply(routes);
        }
        for stop in &moves.stop {
            self.stop(&stop.instance);
        }
        let slots = self.slots();
        for (slot, launch) in &moves.launch {
            let slot = slots.iter().find(|known| known.id == *slot).unwrap().clone();
            self.start(&slot, &launch.side);
        }
    }

    /// Time passes: everything is probed anew, requests end, what was told to stop goes, ends are recorded.
    pub fn tick(&mut self, span: Duration) {
        self.now = deploy_core::time::after(self.now, span);
        let now = self.now;
        self.units.retain(|unit| unit.seen.state != InstanceState::Terminating || unit.gone_at > now);
        for routed in &mut self.routes.members {
            if routed.member.draining.is_some() {
                routed.in_flight = routed.in_flight.map(|count| count.saturating_sub(1));
            }
        }
        for unit in self.units.clone() {
            self.probe(&unit);
        }
        let listed: BTreeSet<_> = self.units.iter().map(|unit| unit.seen.id.clone()).collect();
        self.health.retain(|id, _| listed.contains(id));
    }

    fn probe(&mut self, unit: &Unit) {
        let (id, now) = (&unit.seen.id, self.now);
        if unit.seen.exit().is_some() {
            self.ended.insert(id.clone());
            self.health.remove(id);
            return;
        }
        let health = match () {
            () if !self.reached(&unit.seen) => Health::Unknown,
            () if unit.sick_until > now => Health::Unhealthy,
            () if unit.well_at <= now => Health::Healthy,
            () => Health::Unknown,
        };
        let old = self.health.get(id).copied();
        let since = old.filter(|old| old.health == health).map_or(now, |old| old.since);
        self.fold(id, health, since);
    }

    /// Another engine takes over: nothing was seen by it yet.
    pub fn forget(&mut self) {
        self.health.values_mut().for_each(|folded| folded.fresh = false);
    }
}

pub fn address(id: &InstanceId) -> String {
    format!("10.0.0.1:{id}")
}

/// The split of an order in the router's words.
pub fn split(share: u16) -> Spread {
    Spread::Split { from: Some(side("old")), to: Some(side("new")), split: Split::percent(share) }
}

pub fn stopped(moves: &Moves) -> Vec<&str> {
    moves.stop.iter().map(|stop| stop.instance.as_str()).collect()
}

pub fn draining(moves: &Moves) -> Vec<&str> {
    let members = moves.routes.iter().flat_map(|routes| &routes.members);
    members.filter(|member| member.draining.is_some()).map(|member| member.instance.as_str()).collect()
}

pub fn spread(moves: &Moves) -> Option<&Spread> {
    moves.routes.as_ref().map(|routes| &routes.spread)
}

/// Carries out what is next until nothing is, at most 200 times.
pub fn settle(world: &mut World, told: &Told) {
    for _ in 0..200 {
        let moves = told.moves(world);
        world.carry_out(&moves);
        world.tick(Duration::from_millis(100));
    }
}
