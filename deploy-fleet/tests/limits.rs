//! What the limits mean, one by one.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod common;

use common::{Told, World, at, draining, ordered, percent, side, split, spread, stopped};
use deploy_core::{Evidence, Health, OrderKind, Spread, Traffic};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn beside_others_min_ready_gates_admission() {
    let mut world = World::serving(1, Spread::Pooled);
    let young = world.run("new", false);
    world.fold(&young, Health::Healthy, at(-400));
    let told = Told::new(OrderKind::InPlace, 0, 2, Traffic::Pooled).limits(1, 2).min_ready(SECOND);
    let moves = told.moves(&world);
    assert!(moves.routes.is_none());
    assert_eq!(moves.again_at, Some(at(600)));
}

#[test]
fn what_is_not_known_stays_routed_counts_for_the_ceiling_and_not_for_the_floor() {
    let mut world = World::serving(3, Spread::Pooled);
    world.run("new", true);
    let unknown = world.of("old").remove(0);
    world.fold(&unknown, Health::Unknown, at(0));
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).limits(3, 4);
    let moves = told.moves(&world);
    assert!(moves.launch.is_empty(), "four stand");
    assert_eq!(draining(&moves), [unknown.as_str()], "three others are ready: it is the one that may go");
    let tight = told.limits(4, 4);
    assert!(tight.moves(&world).is_empty());
}

#[test]
fn nobody_is_stopped_before_it_is_seen_to_be_out_and_done() {
    let mut world = World::serving(2, split(100));
    for _ in 0..2 {
        world.run("new", true);
    }
    let told = Told::new(OrderKind::Shrink, 0, 2, percent(100)).limits(2, 5);
    let mut moves = told.moves(&world);
    assert_eq!((draining(&moves).len(), stopped(&moves).len()), (2, 0));
    assert_eq!(moves.again_at, Some(at(100)));
    world.carry_out(&moves);
    moves = told.moves(&world);
    assert!(moves.is_empty(), "two requests each are still served: {moves:?}");
    world.tick(Duration::from_millis(100));
    world.tick(Duration::from_millis(100));
    assert_eq!(stopped(&told.moves(&world)).len(), 2);
}

#[test]
fn without_proof_that_nothing_new_arrives_the_drain_time_is_waited_for() {
    let mut world = World::serving(1, split(100));
    world.routes.evidence = Evidence::Accepted;
    world.load = 0;
    world.run("new", true);
    let told = Told::new(OrderKind::Shrink, 0, 1, percent(100)).limits(1, 2);
    let moves = told.moves(&world);
    world.carry_out(&moves);
    assert!(told.moves(&world).stop.is_empty());
    world.tick(common::DRAIN);
    assert_eq!(told.moves(&world).stop.len(), 1);
}

#[test]
fn a_router_that_lost_its_state_is_told_again_and_nobody_goes_for_it() {
    let mut world = World::serving(3, Spread::None);
    world.run("new", false);
    world.routes.members.clear();
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).before(percent(0)).limits(3, 4);
    let moves = told.moves(&world);
    assert!(moves.stop.is_empty(), "{moves:?}");
    world.carry_out(&moves);
    assert_eq!((world.admitted("old"), world.admitted("new")), (3, 1));
}

#[test]
fn launches_are_spread_over_hosts() {
    let world = World::new(3, 3);
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).before(Traffic::None);
    let hosts: Vec<_> = told.moves(&world).launch.iter().map(|(slot, _)| slot.as_str().to_owned()).collect();
    assert_eq!(hosts, ["host-0/0", "host-1/0", "host-2/0"]);
}

#[test]
fn an_autoscaler_may_live_above_the_count() {
    let mut world = World::serving(5, split(0));
    let mut told = Told::new(OrderKind::Grow, 3, 0, percent(0)).limits(3, 6);
    told.from.as_mut().unwrap().at_least = true;
    assert!(told.moves(&world).is_empty());
    told.from.as_mut().unwrap().at_least = false;
    assert_eq!(draining(&told.moves(&world)).len(), 2);
    world.routes.spread = Spread::Pooled;
}

#[test]
fn no_side_goes_below_what_its_share_needs_though_the_other_side_is_ready() {
    let mut world = World::serving(4, split(0));
    for _ in 0..3 {
        world.run("new", true);
    }
    for id in world.of("old").iter().take(2) {
        world.fold(id, Health::Unknown, at(0));
    }
    let told = Told::new(OrderKind::Grow, 3, 3, percent(0)).limits(3, 8);
    assert!(told.moves(&world).is_empty());
}

#[test]
fn nobody_is_retired_before_the_traffic_is_seen_to_be_as_ordered() {
    let mut world = World::serving(2, split(50));
    for _ in 0..2 {
        world.run("new", true);
    }
    let told = Told::new(OrderKind::Shrink, 0, 2, percent(100)).limits(2, 4);
    let moves = told.moves(&world);
    assert_eq!((spread(&moves), draining(&moves).len()), (Some(&split(100)), 0));
    world.carry_out(&moves);
    assert_eq!(draining(&told.moves(&world)).len(), 2);
}

#[test]
fn what_comes_back_is_admitted_again_although_it_still_drains() {
    let mut world = World::serving(2, split(0));
    world.load = 50;
    let ill = world.of("old").remove(0);
    world.sicken(&ill, SECOND);
    let told = Told::new(OrderKind::Grow, 2, 0, percent(0)).limits(2, 3).min_ready(SECOND);
    let moves = told.moves(&world);
    world.carry_out(&moves);
    assert_eq!(world.admitted("old"), 1);
    world.tick(SECOND);
    world.tick(SECOND / 2);
    let moves = told.moves(&world);
    assert!(moves.routes.is_none(), "it is well, but not for long enough");
    world.tick(SECOND / 2);
    let moves = told.moves(&world);
    world.carry_out(&moves);
    assert_eq!(world.admitted("old"), 2);
}

#[test]
fn one_that_leaves_comes_back_when_the_rest_is_too_few() {
    let mut world = World::serving(1, Spread::Pooled);
    world.run("new", true);
    world.load = 50;
    let told = Told::new(OrderKind::InPlace, 0, 1, Traffic::Pooled).limits(1, 2);
    let moves = told.moves(&world);
    world.carry_out(&moves);
    assert_eq!((world.admitted("old"), world.admitted("new")), (0, 1));
    let ill = world.of("new").remove(0);
    world.sicken(&ill, SECOND);
    let moves = told.moves(&world);
    world.carry_out(&moves);
    assert_eq!((world.admitted("old"), world.admitted("new")), (1, 0));
}

#[test]
fn thousands_of_instances_are_no_matter() {
    let mut world = World::new(100, 100);
    world.routes.spread = Spread::Pooled;
    let slots = world.slots();
    for slot in slots.iter().take(4000) {
        let id = world.start(slot, &side("old"));
        world.fold(&id, Health::Healthy, at(-1000));
        let member = deploy_core::Member {
            instance: id.clone(),
            side: side("old"),
            address: common::address(&id),
            draining: None,
        };
        world.routes.members.push(deploy_core::Routed { member, in_flight: Some(0) });
    }
    let told = Told::new(OrderKind::InPlace, 0, 4000, Traffic::Pooled).limits(3000, 5000);
    let moves = told.moves(&world);
    assert_eq!((moves.launch.len(), draining(&moves).len()), (1000, 1000));
}

#[test]
fn a_pause_that_lasts_does_not_bleed_what_flaps_out_of_the_router() {
    for (spread, traffic) in [(split(0), percent(0)), (Spread::Pooled, Traffic::Pooled)] {
        let mut world = World::serving(2, spread);
        world.load = 0;
        let told = Told::new(OrderKind::InPlace, 0, 2, traffic).before(percent(0)).limits(2, 3).paused();
        let told = if told.traffic == Traffic::Pooled { told } else { Told { from: Some(ordered("old", 2)), ..told } };
        for id in world.of("old") {
            world.sicken(&id, SECOND);
            for _ in 0..30 {
                let moves = told.moves(&world);
                world.carry_out(&moves);
                world.tick(Duration::from_millis(100));
            }
        }
        assert_eq!(world.admitted("old"), 2);
    }
}

#[test]
fn in_a_pause_nobody_new_is_pooled_with_those_that_serve() {
    let mut world = World::serving(2, Spread::Pooled);
    world.run("new", false);
    let told = Told::new(OrderKind::InPlace, 0, 2, Traffic::Pooled).before(percent(0)).limits(2, 3).paused();
    assert!(told.moves(&world).is_empty());
}

#[test]
fn a_router_that_lost_its_state_is_told_again_in_a_pause_too() {
    let mut world = World::serving(2, Spread::None);
    world.routes.members.clear();
    let told = Told::new(OrderKind::Shift, 2, 2, percent(50)).before(percent(0)).limits(2, 5).paused();
    let moves = told.moves(&world);
    world.carry_out(&moves);
    assert_eq!((&world.routes.spread, world.admitted("old")), (&split(0), 2));
}

#[test]
fn of_a_stray_and_others_in_excess_the_stray_goes_first() {
    let mut world = World::new(4, 4);
    world.routes.spread = Spread::Pooled;
    let stray = world.run("other", true);
    for name in ["old", "old", "new", "new"] {
        world.run(name, true);
    }
    let told = Told::new(OrderKind::InPlace, 0, 2, Traffic::Pooled).limits(4, 5);
    assert_eq!(draining(&told.moves(&world)), [stray.as_str()]);
}

#[test]
fn in_a_pause_the_traffic_stays_though_all_are_ready_for_another() {
    let mut world = World::serving(3, split(0));
    for _ in 0..3 {
        world.run("new", true);
    }
    let told = Told::new(OrderKind::Shift, 3, 3, percent(100)).before(percent(0)).limits(3, 7);
    assert_eq!(spread(&told.moves(&world)), Some(&split(100)));
    assert!(told.paused().moves(&world).is_empty());
}

#[test]
fn nobody_is_launched_for_one_that_cannot_be_told() {
    let mut world = World::serving(3, split(0));
    let cut = world.of("old").remove(0);
    let host = world.unit(&cut).seen.slot.as_str().split('/').next().unwrap().to_owned();
    world.hosts.get_mut(&host).unwrap().0 = false;
    world.run("old", true);
    let told = Told::new(OrderKind::Grow, 4, 0, percent(0)).limits(3, 8);
    assert!(told.moves(&world).launch.is_empty());
    world.exit(&cut);
    world.hosts.get_mut(&host).unwrap().0 = true;
    assert!(!told.moves(&world).launch.is_empty());
}
