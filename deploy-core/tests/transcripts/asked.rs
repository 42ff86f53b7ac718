//! What people ask, at every phase of a deployment, and what comes of it: one paragraph each.

use super::{Play, alone, name, stable_dies, task, three, web};
use deploy_core::time::between;
use deploy_core::{Ask, Decision, DeploymentId, Event, GateSpec, Record, Release, What};
use deploy_testkit::sim::{Disturb, Outside, Profile, Script, Temper, scenario};
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;

/// A phase: how it is reached, and after how many seconds something is asked in it.
struct Phase {
    words: &'static str,
    begin: Box<dyn Fn() -> Play>,
    next: Release,
    earlier: Vec<(u64, Ask)>,
    at: When,
}

/// When it is asked.
enum When {
    After(u64),
    /// When a stage is reached, those after the commit counted on.
    Stage(usize),
}

fn phases() -> Vec<Phase> {
    let gated = |version: &str| {
        let mut spec = scenario::web(version, 3, scenario::strategy("rolling", json!({}))).unwrap();
        let gate: GateSpec = serde_json::from_value(json!({ "name": "look", "deadline": "2m" })).unwrap();
        spec.environments.get_mut("production").unwrap().gates.push(gate);
        scenario::release(spec).unwrap()
    };
    let undo = json!({ "forbidden": "the data has moved" });
    let stuck = json!({ "between": task("migrate", &undo), "progress_deadline": "30s" });
    let stuck = web("v2", "recreate", &stuck);
    let long = json!({ "bake": "60s", "gate": { "name": "look", "deadline": "5m" } });
    let ill = stuck.clone();
    let rolling = || Play::serving(Profile::Instant, "rolling");
    let phase = |words, begin: Box<dyn Fn() -> Play>, next: Release, earlier, at| Phase {
        words,
        begin,
        next,
        earlier,
        at: When::After(at),
    };
    vec![
        phase("a gate before it", Box::new(rolling), gated("v2"), vec![], 5),
        phase("a stage", Box::new(rolling), web("v2", "rolling", &long), vec![], 8),
        phase("its bake", Box::new(rolling), web("v2", "rolling", &long), vec![], 40),
        phase("its gate", Box::new(rolling), web("v2", "rolling", &long), vec![], 120),
        phase("a pause", Box::new(rolling), web("v2", "rolling", &long), vec![(8, Ask::Pause)], 40),
        phase("the way back", Box::new(rolling), web("v2", "rolling", &long), vec![(40, Ask::Rollback)], 65),
        phase(
            "the way back to a side that is dead",
            Box::new(|| Play::serving(Profile::Instant, "canary").with(stable_dies)),
            web("v2", "canary", &long),
            vec![(30, Ask::Rollback)],
            50,
        ),
        Phase {
            words: "its last steps after the commit",
            begin: Box::new(|| Play::serving(Profile::Instant, "blue_green")),
            next: web("v2", "blue_green", &json!({})),
            earlier: vec![],
            at: When::Stage(2),
        },
        phase(
            "no way back",
            Box::new(move || Play::serving(Profile::Instant, "recreate").ill(&ill, Temper::NeverWell)),
            stuck,
            vec![],
            120,
        ),
        phase("a first deployment", Box::new(|| Play::new(Profile::Instant)), web("v1", "rolling", &long), vec![], 5),
        phase(
            "several workloads",
            Box::new(|| Play::after(Profile::Instant, &three("v1", "rolling", &json!({})))),
            three("v2", "rolling", &long),
            vec![],
            30,
        ),
    ]
}

fn asks() -> Vec<(&'static str, Ask)> {
    vec![
        ("cancel", Ask::Cancel),
        ("roll back", Ask::Rollback),
        ("supersede", Ask::Supersede { by: DeploymentId::new("d9") }),
        ("pause", Ask::Pause),
        ("resume", Ask::Resume),
        ("promote", Ask::Promote { to_the_end: false }),
        ("promote to the end", Ask::Promote { to_the_end: true }),
        ("approve", Ask::Approve { gate: "look".into() }),
        ("reject", Ask::Reject { gate: "look".into(), reason: "it looks bad".into() }),
        ("approve another", Ask::Approve { gate: "luck".into() }),
    ]
}

#[test]
fn what_comes_of_what_is_asked_in_every_phase() {
    for number in 0..phases().len() {
        let (mut text, mut title, mut releases) = (String::new(), "", Vec::new());
        for (words, ask) in asks() {
            let Phase { words: of, begin, next, earlier, at } = phases().remove(number);
            let said = Some((Duration::from_secs(200), Decision::Closed("nobody came".into())));
            let mut script = Script { outside: Outside { gate: said, ..Outside::default() }, ..alone() };
            script.asks = earlier.into_iter().map(|(at, ask)| (Duration::from_secs(at), ask)).collect();
            let signal = script.asks.len() as u64 + 1;
            match at {
                When::After(seconds) => script.asks.push((Duration::from_secs(seconds), ask)),
                When::Stage(stage) => script.disturb = Some((stage, Disturb::Ask(ask))),
            }
            let play = begin().deploy(&next, &script);
            let (record, events) = &play.run.history[0];
            assert!(play.run.world.trail.broken.is_empty(), "{of}, {words}: {:?}", play.run.world.trail.broken);
            let _ = writeln!(text, "{words}:\n{}", follows(record, events, signal));
            (title, releases) = (of, play.releases);
        }
        insta::assert_snapshot!(format!("asked in {title}"), super::told::named(&text, &releases));
    }
}

/// What followed from a signal, without what was only seen. From one that is refused nothing does.
fn follows(record: &Record, events: &[Event], signal: u64) -> String {
    let taken = |what: &What| match what {
        What::Signalled { signal: one } | What::SignalRefused { signal: one, .. } => one.number == signal,
        _ => false,
    };
    let refused = |event: &&Event| matches!(event.what, What::SignalRefused { .. });
    let all = events.iter().find(refused).map_or(events.len(), |event| event.number as usize);
    let seen = ["health_changed", "traffic_seen", "token_read", "evidence_kept"];
    let mut text = String::new();
    let rest = events[..all].iter().skip_while(|event| !taken(&event.what));
    for event in rest.filter(|event| !seen.contains(&event.what.name())) {
        let why = match &event.what {
            What::SignalRefused { reason, .. }
            | What::Paused { reason, .. }
            | What::RollbackStarted { reason, .. }
            | What::BackRefused { reason }
            | What::RolledBack { reason }
            | What::Failed { reason, .. }
            | What::Cancelled { reason } => format!(": {reason}"),
            What::GateDecided { decision, .. } => format!(": {decision:?}"),
            _ => String::new(),
        };
        let at = between(record.created, event.at).as_secs();
        let _ = writeln!(text, "  +{at} {}{why}", event.what.name());
    }
    if text.is_empty() {
        text = format!("  it had ended before: {}\n", record.status());
    }
    text
}

#[test]
fn gates_before_a_deployment() {
    let decisions = [
        ("opens", Some((Duration::from_secs(7), Decision::Open))),
        ("is closed", Some((Duration::from_secs(7), Decision::Closed("not on a friday".into())))),
        ("never answers", None),
    ];
    for (way, gate) in decisions {
        let mut spec = scenario::web("v2", 3, scenario::strategy("recreate", json!({}))).unwrap();
        let gates: Vec<GateSpec> = serde_json::from_value(
            json!([{ "name": "tests", "deadline": "40s" }, { "name": "look", "deadline": "50s" }]),
        )
        .unwrap();
        spec.environments.get_mut(&name("production")).unwrap().gates = gates;
        let script = Script { outside: Outside { gate, ..Outside::default() }, ..alone() };
        let next = scenario::release(spec).unwrap();
        Play::serving(Profile::Instant, "recreate").deploy(&next, &script).tells(&format!("a gate before that {way}"));
    }
}
