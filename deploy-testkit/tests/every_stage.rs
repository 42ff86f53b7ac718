//! Every strategy, at every stage, disturbed in every way: it ends as if nothing had happened, or as it was asked to.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

use deploy_core::{Ask, DeploymentId, Status};
use deploy_testkit::sim::{Disturb, Profile, Run, Script, scenario};
use serde_json::json;

const PATIENCE: &str = "30m";

/// Runs one release in peace and disturbs the next at a stage. None where it has no such stage.
fn disturbed(profile: Profile, name: &str, stage: usize, disturb: &Disturb) -> Option<(Run, Status)> {
    let mut run = Run::new(stage as u64 * 7 + 1, profile);
    let release = |version: &str| {
        let strategy = scenario::strategy(name, json!({ "progress_deadline": PATIENCE }));
        scenario::release(scenario::web(version, 3, strategy).unwrap()).unwrap()
    };
    run.deploy(release("v1"), &Script::default()).unwrap();
    let script = Script { disturb: Some((stage, disturb.clone())), ..Script::default() };
    let status = run.deploy(release("v2"), &script).unwrap();
    let reached = run.disturbed;
    if let Disturb::Ask(Ask::Supersede { .. }) = disturb {
        let next = run.deploy(release("v3"), &Script::default()).unwrap();
        assert_eq!(next, Status::Completed, "{profile:?} {name} {stage}\n{}", run.world.trail.tail(80));
    }
    reached.then_some((run, status))
}

/// Every strategy on every platform at every stage ends as expected before the commit, and after it.
fn ends(disturb: &Disturb, before: Status, after: Status) {
    for profile in Profile::ALL {
        for name in scenario::STRATEGIES {
            let mut stage = 0;
            while let Some((run, status)) = disturbed(profile, name, stage, disturb) {
                let (record, _) = &run.history[1];
                let leg = record.plan.as_ref().unwrap().tracks.values().next().unwrap().before.len();
                let expected = if stage < leg { before } else { after };
                let tail = run.world.trail.tail(100);
                let at = format!("{profile:?} {name} stage {stage} {disturb:?}");
                assert!(run.world.trail.broken.is_empty(), "{at}: {:?}\n{tail}", run.world.trail.broken);
                assert_eq!(status, expected, "{at}\n{tail}");
                stage += 1;
            }
            assert!(stage > 0, "{profile:?} {name} was never disturbed");
        }
    }
}

#[test]
fn a_killed_engine_is_followed_by_another() {
    ends(&Disturb::Kill, Status::Completed, Status::Completed);
}

#[test]
fn an_engine_that_is_started_again_goes_on() {
    ends(&Disturb::Restart, Status::Completed, Status::Completed);
}

#[test]
fn an_engine_takes_over_while_calls_of_the_last_are_under_way() {
    ends(&Disturb::TakeOver, Status::Completed, Status::Completed);
}

#[test]
fn calls_that_fail_are_made_again() {
    ends(&Disturb::Errors, Status::Completed, Status::Completed);
}

#[test]
fn slow_instances_are_waited_for() {
    ends(&Disturb::Slow, Status::Completed, Status::Completed);
}

#[test]
fn what_cannot_be_reached_for_a_while_is_waited_for() {
    ends(&Disturb::Partition, Status::Completed, Status::Completed);
}

#[test]
fn a_cancelled_deployment_goes_back_and_after_its_commit_goes_on() {
    ends(&Disturb::Ask(Ask::Cancel), Status::RolledBack, Status::Completed);
}

#[test]
fn a_deployment_that_is_rolled_back_goes_back_and_after_its_commit_goes_on() {
    ends(&Disturb::Ask(Ask::Rollback), Status::RolledBack, Status::Completed);
}

#[test]
fn a_new_release_supersedes_the_one_under_way() {
    let by = DeploymentId::new("d3");
    ends(&Disturb::Ask(Ask::Supersede { by }), Status::RolledBack, Status::Completed);
}
