//! Making a plan: from a release and what runs to tracks and waves. Pure.

use crate::machine::leg_deadline;
use crate::{
    Back, Capabilities, Change, Count, Desired, Error, HomePolicy, Kind, MadeFrom, Name, Observed, Party, Place,
    Places, Plan, PlanStage, Release, Resolved, Result, Revision, Running, Scope, Side, Spread, Stage, Stages, Step,
    Strategies, StrategyRef, Timestamp, Track, TrackRef, Traffic,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
            let (count, version) = (workload.replicas, Some(release.version().to_owned()));
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

    fn of(&self, track: &TrackRef, side: &Side) -> Option<&KnownRevision> {
        self.revisions.iter().rev().find(|known| known.track == *track && known.revision.id == side.revision)
    }

    fn newest(&self, track: &TrackRef) -> Option<&KnownRevision> {
        self.revisions.iter().rev().find(|known| known.track == *track)
    }
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
        tracks.extend(made.map(|made| (track, made)));
    }
    for track in planning.known.last.keys().filter(|track| !own.contains(*track)) {
        tracks.extend(planning.removal(track)?.map(|made| (track.clone(), made)));
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
fn way(tracks: &BTreeMap<TrackRef, Track>, waves: &[Vec<TrackRef>], leg: impl Fn(&Track) -> Duration) -> Duration {
    let longest =
        |wave: &Vec<TrackRef>| wave.iter().filter_map(|name| tracks.get(name)).map(&leg).max().unwrap_or_default();
    waves.iter().map(longest).sum::<Duration>() + Step::DEADLINE
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
        let traffic = if routed { Traffic::None } else { Traffic::NotRouted };
        let step = Step::to(Desired { traffic, ..Desired::nothing() }).named("the workload goes");
        Ok(Some(Track {
            stable: Some(self.party(track, &stable)),
            candidate: None,
            strategy: "removal".into(),
            routed,
            exclusive: newest.is_some_and(|known| known.exclusive),
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

    /// Waves by the dependencies of both releases together; where that has a cycle the new release's hold.
    fn waves(&self, tracks: &BTreeMap<TrackRef, Track>) -> Vec<Vec<TrackRef>> {
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
    tracks: &BTreeMap<TrackRef, Track>,
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

fn standing(observed: &Observed) -> BTreeMap<Side, u32> {
    let stands = observed.sides.iter().map(|(side, running)| (side.clone(), running.total()));
    stands.filter(|(_, count)| *count > 0).collect()
}

fn made_from(capabilities: &Capabilities, observed: &Observed, sides: BTreeMap<Side, u32>) -> MadeFrom {
    let spread = observed.traffic.as_ref().map(|traffic| traffic.spread.clone()).unwrap_or_default();
    MadeFrom { sides, spread, capabilities: capabilities.clone() }
}

/// Stable: of the sides that run, and first of those with anybody ready, the one with the most traffic, then ready, then home.
fn leading(observed: &Observed, standing: &BTreeMap<Side, u32>, candidate: Option<&Side>) -> Option<Side> {
    let rank = |side: &Side| {
        let ready = ready(observed.side(side));
        let share = observed.traffic.as_ref().and_then(|traffic| traffic.share(side)).map_or(0, crate::Share::points);
        (ready > 0, share, ready, side.place == Place::Home, Some(side) != candidate)
    };
    standing.keys().max_by_key(|side| rank(side)).cloned()
}

/// Who is in the router's set, or counted ready: before anything was probed that is the best word there is.
fn ready(running: Option<&Running>) -> usize {
    match running {
        None => 0,
        Some(Running::Counts(counts)) => counts.ready as usize,
        Some(Running::Instances(instances)) => {
            instances.iter().filter(|instance| instance.runs() && instance.admitted).count()
        }
    }
}

/// One workload of the release.
struct Workload<'a> {
    planning: &'a Planning<'a>,
    track: &'a TrackRef,
    resolved: &'a Resolved,
}

impl Workload<'_> {
    /// Its track; none where nothing is missing.
    fn track(&self) -> Result<Option<Track>> {
        self.has_a_count()?;
        let (capabilities, observed) = self.planning.platform(self.track)?;
        let standing = standing(observed);
        let own = |side: &Side| side.revision == self.resolved.revision.id;
        let stable = leading(observed, &standing, standing.keys().find(|side| own(side)));
        let made_from = made_from(capabilities, observed, standing);
        match stable {
            None => self.first(made_from).map(Some),
            Some(stable) if own(&stable) => self.same(&stable, made_from, observed),
            Some(stable) => self.change(&stable, made_from, observed).map(Some),
        }
    }

    /// A count that is the platform's own can be neither ordered nor seen to be reached: it is not done otherwise silently.
    fn has_a_count(&self) -> Result<()> {
        if self.resolved.workload.kind != crate::WorkloadKind::Serverless {
            return Ok(());
        }
        let message = format!(
            "workload `{}` is `kind: serverless`, whose count is the platform's own: no platform can be told so yet, give it \
             another kind and `replicas`",
            self.track.workload
        );
        Err(Error::new(Kind::Unsupported, message).with("track", self.track))
    }

    fn candidate(&self, place: Place) -> Party {
        Party {
            side: Side::new(self.resolved.revision.id.clone(), place),
            revision: self.resolved.revision.clone(),
            count: self.resolved.workload.replicas,
            version: Some(self.planning.release.version().to_owned()),
        }
    }

    fn base(&self, strategy: &str, stable: Option<Party>, candidate: Party, made_from: MadeFrom) -> Track {
        Track {
            stable,
            candidate: Some(candidate),
            strategy: strategy.to_owned(),
            routed: self.resolved.workload.is_routed(),
            exclusive: self.resolved.workload.is_exclusive(),
            before: Vec::new(),
            after: Vec::new(),
            made_from,
        }
    }

    fn pooled(&self) -> Traffic {
        if self.resolved.workload.is_routed() { Traffic::Pooled } else { Traffic::InPlace }
    }

    fn own_step(&self, name: &str) -> Step {
        let budget = if self.resolved.workload.is_exclusive() {
            crate::Workload::exclusive_budget()
        } else {
            crate::Budget::default()
        };
        Step::to(Desired::pooled(Count::ALL).traffic(self.pooled())).named(name).budget(budget)
    }

    /// The first deployment: one stage, all, pooled.
    fn first(&self, made_from: MadeFrom) -> Result<Track> {
        let candidate = self.candidate(Place::Home);
        let to = Some(candidate.side.clone());
        let mut track = self.base("first", None, candidate, made_from);
        track.before.push(PlanStage { stage: self.own_step("the first of all").into(), from: None, to });
        Ok(track)
    }

    /// The same release again: all, where something is missing.
    fn same(&self, stable: &Side, made_from: MadeFrom, observed: &Observed) -> Result<Option<Track>> {
        let asked = self.resolved.workload.replicas;
        let alone = made_from.sides.len() == 1 && made_from.sides.get(stable) == Some(&asked);
        let all_admitted = match observed.side(stable) {
            Some(Running::Instances(instances)) => instances
                .iter()
                .all(|instance| instance.runs() && (instance.admitted || !self.resolved.workload.is_routed())),
            Some(Running::Counts(counts)) => counts.ready >= asked,
            None => false,
        };
        let served = !self.resolved.workload.is_routed() || serves_alone(&made_from.spread, stable);
        let home = made_from.capabilities.places == Places::One
            || stable.place == Place::Home
            || self.planning.release.spec.home == HomePolicy::Alternate;
        if alone && all_admitted && served && home {
            return Ok(None);
        }
        let mut candidate = self.candidate(stable.place);
        candidate.side = stable.clone();
        let before_count = self.planning.known.of(self.track, stable).map(|known| known.count);
        let party = Party { count: before_count.unwrap_or(asked), ..candidate.clone() };
        let strategy = if before_count.is_some_and(|count| count != asked) { "scale" } else { "same" };
        let mut track = self.base(strategy, Some(party), candidate, made_from);
        track.before.push(PlanStage { stage: self.own_step("as asked").into(), from: None, to: Some(stable.clone()) });
        if !home {
            track.after.push(self.home_step(stable));
        }
        Ok(Some(track))
    }

    /// One revision replaces another.
    fn change(&self, stable: &Side, made_from: MadeFrom, observed: &Observed) -> Result<Track> {
        let mut party = self.planning.party(self.track, stable);
        if party.count == 0 {
            party.count = made_from.sides.get(stable).copied().unwrap_or(0);
        }
        let StrategyRef { name, .. } = &self.resolved.strategy;
        let strategy = self.planning.strategies.get(&self.resolved.strategy)?;
        let change = Change {
            workload: &self.resolved.workload,
            stable: &party.revision,
            candidate: &self.resolved.revision,
            capabilities: &made_from.capabilities,
            observed,
        };
        let Stages { before, after } = strategy.plan(&change)?;
        let in_place = before.iter().all(|stage| {
            stage.step.desired.traffic.is_in_place()
                || stage.step.desired.traffic == Traffic::None
                || stage.step.desired == Desired { traffic: Traffic::NotRouted, ..Desired::nothing() }
        });
        let place = match made_from.capabilities.places {
            Places::HomeAndAside if !in_place => stable.place.other(),
            _ => stable.place,
        };
        let candidate = self.candidate(place);
        let (from, to) = (Some(stable.clone()), Some(candidate.side.clone()));
        let planned = |stage: Stage| PlanStage { stage, from: from.clone(), to: to.clone() };
        let mut track = self.base(name, Some(party), candidate.clone(), made_from);
        track.before.extend(self.clear(stable, &candidate.side, &track.made_from));
        track.before.extend(before.into_iter().map(planned));
        track.after.extend(after.into_iter().map(Stage::from).map(planned));
        if candidate.side.place == Place::Aside && self.planning.release.spec.home == HomePolicy::Return {
            track.after.push(self.home_step(&candidate.side));
        }
        Ok(track)
    }

    /// Where anything but stable has traffic, or a stray stands: all traffic to stable, then strays gone.
    fn clear(&self, stable: &Side, candidate: &Side, made_from: &MadeFrom) -> Option<PlanStage> {
        let stray = made_from.sides.keys().any(|side| side != stable && side != candidate);
        let routed = self.resolved.workload.is_routed();
        let elsewhere = routed && !serves_alone(&made_from.spread, stable) && made_from.sides.len() > 1;
        if !stray && !elsewhere {
            return None;
        }
        let standing = |side: &Side| Count::Exactly(made_from.sides.get(side).copied().unwrap_or(0));
        let traffic = if routed { Traffic::stable() } else { Traffic::NotRouted };
        let step = Step::to(Desired { stable: standing(stable), candidate: standing(candidate), traffic }).named(CLEAR);
        let (from, to) = (Some(stable.clone()), Some(candidate.clone()));
        Some(PlanStage { stage: step.into(), from, to })
    }

    /// The stable name comes home: both names at full count for a while.
    fn home_step(&self, aside: &Side) -> PlanStage {
        let home = Side::new(aside.revision.clone(), Place::Home);
        let traffic = if self.resolved.workload.is_routed() { Traffic::candidate() } else { Traffic::NotRouted };
        let step = Step::to(Desired::candidate(Count::ALL).traffic(traffic))
            .named(format!("the name `{}` comes home", self.track.workload));
        PlanStage { stage: step.into(), from: Some(aside.clone()), to: Some(home) }
    }
}

/// Whether requests go to one side alone; pooled is, where that side alone stands.
fn serves_alone(spread: &Spread, side: &Side) -> bool {
    match spread {
        Spread::None => false,
        Spread::Pooled => true,
        Spread::Split { from, to, split } => {
            split.is_whole()
                && if split.candidate.is_whole() { to.as_ref() == Some(side) } else { from.as_ref() == Some(side) }
        }
    }
}
