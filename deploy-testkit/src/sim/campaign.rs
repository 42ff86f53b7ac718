//! Runs drawn by a seed: releases that fail in every way, platforms that break, engines that die, people who ask.

use super::dice::Dice;
use super::run::Run;
use super::scenario::{self, release, strategy, web, with_more};
use super::script::{Mishap, Script};
use super::shell::Outside;
use super::unit::Temper;
use super::world::{Faults, Profile};
use deploy_core::time::after;
use deploy_core::{Ask, Decision, DeploymentId, Name, Release, Request, Result, Status, Verdict};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Plays a run of a seed to its end: a first release in peace, one or two in trouble, and a last one in peace again,
/// which must complete.
///
/// # Errors
/// Where a release cannot be made, which a seed never gives.
pub fn play(seed: u64, profile: Profile, name: &str) -> Result<Run> {
    let mut run = Run::new(seed, profile);
    let mut dice = Dice::new(seed.wrapping_mul(31).wrapping_add(name.len() as u64));
    let replicas = 1 + dice.below(5) as u32;
    let more = dice.chance(25);
    run.deploy(made("v1", replicas, name, &Value::Null, more)?, &Script::default())?;
    if let Some(control) = run.world.site(&scenario::track("web")?).control.as_mut().filter(|_| dice.chance(25)) {
        control.scaler = Some((replicas, replicas * 2));
    }
    for version in ["v2", "v3"].into_iter().take(1 + dice.below(2) as usize) {
        let benign = dice.chance(35);
        let mut settings = settings(&mut dice, name, replicas, benign);
        if benign {
            settings["progress_deadline"] = json!("90m");
        }
        let replicas = if dice.chance(15) { 1 + dice.below(5) as u32 } else { replicas };
        let release = made(version, replicas, name, &settings, more && dice.chance(80))?;
        trouble(&mut run, &mut dice, &release, benign);
        let request = Request { pause: Duration::from_secs(600), ..Request::new(release, Name::new("production")?) };
        let script = script(&mut run, &mut dice, benign);
        let status = run.request(request, &script)?;
        if benign && status != Status::Completed {
            let why = run.history.last().and_then(|(record, _)| record.reason()).unwrap_or_default().to_owned();
            run.world.trail.broken(run.world.now, "G6", format!("a good release ended {status}: {why}"));
        }
    }
    peace(&mut run);
    let status = run.deploy(made("v9", replicas, name, &Value::Null, more)?, &Script::default())?;
    if status != Status::Completed {
        let why = run.history.last().and_then(|(record, _)| record.reason()).unwrap_or_default().to_owned();
        run.world.trail.broken(run.world.now, "G8", format!("a good release in peace ended {status}: {why}"));
    }
    Ok(run)
}

fn made(version: &str, replicas: u32, name: &str, settings: &Value, more: bool) -> Result<Release> {
    let spec = web(version, replicas, strategy(name, settings.clone()))?;
    let mut spec = if more { with_more(spec, version)? } else { spec };
    if let Some(worker) = spec.workloads.get_mut("worker") {
        worker.strategy = Some(strategy("rolling", json!({})));
    }
    release(spec)
}

/// Settings of a strategy beside its short ones.
fn settings(dice: &mut Dice, name: &str, replicas: u32, benign: bool) -> Value {
    let mut settings = Map::new();
    let mut set = |key: &str, value: Value| drop(settings.insert(key.to_owned(), value));
    set("progress_deadline", json!(format!("{}s", 90 + dice.below(300))));
    if dice.chance(30) {
        set("min_ready", json!(format!("{}s", dice.below(8))));
    }
    if dice.chance(20) && name != "recreate" && replicas > 2 {
        set("max_failed", json!(1));
    }
    if dice.chance(30) && matches!(name, "rolling" | "blue_green" | "canary") {
        set("max_unavailable", json!(dice.below(2)));
    }
    if dice.chance(25) && name != "ab_test" {
        set("gate", json!({ "name": "look", "deadline": if benign { "45m" } else { "60s" } }));
    }
    let judged = dice.chance(25);
    if judged && name == "ab_test" {
        set("decision", json!("judge"));
    }
    if judged {
        set("judge", json!({ "interval": "5s" }));
    }
    if dice.chance(15) {
        set("on_deadline", json!("pause"));
    }
    let timeout = if benign { "20m" } else { "30s" };
    let undo = |dice: &mut Dice| match dice.below(4) {
        0 => json!("keep"),
        1 => json!({ "forbidden": "it cannot be" }),
        _ => json!({ "run": ["undo"] }),
    };
    let task =
        |name: &str, undo: Value| json!([{ "name": name, "run": ["do", name], "timeout": timeout, "undo": undo }]);
    if dice.chance(25) {
        let undo = undo(dice);
        set("before", task("backup", undo));
    }
    if dice.chance(20) {
        let undo = undo(dice);
        set("after", task("smoke", undo));
    }
    if dice.chance(40) && name == "recreate" {
        let undo = undo(dice);
        set("between", task("migrate", undo));
    }
    if dice.chance(30) && name == "blue_green" {
        set("preview", task("preview", json!("keep")));
    }
    Value::Object(settings)
}

/// What goes wrong with the world from now on.
fn trouble(run: &mut Run, dice: &mut Dice, release: &Release, benign: bool) {
    let now = run.world.now;
    let span = |dice: &mut Dice, most: u64| dice.millis(0, most * 1_000);
    let temper = match dice.below(16) + if benign { 16 } else { 0 } {
        0 => Temper::NeverWell,
        1 => Temper::CrashAtStart,
        2 => Temper::SickAfter(span(dice, 60)),
        3 => Temper::CrashAfter(span(dice, 60)),
        4 => Temper::Flapping(dice.millis(500, 4_000)),
        5 => Temper::Impossible,
        _ => Temper::Well,
    };
    let web = Name::new("web").and_then(|web| release.resolve(&Name::new("production")?, &web));
    if let Ok(resolved) = web {
        run.world.tempers.insert(resolved.revision.id, temper);
    }
    run.gentle &= temper == Temper::Well;
    let hosts: Vec<_> = run.world.hosts.keys().cloned().collect();
    let mut faults = Faults::default();
    if dice.chance(40) {
        faults.rate = 1 + dice.below(15) as u32;
        faults.until = after(now, span(dice, 400));
    }
    if dice.chance(20) && !benign {
        run.gentle = false;
        let from = after(now, span(dice, 60));
        let host = dice.pick(&hosts).cloned().unwrap_or_default();
        faults.cuts.push((host, from, after(from, span(dice, 200))));
    }
    if dice.chance(20) {
        let from = after(now, span(dice, 60));
        faults.outages.push((from, after(from, span(dice, 200))));
    }
    run.world.faults = faults;
    run.world.failing_tasks = if dice.chance(30) && !benign { 50 } else { 0 };
    while dice.chance(25) && !benign {
        run.gentle = false;
        let at = after(now, span(dice, 90));
        let mishap = match dice.below(4) {
            0 => Mishap::CrashOne,
            1 => Mishap::SickenOne(span(dice, 60)),
            2 => Mishap::SickenSide(span(dice, 120)),
            _ => Mishap::CrashSide,
        };
        run.mishaps.push((at, mishap));
    }
}

fn peace(run: &mut Run) {
    let now = run.world.now;
    run.world.faults = Faults::default();
    run.world.failing_tasks = 0;
    run.mishaps.clear();
    for unit in run.world.sites.values_mut().flat_map(|site| &mut site.units) {
        unit.sick = None;
        unit.crash_at = None;
        unit.well_at = unit.well_at.min(after(now, Duration::from_secs(1)));
        unit.temper = Temper::Well;
    }
    run.world.tempers.clear();
    run.world.sites.values_mut().for_each(|site| {
        site.impossible.clear();
        site.units.iter_mut().for_each(|unit| unit.restarts = 0);
    });
    run.pass(Duration::from_secs(60));
}

fn script(run: &mut Run, dice: &mut Dice, benign: bool) -> Script {
    let outside = outside(dice);
    let outside = if benign { Outside::default() } else { outside };
    let mut script = Script { outside, ..Script::default() };
    if dice.chance(45) {
        script.kills = 1 + dice.below(8) as u32;
        script.most_kills = 1 + dice.below(6) as u32;
    }
    let mut at = Duration::ZERO;
    while dice.chance(30) && !benign {
        at += dice.millis(0, 40_000);
        let ask = match dice.below(8) {
            0 => Ask::Cancel,
            1 => Ask::Rollback,
            2 | 3 => Ask::Pause,
            4 => Ask::Resume,
            5 => Ask::Promote { to_the_end: dice.chance(50) },
            6 => Ask::Supersede { by: DeploymentId::new("another") },
            _ => Ask::Approve { gate: "look".into() },
        };
        script.asks.push((at, ask));
        if dice.chance(50) {
            at += dice.millis(0, 60_000);
            script.asks.push((at, Ask::Resume));
        }
    }
    run.world.start = if dice.chance(80) { (200, 3_000) } else { (2_000, 15_000) };
    script
}

fn outside(dice: &mut Dice) -> Outside {
    let span = dice.millis(0, 50_000);
    let gate = match dice.below(5) {
        0 => None,
        1 => Some((span, Decision::Closed("no".into()))),
        _ => Some((span, Decision::Open)),
    };
    let judge = match dice.below(5) {
        0 => (1 + dice.below(5), Verdict::Fail("errors".into())),
        1 => (1_000, Verdict::Pass),
        _ => (1 + dice.below(3), Verdict::Pass),
    };
    Outside { gate, judge }
}

/// The strategies' names, for those who play all of them.
pub const STRATEGIES: [&str; 5] = scenario::STRATEGIES;
