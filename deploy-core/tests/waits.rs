//! What is waited for, and what ends a wait: bakes, judges, gates, tasks, deadlines, pauses.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::machine::{Call, Captured, Claim, Effect, Judgement, Next, Problem, TrackSeen};
use deploy_core::{
    Ask, Capabilities, Condition, ConditionKind, Count, Decision, Desired, Exit, GateSpec, Health, InstanceState,
    JudgeSpec, Kind, Observed, Point, Request, Running, Split, Spread, Stage, Stages, Step, Task, TaskAct, TaskKind,
    TaskOutcome, Trouble, Verdict, What, Workload,
};
use std::time::Duration;
use support::desk::{Desk, all_well, begins_an_order, committed, cut_off, folds, migrated, names, replaced, tenth};
use support::{at, instance, name, observed, planned, release, side_of, spec, track, worker, workload};

const SECOND: Duration = Duration::from_secs(1);

/// All of stable replaced at the tenth second, in a stage that holds.
fn up(stage: Stage) -> (Desk, Observed) {
    let mut desk = Desk::new(Stages::new().then(stage), 3);
    let up = desk.runs(0, 3, Spread::Pooled);
    assert!(names(&desk.look(10, up.clone(), 0)).contains(&"service_settled"));
    (desk, up)
}

/// What is noted when the judge says this of an interval.
fn judged(desk: &mut Desk, up: &Observed, interval: u64, verdict: Verdict) -> Vec<&'static str> {
    let mut seen = all_well(up.clone(), 0);
    seen.judged = Some(Judgement { interval, state: serde_json::Value::Null, verdict });
    names(&desk.look_at(10 + 30 * interval as i64, seen).events)
}

fn judge() -> Option<JudgeSpec> {
    Some(JudgeSpec { interval: SECOND * 30, ..JudgeSpec::default() })
}

fn unproven() -> Verdict {
    Verdict::Unproven("few".into())
}

#[test]
fn an_interval_that_is_not_proven_earns_nothing_of_the_bake() {
    let (mut desk, up) = up(replaced().bake(SECOND * 60).judge(judge()));
    assert_eq!(judged(&mut desk, &up, 1, unproven()), ["release_judged"]);
    assert_eq!(judged(&mut desk, &up, 2, Verdict::Pass), ["release_judged"], "half of the bake is earned");
    assert!(judged(&mut desk, &up, 3, Verdict::Pass).contains(&"stage_passed"));
}

#[test]
fn a_stage_with_a_judge_passes_by_its_verdict_though_it_has_no_bake() {
    let (mut desk, up) = up(replaced().judge(judge()));
    assert_eq!(judged(&mut desk, &up, 1, unproven()), ["release_judged"]);
    assert!(judged(&mut desk, &up, 2, Verdict::Pass).contains(&"stage_passed"));
}

#[test]
fn a_judge_that_says_no_ends_the_bake_at_once() {
    let (mut desk, up) = up(replaced().bake(SECOND * 60).judge(judge()));
    let no = judged(&mut desk, &up, 1, Verdict::Fail("slow".into()));
    assert!(no.starts_with(&["release_judged", "rollback_started"]), "{no:?}");
}

#[test]
fn whoever_promotes_passes_over_what_the_judge_says() {
    let (mut desk, up) = up(replaced().bake(SECOND * 60).judge(judge()));
    desk.ask(Ask::Promote { to_the_end: false }, 40);
    let no = judged(&mut desk, &up, 1, Verdict::Fail("slow".into()));
    assert!(no.starts_with(&["signal_taken", "release_judged", "stage_passed"]), "{no:?}");
}

/// All of stable replaced at the tenth second, in a stage that asks whether it may pass.
fn asked_to_look() -> (Desk, Observed) {
    let (desk, up) = up(replaced().gate(Some(GateSpec::approval(name("look")))));
    assert_eq!(desk.record.gates.len(), 1);
    (desk, up)
}

fn approve() -> Ask {
    Ask::Approve { gate: "look".into() }
}

#[test]
fn a_stage_waits_for_its_gate_until_that_has_decided() {
    let (mut desk, up) = asked_to_look();
    let key = desk.record.gates.keys().next().unwrap().clone();
    desk.seen.gates = [(key.clone(), Decision::Waiting)].into();
    assert!(desk.look(20, up.clone(), 0).is_empty());
    desk.seen.gates = [(key, Decision::Open)].into();
    assert!(names(&desk.look(21, up, 0)).starts_with(&["gate_decided", "stage_passed"]));
}

#[test]
fn in_a_pause_a_gate_may_open_and_nothing_passes_it() {
    let (mut desk, up) = asked_to_look();
    desk.ask(Ask::Pause, 20);
    desk.ask(approve(), 20);
    let opened = names(&desk.look(20, up.clone(), 0));
    assert_eq!(opened, ["signal_taken", "deployment_paused", "signal_taken", "gate_decided"]);
    desk.ask(Ask::Resume, 21);
    assert!(names(&desk.look(21, up, 0)).contains(&"stage_passed"));
}

#[test]
fn a_gate_that_has_opened_is_not_asked_again_when_its_stage_has_to_settle_again() {
    let (mut desk, up) = asked_to_look();
    desk.ask(approve(), 20);
    let fewer = desk.runs(0, 2, Spread::Pooled);
    assert_eq!(names(&desk.look(20, fewer, 0)).last(), Some(&"service_unsettled"));
    let again = names(&desk.look(30, up, 0));
    assert!(again.contains(&"stage_passed") && !again.contains(&"gate_asked"), "{again:?}");
}

#[test]
fn a_workload_that_waits_for_another_one_is_past_being_promoted() {
    let two = spec("v2", 3).workload(name("api"), worker("api", "v2", 1));
    let mut desk = Desk::of([&release(spec("v1", 3)), &release(two)], Stages::new().then(replaced()), 3, |_| {});
    desk.begin(3);
    let up = desk.runs(0, 3, Spread::Pooled);
    let done = desk.look(5, up.clone(), 0);
    assert_eq!(names(&done).last(), Some(&"service_updated"), "{done:?}");
    desk.ask(Ask::Promote { to_the_end: false }, 6);
    assert_eq!(names(&desk.look(6, up, 0)), ["signal_refused"], "the other one has not begun");
}

#[test]
fn a_stage_passes_when_its_bake_is_over_and_not_before() {
    let (mut desk, up) = up(replaced().bake(SECOND * 60));
    assert!(desk.look(69, up.clone(), 0).is_empty());
    assert!(names(&desk.look(70, up, 0)).contains(&"stage_passed"));
}

#[test]
fn a_gap_between_engines_earns_nothing_of_the_bake() {
    let (mut desk, up) = up(replaced().bake(SECOND * 60));
    desk.seen.lease = Claim { epoch: 2, renewed_before: Some(at(40)) };
    assert_eq!(names(&desk.look(100, up.clone(), 0)), ["engine_claimed", "token_read", "platform_fenced"]);
    assert!(desk.look(129, up.clone(), 0).is_empty());
    assert!(names(&desk.look(130, up, 0)).contains(&"stage_passed"));
}

#[test]
fn a_pause_earns_nothing_of_the_bake() {
    let (mut desk, up) = up(replaced().bake(SECOND * 60));
    desk.ask(Ask::Pause, 30);
    desk.look(30, up.clone(), 0);
    desk.ask(Ask::Resume, 100);
    assert_eq!(names(&desk.look(100, up.clone(), 0)), ["signal_taken", "deployment_resumed"]);
    assert!(desk.look(139, up.clone(), 0).is_empty());
    assert!(names(&desk.look(140, up, 0)).contains(&"stage_passed"));
}

#[test]
fn what_falls_out_of_settled_in_its_bake_settles_again() {
    let (mut desk, up) = up(replaced().bake(SECOND * 60));
    let fewer = desk.runs(0, 2, Spread::Pooled);
    assert_eq!(names(&desk.look(20, fewer, 0)).last(), Some(&"service_unsettled"));
    assert_eq!(names(&desk.look(30, up.clone(), 0)).last(), Some(&"service_settled"));
    assert!(desk.look(79, up.clone(), 0).is_empty(), "ten seconds were earned, and none in between");
    assert!(names(&desk.look(80, up, 0)).contains(&"stage_passed"));
}

#[test]
fn no_stage_begins_before_all_that_serve_were_looked_at_or_long_enough_was_waited_for_them() {
    let runs = |desk: &Desk| all_well(observed(&[(&desk.stable, 3)], Spread::Pooled), 0);
    for (second, looked_at) in [(20, true), (31, false)] {
        let mut desk = Desk::asked(tenth(), 3, |_| {});
        let mut unseen = runs(&desk);
        unseen.health.values_mut().take(1).for_each(|folded| folded.fresh = false);
        assert!(!begins_an_order(&desk.look_at(1, unseen.clone()).events));
        assert!(!begins_an_order(&desk.look_at(19, unseen.clone()).events));
        let seen = if looked_at { runs(&desk) } else { unseen };
        assert!(begins_an_order(&desk.look_at(second, seen).events), "{looked_at}");
    }
}

#[test]
fn a_platform_that_is_never_observed_ends_it_when_the_whole_way_is_late() {
    let mut desk = Desk::asked(tenth(), 3, |_| {});
    let mut look = |second| {
        let blind = TrackSeen { observed: None, ..all_well(Observed::default(), 0) };
        names(&desk.look_at(second, blind).events)
    };
    assert!(look(1).contains(&"deployment_started"));
    assert!(look(1800).is_empty());
    assert_eq!(look(1801), ["deployment_failed"]);
}

#[test]
fn nobody_is_cut_off_to_serve_nobody_while_somebody_cannot_be_reached() {
    let dark = Stage::to(Desired::nothing());
    let mut desk = Desk::asked(Stages::new().then(dark).then(replaced()), 3, |_| {});
    let reached = observed(&[(&desk.stable, 3)], Spread::Pooled);
    let mut cut = reached.clone();
    cut_off(&mut cut, &desk.stable, 1);
    let events = desk.look(1, cut, 0);
    assert!(names(&events).contains(&"service_updating") && !begins_an_order(&events), "{events:?}");
    assert!(begins_an_order(&desk.look(2, reached, 0)));
}

#[test]
fn after_the_commit_a_dead_candidate_beside_a_ready_stable_is_told_at_once() {
    let mut desk = committed();
    let mut seen = all_well(desk.runs(3, 3, desk.split(100)), 0);
    folds(&mut seen, &desk.candidate, Health::Unhealthy, 9);
    assert_eq!(names(&desk.look_at(9, seen).events).last(), Some(&"deployment_failed"));
}

#[test]
fn what_an_autoscaler_wants_of_the_side_it_looks_at_is_divided_by_its_share() {
    let mut desk = Desk::new(tenth(), 3);
    desk.look(5, desk.runs(3, 1, desk.split(0)), 0);
    let wanted = Observed { wanted: Some(9), ..desk.runs(3, 1, desk.split(10)) };
    desk.look(6, wanted, 0);
    assert_eq!((desk.state().taken.from, desk.state().taken.to), (10, 10), "it looks at nine tenths of the requests");
}

#[test]
fn a_plan_that_was_approved_is_refused_when_what_runs_has_changed() {
    let approved = Desk::asked(tenth(), 2, |_| {}).seen.plan.unwrap().unwrap();
    let begun = |replan| {
        let approved = Some(Box::new((*approved).clone()));
        let mut desk = Desk::asked(tenth(), 3, |request| (request.approved, request.replan) = (approved, replan));
        let runs = observed(&[(&desk.stable, 3)], Spread::Pooled);
        names(&desk.look(1, runs, 0)).contains(&"deployment_started")
    };
    assert_eq!((begun(false), begun(true)), (false, true));
}

#[test]
fn a_gate_before_the_deployment_holds_it_back() {
    let mut gated = spec("v2", 3);
    gated.environments.values_mut().for_each(|one| one.gates = vec![GateSpec::approval(name("change"))]);
    let mut desk = Desk::of([&release(spec("v1", 3)), &release(gated)], tenth(), 3, |_| {});
    let runs = observed(&[(&desk.stable, 3)], Spread::Pooled);
    assert_eq!(names(&desk.look(1, runs.clone(), 0)).last(), Some(&"gate_asked"));
    assert!(desk.look(2, runs.clone(), 0).is_empty());
    desk.ask(Ask::Approve { gate: "change".into() }, 3);
    assert!(names(&desk.look(3, runs, 0)).contains(&"deployment_started"));
}

/// So many of stable are well and serve, and all tasks stand like this.
fn with_tasks(desk: &mut Desk, second: i64, stable: u32, spread: Spread, outcome: &TaskOutcome) -> Next {
    let mut seen = all_well(desk.runs(stable, 0, spread), 0);
    seen.tasks = desk.record.tasks.keys().map(|key| (key.clone(), outcome.clone())).collect();
    desk.look_at(second, seen)
}

#[test]
fn a_task_that_has_had_its_time_fails() {
    let mut desk = Desk::asked(migrated(), 3, |_| {});
    desk.begin(3);
    let mut look = |second| names(&with_tasks(&mut desk, second, 3, Spread::Pooled, &TaskOutcome::Running).events);
    assert!(look(59).is_empty());
    assert!(look(61).contains(&"rollback_started"));
}

#[test]
fn a_task_that_is_late_is_told_by_how_far_it_came() {
    for (outcome, how_far) in [
        (TaskOutcome::Running, "it still runs"),
        (TaskOutcome::NotStarted, "it never started"),
        (TaskOutcome::Unknown, "its state is unknown"),
    ] {
        let mut desk = Desk::asked(migrated(), 3, |_| {});
        desk.begin(3);
        let late = with_tasks(&mut desk, 61, 3, Spread::Pooled, &outcome).events;
        let why = late.iter().find_map(|what| match what {
            What::RollbackStarted { reason, .. } => Some(reason.as_str()),
            _ => None,
        });
        assert_eq!(why, Some(format!("task migrate is late: {how_far} after 1m").as_str()));
    }
}

#[test]
fn a_task_that_was_barred_by_somebody_waits_for_a_person() {
    let mut desk = Desk::asked(migrated(), 3, |_| {});
    desk.begin(3);
    let barred = with_tasks(&mut desk, 5, 3, Spread::Pooled, &TaskOutcome::Barred).events;
    assert_eq!(names(&barred), ["task_ended", "deployment_paused"]);
    assert_eq!(desk.record.reason(), Some("task migrate was barred"));
}

#[test]
fn a_task_that_has_had_its_time_in_a_pause_in_the_dark_is_not_started_any_more() {
    let task = Task::new(name("migrate"), TaskKind::Migration, ["do"]);
    let dark = Stage::from(Step::to(Desired::nothing()).after([task]));
    let mut desk = Desk::new(Stages::new().then(dark).then(replaced()), 3);
    let act = |desk: &mut Desk, second| {
        let next = with_tasks(desk, second, 0, Spread::None, &TaskOutcome::NotStarted);
        next.effects.into_iter().find_map(|effect| match effect {
            Effect::Task { act, .. } => Some(act),
            _ => None,
        })
    };
    with_tasks(&mut desk, 4, 3, Spread::None, &TaskOutcome::NotStarted);
    assert_eq!(act(&mut desk, 5), Some(TaskAct::Start));
    desk.ask(Ask::Pause, 6);
    assert_eq!(act(&mut desk, 6), Some(TaskAct::Start), "it came from none, it is not kept there");
    assert_eq!(act(&mut desk, 606), Some(TaskAct::Look));
}

#[test]
fn in_a_pause_no_order_is_taken_further() {
    let mut desk = Desk::new(tenth(), 3);
    let runs = desk.runs(3, 0, desk.split(0));
    let paused = |desk: &mut Desk, second| {
        let next = desk.look_at(second, all_well(runs.clone(), 0));
        next.effects.into_iter().find_map(|effect| match effect {
            Effect::Converge { paused, .. } => Some(paused),
            _ => None,
        })
    };
    assert_eq!(paused(&mut desk, 5), Some(false));
    desk.ask(Ask::Pause, 6);
    assert_eq!(paused(&mut desk, 6), Some(true));
}

#[test]
fn a_pause_does_not_keep_in_the_dark_who_is_to_come_up_again() {
    let (all, none) = (Count::ALL, Count::NONE);
    let both = Stages::new().then(Stage::to(Desired::both(all, all).split(Split::percent(50))));
    let both = both.then(Stage::to(Desired::both(all, all).split(Split::candidate())));
    let both = both.after_commit(Step::to(Desired::candidate(all)));
    let cases = [
        (Stages::new().then(replaced()), 0, false),
        (both, 3, false),
        (Stages::new().then(Stage::to(Desired::pooled(none))).then(replaced()), 0, true),
    ];
    for (mut stages, up, holds) in cases {
        stages.before.insert(0, Stage::to(Desired::nothing()));
        let mut desk = Desk::new(stages, 3);
        for (second, [stable, candidate]) in [(5, [3, 0]), (6, [0, 0]), (7, [up, up])] {
            desk.look(second, desk.runs(stable, candidate, Spread::None), 0);
        }
        assert_ne!(desk.state().standing.spread, Spread::None);
        desk.ask(Ask::Pause, 8);
        let paused = desk.look_at(8, all_well(desk.runs(up, up, Spread::None), 0)).effects.into_iter();
        let paused = paused.filter_map(|effect| match effect {
            Effect::Converge { paused, .. } => Some(paused),
            _ => None,
        });
        assert_eq!(paused.collect::<Vec<_>>(), [holds], "{:?}", desk.state().order);
    }
}

#[test]
fn in_a_pause_no_order_is_begun() {
    let mut desk = Desk::asked(migrated(), 3, |_| {});
    desk.begin(3);
    desk.ask(Ask::Pause, 5);
    let done = with_tasks(&mut desk, 5, 3, Spread::Pooled, &TaskOutcome::Done);
    assert_eq!(names(&done.events), ["signal_taken", "deployment_paused", "task_ended"]);
    desk.ask(Ask::Resume, 6);
    assert!(begins_an_order(&with_tasks(&mut desk, 6, 3, Spread::Pooled, &TaskOutcome::Done).events));
}

#[test]
fn what_can_never_run_ends_the_wait_at_once() {
    let mut desk = Desk::new(tenth(), 3);
    let runs = desk.runs(3, 0, desk.split(0));
    let says = |kind| {
        let side = Some(desk.candidate.clone());
        let condition = Condition { kind, side, instance: None, words: "no such image".into() };
        Observed { conditions: vec![condition], ..runs.clone() }
    };
    let (waiting, terminal) = (says(ConditionKind::Waiting), says(ConditionKind::Terminal));
    assert_eq!(names(&desk.look(5, waiting, 0)), ["conditions_changed"]);
    assert!(names(&desk.look(6, terminal, 0)).contains(&"rollback_started"));
}

#[test]
fn no_interval_is_judged_in_a_pause() {
    let asks = |next: &Next| next.effects.iter().any(|effect| matches!(effect, Effect::Judge { .. }));
    let (mut desk, up) = up(replaced().bake(SECOND * 60).judge(judge()));
    assert!(asks(&desk.look_at(40, all_well(up.clone(), 0))));
    desk.ask(Ask::Pause, 41);
    assert!(!asks(&desk.look_at(41, all_well(up, 0))));
}

#[test]
fn a_look_is_due_when_the_min_ready_time_is_over() {
    let budget = deploy_core::Budget { min_ready: SECOND * 7, ..deploy_core::Budget::default() };
    let mut desk = Desk::new(Stages::new().then(Stage::from(replaced().step.budget(budget))), 3);
    let due = |next: &Next| {
        next.effects.iter().find_map(|effect| match effect {
            Effect::Wake { at } => Some(*at),
            _ => None,
        })
    };
    let well = |desk: &Desk, since| all_well(desk.runs(2, 1, Spread::Pooled), since);
    for (second, since, wakes) in [(20, 19, 26), (25, 19, 26)] {
        let seen = well(&desk, since);
        assert_eq!(due(&desk.look_at(second, seen)), Some(at(wakes)), "{second}");
    }
    let mut seen = well(&desk, 19);
    folds(&mut seen, &desk.candidate, Health::Healthy, 22);
    assert_eq!(due(&desk.look_at(26, seen)), Some(at(29)), "of who has it still before it");
    let seen = well(&desk, 19);
    assert!(due(&desk.look_at(30, seen)) > Some(at(30)));
}

#[test]
fn a_candidate_ends_too_often_within_ten_minutes_or_in_one_slot_of_a_stage() {
    let cases = [
        ([(10, "a"), (100, "b"), (609, "c")], true),
        ([(10, "a"), (100, "b"), (610, "c")], false),
        ([(10, "a"), (700, "a"), (1400, "a")], true),
        ([(10, "a"), (700, "b"), (1400, "a")], false),
        ([(10, "a"), (700, "b"), (1400, "c")], false),
    ];
    for (ends, too_often) in cases {
        let long = Stage::from(replaced().step.deadline(SECOND * 7200));
        let mut desk = Desk::new(Stages::new().then(long), 3);
        let mut happened = Vec::new();
        for (second, slot) in ends {
            assert!(!happened.contains(&"rollback_started"), "{ends:?}");
            let mut ended = instance(&format!("at {second}"), &desk.candidate, false);
            (ended.slot, ended.state) = (slot.into(), InstanceState::Exited(Exit { code: Some(1), signal: None }));
            let evidence = [(ended.id.clone(), Captured::default())].into();
            let mut runs = desk.runs(3, 0, Spread::Pooled);
            runs.sides.insert(desk.candidate.clone(), Running::Instances(vec![ended]));
            happened = names(&desk.look_at(second, TrackSeen { evidence, ..all_well(runs, 0) }).events);
            assert!(happened.contains(&"instance_ended"), "{happened:?}");
        }
        assert_eq!(happened.contains(&"rollback_started"), too_often, "{ends:?}");
    }
}

/// What is noted from second to second while a call or a place does not work, tried for a minute at most.
fn tried(desk: &mut Desk, seconds: [i64; 2], seen: impl Fn(&Desk) -> TrackSeen) -> Vec<Vec<&'static str>> {
    seconds.map(|second| names(&desk.look_at(second, seen(desk)).events)).into()
}

fn busy() -> Vec<Trouble> {
    vec![Trouble { at: "slot-1".into(), kind: Kind::Unavailable, message: "it is busy".into() }]
}

fn for_a_minute(request: &mut Request) {
    request.retry = SECOND * 60;
}

#[test]
fn what_holds_up_a_task_is_tried_for_so_long_and_nothing_else_is_beside_one() {
    let task = Task { timeout: SECOND * 600, ..Task::new(name("migrate"), TaskKind::Migration, ["do"]) };
    for (of_the_task, paused) in [(true, true), (false, false)] {
        let mut desk =
            Desk::asked(Stages::new().then(Stage::from(replaced().step.before([task.clone()]))), 3, for_a_minute);
        desk.begin(3);
        let noted = tried(&mut desk, [5, 65], |desk| {
            let seen = all_well(desk.runs(3, 0, Spread::Pooled), 0);
            let problem = Problem { kind: Kind::Unavailable, message: "nobody answers".into() };
            match of_the_task {
                true => TrackSeen { problems: [(Call::Task, problem)].into(), ..seen },
                false => TrackSeen { troubles: busy(), ..seen },
            }
        });
        assert_eq!(noted[1].contains(&"deployment_paused"), paused, "{noted:?}");
    }
}

#[test]
fn what_fails_beside_a_release_that_stands_as_ordered_holds_nothing_up() {
    let mut desk = Desk::asked(Stages::new().then(replaced().bake(SECOND * 300)), 3, for_a_minute);
    desk.begin(3);
    let up = desk.runs(0, 3, Spread::Pooled);
    assert!(names(&desk.look(10, up.clone(), 0)).contains(&"service_settled"));
    let noted = tried(&mut desk, [11, 100], |_| TrackSeen { troubles: busy(), ..all_well(up.clone(), 0) });
    assert_eq!(noted, [vec!["trouble_began"], vec![]]);
}

#[test]
fn what_can_never_be_prepared_ends_it_before_anything_is_touched() {
    let mut desk = Desk::asked(Stages::new().then(replaced()), 3, |_| {});
    let seen = all_well(desk.runs(3, 0, Spread::Pooled), 0);
    let problem = Problem { kind: Kind::Candidate, message: "no such file".into() };
    let cannot = TrackSeen { prepared: false, problems: [(Call::Prepare, problem)].into(), ..seen };
    let noted: Vec<_> = (1..5).flat_map(|second| names(&desk.look_at(second, cannot.clone()).events)).collect();
    assert!(noted.contains(&"deployment_failed"), "{noted:?}");
    assert_eq!(desk.record.reason(), Some("no such file; nothing was changed"));
}

#[test]
fn a_pause_before_anything_was_touched_ends_with_nothing_to_go_back_from() {
    let mut desk = Desk::asked(Stages::new().then(replaced()), 3, |_| {});
    let runs = desk.runs(3, 0, Spread::Pooled);
    let look = |desk: &mut Desk, second| {
        let seen = TrackSeen { prepared: false, ..all_well(runs.clone(), 0) };
        names(&desk.look_at(second, seen).events)
    };
    (1..4).for_each(|second| drop(look(&mut desk, second)));
    desk.ask(Ask::Pause, 4);
    look(&mut desk, 4);
    let over = desk.record.paused.as_ref().unwrap().deadline.as_second() - at(0).as_second();
    assert_eq!(look(&mut desk, over), ["deployment_failed"]);
    assert_eq!(desk.record.reason(), Some("paused by tester; nobody came; nothing was changed"));
}

#[test]
fn a_step_that_is_late_after_the_commit_fails_by_its_own_deadline() {
    let mut desk = committed();
    let late = desk.state().deadline.unwrap().as_second() - at(0).as_second();
    let left = desk.runs(3, 3, desk.split(100));
    assert!(!names(&desk.look(late - 1, left.clone(), 0)).contains(&"deployment_failed"));
    assert!(names(&desk.look(late, left, 0)).contains(&"deployment_failed"));
    let why = desk.record.reason().unwrap();
    assert!(why.starts_with("it is committed; web is late: "), "{why}");
}

/// Where requests of two workloads go: so many of stable and of the candidate, all well, at a share.
type Runs = Box<dyn Fn(&'static str, u32, u32, u16) -> (&'static str, TrackSeen)>;

/// Of v2 over v1 of two workloads, of which `web` may wait for `api`; under the first order.
fn two(waits: bool) -> (Desk, Runs) {
    let both = |version| {
        let api = Workload { ports: [(name("http"), 8081)].into(), ..workload("api", version, 3) };
        let depends_on = waits.then(|| name("api")).into_iter().collect();
        let web = Workload { depends_on, ..workload("web", version, 3) };
        release(spec(version, 3).workload(name("api"), api).workload(name("web"), web))
    };
    let (old, new) = (both("v1"), both("v2"));
    let sides = |of: &str| [side_of(&old, of), side_of(&new, of)];
    let before = ["web", "api"].map(|of| (of, observed(&[(&sides(of)[0], 3)], Spread::Pooled)));
    let plan = planned(&new, &[&old], tenth(), &Capabilities::all(), &before).unwrap();
    let mut desk = Desk::planned(Request::new(new.clone(), name("production")), plan, sides("web"));
    for second in 1..4 {
        desk.look_at_all(second, before.clone().map(|(of, runs)| (of, all_well(runs, 0))));
    }
    let sides = [("web", sides("web")), ("api", sides("api"))];
    let runs = move |of, stable, candidate, share| {
        let [from, to] = &sides.iter().find(|(name, _)| *name == of).unwrap().1;
        let (counts, split) = ([(from, stable), (to, candidate)], Split::percent(share));
        let spread = Spread::Split { from: Some(from.clone()), to: Some(to.clone()), split };
        (of, all_well(observed(&counts, spread), 0))
    };
    (desk, Box::new(runs))
}

fn late_at(desk: &Desk, workload: &str) -> i64 {
    desk.record.track(&track(workload)).unwrap().1.deadline.unwrap().as_second() - at(0).as_second()
}

#[test]
fn of_two_steps_after_the_commit_the_one_that_is_late_fails_when_the_other_is_done() {
    let (mut desk, runs) = two(false);
    for (second, candidate, share) in [(5, 1, 0), (6, 1, 10), (7, 3, 10), (8, 3, 100)] {
        desk.look_at_all(second, ["web", "api"].map(|of| runs(of, 3, candidate, share)));
    }
    assert!(desk.record.committed());
    desk.look_at_all(9, [runs("web", 0, 3, 100), runs("api", 3, 3, 100)]);
    assert_eq!(desk.state().point, Point::Done);
    let late = late_at(&desk, "api");
    desk.look_at_all(late, [runs("web", 0, 3, 100), runs("api", 3, 3, 100)]);
    let why = desk.record.reason().unwrap();
    assert!(why.starts_with("it is committed; api is late: "), "{why}");
}

/// The same with one after the other, committed at the 700th second: `web` has its turn, `api` after it.
fn in_turn() -> (Desk, Runs) {
    let (mut desk, runs) = two(true);
    for (second, candidate, share) in [(5, 1, 0), (6, 1, 10), (7, 3, 10), (8, 3, 100)] {
        desk.look_at_all(second, [runs("web", 3, 0, 0), runs("api", 3, candidate, share)]);
    }
    for (second, candidate, share) in [(9, 1, 0), (500, 1, 10), (501, 3, 10), (700, 3, 100)] {
        desk.look_at_all(second, [runs("web", 3, candidate, share), runs("api", 3, 3, 100)]);
    }
    assert!(desk.record.committed());
    (desk, runs)
}

#[test]
fn a_late_step_after_the_commit_is_told_by_the_name_of_who_is_late() {
    let (mut desk, runs) = in_turn();
    let late = late_at(&desk, "web");
    desk.look_at_all(late, [runs("web", 3, 3, 100), runs("api", 3, 3, 100)]);
    let why = desk.record.reason().unwrap();
    assert!(why.starts_with("it is committed; web is late: "), "{why}");
}

#[test]
fn a_step_after_the_commit_is_not_late_by_a_deadline_from_before_its_turn() {
    let (mut desk, runs) = in_turn();
    let api = |observed| {
        let (of, seen) = runs("api", 3, 3, 100);
        (of, TrackSeen { observed: seen.observed.clone().filter(|_| observed), ..seen })
    };
    desk.look_at_all(701, [runs("web", 0, 3, 100), api(false)]);
    assert_eq!(desk.record.reason(), None, "it cannot be seen for a moment");
    desk.look_at_all(702, [runs("web", 0, 3, 100), api(true)]);
    assert_eq!(late_at(&desk, "api"), 702 + 600);
}

#[test]
fn nobody_is_dead_of_whom_nothing_was_seen_under_the_own_token() {
    let mut desk = committed();
    desk.seen.lease = Claim { epoch: 2, renewed_before: None };
    let mut seen = all_well(desk.runs(3, 3, desk.split(100)), 0);
    folds(&mut seen, &desk.candidate, Health::Unhealthy, 9);
    let taken_over = TrackSeen { fenced: false, newest: None, ..seen.clone() };
    assert!(!names(&desk.look_at(9, taken_over).events).contains(&"deployment_failed"));
    assert!(names(&desk.look_at(10, seen).events).contains(&"deployment_failed"));
}

#[test]
fn a_candidate_that_is_ill_beside_a_stable_that_is_gone_or_ill_too_is_not_given_up() {
    for stable in [0, 3] {
        let mut desk = committed();
        let mut seen = all_well(desk.runs(stable, 3, desk.split(100)), 0);
        for side in [desk.stable.clone(), desk.candidate.clone()] {
            folds(&mut seen, &side, Health::Unhealthy, 9);
        }
        assert!(!names(&desk.look_at(9, seen).events).contains(&"deployment_failed"), "{stable} of stable");
    }
}

#[test]
fn what_is_not_prepared_in_time_fails_by_what_held_it_up() {
    let unreachable = Problem { kind: Kind::Unavailable, message: "nobody answers".into() };
    for (problem, why) in [
        (None, "it could not be prepared in time; nothing was changed"),
        (Some(unreachable), "it could not be prepared in time: nobody answers; nothing was changed"),
    ] {
        let mut desk = Desk::asked(Stages::new().then(replaced()), 3, |_| {});
        let seen = all_well(desk.runs(3, 0, Spread::Pooled), 0);
        let problems = problem.into_iter().map(|problem| (Call::Prepare, problem)).collect();
        let waits = TrackSeen { prepared: false, problems, ..seen };
        let mut fails = |second| names(&desk.look_at(second, waits.clone()).events).contains(&"deployment_failed");
        assert!((1..=600).all(|second| !fails(second)), "{why}");
        assert!(fails(602), "{why}");
        assert_eq!(desk.record.reason(), Some(why));
    }
}
