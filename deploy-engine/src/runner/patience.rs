//! How long a look waits for a platform.

use deploy_core::TrackRef;
use std::collections::BTreeMap;
use std::time::Duration;

/// A platform is given so long in a look, unless it was seen to need longer.
const USUAL: Duration = Duration::from_secs(1);

/// How long each track's platform is given: the usual, or twice as long as its last answer took where that is more.
/// So a platform that hangs holds up one look and no other, and one that is slow is seen all the same.
#[derive(Debug, Default)]
pub(super) struct Patience(BTreeMap<TrackRef, Duration>);

impl Patience {
    pub(super) fn of(&self, track: &TrackRef) -> Duration {
        self.0.get(track).copied().unwrap_or(USUAL)
    }

    /// The layers under us bound how long an answer takes.
    pub(super) fn learn(&mut self, track: &TrackRef, took: Duration) {
        if took * 2 > USUAL {
            self.0.insert(track.clone(), took * 2);
        } else {
            self.0.remove(track);
        }
    }
}
