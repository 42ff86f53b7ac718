//! How a deployment begins, and why it does not.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::machine::{Call, Problem, TrackSeen};
use deploy_core::{Ask, Decision, GateSpec, Kind, Spread, What};
use support::desk::{Desk, all_well, names, tenth};
use support::{name, observed, release, spec, track};

/// A platform on which three of stable are well.
fn three(desk: &Desk) -> TrackSeen {
    all_well(observed(&[(&desk.stable, 3)], Spread::Pooled), 0)
}

fn problem(kind: Kind) -> Problem {
    Problem { kind, message: "no".into() }
}

#[test]
fn nothing_begins_before_every_platform_took_the_token() {
    let mut desk = Desk::asked(tenth(), 3, |_| {});
    let seen = TrackSeen { fenced: false, ..three(&desk) };
    assert!(!names(&desk.look_at(1, seen).events).contains(&"deployment_started"));
    assert!(desk.seen.plan.is_some(), "the plan was there");
    let seen = three(&desk);
    assert!(names(&desk.look_at(2, seen).events).contains(&"deployment_started"));
}

#[test]
fn a_platform_that_refuses_for_good_ends_it_and_one_that_may_come_back_is_waited_for() {
    let ended = |fence: Kind, observe: Kind| {
        let mut desk = Desk::asked(tenth(), 3, |_| {});
        let problems = [(Call::Fence, problem(fence)), (Call::Observe, problem(observe))].into();
        let seen = TrackSeen { fenced: false, problems, ..three(&desk) };
        names(&desk.look_at(1, seen).events).contains(&"deployment_failed")
    };
    assert!(!ended(Kind::Unavailable, Kind::Timeout));
    assert!(ended(Kind::Denied, Kind::Unavailable));
    assert!(ended(Kind::Unavailable, Kind::Denied));
}

#[test]
fn a_gate_that_waits_decides_nothing() {
    let mut gated = spec("v2", 3);
    gated.environments.values_mut().for_each(|one| one.gates = vec![GateSpec::approval(name("change"))]);
    let mut desk = Desk::of([&release(spec("v1", 3)), &release(gated)], tenth(), 3, |_| {});
    let seen = three(&desk);
    let asked = desk.look_at(1, seen.clone()).events;
    let key = asked.iter().find_map(|what| match what {
        What::GateAsked { key, .. } => Some(key.clone()),
        _ => None,
    });
    desk.seen.gates = [(key.unwrap(), Decision::Waiting)].into();
    assert!(desk.look_at(2, seen).events.is_empty());
}

#[test]
fn nothing_is_promoted_while_no_stage_is_under_way() {
    let mut desk = Desk::asked(tenth(), 3, |_| {});
    let unprepared = TrackSeen { prepared: false, ..three(&desk) };
    assert!(names(&desk.look_at(1, unprepared.clone()).events).contains(&"deployment_started"));
    for to_the_end in [false, true] {
        desk.ask(Ask::Promote { to_the_end }, 2);
    }
    let refused = desk.look_at(2, unprepared).events;
    let reasons = refused.iter().map(|what| match what {
        What::SignalRefused { reason, .. } => reason.as_str(),
        other => other.name(),
    });
    assert_eq!(reasons.collect::<Vec<_>>(), ["no stage is under way"; 2]);
}

#[test]
fn what_is_seen_of_a_track_can_be_changed_without_touching_what_shares_it() {
    let mut desk = Desk::asked(tenth(), 3, |_| {});
    let seen = three(&desk);
    desk.look_at(1, seen);
    let shared = desk.seen.clone();
    desk.seen.track_mut(&track("web")).unwrap().removed = true;
    assert!(desk.seen.tracks[&track("web")].removed && !shared.tracks[&track("web")].removed);
    assert!(desk.seen.track_mut(&track("api")).is_none());
}
