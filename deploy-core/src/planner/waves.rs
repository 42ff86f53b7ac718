//! Which tracks go at the same time, and which after others.

use super::Planning;
use crate::{Name, Track, TrackRef};
use std::collections::{BTreeMap, BTreeSet};

impl Planning<'_> {
    /// Waves by the dependencies of both releases together; where that has a cycle the new release's hold.
    pub(super) fn waves(&self, tracks: &BTreeMap<TrackRef, Box<Track>>) -> Vec<Vec<TrackRef>> {
        let new = |name: &Name| {
            self.release.spec.workloads.get(name).map(|workload| workload.depends_on.clone()).unwrap_or_default()
        };
        let old = |name: &Name| {
            let last = self.known.last.iter().find(|(track, _)| track.workload == *name);
            last.map(|(_, depends_on)| depends_on.clone()).unwrap_or_default()
        };
        let both = layers(tracks, |name| new(name).union(&old(name)).cloned().collect());
        both.or_else(|| layers(tracks, new)).unwrap_or_else(|| vec![tracks.keys().cloned().collect()])
    }
}

/// Tracks in layers: each after all that it depends on, directly or through workloads that do not change. None for a cycle.
fn layers(
    tracks: &BTreeMap<TrackRef, Box<Track>>,
    depends_on: impl Fn(&Name) -> BTreeSet<Name>,
) -> Option<Vec<Vec<TrackRef>>> {
    let mut depth: BTreeMap<Name, usize> = BTreeMap::new();
    for track in tracks.keys() {
        depth_of(&track.workload, &depends_on, &mut depth, &mut BTreeSet::new())?;
    }
    let mut layers: BTreeMap<usize, Vec<TrackRef>> = BTreeMap::new();
    for track in tracks.keys() {
        layers.entry(depth.get(&track.workload).copied().unwrap_or(0)).or_default().push(track.clone());
    }
    Some(layers.into_values().collect())
}

fn depth_of(
    name: &Name,
    depends_on: &impl Fn(&Name) -> BTreeSet<Name>,
    depth: &mut BTreeMap<Name, usize>,
    path: &mut BTreeSet<Name>,
) -> Option<usize> {
    if let Some(known) = depth.get(name) {
        return Some(*known);
    }
    if !path.insert(name.clone()) {
        return None;
    }
    let mut deepest = 0;
    for other in depends_on(name) {
        deepest = deepest.max(depth_of(&other, depends_on, depth, path)? + 1);
    }
    path.remove(name);
    depth.insert(name.clone(), deepest);
    Some(deepest)
}
