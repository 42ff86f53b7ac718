//! Scenarios that broke a first model of the moves.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod common;

use common::{Told, World, at, draining, percent, settle, side, split, spread, stopped};
use deploy_core::{Health, OrderKind, Spread, Traffic};
use deploy_fleet::Wait;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_new_record_without_history_takes_nobody_out() {
    let mut world = World::serving(3, Spread::Pooled);
    for id in world.of("old") {
        world.fold(&id, Health::Healthy, at(0));
    }
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).limits(3, 4).min_ready(SECOND);
    let moves = told.moves(&world);
    assert!(moves.stop.is_empty() && moves.routes.is_none(), "{moves:?}");
    assert_eq!(moves.launch.len(), 1);
    assert_eq!(moves.again_at, Some(at(1000)));
}

#[test]
fn a_dead_side_loses_its_share_freely_to_one_that_is_ready() {
    let mut world = World::serving(3, split(0));
    world.run("new", true);
    for id in world.of("old") {
        world.exit(&id);
    }
    let told = Told::new(OrderKind::Shift, 3, 1, percent(5)).before(percent(0)).limits(3, 5);
    assert_eq!(spread(&told.moves(&world)), Some(&split(5)));
}

#[test]
fn a_share_grows_only_when_enough_of_its_side_are_ready() {
    let mut world = World::serving(4, split(5));
    world.run("new", true);
    let told = Told::new(OrderKind::Shift, 4, 4, percent(50)).before(percent(5)).limits(4, 9);
    let moves = told.moves(&world);
    assert_eq!(spread(&moves), None);
    assert!(moves.waits.contains(&Wait::Share { side: side("new"), ready: 1, need: 2 }), "{moves:?}");
    world.run("new", true);
    assert_eq!(spread(&told.moves(&world)), Some(&split(50)));
}

#[test]
fn a_match_needs_all_that_are_ordered() {
    let matched = deploy_core::Split::matching([deploy_core::Match::Header { name: "beta".into(), value: "1".into() }]);
    let mut world = World::serving(3, split(0));
    world.run("new", true);
    let told = Told::new(OrderKind::Shift, 3, 2, matched.into()).before(percent(0)).limits(3, 6);
    assert_eq!(spread(&told.moves(&world)), None);
    world.run("new", true);
    assert!(matches!(spread(&told.moves(&world)), Some(Spread::Split { .. })));
}

#[test]
fn a_share_that_was_taken_is_not_given_back_when_one_falls_ill() {
    let mut world = World::serving(3, split(100));
    for _ in 0..3 {
        world.run("new", true);
    }
    let ill = world.of("new").remove(0);
    world.sicken(&ill, SECOND);
    let told = Told::new(OrderKind::Shift, 3, 3, percent(100)).before(percent(5)).limits(3, 7);
    let moves = told.moves(&world);
    assert_eq!(spread(&moves), Some(&split(100)));
    assert_eq!(draining(&moves), [ill.as_str()]);
}

#[test]
fn a_sick_release_can_be_replaced() {
    let mut world = World::serving(3, Spread::Pooled);
    for id in world.of("old") {
        world.sicken(&id, Duration::from_secs(1000));
    }
    let grow = Told::new(OrderKind::Grow, 3, 3, percent(0)).limits(0, 7);
    settle(&mut world, &grow);
    assert_eq!((&world.routes.spread, world.admitted("new")), (&split(0), 3));
    let shift = Told::new(OrderKind::Shift, 3, 3, percent(100)).before(percent(0)).limits(0, 7);
    assert_eq!(spread(&shift.moves(&world)), Some(&split(100)));
}

#[test]
fn a_sick_release_has_what_nobody_else_of_a_pair_stands_for() {
    let pair = |from: &str, to: &str, share| {
        let split = deploy_core::Split::percent(share);
        Spread::Split { from: Some(side(from)), to: Some(side(to)), split }
    };
    let told = Told::new(OrderKind::Grow, 3, 3, percent(0)).limits(0, 7);
    for left in [pair("gone", "old", 10), pair("old", "gone", 90), pair("gone", "lost", 50)] {
        let mut world = World::serving(3, left.clone());
        for id in world.of("old") {
            world.sicken(&id, Duration::from_secs(1000));
        }
        assert_eq!(spread(&told.moves(&world)), Some(&split(0)), "{left:?}");
        let other = world.run("gone", true);
        assert_ne!(spread(&told.moves(&world)), Some(&split(0)), "somebody of {left:?} serves");
        world.units.retain(|unit| unit.seen.id != other);
        assert_ne!(spread(&told.moves(&world)), Some(&split(0)), "one that nobody lists may still serve");
    }
}

#[test]
fn too_few_slots_are_a_wait_and_no_busy_loop() {
    let mut world = World::new(1, 3);
    world.routes.spread = Spread::Pooled;
    for _ in 0..3 {
        world.run("old", true);
    }
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).limits(3, 4);
    let moves = told.moves(&world);
    assert!(moves.is_empty() && moves.again_at.is_none(), "{moves:?}");
    assert!(moves.waits.contains(&Wait::Slots { side: side("new"), missing: 1 }), "{moves:?}");
}

#[test]
fn strays_count_for_floor_and_ceiling_and_go_first() {
    let mut world = World::serving(2, split(0));
    let stray = world.run("other", true);
    let told = Told::new(OrderKind::Shrink, 2, 0, percent(0)).limits(2, 3);
    let moves = told.moves(&world);
    assert_eq!(draining(&moves), [stray.as_str()]);
    let tight = told.clone().limits(3, 3);
    assert!(tight.moves(&world).is_empty(), "the floor holds a stray as well");
    let full = Told::new(OrderKind::Grow, 2, 1, percent(0)).limits(3, 3);
    assert!(full.moves(&world).launch.is_empty(), "the ceiling counts a stray as well");
}

#[test]
fn strays_that_fill_the_ceiling_make_room_when_nobody_is_left_to_serve() {
    let mut world = World::serving(0, split(0));
    let strays = [world.run("other", false), world.run("other", false)];
    let told = Told::new(OrderKind::Shift, 1, 1, percent(100)).before(percent(0)).limits(0, 2);
    let gone = told.moves(&world);
    assert_eq!(stopped(&gone), [strays[0].as_str(), strays[1].as_str()]);
    settle(&mut world, &told);
    assert_eq!((world.admitted("old"), world.admitted("new")), (1, 1));
}

#[test]
fn members_nobody_lists_are_drained_and_nothing_of_them_is_stopped() {
    let mut world = World::serving(2, Spread::Pooled);
    let gone = world.of("old").remove(0);
    world.units.retain(|unit| unit.seen.id != gone);
    let told = Told::new(OrderKind::InPlace, 2, 0, Traffic::Pooled).limits(1, 3);
    let moves = told.moves(&world);
    assert_eq!(draining(&moves), [gone.as_str()]);
    assert!(moves.stop.is_empty());
}

#[test]
fn no_retirement_and_no_gain_rests_on_what_another_engine_saw() {
    let mut world = World::serving(3, split(0));
    for _ in 0..3 {
        world.run("new", true);
    }
    world.forget();
    let shift = Told::new(OrderKind::Shift, 3, 3, percent(100)).before(percent(0)).limits(3, 7);
    assert!(shift.moves(&world).is_empty());
    world.routes.spread = split(100);
    let shrink = Told::new(OrderKind::Shrink, 0, 3, percent(100)).limits(3, 7);
    assert!(shrink.moves(&world).is_empty());
    world.tick(SECOND);
    let told = world.health.values_mut();
    told.for_each(|folded| folded.fresh = true);
    assert_eq!(draining(&shrink.moves(&world)).len(), 3);
}

#[test]
fn in_a_pause_nothing_moves_but_what_is_unhealthy_leaves_the_router() {
    let mut world = World::serving(3, split(0));
    world.run("new", false);
    let ill = world.of("old").remove(1);
    world.sicken(&ill, SECOND);
    let told = Told::new(OrderKind::Shift, 3, 4, percent(100)).before(percent(0)).limits(3, 8).paused();
    let moves = told.moves(&world);
    assert_eq!(draining(&moves), [ill.as_str()]);
    assert_eq!(spread(&moves), Some(&split(0)));
    assert!(moves.launch.is_empty() && moves.stop.is_empty());
}

#[test]
fn no_second_writer_is_launched_beside_any_other_in_any_state() {
    let mut told = Told::new(OrderKind::InPlace, 0, 1, Traffic::NotRouted).limits(0, 1);
    told.exclusive = true;
    let mut world = World::serving(1, Spread::None);
    let writer = world.of("old").remove(0);
    let host = world.units[0].seen.slot.as_str().split('/').next().unwrap().to_owned();

    world.hosts.get_mut(&host).unwrap().0 = false;
    told.written_off = [writer.clone()].into();
    assert!(told.moves(&world).is_empty(), "unreachable, even written off");
    world.hosts.get_mut(&host).unwrap().0 = true;
    told.written_off.clear();

    let moves = told.moves(&world);
    assert_eq!((stopped(&moves), moves.launch.len()), (vec![writer.as_str()], 0));
    world.carry_out(&moves);
    assert!(told.moves(&world).launch.is_empty(), "terminating");

    world.exit(&writer);
    assert!(told.moves(&world).is_empty(), "ended, and not recorded");
    world.ended.insert(writer.clone());
    let moves = told.moves(&world);
    assert_eq!((stopped(&moves), moves.launch.len()), (vec![writer.as_str()], 0));
    world.carry_out(&moves);
    assert_eq!(told.moves(&world).launch.len(), 1);
}

#[test]
fn an_end_is_cleared_away_only_when_it_is_recorded_and_another_slot_is_taken_meanwhile() {
    let mut world = World::serving(3, Spread::Pooled);
    let ended = world.of("old").remove(0);
    let slot = world.unit(&ended).seen.slot.clone();
    world.exit(&ended);
    let told = Told::new(OrderKind::InPlace, 3, 0, Traffic::Pooled).limits(3, 4);
    let moves = told.moves(&world);
    assert!(stopped(&moves).is_empty());
    assert_eq!(moves.launch.len(), 1);
    assert_ne!(moves.launch[0].0, slot);
    world.ended.insert(ended.clone());
    assert_eq!(stopped(&told.moves(&world)), [ended.as_str()]);
}

#[test]
fn after_a_pooled_rolling_green_is_admitted_only_together_with_the_split() {
    let mut world = World::serving(2, Spread::Pooled);
    world.run("new", false);
    let told = Told::new(OrderKind::Grow, 2, 1, percent(0)).before(percent(0)).limits(2, 4);
    let moves = told.moves(&world);
    assert_eq!(spread(&moves), Some(&split(0)));
    world.carry_out(&moves);
    assert_eq!(world.admitted("new"), 1);
}

#[test]
fn green_is_not_admitted_to_live_traffic_while_the_split_is_held_back() {
    let mut world = World::serving(2, Spread::Pooled);
    world.run("other", true);
    world.run("new", false);
    let ill = world.of("old").remove(0);
    world.sicken(&ill, SECOND);
    let told = Told::new(OrderKind::Grow, 2, 1, percent(0)).before(percent(0)).limits(2, 4);
    let moves = told.moves(&world);
    assert_eq!(spread(&moves), Some(&Spread::Pooled), "stable has too few for all of it");
    world.carry_out(&moves);
    assert_eq!(world.admitted("new"), 0);
}

#[test]
fn going_back_needs_the_ready_of_the_side_it_goes_back_to_and_no_other() {
    let mut world = World::serving(3, split(100));
    let ill = world.run("new", true);
    world.sicken(&ill, SECOND);
    let told = Told::new(OrderKind::Shift, 3, 1, percent(0)).before(percent(100)).limits(3, 5);
    assert_eq!(spread(&told.moves(&world)), Some(&split(0)));
    for id in world.of("old") {
        world.exit(&id);
    }
    assert_eq!(spread(&told.moves(&world)), Some(&split(100)), "nobody of stable is there to go back to");
}

#[test]
fn nobody_is_retired_before_the_ready_ones_are_in_the_router() {
    let mut world = World::serving(2, Spread::Pooled);
    for _ in 0..2 {
        world.run("new", false);
    }
    let told = Told::new(OrderKind::InPlace, 0, 2, Traffic::Pooled).limits(2, 4);
    let moves = told.moves(&world);
    assert_eq!((draining(&moves).len(), moves.stop.len()), (0, 0));
    world.carry_out(&moves);
    assert_eq!(draining(&told.moves(&world)).len(), 2);
}

#[test]
fn from_the_dark_the_first_that_is_well_serves_though_a_host_is_cut_off() {
    let mut world = World::new(2, 2);
    let cut = world.run("new", false);
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).before(Traffic::None).min_ready(SECOND * 60);
    let host = world.unit(&cut).seen.slot.as_str().split('/').next().unwrap().to_owned();
    world.hosts.get_mut(&host).unwrap().0 = false;
    world.fold(&cut, Health::Unknown, at(0));
    let first = world.run("new", false);
    world.fold(&first, Health::Healthy, at(0));
    let moves = told.moves(&world);
    assert_eq!(spread(&moves), Some(&Spread::Pooled));
    world.carry_out(&moves);
    assert_eq!(world.admitted("new"), 1);
}

#[test]
fn the_last_whom_requests_may_reach_stay_until_somebody_is_ready_though_no_floor_asks_for_it() {
    let mut world = World::serving(2, Spread::Pooled);
    for id in world.of("old") {
        let host = world.unit(&id).seen.slot.as_str().split('/').next().unwrap().to_owned();
        world.hosts.get_mut(&host).unwrap().0 = false;
    }
    let told = Told::new(OrderKind::InPlace, 0, 2, Traffic::Pooled).limits(0, 3);
    let moves = told.moves(&world);
    assert_eq!((draining(&moves).len(), moves.launch.len()), (0, 1));
    world.carry_out(&moves);
    assert_eq!(draining(&told.moves(&world)).len(), 0, "it is not ready yet");
    let new = world.of("new").remove(0);
    world.fold(&new, Health::Healthy, at(0));
    world.carry_out(&told.moves(&world));
    assert_eq!(draining(&told.moves(&world)).len(), 2);
}

#[test]
fn of_those_that_cannot_be_reached_so_many_go_as_may_be_away() {
    for (away, gone) in [(0, 0), (1, 1), (2, 2), (3, 3)] {
        let mut world = World::serving(3, Spread::Pooled);
        world.hosts.values_mut().for_each(|(reached, _)| *reached = false);
        let mut told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).limits(0, 3);
        told.max_unavailable = away;
        assert_eq!(draining(&told.moves(&world)).len(), gone, "{away} may be away");
        told.exclusive = true;
        assert_eq!(draining(&told.moves(&world)).len(), 3, "one writer goes before the next comes");
        (told.exclusive, told.max_unavailable) = (false, 1);
        told.written_off = [world.of("old").remove(0)].into();
        assert_eq!(draining(&told.moves(&world)).len(), 2, "one may be away, and one is written off");
    }
}

#[test]
fn the_last_who_is_known_to_be_ready_is_kept_though_no_floor_asks_for_it() {
    let mut world = World::serving(3, Spread::Pooled);
    let ready = world.of("old").remove(0);
    let own = world.unit(&ready).seen.slot.as_str().split('/').next().unwrap().to_owned();
    world.hosts.iter_mut().for_each(|(host, (reached, _))| *reached = *host == own);
    let told = Told::new(OrderKind::InPlace, 0, 3, Traffic::Pooled).limits(0, 3);
    let gone = draining(&told.moves(&world)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(!gone.contains(&ready.to_string()), "{gone:?}");
}

#[test]
fn who_has_no_share_is_not_kept_for_requests() {
    let mut world = World::serving(2, split(100));
    for _ in 0..2 {
        let new = world.run("new", true);
        world.fold(&new, Health::Unknown, at(0));
    }
    let told = Told::new(OrderKind::Shrink, 0, 2, percent(100)).limits(0, 4);
    assert_eq!(
        draining(&told.moves(&world)),
        world.of("old").iter().map(deploy_core::InstanceId::as_str).collect::<Vec<_>>()
    );
}
