//! The whole state machine: from the record and what is seen to what happened and what is to be done. No I/O.
//!
//! ```text
//!   record ─┐
//!   seen   ─┼─> next: what happened? ── applied to a copy of the record, until nothing more ──> events
//!   now    ─┘                                                                                     │
//!               the record after the events, seen, now ──────────────────────────────────────> effects
//! ```
//!
//! So the same look at the new record gives no event and the same effects: nothing but the record survives an engine.

mod back;
mod effects;
mod holds;
mod look;
mod notes;
mod order;
mod pending;
mod roll;
mod seen;
mod settle;
mod signals;
mod tasks;
mod track;
mod troubles;
mod wide;

pub use order::order;
pub use seen::{Call, Captured, Claim, Effect, Judgement, Next, Problem, Seen, TrackSeen};
pub(crate) use wide::leg_deadline;

use crate::{Event, Record, Timestamp, What};
use look::Look;
use roll::Roll;
use std::borrow::Cow;

/// No look gives more events than this; the rest follows in the next.
const MOST_EVENTS: usize = 100_000;

/// What follows from one look. Pure, and whole: every record and every look has an answer.
pub fn reconcile(record: &Record, seen: &Seen, now: Timestamp) -> Next {
    let rolls = seen.tracks.iter().map(|(track, seen)| (track, Roll::of(seen))).collect();
    let mut record = Cow::Borrowed(record);
    let mut events = Vec::new();
    while events.len() < MOST_EVENTS {
        let happened = next(&Look { record: &record, seen, rolls: &rolls, now });
        if happened.is_empty() {
            break;
        }
        for what in happened {
            let event = Event { number: record.version + 1, at: now, what };
            record.to_mut().apply(&event);
            events.push(event.what);
        }
    }
    Next { events, effects: Look { record: &record, seen, rolls: &rolls, now }.effects() }
}

/// The next thing that happened, with what follows from it at once. None: nothing more.
fn next(look: &Look<'_>) -> Vec<What> {
    if look.record.way.is_ended() {
        return Vec::new();
    }
    let steps = [Look::claim, Look::signal, Look::notes, Look::pending, Look::wide, Look::tracks];
    steps.into_iter().map(|step| step(look)).find(|happened| !happened.is_empty()).unwrap_or_default()
}
