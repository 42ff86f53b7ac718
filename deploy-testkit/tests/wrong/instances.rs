//! Platforms of single instances that are wrong.

use super::plain::{Fault, Plain};
use super::{begins, broken};
use crate::specs;
use deploy_core::{InstanceSpec, Source, Workload};
use deploy_testkit::conformance::{self, Programs, Tasks};

fn program(words: &[&str]) -> InstanceSpec {
    let words = words.iter().map(|&word| word.to_owned()).collect();
    Workload::new(Source::Command(words)).instance_spec()
}

/// Everything that can be declared is.
pub fn suite(fault: Option<Fault>) -> conformance::Instances<Plain, Plain> {
    let make = move || async move {
        let plain = Plain::new(fault);
        Ok((plain.clone(), plain))
    };
    let programs = Programs::new().ends(program(&["ends"]), 3).stubborn(program(&["stubborn"]));
    let programs = programs.says(program(&["says", "one", "two"]), ["one", "two"]);
    conformance::Instances::new(specs(), make)
        .programs(programs.never_runs(program(&["broken"])).invalid(program(&["invalid"])))
        .tasks(tasks())
        .serves(|plain: &Plain| std::future::ready(Ok(plain.inner().serving.clone())))
        .kept(|plain: &Plain| {
            let of_web = |track: &deploy_core::TrackRef| track.workload.as_str() == "web";
            let kept = plain.inner().kept.iter().filter(|(track, _)| of_web(track)).map(|(_, id)| id.clone()).collect();
            std::future::ready(Ok(kept))
        })
        .reopened(|plain: Plain| async move { Ok((plain.clone().reopened(), plain)) })
}

pub fn tasks() -> Tasks<Plain> {
    let ran = |plain: &Plain| std::future::ready(Ok(plain.inner().errands.ran()));
    Tasks::new(|_| vec!["well".into()], ran).fails(["fails"]).lasts(["lasts"])
}

async fn told(fault: Fault) -> String {
    broken(suite(Some(fault)).run().await)
}

const LAUNCHED: &str = "the contract (`launch` is idempotent by slot) is broken in step \"the same again is no second instance, another revision is refused\"";

#[tokio::test]
async fn instances_that_launch_twice_in_one_slot() {
    begins(&told(Fault::LaunchesTwice).await, &format!("{LAUNCHED}: told 2 instances, expected one instance"));
}

#[tokio::test]
async fn instances_that_take_another_revision_in_a_taken_slot() {
    begins(&told(Fault::TakesAnotherRevision).await, &format!("{LAUNCHED}: told (), expected the error Busy"));
}

#[tokio::test(start_paused = true)]
async fn instances_that_tell_who_was_stopped_as_ended() {
    let line = told(Fault::TellsTheStoppedAsEnded).await;
    begins(&line, "the contract (who was told to stop is terminating until it is removed) is broken");
}

#[tokio::test]
async fn instances_that_take_an_older_token() {
    begins(
        &told(Fault::TakesOlder).await,
        "G7 is broken in step \"an older token is refused, and nothing has changed\": told (), expected the error Fenced",
    );
}

#[tokio::test]
async fn instances_that_list_what_was_a_look_ago() {
    assert_eq!(
        told(Fault::ListsLate).await,
        "the contract (`list` and `slots` show every earlier write of the caller) is broken in step \"who was launched is listed at once, in its slot\": told 0, expected 1"
    );
}

#[tokio::test]
async fn instances_that_cannot_stop_who_is_gone() {
    begins(
        &told(Fault::StopsOnlyKnown).await,
        "the contract (who was told to stop is terminating until it is removed) is broken",
    );
}

async fn are_told(faults: &[(Fault, &str)]) {
    for (fault, expected) in faults {
        let line = told(*fault).await;
        assert!(line.starts_with(expected), "{fault:?}:\n  {line}\nshould begin with\n  {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn instances_whose_marks_bits_logs_and_hints_are_wrong() {
    are_told(&[
        (Fault::ForgetsTheMark, "G7 is broken in step \"the mark is raised with nothing there, and stands\": told"),
        (Fault::RestartsWhenShipped, "the contract (`prepare` changes nothing live) is broken"),
        (Fault::LaunchesHalf, "G6 is broken in step \"calls that were dropped can be made again, to the same end\": told the error Busy"),
        (Fault::LogsOfNobody, "the contract (`NotFound` where nothing is kept of it) is broken"),
        (Fault::DeclaresHints, "the contract (hints to look again) is broken in step \"hints are given where they are declared\": told false, expected true"),
    ])
    .await;
}

const ENDED: &str = "the contract (only one that ended by itself is listed as ended) is broken in step \"who ended by itself is listed as ended until it is removed, never as running\": told";

#[tokio::test(start_paused = true)]
async fn instances_whose_end_is_told_wrongly() {
    are_told(&[
        (Fault::EndedRuns, &format!("{ENDED} after 600 looks it is Running, expected Exited")),
        (Fault::EndedVanishes, &format!("{ENDED} 0 instances, expected one instance")),
        (Fault::KeepsTheEnded, &format!("{ENDED} after 600 calls of `stop` it is still listed")),
        (Fault::KillsAtOnce, "the contract (`stop` asks it to end and kills it when the grace period is over) is broken in step \"who does not end when it is told to is killed when its grace period is over, and not before\": told it is gone after 0 ms"),
        (Fault::NeverKills, "the contract (`stop` asks it to end and kills it when the grace period is over) is broken in step \"who does not end when it is told to is killed when its grace period is over, and not before\": told it is still listed after 600 looks"),
        (Fault::LogsTheFirst, "the contract (the last lines of what an instance said, oldest first) is broken in step \"the last lines of a log are what its program said last\": told [\"one\"], expected [\"two\"]"),
        (Fault::RunsWhatCannot, "G14 is broken in step \"what can never run is refused as the candidate's fault, and nobody runs\": told (), expected the error Candidate"),
        (Fault::TakesWrongBits, "the contract (`Invalid` for bits that are not what they should be) is broken"),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn instances_whose_tasks_are_wrong() {
    are_told(&[
        (Fault::TakesTasksSilently, "G13 is broken in step \"a task is refused where none are run\": told Done, expected the error Unsupported"),
        (Fault::RunsTheBarred, "G6 is broken in step \"a task whose key was barred never runs\": told Running, expected Barred"),
        (Fault::StartsForAnybody, "G7 is broken in step \"a task under an older token is refused, and never ran\": told Running, expected the error Fenced"),
        (Fault::RunsAgain, "G6 is broken in step \"a task runs once by its key, and its outcome stays\": told it was run 2 times, expected 1"),
        (Fault::StartsHalf, "G6 is broken in step \"a task whose start was dropped is started again, and runs once\": told it was run 2 times, expected 1"),
        (Fault::FailureIsSuccess, "the contract (a task's outcome is read from the platform) is broken in step \"a task that fails has failed, and is not run again\": told Done, expected Failed"),
        (Fault::NeverLate, "G5 is broken in step \"a task that takes longer than it may is stopped, and has failed\": told after 600 looks it runs"),
        (Fault::BarsNothing, "G6 is broken in step \"a task that is barred as it runs is stopped, and never runs again\": told after 600 looks it runs"),
        (Fault::ForgetsTasks, "G6 is broken in step \"what a task came to is known to the next engine, and it is not run again\": told NotStarted, expected Done"),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn instances_that_keep_too_much_or_too_little() {
    let pruned = "the contract (`prune` removes what is neither running nor named) is broken in step \"who runs is not touched when the rest is pruned, and what is named stays\": told";
    let removed = "the contract (`remove` forgets a workload) is broken in step \"of a workload that was removed nothing is left, and others stay\": told";
    are_told(&[
        (Fault::MarksNothing, "the contract (`serving` marks which revision serves at the stable name) is broken in step \"the stable name is of the revision that was marked last\": told None"),
        (Fault::MarksForAnybody, "the contract (`serving` marks which revision serves at the stable name) is broken in step \"the stable name is of the revision that was marked last\": told (), expected the error Fenced"),
        (Fault::PrunesTheRunning, pruned),
        (Fault::PrunesTheNamed, pruned),
        (Fault::PrunesNothing, pruned),
        (Fault::LeavesBits, removed),
        (Fault::RemovesTheNeighbour, &format!("{removed} 0 instances, expected one instance")),
        (Fault::ForgetsTheFence, "G7 is broken in step \"after a workload was removed an older token is refused still\": told (), expected the error Fenced"),
        (Fault::ForgetsInstances, "G6 is broken in step \"the next engine finds what runs, and goes on with it\": told 0 instances, expected one instance"),
    ])
    .await;
}
