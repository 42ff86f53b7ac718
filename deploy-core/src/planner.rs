//! Making a plan: from a release and what runs to tracks and waves. Pure.

use crate::{Capabilities, Name, Observed, Plan, Release, Result, Revision, Strategies, Timestamp, TrackRef};
use std::collections::BTreeMap;

/// What a plan is made of.
#[derive(Debug)]
pub struct Planning<'a> {
    /// What is brought in.
    pub release: &'a Release,
    /// Where to.
    pub environment: &'a Name,
    /// Finds strategies.
    pub strategies: &'a dyn Strategies,
    /// What each track's platform can do, and what runs there: every track of [`tracks`].
    pub platforms: BTreeMap<TrackRef, (Capabilities, Observed)>,
    /// What was brought in before.
    pub known: &'a Known,
    /// Now, by the store's clock.
    pub now: Timestamp,
}

/// What was brought in before: needed to know the way back.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Revisions by track, with the count and version of their release; the newest last.
    pub revisions: Vec<(TrackRef, Revision, u32, Option<String>)>,
    /// Tracks of the release that completed last: those that the new one lacks are removed.
    pub last: Vec<TrackRef>,
}

/// Every track a deployment may touch: those of the release, and those of the one before it.
///
/// # Errors
/// `NotFound` for an unknown environment; `Invalid` for a workload without a target.
pub fn tracks(release: &Release, environment: &Name, known: &Known) -> Result<Vec<TrackRef>> {
    let _ = (release, environment, known);
    todo!()
}

/// Makes the plan, and verifies it.
///
/// # Errors
/// What a strategy says; what [`Plan::verify`] says.
pub fn plan(planning: &Planning<'_>) -> Result<Plan> {
    let _ = planning;
    todo!()
}
