//! One trouble at a time, on every simulated platform that has it: it is waited for, refused, or mended.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

use deploy_core::time::after;
use deploy_core::{Name, OnBusy, Release, Request, Status};
use deploy_testkit::sim::{Disturb, Hints, Lack, Profile, Reboot, Rival, Run, Script, Then, scenario};
use serde_json::json;
use std::time::Duration;

fn made(version: &str, name: &str, replicas: u32) -> Release {
    let strategy = scenario::strategy(name, json!({ "progress_deadline": "30m" }));
    scenario::release(scenario::web(version, replicas, strategy).unwrap()).unwrap()
}

/// Brings `v2` in over `v1` by each strategy on some platforms, and wants it to end so.
fn each(profiles: &[Profile], expected: Status, prepare: impl Fn(&mut Run) -> Script) {
    for profile in profiles {
        for name in scenario::STRATEGIES {
            let mut run = Run::new(11, *profile);
            run.deploy(made("v1", name, 3), &Script::default()).unwrap();
            let script = prepare(&mut run);
            let status = run.deploy(made("v2", name, 3), &script).unwrap();
            let (trail, at) = (&run.world.trail, format!("{profile:?} {name}"));
            assert_eq!(status, expected, "{at}\n{}", trail.tail(60));
            assert!(trail.broken.is_empty(), "{at}: {:?}\n{}", trail.broken, trail.tail(60));
        }
    }
}

fn rival(on_busy: OnBusy) -> Rival {
    let request = Request::new(made("v3", "rolling", 3), Name::new("production").unwrap());
    Rival { after: Duration::from_secs(4), request: Request { on_busy, ..request } }
}

#[test]
fn nothing_depends_on_a_hint() {
    for hints in [Hints::Lost, Hints::Doubled] {
        each(&Profile::ALL, Status::Completed, |_| Script { hints, ..Script::default() });
    }
}

#[test]
fn a_platform_that_asks_for_fewer_calls_is_waited_for() {
    each(&Profile::ALL, Status::Completed, |run| {
        let now = run.world.now;
        run.world.faults.throttled = vec![(now, after(now, Duration::from_secs(90)))];
        Script::default()
    });
}

#[test]
fn instances_of_a_host_that_was_rebooted_are_found_or_replaced() {
    for then in [Then::Ended, Then::Same, Then::Another] {
        each(&[Profile::Instant, Profile::Fleet], Status::Completed, |run| {
            let at = after(run.world.now, Duration::from_secs(2));
            let up = after(at, Duration::from_secs(20));
            run.gentle = false;
            run.world.faults.reboots.push(Reboot { host: "host-0".into(), at, up, then });
            Script::default()
        });
    }
}

#[test]
fn a_full_host_is_told_and_passed_over_or_waited_for() {
    each(&[Profile::Instant, Profile::Fleet], Status::Completed, |run| {
        let now = run.world.now;
        let full = |host: &str| (host.to_owned(), now, after(now, Duration::from_secs(60)));
        run.world.faults.full = vec![full("host-0"), full("host-1")];
        Script::default()
    });
}

#[test]
fn effects_that_land_late_break_no_limit() {
    each(&[Profile::Instant, Profile::CheckedFence, Profile::Fleet], Status::Completed, |run| {
        run.world.faults.late = (60, Duration::from_secs(5));
        Script::default()
    });
}

#[test]
fn what_a_late_call_does_within_its_window_is_mended() {
    for stage in 0..3 {
        each(&[Profile::CheckedFence], Status::Completed, |_| Script {
            kills: 20,
            most_kills: 4,
            disturb: Some((stage, Disturb::TakeOver)),
            ..Script::default()
        });
    }
}

#[test]
fn more_slots_than_there_are_is_refused_before_anything_is_touched() {
    let mut run = Run::new(11, Profile::Fleet);
    run.world.hosts.values_mut().for_each(|slots| *slots = 1);
    run.deploy(made("v1", "blue_green", 3), &Script::default()).unwrap();
    let before = run.standing("web");
    let status = run.deploy(made("v2", "blue_green", 3), &Script::default()).unwrap();
    let (record, _) = run.history.last().unwrap();
    assert_eq!((status, record.plan.is_none()), (Status::Failed, true));
    assert!(record.reason().unwrap().contains("nothing was changed"), "{:?}", record.reason());
    assert_eq!(run.standing("web"), before);
}

#[test]
fn what_a_platform_lacks_is_refused_or_not_asked_for() {
    for lack in Lack::ALL {
        for name in scenario::STRATEGIES {
            let mut run = Run::new(11, Profile::Instant);
            run.world.lacks.insert(lack);
            run.deploy(made("v1", name, 3), &Script::default()).unwrap();
            let status = run.deploy(made("v2", name, 3), &Script::default()).unwrap();
            assert!(matches!(status, Status::Completed | Status::Failed), "{lack:?} {name}");
            assert_eq!(status == Status::Failed, run.history[1].0.plan.is_none(), "{lack:?} {name}");
            assert!(run.world.trail.broken.is_empty(), "{lack:?} {name}: {:?}", run.world.trail.broken);
        }
    }
}

#[test]
fn a_platforms_own_clock_changes_nothing() {
    for profile in Profile::ALL {
        for name in scenario::STRATEGIES {
            let played = |skew: i64| {
                let mut run = Run::new(11, profile);
                run.world.skew = skew;
                run.deploy(made("v1", name, 3), &Script::default()).unwrap();
                run.deploy(made("v2", name, 3), &Script { kills: 10, most_kills: 3, ..Script::default() }).unwrap();
                run.history
            };
            let right = played(0);
            assert!([-3_600_000, 3_600_000].into_iter().all(|skew| played(skew) == right), "{profile:?} {name}");
        }
    }
}

#[test]
fn another_deployment_is_refused_waits_or_supersedes_as_asked() {
    for (on_busy, first, all) in [
        (OnBusy::Refuse, Status::Completed, 2),
        (OnBusy::Queue, Status::Completed, 3),
        (OnBusy::Supersede, Status::RolledBack, 3),
    ] {
        for profile in Profile::ALL {
            let mut run = Run::new(11, profile);
            run.deploy(made("v1", "canary", 3), &Script::default()).unwrap();
            let script = Script { rivals: vec![rival(on_busy)], ..Script::default() };
            assert_eq!(run.deploy(made("v2", "canary", 3), &script).unwrap(), first, "{profile:?} {on_busy:?}");
            let ends: Vec<_> = run.history.iter().map(|(record, _)| record.status()).collect();
            assert_eq!(ends.len(), all, "{profile:?} {on_busy:?}: {ends:?}");
            assert!(all == 2 || ends[2] == Status::Completed, "{profile:?} {on_busy:?}: {ends:?}");
            assert!(run.world.trail.broken.is_empty(), "{:?}\n{}", run.world.trail.broken, run.world.trail.tail(60));
        }
    }
}
