//! What was brought in before.

use super::track_ref;
use crate::{Name, Release, Resolved, Result, Revision, Side, TrackRef};
use std::collections::{BTreeMap, BTreeSet};

/// What was brought in before: needed to know the way back.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Revisions by track; the newest last.
    pub revisions: Vec<KnownRevision>,
    /// Tracks of the release that completed last, with what each depended on: those that the new one lacks are removed.
    pub last: BTreeMap<TrackRef, BTreeSet<Name>>,
}

/// A revision that was brought in before.
#[derive(Debug, Clone)]
pub struct KnownRevision {
    /// Where.
    pub track: TrackRef,
    /// What.
    pub revision: Revision,
    /// The workload's count in its release.
    pub count: u32,
    /// The version of its release, as people call it.
    pub version: Option<String>,
    /// Requests were routed to it.
    pub routed: bool,
    /// At most one instance at a time.
    pub exclusive: bool,
}

impl Known {
    /// Adds what a release brings to an environment; called for each release, the oldest first.
    ///
    /// # Errors
    /// As [`Release::resolve`].
    pub fn add(&mut self, release: &Release, environment: &Name) -> Result<()> {
        for name in release.spec.workloads.keys() {
            let Resolved { workload, target, revision, .. } = release.resolve(environment, name)?;
            let track = track_ref(release, environment, name, target);
            let (count, version) = (workload.count(), Some(release.version().to_owned()));
            let (routed, exclusive) = (workload.is_routed(), workload.is_exclusive());
            self.revisions.push(KnownRevision { track, revision, count, version, routed, exclusive });
        }
        Ok(())
    }

    /// Says that a release is the one that completed last.
    ///
    /// # Errors
    /// As [`Release::resolve`].
    pub fn completed(&mut self, release: &Release, environment: &Name) -> Result<()> {
        let tracks = release.spec.workloads.iter().map(|(name, workload)| {
            let target = release.resolve(environment, name)?.target;
            Ok((track_ref(release, environment, name, target), workload.depends_on.clone()))
        });
        self.last = tracks.collect::<Result<_>>()?;
        Ok(())
    }

    pub(super) fn of(&self, track: &TrackRef, side: &Side) -> Option<&KnownRevision> {
        self.revisions.iter().rev().find(|known| known.track == *track && known.revision.id == side.revision)
    }

    pub(super) fn newest(&self, track: &TrackRef) -> Option<&KnownRevision> {
        self.revisions.iter().rev().find(|known| known.track == *track)
    }
}
