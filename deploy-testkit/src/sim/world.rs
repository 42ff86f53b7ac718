//! A simulated world: platforms, hosts, routers, tasks, and what goes wrong with them, in virtual time.

use super::control::Control;
use super::dice::Dice;
use super::errand::Errand;
use super::faults::Faults;
use super::profile::{Lack, Profile};
use super::site::Site;
use super::trail::Trail;
use super::unit::Temper;
use deploy_core::{
    Error, InstanceId, Kind, Name, Observed, Order, Release, Result, Revision, RevisionId, TaskAct, TaskOutcome,
    TaskRun, Timestamp, Token, TrackRef, Turn,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The world of one run.
#[derive(Debug)]
pub struct World {
    /// Now, by the store's clock and everybody's.
    pub now: Timestamp,
    /// How its platforms behave.
    pub profile: Profile,
    /// Chance.
    pub dice: Dice,
    /// One per workload and target.
    pub sites: BTreeMap<TrackRef, Box<Site>>,
    /// The nature of each revision; well where it is not named.
    pub tempers: BTreeMap<RevisionId, Temper>,
    /// Tasks by their stable key.
    pub errands: BTreeMap<String, Errand>,
    /// So many percent of the tasks fail.
    pub failing_tasks: u32,
    /// What goes wrong.
    pub faults: Faults,
    /// Hosts, each with so many slots.
    pub hosts: BTreeMap<String, u32>,
    /// How long an instance takes to become well, least and most milliseconds.
    pub start: (u64, u64),
    /// What its platforms cannot do although others of the profile can.
    pub lacks: BTreeSet<Lack>,
    /// By so many milliseconds the platforms' own clock is off.
    pub skew: i64,
    /// Those that ran when the call under way was decided: what a move is judged by.
    pub(super) sighted: BTreeSet<InstanceId>,
    /// When the call under way compared its token, where its platform cannot compare and set.
    pub(super) compared: Option<Timestamp>,
    /// What happened.
    pub trail: Trail,
}

impl World {
    /// A world where nothing runs yet and nothing goes wrong.
    pub fn new(seed: u64, profile: Profile) -> Self {
        let begin = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        Self {
            now: begin,
            profile,
            dice: Dice::new(seed),
            sites: BTreeMap::new(),
            tempers: BTreeMap::new(),
            errands: BTreeMap::new(),
            failing_tasks: 0,
            faults: Faults::default(),
            hosts: profile.hosts(),
            start: (200, 3_000),
            lacks: BTreeSet::new(),
            skew: 0,
            sighted: BTreeSet::new(),
            compared: None,
            trail: Trail::default(),
        }
    }

    /// The platform of a workload; made where it is asked for the first time.
    pub fn site(&mut self, track: &TrackRef) -> &mut Site {
        let control = self.profile.has_controller().then(Control::default);
        self.sites.entry(track.clone()).or_insert_with(|| Box::new(Site::new(track.clone(), control)))
    }

    /// What runs now; on a lagging platform, a while ago.
    ///
    /// # Errors
    /// `Unavailable` where the seed says so.
    pub fn observe(&mut self, track: &TrackRef) -> Result<Observed> {
        self.risky("observe", |world| {
            Ok(if world.profile.has_controller() {
                world.observe_controller(track)
            } else {
                world.observe_instant(track)
            })
        })
    }

    /// Takes an order further.
    ///
    /// # Errors
    /// `Fenced` for an older token; `Unavailable` where the seed says so.
    pub fn converge(&mut self, order: &Order<'_>) -> Result<Turn> {
        self.risky("converge", |world| {
            world.raise(order.track, order.token)?;
            world.is_possible(order);
            world.site(order.track).floor = order.floor;
            if world.profile.has_controller() {
                world.converge_controller(order)
            } else {
                world.converge_instant(order)
            }
        })
    }

    /// Raises the mark and returns the newest that stands.
    ///
    /// # Errors
    /// `Unavailable` where the seed says so.
    pub fn fence(&mut self, track: &TrackRef, token: Token) -> Result<Token> {
        self.risky("fence", |world| {
            let now = world.now;
            let site = world.site(track);
            site.token = site.token.max(token);
            let newest = site.token;
            world.trail.note(now, format!("fence {} {token}, stands {newest}", track.workload));
            Ok(newest)
        })
    }

    /// The newest token that wrote.
    ///
    /// # Errors
    /// `Unavailable` where the seed says so.
    pub fn token(&mut self, track: &TrackRef) -> Result<Token> {
        self.risky("token", |world| Ok(world.site(track).token))
    }

    /// Compares a token, and sets it. Where the platform cannot do both in one, it was compared a while ago.
    pub(crate) fn raise(&mut self, track: &TrackRef, token: Token) -> Result<()> {
        let newest = self.site(track).token;
        if self.compared.is_some() {
            return Ok(());
        }
        if token < newest {
            return Err(Error::new(Kind::Fenced, format!("the token {token} is older than {newest}, which stands")));
        }
        self.site(track).token = token;
        Ok(())
    }

    /// Ships bits.
    ///
    /// # Errors
    /// `Fenced`; `Unavailable` where the seed says so.
    pub fn prepare(&mut self, track: &TrackRef, revisions: &[Revision], token: Token) -> Result<()> {
        self.risky("prepare", |world| {
            world.raise(track, token)?;
            world.site(track).prepared.extend(revisions.iter().map(|revision| revision.id.clone()));
            Ok(())
        })
    }

    /// Starts, looks at or bars a task.
    ///
    /// # Errors
    /// `Fenced`; `Unavailable` where the seed says so.
    pub fn task(&mut self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        self.risky("task", |world| {
            world.raise(&run.track, token)?;
            Ok(world.errand(run, act))
        })
    }

    /// Forgets a workload.
    ///
    /// # Errors
    /// `Fenced`; `Unavailable` where the seed says so.
    pub fn remove(&mut self, track: &TrackRef, token: Token) -> Result<()> {
        self.risky("remove", |world| {
            world.raise(track, token)?;
            let now = world.now;
            let left = world.site(track).units.iter().filter(|unit| unit.runs()).count();
            if left > 0 {
                world.trail.broken(now, "G2", format!("{track} is removed while {left} run"));
            }
            world.site(track).forget();
            Ok(())
        })
    }

    /// Lets time pass.
    pub fn advance(&mut self, to: Timestamp) {
        while let Some(next) = self.next_change().filter(|next| *next < to) {
            self.pass(next);
        }
        self.pass(to);
    }

    fn pass(&mut self, to: Timestamp) {
        self.now = self.now.max(to);
        let now = self.now;
        self.reboot_those_due();
        for site in self.sites.values_mut() {
            site.age(now);
        }
        if self.profile.has_controller() {
            let tracks: Vec<_> = self.sites.keys().cloned().collect();
            tracks.iter().for_each(|track| self.control(track));
        }
    }

    /// The next time at which something changes by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        let tasks = self.errands.values().map(|errand| errand.ends);
        let sites = self.sites.values().filter_map(|site| site.next_change(self.now));
        self.faults.changes().chain(tasks).chain(sites).filter(|at| *at > self.now).min()
    }

    /// Gives the instances of a release's `web` a nature.
    ///
    /// # Errors
    /// `NotFound` where it has none in production.
    pub fn give(&mut self, release: &Release, temper: Temper) -> Result<()> {
        let own = self.profile.own(release)?;
        let resolved = own.resolve(&Name::new("production")?, &Name::new("web")?)?;
        self.tempers.insert(resolved.revision.id, temper);
        Ok(())
    }

    /// The nature of a revision's instances.
    pub fn temper(&self, revision: &RevisionId) -> Temper {
        self.tempers.get(revision).copied().unwrap_or_default()
    }

    pub(crate) fn start_span(&mut self) -> Duration {
        let (least, most) = self.start;
        self.dice.millis(least, most)
    }
}
