//! Records as a store gives them: folding and looking never panic, and every look ends.

use deploy_core::machine::{Claim, Effect, Next, Seen, TrackSeen, reconcile};
use deploy_core::{
    DeploymentId, Event, Folded, Health, Observed, Record, TaskOutcome, Timestamp, Token, TrackRef, Way,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// As many looks are taken of one record.
const LOOKS: usize = 40;
/// No look may give more events: about ten for each track, instance and stage there are.
const EVENTS: usize = 10_000;

#[derive(Deserialize)]
struct Input {
    events: Vec<Event>,
    #[serde(default)]
    observed: BTreeMap<TrackRef, Observed>,
    #[serde(default)]
    health: Option<Health>,
}

/// Folds a deployment's events, and looks at it until it has ended or nothing more follows.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(input) = serde_json::from_slice::<Input>(bytes) else { return };
    written_and_read(&input.events);
    let now = input.events.last().map_or(Timestamp::UNIX_EPOCH, |event| event.at);
    let Ok(record) = Record::fold(&DeploymentId::new("d1"), input.events.clone()) else { return };
    let text = serde_json::to_vec(&record).expect("a record can be written");
    assert_eq!(serde_json::from_slice::<Record>(&text).expect("a record can be read"), record);
    look_on(record, &input, now);
}

/// What a store wrote it reads the same.
fn written_and_read(events: &[Event]) {
    let text = serde_json::to_vec(events).expect("events can be written");
    let again: Vec<Event> = serde_json::from_slice(&text).expect("events can be read");
    assert_eq!(again, events);
}

fn look_on(mut record: Record, input: &Input, mut now: Timestamp) {
    for _ in 0..LOOKS {
        let seen = seen(&record, input, now);
        let next = reconcile(&record, &seen, now);
        assert!(next.events.len() < EVENTS, "{} events in one look", next.events.len());
        take(&mut record, &next, now);
        let again = reconcile(&record, &seen, now);
        assert!(again.events.is_empty(), "the same look gives {:?} again", again.events);
        assert_eq!(again.effects, next.effects, "the same look has other effects");
        let Some(wake) = wake(&next).filter(|_| !matches!(record.way, Way::Ended { .. })) else { return };
        assert!(wake > now, "it wants to be woken at {wake}, and it is {now}");
        now = wake;
    }
}

fn take(record: &mut Record, next: &Next, now: Timestamp) {
    for what in &next.events {
        record.apply(&Event { number: record.version + 1, at: now, what: what.clone() });
    }
}

fn wake(next: &Next) -> Option<Timestamp> {
    next.effects.iter().find_map(|effect| if let Effect::Wake { at } = effect { Some(*at) } else { None })
}

/// What an engine sees that holds every platform: what the input says runs there, all of it as well as the input says.
fn seen(record: &Record, input: &Input, now: Timestamp) -> Seen {
    let tasks: BTreeMap<_, _> = record.tasks.keys().map(|key| (key.clone(), TaskOutcome::Done)).collect();
    let track = |(track, state): (&TrackRef, &Arc<deploy_core::TrackState>)| {
        let mut observed = input.observed.get(track).cloned().unwrap_or_default();
        observed.token = observed.token.max(Token::new(record.epoch, state.generation));
        let since = now.checked_sub(Duration::from_secs(60)).unwrap_or(now);
        let folded = input.health.map(|health| Folded { health, since, fresh: true });
        let health = observed.instances().filter_map(|instance| Some((instance.id.clone(), folded?))).collect();
        let seen = TrackSeen {
            newest: Some(observed.token),
            fenced: true,
            prepared: true,
            tasks: tasks.clone(),
            observed: Some(Arc::new(observed)),
            health,
            ..TrackSeen::default()
        };
        (track.clone(), Arc::new(seen))
    };
    let tracks = record.tracks.iter().map(track).collect();
    Seen { lease: Claim { epoch: record.epoch, renewed_before: None }, tracks, ..Seen::default() }
}
