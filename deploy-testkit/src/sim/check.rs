//! What is checked of every look, every event and every end.

use super::deployment::Deployment;
use super::run::Run;
use deploy_core::machine::{Effect, Seen, reconcile};
use deploy_core::time::after;
use deploy_core::{Event, Record, Side, Spread, Status, Step, Timestamp, What};
use std::collections::BTreeSet;
use std::time::Duration;

/// An event in one line.
pub(crate) fn words(what: &What) -> String {
    let full = match what {
        What::Started { plan, .. } => format!("\n{plan}"),
        What::StageBegan { lines, index, baseline, .. } => format!("{index} baseline {baseline} {:?}", lines.len()),
        What::OrderBegan { order, .. } => {
            let line = &order.line;
            format!("{:?} {} {} {} {:?}", line.kind, line.from, line.to, line.traffic, order.bounds)
        }
        What::HealthChanged { instance, folded, .. } => format!("{instance} {:?}", folded.map(|folded| folded.health)),
        What::Unsettled { reason, .. } | What::Failed { reason, .. } | What::RolledBack { reason } => reason.clone(),
        What::RollbackStarted { reason, .. } | What::BackRefused { reason } => reason.clone(),
        What::Paused { reason, .. } | What::Cancelled { reason } => reason.clone(),
        What::Warned { words, .. } => words.clone(),
        What::TroubleBegan { trouble, .. } => format!("{}: {}", trouble.at, trouble.message),
        What::Signalled { signal } => format!("{:?}", signal.ask),
        What::SignalRefused { signal, reason } => format!("{:?} {reason}", signal.ask),
        What::TaskBegan { key, .. } => key.clone(),
        What::TaskEnded { key, outcome, .. } => format!("{key} {outcome:?}"),
        _ => String::new(),
    };
    let track = what.track().map(|track| track.workload.to_string()).unwrap_or_default();
    format!("* {} {track} {full}", what.name())
}

/// G10: an event survives being written down.
pub(crate) fn event(run: &mut Run, event: &Event) {
    if !run.seed.is_multiple_of(4) {
        return;
    }
    let again = serde_json::to_string(event).and_then(|text| serde_json::from_str::<Event>(&text));
    let now = run.world.now;
    match again {
        Ok(again) if again == *event => {}
        Ok(again) => run.world.trail.broken(now, "G10", format!("{event:?} comes back as {again:?}")),
        Err(error) => run.world.trail.broken(now, "G10", format!("{event:?} cannot be written: {error}")),
    }
}

/// The machine's own property, and what holds of every record.
pub(super) fn look(
    run: &mut Run,
    before: &Record,
    deployment: &Deployment,
    seen: &Seen,
    effects: &[Effect],
    now: Timestamp,
) {
    let record = &deployment.record;
    let again = reconcile(record, seen, now);
    if !again.events.is_empty() {
        let how = format!("the same look gives events again: {:?}", again.events.first().map(What::name));
        run.world.trail.broken(now, "fixpoint", how);
    }
    if again.effects != effects {
        let how = format!("the same look gives other effects: {effects:?} then {:?}", again.effects);
        run.world.trail.broken(now, "fixpoint", how);
    }
    let backs = |record: &Record| matches!(record.way, deploy_core::Way::Back { .. });
    if record.progress < before.progress && !backs(record) && !record.way.is_ended() {
        let how = format!("progress runs backward: {} to {}", before.progress, record.progress);
        run.world.trail.broken(now, "progress", how);
    }
    let wakes = effects.iter().any(|effect| matches!(effect, Effect::Wake { .. }));
    super::trace::look(run, before, deployment, seen, now);
    if !record.way.is_ended() && !wakes {
        run.world.trail.broken(now, "G5", format!("{} waits without an end", record.status()));
    }
}

/// What could serve is served by then, once the platform takes calls.
const SOON: Duration = Duration::from_secs(30);

/// G8: nobody is unserved in a world where nobody is ill. A platform that takes no calls cannot be told whom to serve,
/// and a floor of 0 lets the last one be away. Who supersedes one that cannot go back takes over what it left.
pub(crate) fn served(run: &mut Run) {
    if !run.gentle || run.left || run.is_astray() || run.world.faults.is_deaf(run.world.now, SOON) {
        return;
    }
    let now = run.world.now;
    let tracks: Vec<_> = run.world.sites.keys().cloned().collect();
    for track in tracks {
        let since = run.lives_since;
        let long = |unit: &super::unit::Unit| after(unit.well_at.max(since), SOON) <= now && unit.runs();
        let could = run.world.sites.get(&track).is_some_and(|site| site.floor > 0 && site.units.iter().any(long));
        if let Some(how) = run.world.is_unserved(&track).filter(|_| could) {
            run.world.trail.broken(now, "G8", format!("{}: {how}", track.workload));
        }
    }
}

/// G5: whether it lives past all of its deadlines.
pub(crate) fn is_too_late(created: Timestamp, record: &Record, now: Timestamp) -> bool {
    let after_commit = |plan: &deploy_core::Plan| {
        let steps = plan.tracks.values().flat_map(|track| &track.after).map(|stage| stage.stage.step.deadline);
        steps.sum::<Duration>() + Step::DEADLINE
    };
    let plan = record.plan.as_deref();
    let whole = plan.map_or(Duration::ZERO, |plan| plan.deadline + plan.back_deadline + after_commit(plan));
    let pauses = record.request.pause * 4;
    now > after(created, record.request.pending + whole + pauses + Duration::from_secs(600))
}

/// What holds when a deployment has ended.
pub(crate) fn end(run: &mut Run, record: &Record, events: &[Event]) {
    let now = run.world.now;
    let folded = Record::fold(&record.id, events.iter().cloned());
    if folded.as_ref().ok() != Some(record) {
        run.world.trail.broken(now, "G10", "the record is not the fold of its events");
    }
    super::trace::end(run, record, events);
    let reason = record.reason().unwrap_or_default().to_owned();
    run.left = record.status() == Status::Failed && reason.starts_with("superseded");
    match record.status() {
        Status::Completed => stands(run, record, true),
        Status::RolledBack => stands(run, record, false),
        Status::Failed | Status::Cancelled if reason.is_empty() => {
            run.world.trail.broken(now, "G8", "it failed and does not say what is where");
        }
        _ => {}
    }
    let keys: Vec<_> =
        run.world.errands.iter().filter(|(_, errand)| errand.started > 1).map(|(key, _)| key.clone()).collect();
    keys.iter().for_each(|key| run.world.trail.broken(now, "G6", format!("{key} was started twice")));
}

/// G8: the side that is to serve has everything, and nothing else is left.
fn stands(run: &mut Run, record: &Record, candidate: bool) {
    let now = run.world.now;
    let Some(plan) = record.plan.clone() else { return };
    for (name, track) in &plan.tracks {
        let touched = record.tracks.get(name).is_some_and(|state| state.touched);
        if !candidate && !touched {
            continue;
        }
        let party = if candidate { &track.candidate } else { &track.stable };
        let Some(site) = run.world.sites.get(name) else { continue };
        let reached = |unit: &&super::unit::Unit| unit.runs() && run.world.reaches(super::instant::host(&unit.slot));
        let hosted = site.control.iter().flat_map(|control| control.hosted.keys());
        let sides: BTreeSet<&Side> = site.units.iter().filter(reached).map(|unit| &unit.side).chain(hosted).collect();
        let mine = |side: &&Side| party.as_ref().is_some_and(|party| party.side.revision == side.revision);
        let count: u32 = site.counts().into_iter().filter(|(side, _)| mine(side)).map(|(_, count)| count).sum();
        let others: Vec<_> = sides.iter().filter(|side| !mine(side)).map(ToString::to_string).collect();
        let spread = site.control.as_ref().map_or_else(|| site.spread.clone(), |control| control.effective(now));
        let serves = match &spread {
            Spread::None => party.is_none() || !track.routed,
            Spread::Pooled => true,
            Spread::Split { from, to, split } => {
                let side = if split.candidate.is_whole() { to } else { from };
                split.is_whole() && side.iter().all(|side| mine(&side))
            }
        };
        let failed = |stage: &deploy_core::PlanStage, count| stage.stage.step.budget.max_failed.down(count);
        let count_of = party.as_ref().map_or(0, |party| party.count);
        let written_off = track.before.iter().map(|stage| failed(stage, count_of)).max().unwrap_or(0);
        let wanted = count_of.saturating_sub(written_off);
        let how = match () {
            () if !others.is_empty() => format!("{} are left", others.join(", ")),
            () if count < wanted => format!("{count} of {wanted} stand"),
            () if !serves => format!("requests go to {spread:?}"),
            () => continue,
        };
        run.world.trail.broken(now, "G8", format!("{} ended {} and {how}", name.workload, record.status()));
    }
}
