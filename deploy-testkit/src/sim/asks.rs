//! What comes from outside while a deployment runs, drawn by a seed.

use super::dice::Dice;
use super::draw::Draw;
use super::script::{Disturb, Hints, Rival, Script};
use super::shell::Outside;
use super::trouble::seconds;
use deploy_core::{Ask, Decision, DeploymentId, Name, OnBusy, Release, Request, Result, Verdict};
use std::time::Duration;

/// Draws what happens to one deployment.
pub(super) fn script(draw: &mut Draw, benign: bool) -> Script {
    let mut script = Script::default();
    if !benign {
        script.outside = draw.some(70, "outside", outside).unwrap_or_default();
    }
    let kills = |dice: &mut Dice| (1 + dice.below(8) as u32, 1 + dice.below(6) as u32);
    (script.kills, script.most_kills) = draw.some(45, "kills", kills).unwrap_or_default();
    script.hints = draw.some(30, "hints", hints).unwrap_or_default();
    let over = draw.some(20, "a take-over", |dice| dice.below(4) as usize);
    script.disturb = over.map(|stage| (stage, Disturb::TakeOver));
    for _ in 0..if benign { 0 } else { 3 } {
        let Some(asked) = draw.some(25, "an ask", asked) else { continue };
        script.asks.extend(asked);
    }
    script.asks.sort_by_key(|(at, _)| *at);
    script
}

fn hints(dice: &mut Dice) -> Hints {
    if dice.chance(60) { Hints::Lost } else { Hints::Doubled }
}

/// An ask, and mostly somebody who lets it go on.
fn asked(dice: &mut Dice) -> Vec<(Duration, Ask)> {
    let at = seconds(dice, 90);
    let ask = match dice.below(9) {
        0 => Ask::Cancel,
        1 => Ask::Rollback,
        2 | 3 => Ask::Pause,
        4 => Ask::Resume,
        5 => Ask::Promote { to_the_end: dice.chance(50) },
        6 => Ask::Supersede { by: DeploymentId::new("another") },
        7 => Ask::Reject { gate: "look".into(), reason: "not today".into() },
        _ => Ask::Approve { gate: "look".into() },
    };
    let mut asked = vec![(at, ask)];
    if dice.chance(50) {
        asked.push((at + seconds(dice, 60), Ask::Resume));
    }
    asked
}

/// Draws other deployments that come meanwhile.
pub(super) fn rivals(draw: &mut Draw, release: &Release, benign: bool) -> Result<Vec<Rival>> {
    let production = Name::new("production")?;
    let kinds = if benign { 2 } else { 3 };
    let rival = |dice: &mut Dice| {
        let on_busy = [OnBusy::Refuse, OnBusy::Queue, OnBusy::Supersede];
        (seconds(dice, 90), dice.pick(&on_busy[..kinds]).copied().unwrap_or_default())
    };
    let drawn = [draw.some(25, "a rival", rival), draw.some(10, "a rival", rival)];
    let mut rivals: Vec<_> = drawn
        .into_iter()
        .flatten()
        .map(|(after, on_busy)| {
            let request = Request { on_busy, pause: Duration::from_secs(600), ..request(release, &production) };
            Rival { after, request }
        })
        .collect();
    rivals.sort_by_key(|rival| rival.after);
    Ok(rivals)
}

fn request(release: &Release, environment: &Name) -> Request {
    Request::new(release.clone(), environment.clone())
}

fn outside(dice: &mut Dice) -> Outside {
    let span = seconds(dice, 50);
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
