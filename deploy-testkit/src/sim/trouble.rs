//! What goes wrong with a world while a release is brought in, drawn by a seed.

use super::dice::Dice;
use super::draw::Draw;
use super::faults::{Faults, Reboot, Then};
use super::profile::Profile;
use super::run::Run;
use super::script::Mishap;
use super::unit::Temper;
use deploy_core::time::after;
use deploy_core::{Release, Timestamp};
use std::time::Duration;

/// Draws what goes wrong from now on. In a benign world everybody is well in the end, so a good release has to come in.
pub(super) fn trouble(run: &mut Run, draw: &mut Draw, release: &Release, replicas: u32, benign: bool) {
    let now = run.world.now;
    run.mishaps.clear();
    temper(run, draw, release, benign);
    run.world.start = draw.some(20, "slow starts", |_| (2_000, 15_000)).unwrap_or((200, 3_000));
    run.world.faults = calls(draw, now);
    if run.world.profile == Profile::Controller {
        scaler(run, draw, replicas);
    }
    hosts(run, draw, benign);
    run.world.failing_tasks = if benign { 0 } else { draw.some(30, "failing tasks", |_| 50).unwrap_or(0) };
    for _ in 0..if benign { 0 } else { 3 } {
        if let Some((span, mishap)) = draw.some(20, "mishap", mishap) {
            run.gentle = false;
            run.mishaps.push((after(now, span), mishap));
        }
    }
}

fn temper(run: &mut Run, draw: &mut Draw, release: &Release, benign: bool) {
    let ill = |dice: &mut Dice| match dice.below(6) {
        0 => Temper::NeverWell,
        1 => Temper::CrashAtStart,
        2 => Temper::SickAfter(seconds(dice, 60)),
        3 => Temper::CrashAfter(seconds(dice, 60)),
        4 => Temper::Flapping(dice.millis(500, 4_000)),
        _ => Temper::Impossible,
    };
    let Some(temper) = draw.some(if benign { 0 } else { 37 }, "the candidate", ill) else { return };
    let given = run.world.give(release, temper);
    debug_assert!(given.is_ok(), "all releases have a `web` in production");
    run.gentle = false;
}

/// What goes wrong with calls.
fn calls(draw: &mut Draw, now: Timestamp) -> Faults {
    let span = |dice: &mut Dice, begin: u64, most: u64| {
        let from = after(now, seconds(dice, begin));
        (from, after(from, seconds(dice, most)))
    };
    let (rate, until) = draw
        .some(40, "calls that fail", |dice| (1 + dice.below(15) as u32, after(now, seconds(dice, 400))))
        .unwrap_or_default();
    Faults {
        rate,
        until,
        outages: draw.some(20, "an outage", |dice| span(dice, 60, 200)).into_iter().collect(),
        throttled: draw.some(20, "throttling", |dice| span(dice, 60, 120)).into_iter().collect(),
        ..Faults::default()
    }
}

/// What goes wrong with hosts.
fn hosts(run: &mut Run, draw: &mut Draw, benign: bool) {
    let now = run.world.now;
    let hosts: Vec<_> = run.world.hosts.keys().cloned().collect();
    let away = |dice: &mut Dice| {
        let (host, from) = (dice.pick(&hosts).cloned().unwrap_or_default(), after(now, seconds(dice, 60)));
        (host, from, after(from, seconds(dice, 200)))
    };
    let often = if run.world.profile == Profile::Fleet { 2 } else { 1 };
    let single = if run.world.profile.has_controller() { 0 } else { 15 * often };
    if let Some(late) = draw.some(single, "late effects", |dice| (10 + dice.below(60) as u32, seconds(dice, 8))) {
        run.world.faults.late = late;
    }
    let cuts = if benign { 0 } else { 20 * often };
    for _ in 0..often {
        if let Some(cut) = draw.some(cuts, "a cut", away) {
            run.gentle = false;
            run.world.faults.cuts.push(cut);
        }
    }
    if run.world.profile != Profile::Fleet {
        return;
    }
    run.world.faults.full.extend(draw.some(30, "a full host", away));
    let reboot = |dice: &mut Dice| {
        let (host, at, up) = away(dice);
        Reboot {
            host,
            at,
            up,
            then: dice.pick(&[Then::Ended, Then::Same, Then::Another]).copied().unwrap_or(Then::Ended),
        }
    };
    if let Some(reboot) = draw.some(if benign { 0 } else { 30 }, "a reboot", reboot) {
        run.gentle = false;
        run.world.faults.reboots.push(reboot);
    }
}

/// An autoscaler that changes its mind while a deployment runs.
fn scaler(run: &mut Run, draw: &mut Draw, replicas: u32) {
    let wants = draw.some(20, "an autoscaler", |dice| (replicas, replicas + 1 + dice.below(5) as u32));
    for site in run.world.sites.values_mut().filter(|site| site.track.workload.as_str() == "web") {
        if let Some(control) = &mut site.control {
            control.scaler = wants.or(control.scaler);
        }
    }
}

fn mishap(dice: &mut Dice) -> (Duration, Mishap) {
    let at = seconds(dice, 90);
    let mishap = match dice.below(4) {
        0 => Mishap::CrashOne,
        1 => Mishap::SickenOne(seconds(dice, 60)),
        2 => Mishap::SickenSide(seconds(dice, 120)),
        _ => Mishap::CrashSide,
    };
    (at, mishap)
}

/// Ends all of it.
pub(super) fn peace(run: &mut Run) {
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

/// A span of up to so many seconds.
pub(super) const fn seconds(dice: &mut Dice, most: u64) -> Duration {
    dice.millis(0, most * 1_000)
}
