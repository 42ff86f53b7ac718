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
    asked: BTreeMap<(TrackRef, InstanceId), Asked>,
    specs: BTreeMap<RevisionId, Arc<InstanceSpec>>,
    versions: BTreeMap<RevisionId, BTreeSet<String>>,
}

struct Asked {
    fold: Fold,
    how: How,
    seen: Timestamp,
    said: String,
}

/// Who says whether an instance is well.
enum How {
    /// The observation: its process runs.
    Observed,
    /// The platform: observations bear its word.
    Platform,
    /// The instance, when it is asked.
    Asks { target: Box<ProbeTarget>, check: Arc<dyn HealthCheck> },
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
        for party in planned.flat_map(deploy_core::Track::parties) {
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
        let asked = self.asked.get(&(track.clone(), instance.clone()))?;
        let folded = asked.fold.folded();
        let last = if asked.said.is_empty() { "it was not asked yet" } else { &asked.said };
        Some(format!("{} since {}; the last answer: {last}", folded.health, folded.since))
    }
}

impl Session {
    /// Brings the folds to what was observed, and the folds into what is seen.
    pub(super) fn fold_all(&mut self) {
        let tracks: Vec<TrackRef> = self.seen.tracks.keys().cloned().collect();
        tracks.iter().for_each(|track| self.fold_track(track));
        let now = self.clock.now();
        self.probes.asked.retain(|_, asked| time::between(asked.seen, now) < REMEMBERED);
    }

    fn fold_track(&mut self, track: &TrackRef) {
        let Some(seen) = self.seen.tracks.get_mut(track) else { return };
        let Some(observed) = seen.observed.take() else { return };
        let health = observed.instances().filter_map(|instance| {
            let folded = self.fold_one(track, instance)?;
            Some((instance.id.clone(), self.record.settle_health(track, &instance.id, folded)))
        });
        let health = health.collect();
        if let Some(seen) = self.seen.tracks.get_mut(track) {
            (seen.observed, seen.health) = (Some(observed), health);
        }
    }

    fn fold_one(&mut self, track: &TrackRef, instance: &Instance) -> Option<Folded> {
        let (key, now) = ((track.clone(), instance.id.clone()), self.clock.now());
        if matches!(instance.state, InstanceState::Exited(_) | InstanceState::Terminating) {
            if let Some(asked) = self.probes.asked.get_mut(&key) {
                (asked.how, asked.seen) = (How::Nobody, now);
            }
            return None;
        }
        let known = match self.probes.asked.remove(&key) {
            Some(asked) => asked,
            None => self.begin_asking(track, instance),
        };
        let asked = self.probes.asked.entry(key).or_insert(known);
        asked.seen = now;
        let word = match (&instance.state, instance.health) {
            (InstanceState::Unknown, _) => Some(Health::Unknown),
            (_, Some(word)) => Some(word),
            _ => asked.how.observed(),
        };
        if let Some(word) = word {
            asked.fold.sample(now, word);
            asked.said = format!("{word}, as observed");
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
            None if platform => (How::Platform, String::new()),
            None => (How::Observed, String::new()),
            Some(Err(error)) => (How::Nobody, error.to_string()),
            Some(Ok(check)) => (How::Asks { target: Box::new(self.probes.target(instance)), check }, String::new()),
        };
        let before = self.record.tracks.get(track).and_then(|state| state.health.get(&instance.id));
        let fold = match before {
            Some(before) => Fold::resume(timing, Folded { fresh: false, ..*before }),
            None => Fold::new(timing, now),
        };
        Asked { fold, how, seen: now, said }
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
        let dues = self.probes.asked.iter().filter_map(|((track, instance), asked)| {
            let free = !self.calls.is_busy(&Key::Probe(track.clone(), instance.clone()));
            (free && matches!(asked.how, How::Asks { .. })).then(|| asked.fold.due(now))
        });
        dues.min().map(|due| self.clock.instant(due))
    }

    /// Asks every instance that is due, all at the same time.
    pub(super) fn probe_due(&mut self) {
        let now = self.clock.now();
        let mut due = Vec::new();
        for ((track, instance), asked) in &self.probes.asked {
            let How::Asks { target, check } = &asked.how else { continue };
            let key = Key::Probe(track.clone(), instance.clone());
            if asked.fold.due(now) <= now && !self.calls.is_busy(&key) {
                due.push((key, target.clone(), check.clone(), asked.fold.timing().timeout + SLACK));
            }
        }
        for (key, target, check, timeout) in due {
            self.ask_instance(key, *target, check, timeout.min(self.core.timeouts.health));
        }
    }

    fn ask_instance(&mut self, key: Key, target: ProbeTarget, check: Arc<dyn HealthCheck>, timeout: Duration) {
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
        let Some(asked) = self.probes.asked.get_mut(of) else { return false };
        asked.said = answer.as_ref().map_or_else(ToString::to_string, ToString::to_string);
        asked.fold.sample(now, answer.unwrap_or_default());
        let folded = self.record.settle_health(track, instance, asked.fold.folded());
        let seen = self.seen.tracks.get_mut(track);
        // Who is not seen decides nothing: what it said is folded in when it is.
        let Some(known) = seen.and_then(|seen| seen.health.get_mut(instance)) else { return false };
        let news = *known != folded;
        *known = folded;
        news
    }
}
