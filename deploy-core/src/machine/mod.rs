//! The whole state machine: from the record and what is seen to what happened and what is to be done. No I/O.

mod seen;

use crate::{Order, Record, Timestamp, TrackRef};
pub use seen::{Call, Captured, Claim, Effect, Judgement, Next, Problem, Seen, TrackSeen};
use std::collections::BTreeSet;

/// What follows from one look.
pub fn reconcile(record: &Record, seen: &Seen, now: Timestamp) -> Next {
    let _ = (record, seen, now);
    todo!()
}

/// The order that a track has under way, as [`Effect::Converge`] asks for it.
pub fn order<'a>(
    record: &'a Record,
    seen: &'a Seen,
    track: &'a TrackRef,
    written_off: &'a BTreeSet<crate::InstanceId>,
    paused: bool,
    now: Timestamp,
) -> Option<Order<'a>> {
    let _ = (record, seen, track, written_off, paused, now);
    todo!()
}
