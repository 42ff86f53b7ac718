//! What is checked of the trace of a deployment: of what was seen, what happened because of it, and what is kept.

use super::deployment::Deployment;
use super::run::Run;
use deploy_core::machine::{Seen, TrackSeen};
use deploy_core::{
    Condition, ConditionKind, Decision, Disposition, Event, Health, InstanceState, Kind, OrderLine, Record, Running,
    Side, Status, TaskOutcome, Timestamp, TrackRef, Verdict, Way, What,
};
use std::collections::BTreeMap;

/// Everything of one look.
pub(super) fn look(run: &mut Run, before: &Record, deployment: &Deployment, seen: &Seen, now: Timestamp) {
    let new = deployment.events.iter().skip(before.version as usize);
    let mut broken: Vec<(&'static str, String)> = Vec::new();
    for event in new {
        let how = [
            blind(event, &deployment.record, seen),
            taken_for_good(event, &deployment.record, seen),
            taken_for_bad(event, before, deployment, seen, now),
        ];
        broken.extend(how.into_iter().flatten().map(|how| ("G9", how)));
    }
    broken.extend(waits_for_what_cannot_be(&deployment.record, seen).map(|how| ("G14", how)));
    broken.into_iter().for_each(|(guarantee, how)| run.world.trail.broken(now, guarantee, how));
}

/// G9: of a platform that could not be observed nothing is said but that, and no end rests on it.
fn blind(event: &Event, record: &Record, seen: &Seen) -> Option<String> {
    let unseen = |track: &TrackRef| seen.tracks.get(track).is_none_or(|seen| seen.observed.is_none());
    let told = |what: &What| {
        matches!(
            what,
            What::TokenRead { .. }
                | What::Fenced { .. }
                | What::Prepared { .. }
                | What::TroubleBegan { .. }
                | What::TroubleEnded { .. }
                | What::TrackDone { .. }
        )
    };
    let whole = matches!(event.what, What::Completed | What::Committed { .. } | What::RolledBack { .. });
    let mut touched = record.tracks.iter().filter(|(_, state)| state.touched);
    let end = touched.find(|(track, _)| whole && unseen(track)).map(|(track, _)| track);
    let about = event.what.track().filter(|track| !told(&event.what) && unseen(track));
    end.or(about).map(|track| format!("{} although {} could not be observed", event.what.name(), track.workload))
}

/// G9: who cannot be told is folded to neither, and an order that brings in a side settles on those known to be well.
fn taken_for_good(event: &Event, record: &Record, seen: &Seen) -> Option<String> {
    match &event.what {
        What::HealthChanged { track, instance, folded: Some(folded), .. } => {
            let observed = seen.tracks.get(track)?.observed.as_ref()?;
            let found = observed.instances().find(|found| found.id == *instance)?;
            let unknown = found.state == InstanceState::Unknown && folded.health != Health::Unknown;
            unknown.then(|| format!("{instance} cannot be told and is folded to {:?}", folded.health))
        }
        What::OrderSettled { track, line, to: Some(to) } if matches!(record.way, Way::Forward { .. }) => {
            unproven(record, track, seen.tracks.get(track)?, line, to)
        }
        _ => None,
    }
}

fn unproven(record: &Record, track: &TrackRef, seen: &TrackSeen, line: &OrderLine, to: &Side) -> Option<String> {
    let planned = record.plan.as_ref()?.tracks.get(track)?;
    let failed = |stage: &deploy_core::PlanStage| stage.stage.step.budget.max_failed.down(line.from.max(line.to));
    let written_off = planned.before.iter().map(failed).max().unwrap_or(0);
    let known = match seen.observed.as_ref()?.side(to) {
        None => 0,
        Some(Running::Counts(counts)) => counts.ready,
        Some(Running::Instances(instances)) => instances
            .iter()
            .filter(|instance| instance.state == InstanceState::Running)
            .filter(|instance| {
                seen.health.get(&instance.id).is_some_and(|own| own.health == Health::Healthy && own.fresh)
            })
            .count() as u32,
    };
    let short = known + written_off < line.to;
    short.then(|| format!("an order settled on {known} of {} known to be well", line.to))
}

/// G9: a candidate is sent back only for something that is held against it.
fn taken_for_bad(
    event: &Event,
    before: &Record,
    deployment: &Deployment,
    seen: &Seen,
    now: Timestamp,
) -> Option<String> {
    let What::RollbackStarted { reason, disposition: Disposition::Candidate, .. } = &event.what else { return None };
    let record = &deployment.record;
    let late = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= now);
    let way = matches!(before.way, Way::Forward { deadline } if deadline <= now);
    let stages = before.tracks.values().chain(record.tracks.values()).any(|state| late(state.deadline));
    let gates = before
        .gates
        .values()
        .chain(record.gates.values())
        .any(|gate| gate.deadline <= now || matches!(gate.decision, Some(Decision::Closed(_))));
    let failed = |outcome: &Option<TaskOutcome>| !matches!(outcome, Some(TaskOutcome::Done));
    let tasks = record.tasks.values().any(|task| failed(&task.outcome));
    let judged =
        deployment.events.iter().any(|event| matches!(event.what, What::Judged { verdict: Verdict::Fail(_), .. }));
    let crashed = record.tracks.values().any(|state| !state.crashes.is_empty());
    let terminal = seen.tracks.values().any(|seen| {
        let conditions = seen.observed.iter().flat_map(|observed| &observed.conditions);
        let refused = seen.troubles.iter().map(|trouble| trouble.kind).chain(seen.problems.values().map(|p| p.kind));
        conditions.into_iter().any(is_terminal) || refused.into_iter().any(|kind| kind == Kind::Candidate)
    });
    let held = way || stages || gates || tasks || judged || crashed || terminal || before.paused.is_some();
    (!held).then(|| format!("it goes back with nothing held against it: {reason}"))
}

fn is_terminal(condition: &Condition) -> bool {
    condition.kind == ConditionKind::Terminal
}

/// G14: what cannot become well is not waited for.
fn waits_for_what_cannot_be(record: &Record, seen: &Seen) -> Option<String> {
    if !matches!(record.way, Way::Forward { .. }) || record.paused.is_some() {
        return None;
    }
    let plan = record.plan.as_ref()?;
    record.tracks.iter().filter(|(_, state)| state.touched && state.grip == deploy_core::Grip::Held).find_map(
        |(name, _)| {
            let candidate = plan.tracks.get(name)?.candidate.as_ref()?;
            let about = |condition: &&Condition| {
                is_terminal(condition)
                    && condition.side.as_ref().is_none_or(|side| side.revision == candidate.side.revision)
            };
            let condition = seen.tracks.get(name)?.observed.as_ref()?.conditions.iter().find(about)?;
            Some(format!("{} waits although: {}", name.workload, condition.words))
        },
    )
}

/// What holds of all events when a deployment has ended.
pub(super) fn end(run: &mut Run, record: &Record, events: &[Event]) {
    let kept = run.ledger.events(&record.id);
    let how =
        [(kept != events).then(|| "the store has other events than happened".to_owned()), gaps(&kept), samples(&kept)];
    let now = run.world.now;
    how.into_iter().flatten().for_each(|how| run.world.trail.broken(now, "G10", how));
    let refused = record.plan.is_none() && record.status() == Status::Failed;
    if refused && (record.touched() || !record.reason().unwrap_or_default().contains("nothing was changed")) {
        run.world.trail.broken(
            now,
            "G13",
            format!("refused, and not before anything was touched: {:?}", record.reason()),
        );
    }
}

/// G10: numbers have no gap, times never run backward.
fn gaps(events: &[Event]) -> Option<String> {
    let numbered = events.iter().zip(1..).all(|(event, number)| event.number == number);
    let backward = events.windows(2).find(|pair| pair[1].at < pair[0].at);
    match backward {
        _ if !numbered => Some("the numbers of events have a gap".into()),
        Some(pair) => Some(format!("event {} is older than the one before", pair[1].number)),
        None => None,
    }
}

/// G10: samples are no events. Of one instance there are in one stage no more transitions than make it a flapping one.
fn samples(events: &[Event]) -> Option<String> {
    let mut changes: BTreeMap<(&TrackRef, &deploy_core::InstanceId), u32> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::StageBegan { track, .. } => changes.retain(|(of, _), _| *of != track),
            What::HealthChanged { track, instance, .. } => *changes.entry((track, instance)).or_default() += 1,
            _ => {}
        }
    }
    let most = Record::FLAPS + 4;
    changes
        .iter()
        .find(|(_, times)| **times > most)
        .map(|((_, id), times)| format!("{times} changes of {id} in a stage"))
}
