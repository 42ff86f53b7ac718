//! Workloads whose count is the platform's own: planned by their revision, and refused where that makes no sense.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{
    Capabilities, Count, Desired, Kind, Release, Share, Split, Spread, Stage, Stages, Step, WorkloadKind,
};
use support::{observed, planned, release, side_of, spec};

fn rolling() -> Stages {
    Stages::new().then(Stage::to(Desired::pooled(Count::ALL)))
}

/// Ten percent to so many of the candidate, then all to it.
fn canary(some: Count) -> Stages {
    let all = Count::ALL;
    Stages::new()
        .then(Stage::to(Desired::both(all, some).split(Split::percent(10))))
        .then(Stage::to(Desired::both(all, all).split(Split::candidate())))
        .after_commit(Step::to(Desired::candidate(all)).named("stable goes"))
}

/// As `spec`, its one workload serverless.
fn serverless(version: &str) -> Release {
    let mut spec = spec(version, 1);
    spec.workloads.get_mut("web").unwrap().kind = WorkloadKind::Serverless;
    release(spec)
}

fn scales_to_zero() -> Capabilities {
    Capabilities { scales_to_zero: true, ..Capabilities::all() }
}

#[test]
fn a_count_that_is_the_platforms_own_is_refused_where_no_platform_keeps_it() {
    let old = release(spec("v1", 3));
    let runs = observed(&[(&side_of(&old, "web"), 3)], Spread::Pooled);
    let refused = planned(&serverless("v2"), &[&old], rolling(), &Capabilities::all(), &[("web", runs)]).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsupported);
    let expected = "workload `web` is `kind: serverless`, and `edge` does not run as many as requests need: give it another \
        kind and `replicas`";
    assert_eq!(refused.message(), expected);
}

#[test]
fn a_serverless_workload_is_counted_by_its_revision() {
    let old = serverless("v1");
    let runs = || observed(&[(&side_of(&old, "web"), 1)], Spread::Pooled);
    for strategy in [rolling(), canary(Count::Platform), canary(Count::Share(Share::percent(10)))] {
        let plan = planned(&serverless("v2"), &[&old], strategy, &scales_to_zero(), &[("web", runs())]).unwrap();
        let (_, track) = plan.track_of(&"web".parse().unwrap()).unwrap();
        assert_eq!(track.parties().map(|party| party.count).collect::<Vec<_>>(), [1, 1]);
    }
    assert!(planned(&old, &[&old], rolling(), &scales_to_zero(), &[("web", runs())]).unwrap().is_empty());
}

#[test]
fn a_strategy_that_gives_a_serverless_workload_a_number_is_refused() {
    let old = serverless("v1");
    let runs = observed(&[(&side_of(&old, "web"), 1)], Spread::Pooled);
    let refused = planned(&serverless("v2"), &[&old], canary(Count::Exactly(3)), &scales_to_zero(), &[("web", runs)])
        .unwrap_err();
    assert!(refused.message().contains("the step gives a number: use `Change::count`"), "{refused}");
}

#[test]
fn a_workload_neither_becomes_serverless_nor_ceases_to_be_while_it_serves() {
    for (old, new) in [(release(spec("v1", 3)), serverless("v2")), (serverless("v1"), release(spec("v2", 3)))] {
        let runs = observed(&[(&side_of(&old, "web"), 1)], Spread::Pooled);
        let refused = planned(&new, &[&old], rolling(), &scales_to_zero(), &[("web", runs)]).unwrap_err();
        assert!(refused.message().contains("give the new one another name"), "{refused}");
    }
}

#[test]
fn a_serverless_workload_says_nothing_of_how_many_there_are() {
    let mut many = spec("v1", 3);
    many.workloads.get_mut("web").unwrap().kind = WorkloadKind::Serverless;
    let refused = Release::new(many.clone()).unwrap_err();
    assert!(refused.message().contains("leave `replicas` out"), "{refused}");
    let web = many.workloads.get_mut("web").unwrap();
    (web.replicas, web.exclusive) = (1, Some(true));
    let refused = Release::new(many).unwrap_err();
    assert!(refused.message().contains("it cannot be exclusive"), "{refused}");
}
