//! One run: deployments one after the other in one world, with engines that die and people who ask.

use super::check;
use super::deployment::Deployment;
use super::dice::Dice;
use super::late::Late;
use super::ledger::Ledger;
use super::profile::Profile;
use super::scenario;
use super::script::{Mishap, Script};
use super::world::World;
use deploy_core::planner::{self, Known};
use deploy_core::time::after;
use deploy_core::{
    DeploymentId, Event, InstanceId, Name, Record, Release, Request, Result, Status, Timestamp, TrackRef,
};
use deploy_strategies::Registry;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// One run.
#[derive(Debug)]
pub struct Run {
    /// What it replays.
    pub seed: u64,
    /// The world.
    pub world: World,
    /// What was brought in before.
    pub known: Known,
    pub(super) strategies: Registry,
    pub(super) dice: Dice,
    pub(super) ledger: Ledger,
    /// How many engines have lived.
    pub(super) engines: u32,
    serial: u32,
    pub(super) late: Vec<Late>,
    /// When a late call last did what it may do within its window.
    pub(super) astray: Option<Timestamp>,
    /// Those that wait for their turn, first come, first served.
    pub(super) queue: VecDeque<Deployment>,
    /// Everybody is well and reachable: nobody may be unserved.
    pub gentle: bool,
    /// One was superseded that could not go back: what it left is the next one's to mend.
    pub left: bool,
    /// The newest engine that was told of its token being taken, by track: it decides from then on.
    pub(super) decided: BTreeMap<TrackRef, u64>,
    /// When the newest engine began; while none lives nobody new is admitted.
    pub lives_since: Timestamp,
    /// The disturbance of the script has taken place.
    pub disturbed: bool,
    /// What befalls the world, and when.
    pub mishaps: Vec<(Timestamp, Mishap)>,
    /// The looks of the newest deployment.
    pub looks: u32,
    /// The looks of all deployments.
    pub all_looks: u64,
    /// How often an engine was killed.
    pub kills: u32,
    /// How many late calls of dead engines have landed.
    pub calls: u32,
    /// Events of all deployments, in order.
    pub history: Vec<(Record, Vec<Event>)>,
}

impl Run {
    /// A run in an empty world.
    pub fn new(seed: u64, profile: Profile) -> Self {
        let mut dice = Dice::new(seed ^ 0xD1CE);
        let world = World::new(dice.roll(), profile);
        Self {
            seed,
            ledger: Ledger::new(world.now),
            world,
            known: Known::default(),
            strategies: Registry::default(),
            dice,
            engines: 0,
            serial: 0,
            late: Vec::new(),
            astray: None,
            queue: VecDeque::new(),
            gentle: true,
            left: false,
            decided: BTreeMap::new(),
            lives_since: Timestamp::MIN,
            disturbed: false,
            mishaps: Vec::new(),
            looks: 0,
            all_looks: 0,
            kills: 0,
            calls: 0,
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

    /// Runs a request to its end, and after it those that came meanwhile and waited; returns how the first ended.
    ///
    /// # Errors
    /// Where the request makes no sense.
    #[allow(clippy::needless_pass_by_value, reason = "who asks has no more use for it")]
    pub fn request(&mut self, mut request: Request, script: &Script) -> Result<Status> {
        request.release = self.world.profile.own(&request.release)?;
        let id = self.next_id();
        let record = self.ledger.create(self.world.now, &id, &request)?;
        let events = self.ledger.events(&id);
        let status = self.bring(Deployment::new(record, events), script)?;
        while let Some(next) = self.queue.pop_front() {
            let calm = Script { outside: script.outside.clone(), ..Script::default() };
            self.bring(next, &calm)?;
        }
        self.ledger.release(self.world.now);
        Ok(status)
    }

    /// Takes one deployment to its end.
    fn bring(&mut self, mut deployment: Deployment, script: &Script) -> Result<Status> {
        let (release, environment) =
            (deployment.record.request.release.clone(), deployment.record.request.environment.clone());
        deployment.tracks = planner::tracks(&release, &environment, &self.known)?.into_iter().collect();
        self.note(&format!("deploy {} as {}", release.version(), deployment.record.id));
        self.left = false;
        self.drive_to_the_end(&mut deployment, script)?;
        check::end(self, &deployment.record, &deployment.events);
        let status = deployment.record.status();
        self.known.add(&release, &environment)?;
        if status == Status::Completed {
            self.known.completed(&release, &environment)?;
        }
        self.history.push((deployment.record, deployment.events));
        Ok(status)
    }

    pub(super) fn next_id(&mut self) -> DeploymentId {
        self.serial += 1;
        DeploymentId::new(format!("d{}", self.serial))
    }

    pub(super) fn note(&mut self, line: &str) {
        self.world.trail.note(self.world.now, line);
    }

    /// Lets time pass; late calls land on the way, and everybody is served.
    pub(super) fn pass_to(&mut self, to: Timestamp) {
        self.late_until(to);
        self.mishaps_until(to);
        self.world.advance(to.max(self.world.now));
        check::served(self);
    }

    /// Lets time pass between deployments.
    pub fn pass(&mut self, span: Duration) {
        let to = after(self.world.now, span);
        while self.world.now < to {
            self.pass_to(after(self.world.now, Duration::from_secs(1)).min(to));
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
