//! What events make of a record: where it stands, how far it is, until when it waits, and what an event is called.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{
    Actor, Ask, Capabilities, Count, Decision, DeploymentId, Desired, Disposition, Event, Kind, OnDeadline, OrderKind,
    OrderLine, OrderNow, PlanStage, Point, Record, Request, Side, Signal, Split, Spread, Stage, Stages, Status, Step,
    Taken, Timestamp, TrackRef, TrackState, Traffic, Way, What,
};
use deploy_core::{Bounds, Budget, GateState, JudgeSpec};
use std::sync::Arc;
use std::time::Duration;
use support::{at, name, observed, planned, release, side_of, spec, track, workload};

const MINUTE: Duration = Duration::from_secs(60);

/// Two stages and a step after the commit, each with ten minutes; the first has a judge, the second pauses when it is late.
fn stages() -> Stages {
    let all = Count::ALL;
    let first = Stage::to(Desired::both(all, all).split(Split::percent(10)));
    Stages::new()
        .then(first.judge(Some(JudgeSpec::default())))
        .then(Stage::to(Desired::both(all, all).split(Split::candidate())).on_deadline(OnDeadline::Pause))
        .after_commit(Step::to(Desired::candidate(all)))
}

/// A record that is told what happens.
struct Told {
    record: Record,
    stable: Side,
}

impl Told {
    /// Asked for, nothing else.
    fn asked() -> Self {
        let (old, new) = (of("v1"), of("v2"));
        let request = Box::new(Request::new(new, name("production")));
        let first = Event { number: 1, at: at(0), what: What::Requested { request, actor: Actor::new("tester") } };
        let record = Record::fold(&DeploymentId::new("d"), [first]).unwrap();
        Self { record, stable: side_of(&old, "web") }
    }

    /// Begun, with two workloads of which each has two stages and a step after the commit; it has until the second 5000.
    fn begun() -> Self {
        let mut told = Self::asked();
        let (old, new) = (of("v1"), of("v2"));
        let runs = |of: &str| observed(&[(&side_of(&old, of), 2)], Spread::Pooled);
        let runs = [("web", runs("web")), ("api", runs("api"))];
        let plan = planned(&new, &[&old], stages(), &Capabilities::all(), &runs).unwrap();
        told.on(1, What::Started { plan: Arc::new(plan), deadline: at(5000) });
        told
    }

    fn on(&mut self, second: i64, what: What) {
        self.record.apply(&Event { number: self.record.version + 1, at: at(second), what });
    }

    /// Told of `web`, all at one second. How far the whole is then.
    fn web(&mut self, second: i64, whats: impl IntoIterator<Item = What>) -> u8 {
        whats.into_iter().for_each(|what| self.on(second, what));
        self.record.progress
    }

    fn state(&self) -> &TrackState {
        self.record.track(&track("web")).unwrap().1
    }

    /// The whole way's deadline.
    fn deadline(&self) -> Timestamp {
        match &self.record.way {
            Way::Forward { deadline } | Way::After { deadline } | Way::Back { deadline, .. } => *deadline,
            other => panic!("it has no deadline: {other:?}"),
        }
    }
}

fn of(version: &str) -> deploy_core::Release {
    let mut api = workload("api", version, 2);
    api.ports = [(name("http"), 9090)].into();
    release(spec(version, 2).workload(name("api"), api))
}

fn web() -> TrackRef {
    track("web")
}

fn line(kind: OrderKind, from: u32) -> OrderLine {
    OrderLine { kind, from, to: 2, traffic: Traffic::stable() }
}

/// A stage of three orders, with until the second 100.
fn stage(index: usize) -> What {
    let lines = vec![line(OrderKind::Grow, 2), line(OrderKind::Shift, 2), line(OrderKind::Shrink, 0)];
    What::StageBegan { track: web(), index, taken: Taken { from: 2, to: 2 }, baseline: 2, lines, deadline: at(100) }
}

fn order_of(index: usize, line: OrderLine) -> What {
    let bounds = Bounds { floor: 0, ceiling: 4 };
    let order = OrderNow { index, line, from: None, to: None, budget: Budget::default(), bounds, count: 2 };
    What::OrderBegan { track: web(), order: Box::new(order) }
}

fn order(index: usize) -> What {
    order_of(index, line(OrderKind::Shift, 2))
}

fn settled() -> What {
    What::Settled { track: web() }
}

fn gate() -> What {
    What::GateAsked { track: Some(web()), key: "g".into(), name: "look".into(), deadline: at(3000) }
}

fn passed(index: usize) -> What {
    What::StagePassed { track: web(), index }
}

fn done() -> What {
    What::TrackDone { track: web() }
}

fn paused() -> What {
    What::Paused { reason: "wait".into(), deadline: at(9000) }
}

fn resumed() -> What {
    What::Resumed { by: Actor::new("ann") }
}

/// Both stages of `web` done.
fn forward() -> [What; 5] {
    [stage(0), passed(0), stage(1), passed(1), done()]
}

#[test]
fn progress_counts_the_stages_that_are_passed_of_all_workloads_and_the_orders_of_the_one_under_way() {
    let mut told = Told::begun();
    let steps: [(What, u8); 12] = [
        (stage(0), 0),
        (order(0), 0),
        (order(1), 4),
        (order(2), 8),
        (settled(), 12),
        (gate(), 12),
        (passed(0), 16),
        (stage(1), 16),
        (order(1), 20),
        (settled(), 29),
        (passed(1), 33),
        (done(), 33),
    ];
    for (what, expected) in steps {
        let name = what.name();
        assert_eq!(told.web(2, [what]), expected, "{name}");
    }
    told.on(3, What::Committed { deadline: at(6000) });
    assert_eq!(told.record.progress, 66, "all that comes before the commit is passed");
    assert_eq!(told.web(4, [stage(0), settled()]), 79);
    assert_eq!(told.web(4, [passed(0), done()]), 83);
    told.on(5, What::Completed);
    assert_eq!(told.record.progress, 100);
}

#[test]
fn it_is_never_all_before_the_end() {
    let mut told = Told::begun();
    told.web(2, forward());
    told.on(3, What::Committed { deadline: at(6000) });
    let all = |of: &str| [What::StagePassed { track: track(of), index: 0 }, What::TrackDone { track: track(of) }];
    ["web", "api"].into_iter().flat_map(all).for_each(|what| told.on(4, what));
    assert_eq!(told.record.progress, 99);
}

#[test]
fn progress_is_kept_when_it_goes_on_and_counted_anew_on_the_way_back() {
    let mut told = Told::begun();
    let unsettled = What::Unsettled { track: web(), reason: "one is gone".into() };
    assert_eq!(told.web(2, [stage(0), settled(), unsettled]), 12);
    assert_eq!(told.state().point, Point::Order(2));
    let leg = |of: &str, count: usize| {
        let step = Step::to(Desired::stable(Count::ALL));
        (track(of), vec![PlanStage { stage: step.into(), from: None, to: None }; count])
    };
    let legs = [leg("web", 3), leg("api", 1)].into();
    let (reason, disposition) = ("it is late".to_owned(), Disposition::Candidate);
    told.on(3, What::RollbackStarted { reason, disposition, legs, deadline: at(4000) });
    assert_eq!(told.record.progress, 0);
    assert_eq!(told.web(4, [stage(0), passed(0)]), 25);
    assert_eq!(told.web(4, [passed(1), passed(2), done()]), 75);
    told.on(5, What::RolledBack { reason: "it is late".into() });
    assert_eq!(told.record.progress, 100);
}

#[test]
fn a_deployment_that_never_began_is_nowhere_until_it_is_completed() {
    let mut told = Told::asked();
    assert_eq!(told.record.progress, 0);
    told.on(1, What::PendingUntil { deadline: at(60) });
    assert_eq!(told.record.progress, 0);
    told.on(2, What::Completed);
    assert_eq!(told.record.progress, 100);
}

#[test]
fn a_record_says_how_it_stands_why_and_when_it_ended() {
    let stands = |told: &Told| {
        let record = &told.record;
        (record.status(), record.reason().map(str::to_owned), record.ended(), record.committed())
    };
    let why = |reason: &str| Some(reason.to_owned());
    let mut told = Told::asked();
    assert_eq!(stands(&told), (Status::Pending, None, None, false));
    told = Told::begun();
    assert_eq!(stands(&told), (Status::InProgress, None, None, false));
    told.on(2, paused());
    assert_eq!(stands(&told), (Status::Paused, why("wait"), None, false));
    told.on(3, resumed());
    assert_eq!(stands(&told), (Status::InProgress, None, None, false));
    let back = |told: &mut Told| {
        let (reason, disposition) = ("it is late".to_owned(), Disposition::Candidate);
        let legs = std::collections::BTreeMap::new();
        told.on(4, What::RollbackStarted { reason, disposition, legs, deadline: at(4000) });
    };
    back(&mut told);
    assert_eq!(stands(&told), (Status::RollingBack, why("it is late"), None, false));
    told.on(5, What::Failed { reason: "lost".into(), kind: Kind::Unavailable });
    assert_eq!(stands(&told), (Status::Failed, why("lost"), Some(at(5)), false));
    let mut told = Told::begun();
    back(&mut told);
    told.on(6, What::RolledBack { reason: "it is late".into() });
    assert_eq!(stands(&told), (Status::RolledBack, why("it is late"), Some(at(6)), false));
    let mut told = Told::begun();
    told.on(2, What::Committed { deadline: at(6000) });
    assert_eq!(stands(&told), (Status::InProgress, None, None, true));
    told.on(3, paused());
    assert_eq!(stands(&told), (Status::Paused, why("wait"), None, true));
    told.on(4, What::Completed);
    assert_eq!(stands(&told), (Status::Completed, None, Some(at(4)), true));
    let mut told = Told::asked();
    told.on(7, What::Cancelled { reason: "not now".into() });
    assert_eq!(stands(&told), (Status::Cancelled, why("not now"), Some(at(7)), false));
}

#[test]
fn a_pause_moves_deadlines_by_its_time_and_gives_a_stage_that_was_late_its_own_again() {
    // What is told of the track before the pause from 150 to 250, and until when it and the whole have then.
    let on_time = What::StageBegan {
        track: web(),
        index: 0,
        taken: Taken::default(),
        baseline: 0,
        lines: Vec::new(),
        deadline: at(1000),
    };
    let (late, moved) = ((at(850), at(5700)), (at(200), at(5100)));
    let cases = [
        (vec![on_time, order(0)], (at(1100), at(5100))),
        (vec![stage(0)], late),
        (vec![stage(0), order(0)], late),
        (vec![stage(0), settled()], late),
        (vec![stage(0), settled(), gate()], moved),
        (vec![stage(0), passed(0)], moved),
        (vec![stage(0), done()], moved),
    ];
    for (whats, expected) in cases {
        let mut told = Told::begun();
        told.web(2, whats);
        let point = told.state().point;
        told.on(150, paused());
        told.on(250, resumed());
        assert_eq!((told.state().deadline.unwrap(), told.deadline()), expected, "{point:?}");
    }
}

#[test]
fn a_pause_moves_the_deadline_to_begin_and_those_of_gates_that_have_not_decided() {
    let mut told = Told::asked();
    told.on(1, What::PendingUntil { deadline: at(60) });
    for key in ["open", "asked"] {
        told.on(2, What::GateAsked { track: None, key: key.into(), name: key.into(), deadline: at(50) });
    }
    told.on(3, What::GateDecided { track: None, key: "open".into(), decision: Decision::Open });
    told.on(10, paused());
    told.on(15, resumed());
    assert_eq!(told.record.way, Way::Pending { deadline: Some(at(65)) });
    let gate = |name: &str, second, decision| GateState { name: name.into(), deadline: at(second), decision };
    let expected = [gate("asked", 55, None), gate("open", 50, Some(Decision::Open))];
    assert_eq!(told.record.gates.into_values().collect::<Vec<_>>(), expected);
}

#[test]
fn what_falls_out_of_settled_while_its_gate_is_asked_has_the_whole_of_its_deadline_again() {
    let unsettled = || What::Unsettled { track: web(), reason: "one is gone".into() };
    for (asked, deadline) in [(true, at(300) + MINUTE * 10), (false, at(100))] {
        let mut told = Told::begun();
        told.web(2, [stage(0), settled()]);
        if asked {
            told.web(3, [gate()]);
            assert_eq!(told.state().point, Point::Gate);
        }
        told.web(300, [unsettled()]);
        assert_eq!(told.state().deadline, Some(deadline));
    }
    let mut told = Told::begun();
    told.web(2, [stage(0), settled(), gate()]);
    told.web(300, [What::Warned { track: web(), words: "nobody serves".into() }]);
    assert_eq!(told.state().deadline, Some(at(100)), "another event grants nothing");
}

#[test]
fn a_stage_with_a_judge_earns_by_its_verdicts_alone() {
    for (index, judged) in [(0, true), (1, false)] {
        let mut told = Told::begun();
        told.web(2, [stage(index)]);
        assert_eq!(told.state().judging, judged);
        told.web(3, [settled()]);
        told.on(43, paused());
        told.on(60, resumed());
        let (earned, intervals) = if judged { (0, 1) } else { (40, 0) };
        assert_eq!((told.state().earned, told.state().intervals), (Duration::from_secs(earned), intervals));
    }
}

#[test]
fn a_gap_between_engines_is_earned_up_to_where_the_one_before_was_last_seen() {
    // When the lease before was renewed last, and what of a bake from 10 to a claim at 60 is earned then.
    for (renewed, earned) in [(None, 0), (Some(at(5)), 0), (Some(at(30)), 20), (Some(at(99)), 50)] {
        let mut told = Told::begun();
        told.web(2, [stage(1)]);
        told.on(10, settled());
        told.on(60, What::Claimed { epoch: 2, tracks: vec![web()], renewed });
        assert_eq!((told.state().earned, told.state().since), (Duration::from_secs(earned), at(60)), "{renewed:?}");
    }
    let mut told = Told::begun();
    told.web(2, [stage(1), order(0)]);
    told.on(60, What::Claimed { epoch: 2, tracks: vec![web()], renewed: Some(at(30)) });
    assert_eq!((told.state().earned, told.state().since), (Duration::ZERO, at(2)), "it does not bake");
}

#[test]
fn what_is_waited_for_says_until_when_and_what_comes_then() {
    let waits = |told: &Told| {
        let waiting = told.record.waiting();
        waiting.into_iter().find(|waiting| waiting.track == Some(web())).unwrap()
    };
    let mut told = Told::begun();
    told.on(2, stage(0));
    assert_eq!(waits(&told).then, "goes back");
    told.web(3, [passed(0), stage(1)]);
    let words = "web on edge, stage 2 of 2: its platform to take our token, since 0s; ends 08:01:40Z at the latest, then pauses";
    assert_eq!(waits(&told).to_string(), words);
    let leg = told.record.track(&web()).unwrap().0.before[1].clone();
    let (reason, disposition) = ("it is late".to_owned(), Disposition::Candidate);
    told.on(4, What::RollbackStarted { reason, disposition, legs: [(web(), vec![leg])].into(), deadline: at(4000) });
    assert_eq!((waits(&told).until, waits(&told).then.as_str()), (Some(at(4000)), "fails, and says what is where"));
}

#[test]
fn who_promotes_means_the_stages_that_are_under_way() {
    let promoted = |whats: Vec<What>, to_the_end| {
        let mut told = Told::begun();
        told.web(2, whats);
        let ask = Ask::Promote { to_the_end };
        told.on(3, What::Signalled { signal: Signal { number: 7, ask, actor: Actor::new("ann"), at: at(3) } });
        assert_eq!(told.record.signals, 7);
        (told.state().promoted, told.record.promoted)
    };
    for to_the_end in [true, false] {
        for under_way in [vec![stage(0)], vec![stage(0), order(0)], vec![stage(0), settled()]] {
            assert_eq!(promoted(under_way, to_the_end), (true, to_the_end));
        }
        for other in [vec![], vec![stage(0), passed(0)], vec![stage(0), done()]] {
            assert_eq!(promoted(other, to_the_end), (false, to_the_end));
        }
    }
}

#[test]
fn an_order_is_called_by_what_it_does() {
    let cases = [
        (OrderKind::Grow, 0, "services_starting", "services_started"),
        (OrderKind::Grow, 1, "green_deployment_started", "services_started"),
        (OrderKind::Shift, 1, "traffic_switching", "traffic_switched"),
        (OrderKind::Shrink, 1, "services_stopping", "services_stopped"),
        (OrderKind::InPlace, 1, "services_replacing", "services_replaced"),
    ];
    for (kind, from, began, settled) in cases {
        assert_eq!(order_of(0, line(kind, from)).name(), began);
        assert_eq!(What::OrderSettled { track: web(), line: line(kind, from), to: None }.name(), settled);
    }
}

#[test]
fn an_event_says_which_track_it_is_about() {
    let decided = |track| What::GateDecided { track, key: "g".into(), decision: Decision::Open };
    let asked = |track| What::GateAsked { track, key: "g".into(), name: "look".into(), deadline: at(1) };
    let own = [stage(0), order(0), settled(), passed(0), done(), gate(), decided(Some(web())), asked(Some(web()))];
    for what in own {
        assert_eq!(what.track(), Some(&web()), "{}", what.name());
    }
    for what in [decided(None), asked(None), paused(), What::Completed] {
        assert_eq!(what.track(), None, "{}", what.name());
    }
}

#[test]
fn a_plan_is_compared_but_for_its_time() {
    let told = Told::begun();
    let plan = &**told.record.plan.as_ref().unwrap();
    let mut other = plan.clone();
    other.made_at = at(99);
    assert_eq!(plan.difference(&other), None);
    other.version = "v3".into();
    assert_eq!(plan.difference(&other).unwrap(), r#"plan.version: "v2" was approved, "v3" is so now"#);
    let mut other = plan.clone();
    let before = &mut other.tracks.get_mut(&web()).unwrap().before;
    before[1].stage.step.name = "all".into();
    let expected =
        r#"plan.tracks.shop/production/web@edge.before[1].stage.step.name: "" was approved, "all" is so now"#;
    assert_eq!(plan.difference(&other).unwrap(), expected);
    let mut other = plan.clone();
    other.waves.push(Vec::new());
    let waves = r#"[["shop/production/api@edge","shop/production/web@edge"]]"#;
    let more = r#"[["shop/production/api@edge","shop/production/web@edge"],[]]"#;
    assert_eq!(plan.difference(&other).unwrap(), format!("plan.waves: {waves} was approved, {more} is so now"));
    let mut other = plan.clone();
    other.tracks.get_mut(&web()).unwrap().stable.as_mut().unwrap().version = None;
    let expected = r#"plan.tracks.shop/production/web@edge.stable.version: "v1" was approved, null is so now"#;
    assert_eq!(plan.difference(&other).unwrap(), expected);
}

#[test]
fn a_track_is_in_one_wave_of_its_plan() {
    let told = Told::begun();
    let mut plan = (**told.record.plan.as_ref().unwrap()).clone();
    plan.waves = vec![vec![track("api")], vec![track("db")], vec![track("web")]];
    assert_eq!(["api", "db", "web"].map(|of| plan.wave_of(&track(of))), [0, 1, 2]);
    assert_eq!(plan.track_of(&name("web")).map(|(track, _)| track), Some(&web()));
    assert!(plan.track_of(&name("db")).is_none());
    assert_eq!(plan.tracks[&web()].stable.as_ref().unwrap().side, told.stable);
}
