//! What was written in a run, by whom.

use deploy_core::{Token, TrackRef};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A write that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    /// The life that wrote.
    pub(super) life: usize,
    /// What was called.
    pub(super) what: String,
    /// A platform's track and the token; none for the store.
    pub(super) to: Option<(TrackRef, Token)>,
    /// The lease's epoch.
    pub(super) epoch: u64,
}

/// All writes of a run, in the order in which they were taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Write>>>);

impl Log {
    pub(super) fn add(&self, write: Write) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(write);
    }

    pub(super) fn all(&self) -> Vec<Write> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// G7: what was taken although a newer engine had written there.
    pub(super) fn older_after_newer(&self) -> Vec<String> {
        let mut newest: BTreeMap<Option<TrackRef>, Write> = BTreeMap::new();
        let mut found = Vec::new();
        for write in self.all() {
            let place = write.to.as_ref().map(|(track, _)| track.clone());
            match newest.get(&place) {
                Some(newer) if newer.epoch > write.epoch => {
                    let at = place.map_or_else(|| "the store".to_owned(), |track| track.to_string());
                    let (life, what, epoch) = (write.life, write.what, write.epoch);
                    found.push(format!(
                        "G7: {what} of life {life} under epoch {epoch} was taken by {at} after one of life {} under {}",
                        newer.life, newer.epoch
                    ));
                }
                _ => drop(newest.insert(place, write)),
            }
        }
        found
    }

    /// How many writes of a life were taken after so many of all.
    pub(super) fn of(&self, life: usize, from: usize) -> Vec<String> {
        let all = self.all();
        all.into_iter().skip(from).filter(|write| write.life == life).map(|write| write.what).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
