//! Making a plan: from a release and what runs to tracks and waves. Pure.

mod known;
mod runs;
mod waves;
mod workload;

pub use known::{Known, KnownRevision};

use crate::machine::leg_deadline;
use crate::{
    Back, Budget, Capabilities, Desired, Error, Kind, Name, Observed, Party, Plan, PlanStage, Release, Result,
    Revision, Scope, Side, Step, Strategies, Timestamp, Track, TrackRef,
};
use runs::{leading, made_from, standing};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use workload::Workload;

/// The name of core's own stage in front: all traffic to stable, then strays gone.
pub(crate) const CLEAR: &str = "clear what was left";

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

fn track_ref(release: &Release, environment: &Name, workload: &Name, target: Name) -> TrackRef {
    let (application, environment) = (release.spec.application.clone(), environment.clone());
    TrackRef { application, environment, workload: workload.clone(), target }
}

/// Every track a deployment may touch: those of the release, and those of the one before it.
///
/// # Errors
/// `NotFound` for an unknown environment; `Invalid` for a workload without a target.
pub fn tracks(release: &Release, environment: &Name, known: &Known) -> Result<Vec<TrackRef>> {
    let own = release
        .spec
        .workloads
        .keys()
        .map(|name| Ok(track_ref(release, environment, name, release.resolve(environment, name)?.target)));
    let mut tracks: BTreeSet<TrackRef> = own.collect::<Result<_>>()?;
    tracks.extend(known.last.keys().cloned());
    Ok(tracks.into_iter().collect())
}

/// Makes the plan, and verifies it.
///
/// # Errors
/// What a strategy says, with the workload in its context; what [`Plan::verify`] says.
pub fn plan(planning: &Planning<'_>) -> Result<Plan> {
    let (release, environment) = (planning.release, planning.environment);
    let mut tracks = BTreeMap::new();
    let mut own = BTreeSet::new();
    for name in release.spec.workloads.keys() {
        let resolved = release.resolve(environment, name)?;
        let track = track_ref(release, environment, name, resolved.target.clone());
        own.insert(track.clone());
        let workload = Workload { planning, track: &track, resolved: &resolved };
        let made = workload.track().map_err(|error| error.with("workload", name))?;
        tracks.extend(made.map(|made| (track, Box::new(made))));
    }
    for track in planning.known.last.keys().filter(|track| !own.contains(*track)) {
        tracks.extend(planning.removal(track)?.map(|made| (track.clone(), Box::new(made))));
    }
    let waves = planning.waves(&tracks);
    let plan = Plan {
        scope: Scope { application: release.spec.application.clone(), environment: environment.clone() },
        release: release.id.clone(),
        version: release.version().to_owned(),
        made_at: planning.now,
        deadline: way(&tracks, &waves, |track| leg_deadline(&track.before)),
        back_deadline: way(&tracks, &waves, Track::back_deadline),
        tracks,
        waves,
    };
    plan.verify()?;
    Ok(plan)
}

/// The longest leg of each wave, added up; with time to prepare.
fn way(tracks: &BTreeMap<TrackRef, Box<Track>>, waves: &[Vec<TrackRef>], leg: impl Fn(&Track) -> Duration) -> Duration {
    let longest = |wave: &Vec<TrackRef>| {
        wave.iter().filter_map(|name| tracks.get(name)).map(|track| leg(track)).max().unwrap_or_default()
    };
    waves.iter().map(longest).sum::<Duration>() + Step::DEADLINE
}

/// The limits of a step that no strategy lays out.
fn own_budget(exclusive: bool) -> Budget {
    if exclusive { crate::Workload::exclusive_budget() } else { Budget::default() }
}

impl Track {
    fn back_deadline(&self) -> Duration {
        let own = |stage: &PlanStage| match &stage.stage.back {
            Back::Steps(steps) => steps.iter().map(|step| step.deadline).sum(),
            _ => stage.stage.step.deadline.saturating_sub(stage.stage.holds.bake),
        };
        let tasks = self.before.iter().flat_map(|stage| stage.stage.step.before.iter().chain(&stage.stage.step.after));
        self.before.iter().map(own).max().unwrap_or_default() + tasks.map(|task| task.timeout).sum::<Duration>()
    }
}

impl Planning<'_> {
    fn platform(&self, track: &TrackRef) -> Result<&(Capabilities, Observed)> {
        self.platforms.get(track).ok_or_else(|| {
            Error::new(Kind::Unavailable, format!("{track} was not observed")).with("target", &track.target)
        })
    }

    /// A workload that the release before had and this one has not.
    fn removal(&self, track: &TrackRef) -> Result<Option<Track>> {
        let (capabilities, observed) = self.platform(track)?;
        let standing = standing(observed);
        let Some(stable) = leading(observed, &standing, None) else { return Ok(None) };
        let newest = self.known.newest(track);
        let routed = newest.is_none_or(|known| known.routed);
        let traffic = capabilities.nobody(routed);
        let exclusive = newest.is_some_and(|known| known.exclusive);
        let step = Step::to(Desired { traffic, ..Desired::nothing() }).named("the workload goes");
        let step = step.budget(own_budget(exclusive));
        Ok(Some(Track {
            stable: Some(self.party(track, &stable)),
            candidate: None,
            strategy: "removal".into(),
            routed,
            exclusive,
            before: Vec::new(),
            after: vec![PlanStage { stage: step.into(), from: Some(stable), to: None }],
            made_from: made_from(capabilities, observed, standing),
        }))
    }

    fn party(&self, track: &TrackRef, side: &Side) -> Party {
        let known = self.known.of(track, side);
        let revision =
            known.map_or_else(|| Revision { id: side.revision.clone(), spec: None }, |known| known.revision.clone());
        let count = known.map_or(0, |known| known.count);
        Party { side: side.clone(), revision, count, version: known.and_then(|known| known.version.clone()) }
    }
}
