//! Whatever happens on the way, no move breaks a limit; and when it stops happening, every order settles.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod common;

use common::{Told, World, percent, side};
use deploy_core::{
    Evidence, Health, InstanceId, InstanceState, Member, OrderKind, Routed, Share, Side, Spread, Timestamp, Traffic,
};
use deploy_fleet::Moves;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// What happens to the fleet at one tick.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Nothing,
    Crash(usize),
    Sick(usize),
    HostDown(usize),
    HostsUp,
    TakeOver,
    RouterForgets,
    Pause,
    Resume,
    Stray,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::Nothing),
        2 => (0..16_usize).prop_map(Fault::Crash),
        2 => (0..16_usize).prop_map(Fault::Sick),
        1 => (0..4_usize).prop_map(Fault::HostDown),
        2 => Just(Fault::HostsUp),
        1 => Just(Fault::TakeOver),
        1 => Just(Fault::RouterForgets),
        1 => Just(Fault::Pause),
        2 => Just(Fault::Resume),
        1 => Just(Fault::Stray),
    ]
}

/// A way from the old to the new revision, as orders.
#[derive(Debug, Clone)]
struct Way {
    orders: Vec<Told>,
    /// Ticks with faults, for each order in turn.
    faults: Vec<Vec<Fault>>,
    load: u64,
    counts: bool,
    evidence: Evidence,
    start: u64,
    max_failed: usize,
    /// Goes back from the middle of an order, unsettled.
    hurried: bool,
}

#[derive(Debug, Clone, Copy)]
enum Plan {
    InPlace,
    Workers,
    BlueGreen,
    Canary,
    Recreate,
    Exclusive,
    Back,
    InPlaceBack,
}

fn plan() -> impl Strategy<Value = Plan> {
    use Plan::{Back, BlueGreen, Canary, Exclusive, InPlace, InPlaceBack, Recreate, Workers};
    proptest::sample::select(vec![InPlace, Workers, BlueGreen, Canary, Recreate, Exclusive, Back, InPlaceBack])
}

/// (kind, from, to, traffic) of each order.
fn steps(plan: Plan, n: u32) -> Vec<(OrderKind, u32, u32, Traffic)> {
    use OrderKind::{Grow, InPlace, Shift, Shrink};
    let part = n.div_ceil(4);
    match plan {
        Plan::InPlace => vec![(InPlace, 0, n, Traffic::Pooled)],
        Plan::Workers => vec![(InPlace, 0, n, Traffic::InPlace)],
        Plan::BlueGreen => {
            vec![(Grow, n, n, percent(0)), (Shift, n, n, percent(100)), (Shrink, 0, n, percent(100))]
        }
        Plan::Canary => vec![
            (Grow, n, part, percent(0)),
            (Shift, n, part, percent(25)),
            (Grow, n, n, percent(25)),
            (Shift, n, n, percent(100)),
            (Shrink, 0, n, percent(100)),
        ],
        Plan::Recreate => {
            vec![(Shift, n, 0, Traffic::None), (Shrink, 0, 0, Traffic::None), (InPlace, 0, n, Traffic::Pooled)]
        }
        Plan::Exclusive => vec![(InPlace, 0, 1, Traffic::InPlace)],
        Plan::Back => vec![
            (Grow, n, part, percent(0)),
            (Shift, n, part, percent(25)),
            (Shift, n, part, percent(0)),
            (Shrink, n, 0, percent(0)),
        ],
        Plan::InPlaceBack => vec![(InPlace, 0, n, Traffic::Pooled), (InPlace, n, 0, Traffic::Pooled)],
    }
}

fn orders(plan: Plan, n: u32, surge: u32, unavailable: u32, min_ready: u64) -> Vec<Told> {
    let mut before = percent(0);
    let mut counts = n;
    let mut orders = Vec::new();
    for (kind, from, to, traffic) in steps(plan, n) {
        let exclusive = matches!(plan, Plan::Exclusive);
        let total = from + to;
        let dark = traffic == Traffic::None || before == Traffic::None || exclusive;
        let floor = if dark { 0 } else { n.min(total).min(counts).saturating_sub(unavailable) };
        let ceiling = total.max(counts) + if exclusive { 0 } else { surge };
        let mut told = Told::new(kind, from, to, traffic.clone())
            .count(n)
            .before(before)
            .limits(floor, ceiling)
            .min_ready(Duration::from_millis(min_ready));
        (told.max_unavailable, told.exclusive) = (unavailable, exclusive);
        orders.push(told);
        (before, counts) = (traffic, total);
    }
    orders
}

fn way() -> impl Strategy<Value = Way> {
    let shape = (plan(), 1..6_u32, prop_oneof![Just((1, 0)), Just((2, 0)), Just((0, 1)), Just((1, 1))]);
    let faults = proptest::collection::vec(proptest::collection::vec(fault(), 0..25), 5);
    let evidence = prop_oneof![Just(Evidence::DataPlane), Just(Evidence::Accepted)];
    let world = (0..4_u64, any::<bool>(), evidence, 0..1000_u64, 0..2_usize);
    (shape, faults, world, prop_oneof![Just(0_u64), Just(700)]).prop_map(|(shape, faults, world, min_ready)| {
        let (plan, n, (surge, unavailable)) = shape;
        let (load, counts, evidence, start, max_failed) = world;
        let n = if matches!(plan, Plan::Exclusive) { 1 } else { n };
        let orders = orders(plan, n, surge, unavailable, min_ready);
        let hurried = matches!(plan, Plan::Back | Plan::InPlaceBack);
        Way { orders, faults, load, counts, evidence, start, max_failed, hurried }
    })
}

impl Way {
    fn world(&self) -> World {
        let first = &self.orders[0];
        let routed = !first.traffic.is_worker();
        let mut world = World::serving(0, if routed { Spread::Pooled } else { Spread::None });
        for _ in 0..first.count {
            world.run("old", routed);
        }
        (world.load, world.counts, world.routes.evidence) = (self.load, self.counts, self.evidence);
        world.start = Duration::from_millis(self.start);
        world
    }
}

fn happen(world: &mut World, told: &mut Told, fault: Fault) {
    let nth = |world: &World, index: usize| {
        let running: Vec<_> = world.units.iter().filter(|unit| unit.seen.runs()).collect();
        (!running.is_empty()).then(|| running[index % running.len()].seen.id.clone())
    };
    match fault {
        Fault::Nothing => {}
        Fault::Crash(index) => nth(world, index).into_iter().for_each(|id| world.exit(&id)),
        Fault::Sick(index) => {
            nth(world, index).into_iter().for_each(|id| world.sicken(&id, Duration::from_millis(900)));
        }
        Fault::HostDown(index) => world.hosts.values_mut().nth(index).unwrap().0 = false,
        Fault::HostsUp => world.hosts.values_mut().for_each(|host| host.0 = true),
        Fault::TakeOver => world.forget(),
        Fault::RouterForgets => (world.routes.spread, world.routes.members) = (Spread::None, Vec::new()),
        Fault::Pause => told.paused = true,
        Fault::Resume => told.paused = false,
        Fault::Stray => {
            if !world.free().is_empty() {
                world.run("other", told.traffic == Traffic::Pooled);
            }
        }
    }
}

/// Up to so many that are failed or cannot be reached are written off; the floor is lower by as many.
fn write_off(world: &World, told: &mut Told, most: usize, floor: u32) {
    let bad = |id: &InstanceId| world.health.get(id).is_some_and(|folded| folded.health == Health::Unhealthy);
    let off = world.instances().into_iter().filter(|seen| seen.state == InstanceState::Unknown || bad(&seen.id));
    told.written_off = off.map(|seen| seen.id).take(most).collect();
    told.floor = floor.saturating_sub(told.written_off.len() as u32);
}

#[derive(Debug, Clone)]
struct Before<'a> {
    world: &'a World,
    told: &'a Told,
}

impl Before<'_> {
    fn member(&self, id: &InstanceId) -> Option<&Routed> {
        self.world.routes.member(id)
    }

    fn is_healthy(&self, id: &InstanceId) -> bool {
        self.told.order(self.world).is_healthy_for_min_ready(id)
    }

    /// Ready as last folded, given who is in the set and who is stopped.
    fn ready(&self, members: &[Member], stopped: &BTreeSet<&InstanceId>) -> u32 {
        let routed = self.told.traffic.serves();
        let inside = |id: &InstanceId| members.iter().any(|member| member.instance == *id && member.draining.is_none());
        let all = self.world.instances();
        let ready = all.iter().filter(|seen| {
            seen.runs() && self.is_healthy(&seen.id) && (!routed || inside(&seen.id)) && !stopped.contains(&seen.id)
        });
        ready.count() as u32
    }

    fn check(&self, moves: &Moves) -> Result<(), TestCaseError> {
        self.check_launches(moves)?;
        self.check_stops(moves)?;
        self.check_floor(moves)?;
        self.check_members(moves)?;
        self.check_share(moves)?;
        self.check_pause(moves)
    }

    fn check_launches(&self, moves: &Moves) -> Result<(), TestCaseError> {
        let standing = self.world.instances().iter().filter(|seen| seen.stands()).count();
        let launched = moves.launch.len();
        prop_assert!(launched == 0 || standing + launched <= self.told.ceiling as usize, "above the ceiling");
        let free: BTreeSet<_> = self.world.free().into_iter().map(|slot| slot.id).collect();
        let taken: BTreeSet<_> = moves.launch.iter().map(|(slot, _)| slot.clone()).collect();
        prop_assert_eq!(taken.len(), launched, "one slot twice");
        prop_assert!(taken.is_subset(&free), "a slot that is not free");
        let alone = self.world.units.is_empty() && launched <= 1;
        prop_assert!(!self.told.exclusive || launched == 0 || alone, "two writers");
        Ok(())
    }

    fn check_stops(&self, moves: &Moves) -> Result<(), TestCaseError> {
        for stop in &moves.stop {
            let all = self.world.instances();
            let seen = all.iter().find(|seen| seen.id == stop.instance).unwrap();
            if seen.exit().is_some() {
                prop_assert!(self.world.ended.contains(&seen.id), "an end that nobody recorded");
                continue;
            }
            let Some(routed) = self.member(&seen.id) else { continue };
            let since: Option<Timestamp> = routed.member.draining;
            prop_assert!(since.is_some(), "stopped while it was in the set");
            let over = since.unwrap() + jiff::SignedDuration::try_from(common::DRAIN).unwrap() <= self.world.now;
            let idle = routed.in_flight == Some(0) && self.world.routes.evidence == Evidence::DataPlane;
            prop_assert!(idle || over || seen.state == InstanceState::Terminating, "stopped with requests in flight");
        }
        Ok(())
    }

    fn check_floor(&self, moves: &Moves) -> Result<(), TestCaseError> {
        let told: Vec<_> = self.world.routes.members.iter().map(|routed| routed.member.clone()).collect();
        let after = moves.routes.as_ref().map_or(&told, |routes| &routes.members);
        let stopped = moves.stop.iter().map(|stop| &stop.instance).collect();
        let (old, new) = (self.ready(&told, &BTreeSet::new()), self.ready(after, &stopped));
        prop_assert!(new >= old || new >= self.told.floor, "ready {} -> {}, floor {}", old, new, self.told.floor);
        Ok(())
    }

    fn check_members(&self, moves: &Moves) -> Result<(), TestCaseError> {
        let told: Vec<_> = self.world.routes.members.iter().map(|routed| routed.member.clone()).collect();
        if self.told.traffic.is_worker() {
            prop_assert!(moves.routes.is_none());
            return Ok(());
        }
        let after = moves.routes.as_ref().map_or(&told, |routes| &routes.members);
        for member in after.iter().filter(|member| member.draining.is_none()) {
            let folded = self.world.health.get(&member.instance);
            let bad = folded.is_some_and(|folded| folded.health == Health::Unhealthy);
            prop_assert!(!bad, "{} is routed although it is not healthy", member.instance);
            let was = self.member(&member.instance).is_some_and(|routed| routed.member.draining.is_none());
            let fresh = folded.is_some_and(|folded| folded.health == Health::Healthy && folded.fresh);
            prop_assert!(was || fresh, "{} was admitted unseen", member.instance);
        }
        Ok(())
    }

    /// Nobody who could serve is in the set.
    fn lost(&self) -> bool {
        let bad = |id: &InstanceId| self.world.health.get(id).is_some_and(|folded| folded.health == Health::Unhealthy);
        let all = self.world.instances();
        let serves = |routed: &Routed| {
            let stands = all.iter().any(|seen| seen.id == routed.member.instance && seen.stands());
            routed.member.draining.is_none() && stands && !bad(&routed.member.instance)
        };
        !self.world.routes.members.iter().any(serves)
    }

    /// A share grows only while enough of its side are ready.
    fn check_share(&self, moves: &Moves) -> Result<(), TestCaseError> {
        let Some(routes) = &moves.routes else { return Ok(()) };
        let (Spread::Split { split: old, .. }, Spread::Split { split: new, to, .. }) =
            (&self.world.routes.spread, &routes.spread)
        else {
            return Ok(());
        };
        let (grown, share) = match () {
            () if new.candidate > old.candidate => (to.clone().unwrap(), new.candidate),
            () if new.candidate < old.candidate => (side("old"), new.candidate.rest()),
            () => return Ok(()),
        };
        let there = |other: &Side| {
            let stands = self.world.instances().iter().any(|seen| seen.side == *other && seen.stands());
            let routed = |routed: &Routed| routed.member.side == *other && routed.member.draining.is_none();
            stands || self.world.routes.members.iter().any(routed)
        };
        if grown == side("old") && !to.as_ref().is_some_and(there) {
            return Ok(()); // nobody had what it takes
        }
        let ready = self.world.units.iter().filter(|unit| unit.seen.side == grown && self.is_healthy(&unit.seen.id));
        let off = self.told.written_off.len() as u32;
        let need = share.of(self.told.count).saturating_sub(self.told.max_unavailable + off).max(1);
        prop_assert!(share == Share::NONE || ready.count() as u32 >= need, "a share grew without enough ready");
        Ok(())
    }

    fn check_pause(&self, moves: &Moves) -> Result<(), TestCaseError> {
        if !self.told.paused {
            return Ok(());
        }
        prop_assert!(moves.launch.is_empty(), "launched in a pause");
        let running = |id: &InstanceId| self.world.instances().iter().any(|seen| seen.id == *id && seen.runs());
        prop_assert!(!moves.stop.iter().any(|stop| running(&stop.instance)), "stopped in a pause");
        let Some(routes) = &moves.routes else { return Ok(()) };
        let served = |side: &Side| {
            let mut set = self.world.routes.members.iter().filter(|routed| routed.member.draining.is_none());
            set.clone().next().is_none() || set.any(|routed| routed.member.side == *side)
        };
        for member in routes.members.iter().filter(|member| self.member(&member.instance).is_none()) {
            let gains = routes.spread == Spread::Pooled && !served(&member.side) && !self.lost();
            prop_assert!(!gains, "a side gained in a pause");
        }
        Ok(())
    }
}

fn turn(world: &mut World, told: &Told) -> Result<Moves, TestCaseError> {
    let moves = told.moves(world);
    Before { world, told }.check(&moves)?;
    let mut turned = world.clone();
    turned.units.reverse();
    let other = told.moves(&turned);
    prop_assert_eq!(&moves.routes, &other.routes, "the order of a list is no matter");
    prop_assert_eq!(moves.launch.len(), other.launch.len());
    world.carry_out(&moves);
    Ok(moves)
}

fn is_settled(world: &World, told: &Told) -> bool {
    let count = |name: &str| world.units.iter().filter(|unit| unit.seen.side == side(name)).count() as u32;
    let health = |id: &InstanceId| told.order(world).is_healthy_for_min_ready(id);
    let (from, to) = (told.from.as_ref().unwrap().count, told.to.as_ref().unwrap().count);
    let counts = count("old") == from && count("new") == to && count("other") == 0;
    let well = world.units.iter().all(|unit| unit.seen.runs() && health(&unit.seen.id));
    let routed = told.traffic.serves();
    let all_in = !routed || world.admitted("old") + world.admitted("new") == (from + to) as usize;
    let spread = match &told.traffic {
        Traffic::NotRouted | Traffic::InPlace => true,
        Traffic::None => world.routes.spread == Spread::None && world.routes.members.is_empty(),
        Traffic::Pooled => world.routes.spread == Spread::Pooled,
        Traffic::Split(ordered) => matches!(&world.routes.spread, Spread::Split { split, .. } if split == ordered),
    };
    counts && well && all_in && spread
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_move_breaks_a_limit_and_every_order_settles(way in way()) {
        let mut world = way.world();
        let last = way.orders.len() - 1;
        for (index, (told, faults)) in way.orders.iter().zip(&way.faults).enumerate() {
            let mut told = told.clone();
            let floor = told.floor;
            for fault in faults {
                happen(&mut world, &mut told, *fault);
                write_off(&world, &mut told, way.max_failed, floor);
                turn(&mut world, &told)?;
                world.tick(Duration::from_millis(100));
            }
            if way.hurried && index < last {
                continue;
            }
            (told.paused, told.floor) = (false, floor);
            told.written_off.clear();
            happen(&mut world, &mut told, Fault::HostsUp);
            let mut last = Moves::default();
            for _ in 0..300 {
                if is_settled(&world, &told) { break }
                world.tick(Duration::from_millis(300));
                last = turn(&mut world, &told)?;
            }
            prop_assert!(is_settled(&world, &told), "never settled: {:?}\n{:#?}\n{:?}", told, world, last);
            let rest = told.moves(&world);
            prop_assert!(rest.is_empty() && rest.again_at.is_none(), "restless: {:?}", rest);
        }
    }
}
