//! Asking instances whether they are well, and folding what they say.

use super::calls::Key;
use super::session::Session;
use deploy_core::planner::Known;
use deploy_core::{
    Check, Folded, Health, HealthCheck, Instance, InstanceId, InstanceSpec, InstanceState, Probe, ProbeTarget, Prober,
    Record, Result, RevisionId, Timestamp, Timing, TrackRef, time,
};
use deploy_health::Fold;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// An instance that is missing from an observation is remembered so long: missing from one list is not gone.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Checks bound their own time; one that does not is ended so much later.
const SLACK: Duration = Duration::from_millis(100);

/// All instances that are asked, and what is known of what they are made from.
#[derive(Default)]
pub(super) struct Probes {
    asked: BTreeMap<TrackRef, Group>,
    specs: BTreeMap<RevisionId, Arc<InstanceSpec>>,
    versions: BTreeMap<RevisionId, BTreeSet<String>>,
}

/// Those of one track.
type Group = BTreeMap<InstanceId, Box<Asked>>;

struct Asked {
    fold: Fold,
    how: How,
    seen: Timestamp,
    said: Said,
    /// A question is under way.
    waits: bool,
}

/// What was said of an instance last.
enum Said {
    Nothing,
    Seen(Health),
    Answer(Health),
    Error(String),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("it was not asked yet"),
            Self::Seen(health) => write!(f, "{health}, as observed"),
            Self::Answer(health) => write!(f, "{health}"),
            Self::Error(words) => f.write_str(words),
        }
    }
}

/// Who says whether an instance is well.
enum How {
    /// The observation: its process runs.
    Observed,
    /// The platform: observations bear its word.
    Platform,
    /// The instance, when it is asked.
    Asks { target: Arc<ProbeTarget>, check: Arc<dyn HealthCheck> },
    /// Nobody: its check cannot be made, or it is on its way out.
    Nobody,
}

impl How {
    /// What an observation of an instance that runs says, where the platform gave no word.
    const fn observed(&self) -> Option<Health> {
        match self {
            Self::Observed => Some(Health::Healthy),
            Self::Platform => Some(Health::Unknown),
            Self::Asks { .. } | Self::Nobody => None,
        }
    }
}

impl Probes {
    /// Takes in what instances of this deployment may be made from.
    pub(super) fn learn(&mut self, record: &Record, known: &Known) {
        for known in &known.revisions {
            self.learn_one(&known.revision.id, known.revision.spec.as_ref(), known.version.as_ref());
        }
        let (release, environment) = (&record.request.release, &record.scope.environment);
        for name in release.spec.workloads.keys() {
            if let Ok(resolved) = release.resolve(environment, name) {
                let revision = resolved.revision;
                self.learn_one(&revision.id, revision.spec.as_ref(), release.spec.version.as_ref());
            }
        }
        let planned = record.plan.iter().flat_map(|plan| plan.tracks.values());
        for party in planned.flat_map(|planned| planned.parties()) {
            self.learn_one(&party.revision.id, party.revision.spec.as_ref(), party.version.as_ref());
        }
    }

    fn learn_one(&mut self, id: &RevisionId, spec: Option<&Arc<InstanceSpec>>, version: Option<&String>) {
        if let Some(spec) = spec {
            self.specs.insert(id.clone(), spec.clone());
        }
        let versions = self.versions.entry(id.clone()).or_default();
        versions.insert(id.to_string());
        versions.extend(version.cloned());
    }

    /// No question is under way any more.
    pub(super) fn drop_questions(&mut self) {
        self.asked.values_mut().flat_map(BTreeMap::values_mut).for_each(|asked| asked.waits = false);
    }

    fn target(&self, instance: &Instance) -> ProbeTarget {
        let versions = self.versions.get(&instance.side.revision);
        ProbeTarget {
            instance: instance.id.clone(),
            side: instance.side.clone(),
            address: instance.address.clone(),
            ports: instance.ports.clone(),
            running: instance.runs(),
            versions: versions.into_iter().flatten().cloned().collect(),
        }
    }

    /// What an instance said last, in words.
    pub(super) fn said(&self, track: &TrackRef, instance: &InstanceId) -> Option<String> {
        let asked = self.asked.get(track)?.get(instance)?;
        let folded = asked.fold.folded();
        Some(format!("{} since {}; the last answer: {}", folded.health, folded.since, asked.said))
    }
}

impl Session {
    /// Brings the folds to what was observed, and the folds into what is seen.
    pub(super) fn fold_all(&mut self) {
        let tracks: Vec<TrackRef> = self.seen.tracks.keys().cloned().collect();
        tracks.iter().for_each(|track| self.fold_track(track));
        let now = self.clock.now();
        let lately = |asked: &Asked| time::between(asked.seen, now) < REMEMBERED;
        self.probes.asked.retain(|_, group| {
            group.retain(|_, asked| lately(asked));
            !group.is_empty()
        });
    }

    fn fold_track(&mut self, track: &TrackRef) {
        let Some(observed) = self.seen.tracks.get(track).and_then(|seen| seen.observed.clone()) else { return };
        let mut group = self.probes.asked.remove(track).unwrap_or_default();
        let health = observed.instances().filter_map(|instance| {
            let folded = self.fold_one(track, &mut group, instance)?;
            Some((instance.id.clone(), self.record.settle_health(track, &instance.id, folded)))
        });
        let health = health.collect();
        self.probes.asked.insert(track.clone(), group);
        if let Some(seen) = self.seen.track_mut(track) {
            seen.health = health;
        }
    }

    fn fold_one(&self, track: &TrackRef, group: &mut Group, instance: &Instance) -> Option<Folded> {
        let now = self.clock.now();
        if matches!(instance.state, InstanceState::Exited(_) | InstanceState::Terminating) {
            if let Some(asked) = group.get_mut(&instance.id) {
                (asked.how, asked.seen) = (How::Nobody, now);
            }
            return None;
        }
        if !group.contains_key(&instance.id) {
            group.insert(instance.id.clone(), Box::new(self.begin_asking(track, instance)));
        }
        let asked = group.get_mut(&instance.id)?;
        asked.seen = now;
        let word = match (&instance.state, instance.health) {
            (InstanceState::Unknown, _) => Some(Health::Unknown),
            (_, Some(word)) => Some(word),
            _ => asked.how.observed(),
        };
        if let Some(word) = word {
            asked.fold.sample(now, word);
            asked.said = Said::Seen(word);
        }
        Some(asked.fold.folded())
    }

    fn begin_asking(&self, track: &TrackRef, instance: &Instance) -> Asked {
        let now = self.clock.now();
        let platform = instance.health.is_some() || self.is_probed_by_platform(track);
        let probe = self.probe_of(instance).filter(|_| !platform);
        let once = Timing { healthy: 1, unhealthy: 1, ..Timing::default() };
        let timing = probe.as_ref().map_or(once, |probe| probe.timing.clone());
        let (how, said) = match probe.map(|probe| (self.core.checks)(&probe)) {
            None if platform => (How::Platform, Said::Nothing),
            None => (How::Observed, Said::Nothing),
            Some(Err(error)) => (How::Nobody, Said::Error(error.to_string())),
            Some(Ok(check)) => (How::Asks { target: Arc::new(self.probes.target(instance)), check }, Said::Nothing),
        };
        let before = self.record.tracks.get(track).and_then(|state| state.health.get(&instance.id));
        let fold = match before {
            Some(before) => Fold::resume(timing, Folded { fresh: false, ..*before }),
            None => Fold::new(timing, now),
        };
        Asked { fold, how, seen: now, said, waits: false }
    }

    fn is_probed_by_platform(&self, track: &TrackRef) -> bool {
        let track = self.record.track(track);
        track.is_some_and(|(planned, _)| planned.made_from.capabilities.prober == Prober::Platform)
    }

    /// The probe of an instance; none where it is well when its process runs.
    fn probe_of(&self, instance: &Instance) -> Option<Probe> {
        let probe = self.probes.specs.get(&instance.side.revision)?.health.clone()?;
        (probe.check != Check::Process {}).then_some(probe)
    }

    /// When the next instance is to be asked.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        let now = self.clock.now();
        let all = self.probes.asked.values().flat_map(BTreeMap::values);
        let asks = all.filter(|asked| !asked.waits && matches!(asked.how, How::Asks { .. }));
        asks.map(|asked| asked.fold.due(now)).min().map(|due| self.clock.instant(due))
    }

    /// Asks every instance that is due, all at the same time.
    pub(super) fn probe_due(&mut self) {
        let now = self.clock.now();
        let mut due = Vec::new();
        for (track, group) in &mut self.probes.asked {
            for (instance, asked) in group {
                let How::Asks { target, check } = &asked.how else { continue };
                if !asked.waits && asked.fold.due(now) <= now {
                    let key = Key::Probe(track.clone(), instance.clone());
                    due.push((key, target.clone(), check.clone(), asked.fold.timing().timeout + SLACK));
                    asked.waits = true;
                }
            }
        }
        for (key, target, check, timeout) in due {
            self.ask_instance(key, target, check, timeout.min(self.core.timeouts.health));
        }
    }

    fn ask_instance(&mut self, key: Key, target: Arc<ProbeTarget>, check: Arc<dyn HealthCheck>, timeout: Duration) {
        let of = match &key {
            Key::Probe(track, instance) => (track.clone(), instance.clone()),
            _ => return,
        };
        let work = async move {
            match tokio::time::timeout(timeout, check.probe(&target)).await {
                Ok(answer) => Ok(answer),
                Err(_) => Ok(Ok(Health::Unhealthy)),
            }
        };
        self.calls.begin(key, work, move |session, answer| session.answered(&of, answer.and_then(|answer| answer)));
    }

    fn answered(&mut self, of: &(TrackRef, InstanceId), answer: Result<Health>) -> bool {
        crate::metrics::probed(answer.as_ref().ok().copied());
        let (track, instance) = of;
        let now = self.clock.now();
        let group = self.probes.asked.get_mut(track);
        let Some(asked) = group.and_then(|group| group.get_mut(instance)) else { return false };
        asked.waits = false;
        asked.said =
            answer.as_ref().map_or_else(|error| Said::Error(error.to_string()), |health| Said::Answer(*health));
        asked.fold.sample(now, answer.unwrap_or_default());
        let folded = self.record.settle_health(track, instance, asked.fold.folded());
        let seen = self.seen.track_mut(track);
        // Who is not seen decides nothing: what it said is folded in when it is.
        let Some(known) = seen.and_then(|seen| seen.health.get_mut(instance)) else { return false };
        let news = *known != folded;
        *known = folded;
        news
    }
}
