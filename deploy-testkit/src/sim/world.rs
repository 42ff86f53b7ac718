//! A simulated world: platforms, hosts, routers, tasks, and what goes wrong with them, in virtual time.

use super::control::Control;
use super::dice::Dice;
use super::site::Site;
use super::trail::Trail;
use super::unit::Temper;
use deploy_core::time::after;
use deploy_core::{
    Capabilities, Error, Evidence, Fence, Kind, Observed, Order, Places, Prober, Result, Revision, RevisionId, Share,
    TaskAct, TaskOutcome, TaskRun, Timestamp, Token, TrackRef, Turn,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a simulated platform behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Single instances, decided by `deploy_fleet::moves`, behind a router whose word is the data plane's.
    Instant,
    /// A lagging controller of its own: counts, stale reads, stable names, a router whose word is only accepted.
    Controller,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Instant, Self::Controller];
}

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// So many percent of the calls go wrong, before or after their effect.
    pub rate: u32,
    /// None do from then on.
    pub until: Timestamp,
    /// Hosts that cannot be reached for a while.
    pub cuts: Vec<(String, Timestamp, Timestamp)>,
    /// Whole platforms that cannot be reached for a while.
    pub outages: Vec<(Timestamp, Timestamp)>,
}

/// A task that was started, or barred, as the platform has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// It ends then.
    pub ends: Timestamp,
    /// How it ends.
    pub outcome: TaskOutcome,
    /// How often it was started in effect.
    pub started: u32,
}

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
    pub sites: BTreeMap<TrackRef, Site>,
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
            hosts: (0..4).map(|host| (format!("host-{host}"), 8)).collect(),
            start: (200, 3_000),
            trail: Trail::default(),
        }
    }

    /// The platform of a workload; made where it is asked for the first time.
    pub fn site(&mut self, track: &TrackRef) -> &mut Site {
        let control = (self.profile == Profile::Controller).then(Control::default);
        self.sites.entry(track.clone()).or_insert_with(|| Site::new(track.clone(), control))
    }

    /// What the platform of a workload can do.
    pub fn capabilities(&self, _track: &TrackRef) -> Capabilities {
        match self.profile {
            Profile::Instant => Capabilities { slots: Some(self.hosts.values().sum()), ..Capabilities::all() },
            Profile::Controller => Capabilities {
                slots: None,
                evidence: Evidence::Accepted,
                fence: Fence::Atomic,
                finest: Share::percent(1),
                places: Places::HomeAndAside,
                prober: Prober::Platform,
                autoscaler: true,
                propagation: super::control::PROPAGATION,
                ..Capabilities::all()
            },
        }
    }

    /// Whether a call goes wrong, and when: before its effect, or after it.
    pub(crate) fn strike(&mut self) -> Strike {
        let out = self.faults.outages.iter().any(|(from, to)| (*from..*to).contains(&self.now));
        if out {
            return Strike::Before;
        }
        if self.now >= self.faults.until || !self.dice.chance(self.faults.rate) {
            return Strike::None;
        }
        if self.dice.chance(50) { Strike::Before } else { Strike::After }
    }

    /// Whether a host can be reached.
    pub(crate) fn reaches(&self, host: &str) -> bool {
        !self.faults.cuts.iter().any(|(cut, from, to)| cut == host && (*from..*to).contains(&self.now))
    }

    /// Does something that may go wrong before or after its effect.
    pub(crate) fn risky<T>(&mut self, what: &str, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let broke = |when: &str| Error::new(Kind::Unavailable, format!("{what} broke {when}"));
        match self.strike() {
            Strike::Before => Err(broke("off")),
            Strike::None => act(self),
            Strike::After => act(self).and_then(|_| Err(broke("after its effect"))),
        }
    }

    /// What runs now; on a lagging platform, a while ago.
    ///
    /// # Errors
    /// `Unavailable` where the seed says so.
    pub fn observe(&mut self, track: &TrackRef) -> Result<Observed> {
        self.risky("observe", |world| {
            Ok(match world.profile {
                Profile::Instant => world.observe_instant(track),
                Profile::Controller => world.observe_controller(track),
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
            match world.profile {
                Profile::Instant => world.converge_instant(order),
                Profile::Controller => world.converge_controller(order),
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

    pub(crate) fn raise(&mut self, track: &TrackRef, token: Token) -> Result<()> {
        let newest = self.site(track).token;
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

    fn errand(&mut self, run: &TaskRun, act: TaskAct) -> TaskOutcome {
        let (now, key) = (self.now, run.key.clone());
        let ends = after(now, self.dice.millis(100, 20_000));
        let outcome = if self.dice.chance(self.failing_tasks) {
            TaskOutcome::Failed("exit status 1".into())
        } else {
            TaskOutcome::Done
        };
        match (act, self.errands.get_mut(&key)) {
            (TaskAct::Start, None) => {
                self.trail.note(now, format!("task {key} starts"));
                self.undo_in_order(run);
                self.errands.insert(key, Errand { ends, outcome, started: 1 });
                TaskOutcome::Running
            }
            (TaskAct::Look, None) => TaskOutcome::NotStarted,
            (TaskAct::Bar, None) => {
                self.trail.note(now, format!("task {key} is barred before it began"));
                self.errands.insert(key, Errand { ends: now, outcome: TaskOutcome::Barred, started: 0 });
                TaskOutcome::Barred
            }
            (TaskAct::Bar, Some(errand)) if errand.ends > now => {
                self.trail.note(now, format!("task {key} is barred as it runs"));
                (errand.ends, errand.outcome) = (now, TaskOutcome::Barred);
                TaskOutcome::Barred
            }
            (_, Some(errand)) if errand.ends > now => TaskOutcome::Running,
            (_, Some(errand)) => errand.outcome.clone(),
        }
    }

    /// G6: no undo starts while what it undoes runs or may still start.
    fn undo_in_order(&mut self, run: &TaskRun) {
        let Some((before, name)) = run.key.split_once("/back/") else { return };
        let Some(first) = name.strip_suffix("-undo") else { return };
        let key = format!("{before}/{first}");
        let over = self.errands.get(&key).is_some_and(|errand| errand.ends <= self.now);
        if !over {
            self.trail.broken(self.now, "G6", format!("{} starts while {key} runs or may start", run.key));
        }
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
        for site in self.sites.values_mut() {
            site.age(now);
        }
        if self.profile == Profile::Controller {
            let tracks: Vec<_> = self.sites.keys().cloned().collect();
            tracks.iter().for_each(|track| self.control(track));
        }
    }

    /// The next time at which something changes by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        let cuts = self.faults.cuts.iter().flat_map(|(_, from, to)| [*from, *to]);
        let outages = self.faults.outages.iter().flat_map(|(from, to)| [*from, *to]);
        let tasks = self.errands.values().map(|errand| errand.ends);
        let sites = self.sites.values().filter_map(|site| site.next_change(self.now));
        cuts.chain(outages).chain(tasks).chain(sites).filter(|at| *at > self.now).min()
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

/// Whether and when a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    /// It goes well.
    None,
    /// Nothing was done.
    Before,
    /// It was done, but nobody is told.
    After,
}
