//! What a plan is made of, how it is read, and what it may not be.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{
    Amount, Back, Budget, Capabilities, Count, Desired, Evidence, GateSpec, Kind, Match, Place, Places, Result, Share,
    Split, Spread, Stage, Stages, Step, Sticky, Task, TaskKind, Traffic,
};
use std::time::Duration;
use support::{name, observed, planned, release, side_of, spec, track, workload};

fn canary() -> Stages {
    let all = Count::ALL;
    Stages::new()
        .then(Stage::to(Desired::both(all, Count::Exactly(1)).split(Split::percent(5))).bake(Duration::from_secs(300)))
        .then(Stage::to(Desired::both(all, all).split(Split::candidate())).gate(Some(GateSpec::approval(name("look")))))
        .after_commit(Step::to(Desired::candidate(all)).named("stable goes"))
}

fn rolling() -> Stages {
    Stages::new().then(Stage::to(Desired::pooled(Count::ALL)))
}

/// The plan of a change from 3 to 3 on a platform.
fn changed(stages: Stages, capabilities: &Capabilities) -> Result<deploy_core::Plan> {
    let (old, new) = (release(spec("v1", 3)), release(spec("v2", 3)));
    let runs = observed(&[(&side_of(&old, "web"), 3)], Spread::Pooled);
    planned(&new, &[&old], stages, capabilities, &[("web", runs)])
}

fn refusal(stages: Stages, capabilities: &Capabilities) -> (Kind, String) {
    let error = match changed(stages, capabilities) {
        Ok(plan) => panic!("it is not refused:\n{plan}"),
        Err(error) => error,
    };
    (error.kind(), error.message().to_owned())
}

fn strategy_of(plan: &deploy_core::Plan, workload: &str) -> Option<String> {
    plan.tracks.get(&track(workload)).map(|track| track.strategy.clone())
}

#[test]
fn a_plan_is_read_aloud() {
    let (old, new) = (release(spec("v1", 6)), release(spec("v2", 6)));
    let capabilities = Capabilities {
        places: Places::HomeAndAside,
        evidence: Evidence::Accepted,
        propagation: Duration::from_secs(3),
        ..Capabilities::all()
    };
    let runs = observed(&[(&side_of(&old, "web"), 6)], Spread::Pooled);
    let plan = planned(&new, &[&old], canary(), &capabilities, &[("web", runs)]).unwrap();
    insta::assert_snapshot!(plan);
}

#[test]
fn the_first_deployment_is_one_stage_whatever_the_strategy() {
    let new = release(spec("v1", 3));
    let plan = planned(&new, &[], canary(), &Capabilities::all(), &[]).unwrap();
    assert_eq!(strategy_of(&plan, "web").as_deref(), Some("first"));
    assert_eq!(plan.tracks[&track("web")].before.len(), 1);
}

#[test]
fn the_same_release_again_is_empty_and_mends_what_is_missing() {
    let same = release(spec("v1", 3));
    let side = side_of(&same, "web");
    let made = |count| {
        let runs = observed(&[(&side, count)], Spread::Pooled);
        planned(&same, &[&same], canary(), &Capabilities::all(), &[("web", runs)]).unwrap()
    };
    assert!(made(3).is_empty());
    assert_eq!(strategy_of(&made(2), "web").as_deref(), Some("same"));
}

#[test]
fn a_changed_count_alone_is_one_step() {
    let (old, new) = (release(spec("v1", 3)), release(spec("v1", 5)));
    let runs = observed(&[(&side_of(&old, "web"), 3)], Spread::Pooled);
    let plan = planned(&new, &[&old], canary(), &Capabilities::all(), &[("web", runs)]).unwrap();
    assert_eq!(strategy_of(&plan, "web").as_deref(), Some("scale"));
}

#[test]
fn only_what_changed_gets_a_track_and_what_is_gone_is_removed_after_the_commit() {
    let two = |version: &str| spec(version, 3).workload(name("api"), workload_on("api", "v1", 9090));
    let (old, new) = (release(two("v1")), release(spec("v2", 3)));
    let (web, api) = (side_of(&old, "web"), side_of(&old, "api"));
    let runs = [("web", observed(&[(&web, 3)], Spread::Pooled)), ("api", observed(&[(&api, 1)], Spread::Pooled))];
    let removed = planned(&new, &[&old], rolling(), &Capabilities::all(), &runs).unwrap();
    assert_eq!(strategy_of(&removed, "api").as_deref(), Some("removal"));
    assert!(removed.tracks[&track("api")].before.is_empty());
    let kept = planned(&release(two("v2")), &[&old], rolling(), &Capabilities::all(), &runs).unwrap();
    assert_eq!(strategy_of(&kept, "api"), None);
}

fn workload_on(of: &str, version: &str, port: u16) -> deploy_core::Workload {
    let mut made = workload(of, version, 1);
    made.ports = [(name("http"), port)].into();
    made
}

#[test]
fn waves_follow_what_depends_on_what() {
    let with = |version: &str| {
        let mut web = workload("web", version, 2);
        web.depends_on = [name("api")].into();
        spec(version, 2).workload(name("web"), web).workload(name("api"), workload_on("api", version, 9090))
    };
    let plan = planned(&release(with("v1")), &[], rolling(), &Capabilities::all(), &[]).unwrap();
    assert_eq!(plan.waves, vec![vec![track("api")], vec![track("web")]]);
}

#[test]
fn strays_are_cleared_before_anything_else() {
    let (first, old, new) = (release(spec("v0", 3)), release(spec("v1", 3)), release(spec("v2", 3)));
    let (stray, stable) = (side_of(&first, "web"), side_of(&old, "web"));
    let spread = Spread::Split { from: Some(stable.clone()), to: Some(stray.clone()), split: Split::percent(10) };
    let runs = observed(&[(&stray, 1), (&stable, 3)], spread);
    let plan = planned(&new, &[&first, &old], canary(), &Capabilities::all(), &[("web", runs)]).unwrap();
    let track = &plan.tracks[&track("web")];
    assert_eq!(track.stable.as_ref().unwrap().side, stable);
    assert_eq!(track.before[0].stage.step.name, "clear what was left");
    assert_eq!(track.before[0].stage.step.desired.traffic, Traffic::stable());
}

#[test]
fn where_there_are_stable_names_a_candidate_beside_stable_comes_home_at_the_end() {
    let capabilities = Capabilities { places: Places::HomeAndAside, ..Capabilities::all() };
    let plan = changed(canary(), &capabilities).unwrap();
    let last = plan.tracks[&track("web")].after.last().unwrap();
    assert_eq!(last.to.as_ref().unwrap().place, Place::Home);
    let in_place = changed(rolling(), &capabilities).unwrap();
    assert!(in_place.tracks[&track("web")].after.is_empty());
}

#[test]
fn what_a_platform_cannot_do_is_refused() {
    let all = Count::ALL;
    let able = Capabilities::all();
    let split =
        |split| Stages::new().then(Stage::to(Desired::both(all, all).split(split))).then(whole()).after_commit(gone());
    let sticky = Sticky { cookie: "c".into(), max_age: Duration::from_secs(60) };
    let header = Match::Header { name: "x".into(), value: "1".into() };
    let dark = Stages::new().then(Stage::to(Desired::nothing())).then(Stage::to(Desired::pooled(all)));
    let cases = [
        (
            split(Split::percent(10)),
            Capabilities { split: false, ..able.clone() },
            "this platform cannot divide traffic by share: use rolling or blue-green",
        ),
        (
            split(Split::percent(7)),
            Capabilities { finest: Share::percent(5), ..able.clone() },
            "this platform divides traffic in steps of 5%: 7% is finer",
        ),
        (
            split(Split::matching([header])),
            Capabilities { matches: false, ..able.clone() },
            "this platform cannot route by header or cookie: use a share",
        ),
        (
            split(Split::percent(10).sticky(sticky)),
            Capabilities { sticky: false, ..able.clone() },
            "this platform cannot keep clients on their side: leave `sticky` out",
        ),
        (
            split(Split::stable().mirror(Share::percent(5))),
            Capabilities { mirror: false, ..able.clone() },
            "this platform cannot mirror requests: leave `mirror` out",
        ),
        (
            dark,
            Capabilities { traffic_none: false, ..able.clone() },
            "this platform cannot serve nobody while instances run: use rolling or blue-green",
        ),
        (
            rolling(),
            Capabilities { routes: false, ..able.clone() },
            "this platform does not route requests: give it a router, or `routed: false`",
        ),
        (
            with_task(),
            Capabilities { tasks: false, ..able.clone() },
            "this platform runs no tasks: leave task `smoke` out",
        ),
        (
            canary(),
            Capabilities { slots: Some(5), ..able.clone() },
            "it needs 6 slots and there are 5: add slots, lower the count, or use rolling",
        ),
        (
            rolling(),
            Capabilities { slots: Some(3), ..able },
            "all 3 slots are taken and nothing may be unavailable: add a slot, or allow max_unavailable 1",
        ),
    ];
    for (stages, capabilities, expected) in cases {
        assert_eq!(refusal(stages, &capabilities), (Kind::Unsupported, expected.to_owned()));
    }
}

#[test]
fn resources_that_a_platform_holds_nobody_to_are_refused() {
    let mut limited = spec("v1", 1);
    limited.workloads.get_mut(&name("web")).unwrap().resources.memory_mib = Some(256);
    let new = release(limited);
    let plan = |capabilities: &Capabilities| {
        planned(&new, &[], rolling(), capabilities, &[("web", deploy_core::Observed::default())])
    };
    let able = Capabilities::all();
    plan(&able).unwrap();
    let error = plan(&Capabilities { resources: false, ..able }).unwrap_err();
    let expected = "this platform holds nobody to `resources`: leave them out, or overlay them in this environment with `resources: {}`";
    assert_eq!((error.kind(), error.message()), (Kind::Unsupported, expected));
}

fn whole() -> Stage {
    Stage::to(Desired::both(Count::ALL, Count::ALL).split(Split::candidate()))
}

fn gone() -> Step {
    Step::to(Desired::candidate(Count::ALL))
}

fn with_task() -> Stages {
    let task = Task::new(name("smoke"), TaskKind::SmokeTest, ["try", "it"]);
    Stages::new().then(Stage::from(Step::to(Desired::pooled(Count::ALL)).after([task])))
}

#[test]
fn what_would_hurt_is_refused() {
    let all = Count::ALL;
    let one = Count::Exactly(1);
    let still = Budget { max_surge: Amount::NONE, ..Budget::default() };
    let task = Task::new(name("empty"), TaskKind::Hook, Vec::<String>::new());
    let nothing_back = Stage::to(Desired::pooled(all)).back(Back::Steps(Vec::new()));
    let cases = [
        (
            Stages::new()
                .then(Stage::to(Desired::both(all, one).split(Split::percent(50))))
                .then(whole())
                .after_commit(gone()),
            "the candidate would serve 50% of the traffic with 1 instances and needs 2: give it more first, or a smaller share",
        ),
        (
            Stages::new()
                .then(Stage::to(Desired::both(one, all).split(Split::percent(5))))
                .then(whole())
                .after_commit(gone()),
            "stable would serve 95% of the traffic with 1 instances and needs 3: give it more first, or a smaller share",
        ),
        (Stages::new().then(whole()), "3 of {stable} are left at the end: retire them after the commit"),
        (
            Stages::new().then(Stage::to(Desired::pooled(one))),
            "the candidate ends with 1 of 3 instances: let the last step have all",
        ),
        (
            Stages::new().then(Stage::to(Desired::candidate(all).traffic(Traffic::None))),
            "the candidate does not end with all the traffic: let the last stage send it there",
        ),
        (
            Stages::new().then(Stage::from(Step::to(Desired::pooled(all)).budget(still))),
            "max_surge and max_unavailable are both 0: nothing could ever move; allow one of them",
        ),
        (
            Stages::new().then(Stage::from(Step::to(Desired::pooled(all)).before([task]))),
            "task `empty` runs nothing: give a program and its arguments",
        ),
        (Stages::new().then(nothing_back), "a way back without steps leads nowhere: say the steps, or derive it"),
        (
            Stages::new().then(Stage::to(Desired::pooled(all).traffic(Traffic::InPlace))),
            "the workload is routed, the step says a worker's traffic: use `Change::traffic`",
        ),
    ];
    let stable = side_of(&release(spec("v1", 3)), "web").to_string();
    for (stages, expected) in cases {
        let (kind, message) = refusal(stages, &Capabilities::all());
        assert_eq!((kind, message), (Kind::Invalid, expected.replace("{stable}", &stable)));
    }
}

fn one_writer(version: &str) -> deploy_core::Spec {
    let mut web = workload("web", version, 1);
    web.exclusive = Some(true);
    spec(version, 1).workload(name("web"), web)
}

#[test]
fn an_exclusive_workload_can_be_removed_and_rid_of_what_was_left() {
    let mut api = workload_on("api", "v1", 9090);
    api.exclusive = Some(true);
    let (first, old) = (release(one_writer("v0")), release(one_writer("v1").workload(name("api"), api)));
    let new = release(one_writer("v2"));
    let [stray, web] = [&first, &old].map(|release| side_of(release, "web"));
    let runs = [
        ("web", observed(&[(&stray, 1), (&web, 1)], Spread::Pooled)),
        ("api", observed(&[(&side_of(&old, "api"), 1)], Spread::Pooled)),
    ];
    let step = Step::to(Desired::pooled(Count::ALL)).budget(deploy_core::Workload::exclusive_budget());
    let plan = planned(&new, &[&first, &old], Stages::new().then(step), &Capabilities::all(), &runs).unwrap();
    assert_eq!(plan.tracks[&track("web")].before[0].stage.step.name, "clear what was left");
    assert_eq!(strategy_of(&plan, "api").as_deref(), Some("removal"));
}

#[test]
fn a_workload_goes_as_in_a_rolling_update_where_nobody_can_be_served_only_once_nobody_is_there() {
    let of = |exclusive| {
        let mut api = workload_on("api", "v1", 9090);
        api.exclusive = Some(exclusive);
        release(spec("v1", 3).workload(name("api"), api))
    };
    for (old, traffic_none, traffic) in
        [(of(false), true, Traffic::None), (of(false), false, Traffic::Pooled), (of(true), false, Traffic::Pooled)]
    {
        let can = Capabilities { traffic_none, ..Capabilities::all() };
        let runs = [("api", observed(&[(&side_of(&old, "api"), 1)], Spread::Pooled))];
        let plan = planned(&release(spec("v2", 3)), &[&old], rolling(), &can, &runs).unwrap();
        assert_eq!(plan.tracks[&track("api")].after[0].stage.step.desired, Desired::nothing().traffic(traffic));
    }
}

#[test]
fn an_exclusive_workload_has_one_writer_at_a_time() {
    let (old, new) = (release(one_writer("v1")), release(one_writer("v2")));
    let runs = [("web", observed(&[(&side_of(&old, "web"), 1)], Spread::Pooled))];
    let step = |desired| Step::to(desired).budget(deploy_core::Workload::exclusive_budget());
    let beside = Desired::both(Count::ALL, Count::ALL).split(Split::candidate());
    let stages = Stages::new().then(step(beside)).after_commit(step(Desired::candidate(Count::ALL)));
    let refused = planned(&new, &[&old], stages, &Capabilities::all(), &runs).unwrap_err();
    assert!(refused.message().starts_with("an exclusive workload would have two writers"), "{refused}");
}

#[test]
fn a_plan_whose_whole_way_has_less_time_than_its_stages_is_refused() {
    let mut plan = changed(rolling(), &Capabilities::all()).unwrap();
    plan.deadline = Step::DEADLINE;
    plan.verify().unwrap();
    plan.deadline -= Duration::from_secs(1);
    let refused = plan.verify().unwrap_err();
    assert_eq!(refused.message(), "the whole way has 9m 59s, its stages need up to 10m: allow more");
}

#[test]
fn nothing_of_an_exclusive_workload_is_written_off_on_any_way() {
    let (old, new) = (release(one_writer("v1")), release(one_writer("v2")));
    let runs = || [("web", observed(&[(&side_of(&old, "web"), 1)], Spread::Pooled))];
    let plan = |forward: Budget, back: Budget| {
        let step = |budget| Step::to(Desired::pooled(Count::ALL)).budget(budget);
        let stage = Stage::from(step(forward)).back(Back::Steps(vec![step(back)]));
        planned(&new, &[&old], Stages::new().then(stage), &Capabilities::all(), &runs())
    };
    let held = deploy_core::Workload::exclusive_budget;
    plan(held(), held()).unwrap();
    let failing = || Budget { max_failed: Amount::Number(1), ..held() };
    for (forward, back) in [(failing(), held()), (held(), failing())] {
        let refused = plan(forward, back).unwrap_err();
        assert!(refused.message().starts_with("an exclusive workload takes no surge and no failed"), "{refused}");
    }
}

#[test]
fn a_deadline_that_cannot_be_met_is_refused() {
    let mut stage = Stage::to(Desired::pooled(Count::ALL)).bake(Duration::from_secs(300));
    stage.step.deadline = Duration::from_secs(200);
    let expected = "its deadline of 3m 20s cannot be met: bake, min ready, propagation and drain alone take 5m";
    assert_eq!(refusal(Stages::new().then(stage), &Capabilities::all()), (Kind::Invalid, expected.to_owned()));
}

#[test]
fn a_release_with_fewer_instances_can_be_brought_in_by_shares() {
    let (old, new) = (release(spec("v1", 12)), release(spec("v2", 6)));
    let runs = observed(&[(&side_of(&old, "web"), 12)], Spread::Pooled);
    let half = Count::Share(Share::percent(50));
    let stages = Stages::new()
        .then(Stage::to(Desired::both(Count::ALL, half).split(Split::percent(50))))
        .then(whole())
        .after_commit(gone());
    assert!(planned(&new, &[&old], stages, &Capabilities::all(), &[("web", runs)]).is_ok());
}

#[test]
fn what_ran_before_we_came_and_cannot_be_started_again_is_kept_until_the_commit() {
    let new = release(spec("v2", 3));
    let adopted = deploy_core::Side::home(deploy_core::RevisionId::adopted());
    let runs = || [("web", observed(&[(&adopted, 3)], Spread::Pooled))];
    let refused = planned(&new, &[], rolling(), &Capabilities::all(), &runs()).unwrap_err();
    assert!(refused.message().contains("could not be started again on the way back"), "{refused}");
    assert!(planned(&new, &[], canary(), &Capabilities::all(), &runs()).is_ok());
}
