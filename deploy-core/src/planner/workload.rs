//! The track of one workload of the release.

use super::runs::{leading, made_from, standing};
use super::{CLEAR, Planning, own_budget};
use crate::{
    Capabilities, Change, Count, Desired, Error, HomePolicy, Kind, MadeFrom, Observed, Party, Place, Places, PlanStage,
    Resolved, Result, Running, Side, Spread, Stage, Stages, Step, StrategyRef, Track, TrackRef, Traffic,
};

/// One workload of the release.
pub(super) struct Workload<'a> {
    pub(super) planning: &'a Planning<'a>,
    pub(super) track: &'a TrackRef,
    pub(super) resolved: &'a Resolved,
}

impl Workload<'_> {
    /// Its track; none where nothing is missing.
    pub(super) fn track(&self) -> Result<Option<Track>> {
        let (capabilities, observed) = self.planning.platform(self.track)?;
        let standing = standing(observed);
        let own = |side: &Side| side.revision == self.resolved.revision.id;
        let stable = leading(observed, &standing, standing.keys().find(|side| own(side)));
        self.has_a_count(capabilities, stable.as_ref())?;
        let made_from = made_from(capabilities, observed, standing);
        match stable {
            None => self.first(made_from).map(Some),
            Some(stable) if own(&stable) => self.same(&stable, made_from, observed),
            Some(stable) => self.change(&stable, made_from, observed).map(Some),
        }
    }

    /// A count that is the platform's own needs one that keeps it, and is not compared with one that is not.
    fn has_a_count(&self, capabilities: &Capabilities, stable: Option<&Side>) -> Result<()> {
        let (name, target) = (&self.track.workload, &self.track.target);
        let serverless = self.resolved.workload.is_serverless();
        if serverless && !capabilities.scales_to_zero {
            let message = format!(
                "workload `{name}` is `kind: serverless`, and `{target}` does not run as many as requests need: give it \
                 another kind and `replicas`"
            );
            return Err(Error::new(Kind::Unsupported, message).with("track", self.track));
        }
        let spec = stable.and_then(|stable| self.planning.known.of(self.track, stable)?.revision.spec.as_ref());
        if spec.is_some_and(|spec| spec.is_serverless() != serverless) {
            let message = format!(
                "workload `{name}` would become `kind: serverless`, or cease to be, while it serves: give the new one \
                 another name, and remove this one when the new one serves"
            );
            return Err(Error::new(Kind::Unsupported, message).with("track", self.track));
        }
        Ok(())
    }

    fn candidate(&self, place: Place) -> Party {
        Party {
            side: Side::new(self.resolved.revision.id.clone(), place),
            revision: self.resolved.revision.clone(),
            count: self.resolved.workload.count(),
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
        let step = Step::to(Desired::pooled(Count::ALL).traffic(self.pooled()));
        step.named(name).budget(own_budget(self.resolved.workload.is_exclusive()))
    }

    /// The first deployment: one stage, all, pooled.
    fn first(&self, made_from: MadeFrom) -> Result<Track> {
        let candidate = self.candidate(Place::Home);
        let to = Some(candidate.side.clone());
        let mut track = self.base("first", None, candidate, made_from);
        track.before = vec![PlanStage { stage: self.own_step("the first of all").into(), from: None, to }];
        Ok(track)
    }

    /// The same release again: all, where something is missing.
    fn same(&self, stable: &Side, made_from: MadeFrom, observed: &Observed) -> Result<Option<Track>> {
        let asked = self.resolved.workload.count();
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
        let to = Some(stable.clone());
        track.before = vec![PlanStage { stage: self.own_step("as asked").into(), from: None, to }];
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
        let desired = Desired { stable: standing(stable), candidate: standing(candidate), traffic };
        let step = Step::to(desired).named(CLEAR).budget(own_budget(self.resolved.workload.is_exclusive()));
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
