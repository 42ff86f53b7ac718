//! What holds when a run is over.

use super::play::{Outcome, Run};
use deploy_core::{Event, Record};

/// All that is not as it has to be.
pub(super) async fn all(
    run: &Run,
    ended: Option<&Record>,
    last: Option<&Record>,
    peace: Option<&Outcome>,
) -> Vec<String> {
    let mut found = run.scene.broken();
    found.extend(run.log.older_after_newer());
    let Some(record) = ended else {
        let status = last.map_or_else(|| "not there".to_owned(), |record| record.status().to_string());
        found.push(format!("G5: it did not end in two hours; it is {status}"));
        return found;
    };
    match run.scene.store().events(&record.id, 0).await {
        Ok(events) => found.extend(gapless(record, &events)),
        Err(error) => found.push(format!("G10: the events cannot be read: {error}")),
    }
    if let Some(peace) = peace {
        found.extend(as_in_peace(record, &run.scene.state(), peace));
    }
    found
}

fn gapless(record: &Record, events: &[Event]) -> Option<String> {
    let numbers = events.iter().map(|event| event.number);
    if !numbers.eq(1..=record.version) {
        return Some("G10: the events are not gapless".into());
    }
    let backward = events.windows(2).find(|pair| pair[1].at < pair[0].at);
    if let Some([_, later]) = backward {
        return Some(format!("G10: event {} is dated before the one before it", later.number));
    }
    let folded = Record::fold(&record.id, events.iter().cloned());
    (folded.as_ref().ok() != Some(record)).then(|| "G10: the record is not the fold of its events".into())
}

fn as_in_peace(record: &Record, state: &str, peace: &Outcome) -> Option<String> {
    let expected = peace.record.as_ref().map(Record::status);
    let status = record.status();
    if expected != Some(status) {
        let (expected, reason) = (expected.map(|status| status.to_string()), record.reason().unwrap_or("as planned"));
        return Some(format!("G6: it ended {status} ({reason}), in peace {}", expected.unwrap_or_default()));
    }
    (state != peace.state).then(|| format!("G6: what stands is not as in peace:\n{state}\nin peace:\n{}", peace.state))
}
