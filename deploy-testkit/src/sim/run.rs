//! One run: deployments one after the other in one world, with engines that die and people who ask.

use super::check;
use super::dice::Dice;
use super::scenario;
use super::script::{Disturb, Mishap, Script};
use super::shell::{Around, Shell, converge};
use super::world::{Profile, World};
use deploy_core::machine::{Claim, Effect, Seen, reconcile};
use deploy_core::planner::{self, Known};
use deploy_core::time::after;
use deploy_core::{
    Actor, Ask, DeploymentId, Event, InstanceId, Name, Record, Release, Request, Result, Signal, Status, Timestamp,
    TrackRef, What,
};
use deploy_strategies::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A call of a dead engine that lands later.
#[derive(Debug, Clone)]
struct Late {
    at: Timestamp,
    record: Arc<Record>,
    seen: Arc<Seen>,
    effect: Effect,
}

/// One run.
#[derive(Debug)]
pub struct Run {
    /// What it replays.
    pub seed: u64,
    /// The world.
    pub world: World,
    /// What was brought in before.
    pub known: Known,
    strategies: Registry,
    dice: Dice,
    epoch: u64,
    renewed: Option<Timestamp>,
    serial: u32,
    late: Vec<Late>,
    /// Everybody is well and reachable: nobody may be unserved.
    pub gentle: bool,
    /// The newest engine that was told of its token being taken, by track: it decides from then on.
    decided: BTreeMap<TrackRef, u64>,
    /// When the newest engine began; while none lives nobody new is admitted.
    pub lives_since: Timestamp,
    /// The disturbance of the script has taken place.
    pub disturbed: bool,
    /// What befalls the world, and when.
    pub mishaps: Vec<(Timestamp, Mishap)>,
    /// The looks of the newest deployment.
    pub looks: u32,
    /// Events of all deployments, in order.
    pub history: Vec<(Record, Vec<Event>)>,
}

impl Run {
    /// A run in an empty world.
    pub fn new(seed: u64, profile: Profile) -> Self {
        let mut dice = Dice::new(seed ^ 0xD1CE);
        Self {
            seed,
            world: World::new(dice.roll(), profile),
            known: Known::default(),
            strategies: Registry::default(),
            dice,
            epoch: 0,
            renewed: None,
            serial: 0,
            late: Vec::new(),
            gentle: true,
            lives_since: Timestamp::MIN,
            decided: BTreeMap::new(),
            disturbed: false,
            mishaps: Vec::new(),
            looks: 0,
            history: Vec::new(),
        }
    }

    /// Brings a release to production and returns how it ended.
    ///
    /// # Errors
    /// Where the request makes no sense.
    pub fn deploy(&mut self, release: Release, script: &Script) -> Result<Status> {
        self.request(Request::new(release, Name::new("production")?), script)
    }

    /// Runs a request to its end.
    ///
    /// # Errors
    /// Where the request makes no sense.
    pub fn request(&mut self, request: Request, script: &Script) -> Result<Status> {
        self.serial += 1;
        let id = DeploymentId::new(format!("d{}", self.serial));
        let (release, environment) = (request.release.clone(), request.environment.clone());
        let tracks: BTreeSet<TrackRef> = planner::tracks(&release, &environment, &self.known)?.into_iter().collect();
        let what = What::Requested { request: Box::new(request), actor: Actor::new("tester") };
        let first = Event { number: 1, at: self.world.now, what };
        let record = Record::fold(&id, [first.clone()])?;
        let mut deployment =
            Deployment { record, events: vec![first], tracks, signals: Vec::new(), kills: 0, asked: 0, shell: None };
        self.note(&format!("deploy {} as {id}", release.version()));
        self.drive_to_the_end(&mut deployment, script);
        check::end(self, &deployment.record, &deployment.events);
        let status = deployment.record.status();
        self.known.add(&release, &environment)?;
        if status == Status::Completed {
            self.known.completed(&release, &environment)?;
        }
        self.history.push((deployment.record, deployment.events));
        Ok(status)
    }

    fn note(&mut self, line: &str) {
        self.world.trail.note(self.world.now, line);
    }

    fn drive_to_the_end(&mut self, deployment: &mut Deployment, script: &Script) {
        let begun = self.world.now;
        self.looks = 0;
        while !deployment.record.way.is_ended() {
            self.looks += 1;
            if self.looks > 30_000 || check::is_too_late(deployment.record.created, &deployment.record, self.world.now)
            {
                let status = deployment.record.status();
                self.world.trail.broken(
                    self.world.now,
                    "G5",
                    format!("it does not end: {status} after {} looks", self.looks),
                );
                return;
            }
            deployment.ask(script, begun, self.world.now);
            self.disturb(deployment, script);
            let next = self.step(deployment, script);
            if !deployment.record.way.is_ended() {
                self.pass_to(next);
            }
        }
    }

    /// Does what the script says at its stage, once.
    fn disturb(&mut self, deployment: &mut Deployment, script: &Script) {
        let Some((at, disturb)) = script.disturb.as_ref().filter(|(at, _)| deployment.is_at(*at) && !self.disturbed)
        else {
            return;
        };
        self.disturbed = true;
        self.note(&format!("disturbed at stage {at}: {disturb:?}"));
        let now = self.world.now;
        let late = after(now, Duration::from_secs(30));
        match disturb {
            Disturb::Kill => {
                deployment.shell = None;
                self.pass(Duration::from_secs(30));
            }
            Disturb::Restart => deployment.shell = None,
            Disturb::Errors => (self.world.faults.rate, self.world.faults.until) = (60, late),
            Disturb::Slow => self.world.start = (20_000, 40_000),
            Disturb::Partition if self.world.profile == Profile::Instant => {
                let host = self.world.hosts.keys().next().cloned().unwrap_or_default();
                self.world.faults.cuts.push((host, now, late));
            }
            Disturb::Partition => self.world.faults.outages.push((now, late)),
            Disturb::Ask(ask) => deployment.signal(ask.clone(), now),
        }
    }

    /// One look, with all that follows from it; returns when the next is due.
    fn step(&mut self, deployment: &mut Deployment, script: &Script) -> Timestamp {
        let now = self.world.now;
        let mut shell = self.engine(deployment);
        let seen = shell.look(&mut self.world, &deployment.record, &deployment.signals);
        let next = reconcile(&deployment.record, &seen, now);
        if self.is_killed(deployment, script) {
            return self.gap(deployment, None);
        }
        let before = deployment.record.clone();
        for what in next.events {
            let event = Event { number: deployment.record.version + 1, at: now, what };
            self.note(&check::words(&event.what));
            check::event(self, &event);
            if let What::Fenced { track } = &event.what {
                self.decided.insert(track.clone(), self.epoch);
            }
            deployment.record.apply(&event);
            deployment.events.push(event);
        }
        check::look(self, &before, &deployment.record, &seen, &next.effects);
        self.renewed = Some(now);
        let mut busy = before.version != deployment.record.version;
        for effect in &next.effects {
            if self.is_killed(deployment, script) {
                return self.gap(deployment, Some((&seen, effect)));
            }
            let around = Around { strategies: &self.strategies, known: &self.known, outside: &script.outside };
            match shell.perform(&mut self.world, &deployment.record, &seen, effect, &around) {
                Ok(news) => busy |= news,
                Err(error) => self.world.trail.broken(now, "G7", format!("the living engine was fenced: {error}")),
            }
        }
        let wake =
            next.effects.iter().find_map(|effect| if let Effect::Wake { at } = effect { Some(*at) } else { None });
        let probe = shell.next_probe(now);
        deployment.shell = Some(shell);
        if busy {
            return after(now, self.dice.millis(5, 120));
        }
        let longest = after(now, Duration::from_secs(30));
        let soonest = after(now, Duration::from_millis(20));
        let due = [wake, probe, self.world.next_change(), deployment.next_ask(script, now)].into_iter().flatten();
        due.filter(|at| *at > now).min().unwrap_or(longest).min(longest).max(soonest)
    }

    /// The engine that lives, or a new one.
    fn engine(&mut self, deployment: &mut Deployment) -> Shell {
        deployment.shell.take().unwrap_or_else(|| {
            self.epoch += 1;
            let claim = Claim { epoch: self.epoch, renewed_before: self.renewed };
            self.note(&format!("engine {} lives", self.epoch));
            self.lives_since = self.world.now;
            Shell::new(claim, &deployment.record, &deployment.tracks, self.world.now)
        })
    }

    fn is_killed(&mut self, deployment: &mut Deployment, script: &Script) -> bool {
        let killed = deployment.kills < script.most_kills && self.dice.chance(script.kills);
        deployment.kills += u32::from(killed);
        killed
    }

    /// The engine dies; a call of it may land later.
    fn gap(&mut self, deployment: &Deployment, call: Option<(&Seen, &Effect)>) -> Timestamp {
        let now = self.world.now;
        self.note("the engine is killed");
        self.lives_since = Timestamp::MAX;
        if let Some((seen, effect)) = call.filter(|_| self.dice.chance(60)) {
            let at = after(now, self.dice.millis(0, 120_000));
            let (record, seen) = (Arc::new(deployment.record.clone()), Arc::new(seen.clone()));
            self.late.push(Late { at, record, seen, effect: effect.clone() });
        }
        after(now, self.dice.millis(10, 60_000))
    }

    /// Lets time pass; late calls land on the way, and everybody is served.
    fn pass_to(&mut self, to: Timestamp) {
        while let Some(index) = self.late.iter().position(|late| late.at <= to) {
            let late = self.late.swap_remove(index);
            self.world.advance(late.at.max(self.world.now));
            self.land(&late);
        }
        while let Some(index) = self.mishaps.iter().position(|(at, _)| *at <= to) {
            let (at, mishap) = self.mishaps.swap_remove(index);
            self.world.advance(at.max(self.world.now));
            self.befall(mishap);
        }
        self.world.advance(to);
        check::served(self);
    }

    /// Lets time pass between deployments.
    pub fn pass(&mut self, span: Duration) {
        let to = after(self.world.now, span);
        while self.world.now < to {
            self.pass_to(after(self.world.now, Duration::from_secs(1)).min(to));
        }
    }

    fn befall(&mut self, mishap: Mishap) {
        let now = self.world.now;
        let Some(site) = scenario::track("web").ok().and_then(|track| self.world.sites.get_mut(&track)) else { return };
        let running: Vec<_> = site.units.iter().enumerate().filter(|(_, unit)| unit.runs()).collect();
        let Some((first, unit)) = self.dice.pick(&running).copied() else { return };
        let side = unit.side.clone();
        for (index, unit) in site.units.iter_mut().enumerate().filter(|(_, unit)| unit.runs() && unit.side == side) {
            match mishap {
                Mishap::CrashOne if index == first => unit.crash_at = Some(now),
                Mishap::SickenOne(span) if index == first => unit.sick = Some((now, after(now, span))),
                Mishap::CrashSide => unit.crash_at = Some(now),
                Mishap::SickenSide(span) => unit.sick = Some((now, after(now, span))),
                _ => {}
            }
        }
        site.age(now);
        if let Some(control) = &mut site.control {
            control.wake(now);
        }
        self.note(&format!("mishap: {mishap:?} of {side}"));
    }

    /// G7: a call of a dead engine changes nothing once its successor has written.
    fn land(&mut self, late: &Late) {
        let now = self.world.now;
        let old = late.seen.lease.epoch;
        let (track, done) = match &late.effect {
            Effect::Converge { track, written_off, paused } => {
                let done = converge(&mut self.world, &late.record, &late.seen, track, written_off, *paused, now);
                (track, done.map(|_| ()))
            }
            Effect::Task { run, act, token } => (&run.track, self.world.task(run, *act, *token).map(|_| ())),
            Effect::Prepare { track, revisions, token } => (track, self.world.prepare(track, revisions, *token)),
            Effect::Fence { track, token } => (track, self.world.fence(track, *token).map(|_| ())),
            _ => return,
        };
        let held = self.world.site(track).token.epoch > old;
        self.note(&format!(
            "a late call of engine {old} lands: {:?}",
            done.as_ref().err().map(deploy_core::Error::kind)
        ));
        let decided = self.decided.get(track).is_some_and(|epoch| *epoch > old);
        if decided && (done.is_ok() || !held) && !matches!(late.effect, Effect::Fence { .. }) {
            self.world.trail.broken(now, "G7", format!("a late call of engine {old} was taken"));
        }
    }

    /// The instances that run of a workload, by side, in truth.
    pub fn standing(&self, workload: &str) -> BTreeMap<String, Vec<InstanceId>> {
        let mut standing: BTreeMap<String, Vec<InstanceId>> = BTreeMap::new();
        let site = scenario::track(workload).ok().and_then(|track| self.world.sites.get(&track));
        for unit in site.into_iter().flat_map(|site| &site.units).filter(|unit| unit.runs()) {
            standing.entry(unit.side.to_string()).or_default().push(unit.id.clone());
        }
        standing
    }
}

/// A deployment under way.
#[derive(Debug)]
struct Deployment {
    record: Record,
    events: Vec<Event>,
    tracks: BTreeSet<TrackRef>,
    signals: Vec<Signal>,
    kills: u32,
    asked: usize,
    shell: Option<Shell>,
}

impl Deployment {
    fn ask(&mut self, script: &Script, begun: Timestamp, now: Timestamp) {
        while let Some((_, ask)) = script.asks.get(self.asked).filter(|(span, _)| after(begun, *span) <= now) {
            self.asked += 1;
            self.signal(ask.clone(), now);
        }
    }

    fn signal(&mut self, ask: Ask, now: Timestamp) {
        let number = self.signals.len() as u64 + 1;
        self.signals.push(Signal { number, ask, actor: Actor::new("somebody"), at: now });
    }

    /// Whether `web` has reached a stage, those after the commit counted on.
    fn is_at(&self, at: usize) -> bool {
        let Some((planned, state)) = scenario::track("web").ok().and_then(|track| self.record.track(&track)) else {
            return false;
        };
        let begun = state.point > deploy_core::Point::Before(0) && state.point < deploy_core::Point::Done;
        let stage = match self.record.way {
            deploy_core::Way::Forward { .. } => state.stage,
            deploy_core::Way::After { .. } => planned.before.len() + state.stage,
            _ => return false,
        };
        begun && stage == at
    }

    fn next_ask(&self, script: &Script, now: Timestamp) -> Option<Timestamp> {
        let (span, _) = script.asks.get(self.asked)?;
        Some(after(self.record.created, *span)).filter(|at| *at > now)
    }
}
