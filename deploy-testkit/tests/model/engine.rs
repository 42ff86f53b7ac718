//! An engine that has the deployment: what it keeps in memory, and the calls it has in hand.

use super::world::{Life, World};
use deploy_core::machine::{Call, Captured, Claim, Effect, Problem, Seen, TrackSeen, order};
use deploy_core::planner::{self, Known, Planning};
use deploy_core::{
    Capabilities, Error, Folded, Health, InstanceId, Kind, Observed, Record, Result, Timestamp, TrackRef,
};
use deploy_strategies::Registry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A call with what it rests on.
#[derive(Debug, Clone)]
pub struct Asked {
    pub record: Arc<Record>,
    pub seen: Arc<Seen>,
    pub effect: Effect,
}

/// How a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Luck {
    Good,
    /// Nothing was done.
    Lost,
    /// It was done, and the answer was lost.
    Mute,
    /// It was half done: the router was told.
    Half,
}

#[derive(Debug, Clone)]
pub struct Engine {
    pub claim: Claim,
    pub tracks: BTreeMap<TrackRef, TrackSeen>,
    probed: BTreeMap<InstanceId, Folded>,
    plan: Option<Result<Arc<deploy_core::Plan>, Problem>>,
    /// What the last look saw.
    pub seen: Option<Arc<Seen>>,
    /// What is to be called, in this order.
    pub pending: VecDeque<Asked>,
    /// Calls without an answer yet; none like them is made meanwhile.
    pub in_hand: Vec<Asked>,
    /// When it is worth a look although nothing happens, by who says so.
    pub wake: Option<Timestamp>,
    pub again: BTreeMap<TrackRef, Timestamp>,
    /// The last look and its calls brought nothing new.
    pub idle: bool,
    pub news: bool,
}

impl Engine {
    pub fn new(claim: Claim, record: &Record, tracks: &[TrackRef]) -> Self {
        let known = record.tracks.values().flat_map(|state| &state.health);
        Self {
            claim,
            tracks: tracks.iter().map(|track| (track.clone(), TrackSeen::default())).collect(),
            probed: known.map(|(id, folded)| (id.clone(), Folded { fresh: false, ..*folded })).collect(),
            plan: None,
            seen: None,
            pending: VecDeque::new(),
            in_hand: Vec::new(),
            wake: None,
            again: BTreeMap::new(),
            idle: false,
            news: false,
        }
    }

    /// Everything that is seen now. Whom it sees for the first time it has not probed yet.
    pub fn look(&mut self, world: &mut World, record: &Record) -> Seen {
        // Who was carried over from the record is probed by the next look.
        let (first, now) = (self.seen.is_none(), world.now);
        let mut probed = BTreeMap::new();
        for (track, seen) in &mut self.tracks {
            seen.observed = Some(Arc::new(world.observe(track)));
            seen.health.clear();
            for unit in world.site(track).units.iter().filter(|unit| unit.life != Life::Exited) {
                let folded = match self.probed.get(&unit.id) {
                    None => Folded { health: Health::Unknown, since: now, fresh: false },
                    Some(known) if first => *known,
                    Some(known) => probe(*known, unit.life, now),
                };
                probed.insert(unit.id.clone(), folded);
                seen.health.insert(unit.id.clone(), record.settle_health(track, &unit.id, folded));
            }
        }
        self.probed = probed;
        let tracks = self.tracks.iter().map(|(track, seen)| (track.clone(), Arc::new(seen.clone()))).collect();
        Seen { lease: self.claim, tracks, plan: self.plan.clone(), ..Seen::default() }
    }

    /// Whether a call like this one is in hand.
    pub fn is_in_hand(&self, effect: &Effect) -> bool {
        self.in_hand.iter().any(|asked| key(&asked.effect) == key(effect))
    }

    /// Makes a call and takes its answer.
    pub fn make(&mut self, world: &mut World, asked: &Asked, luck: Luck, around: &Around) {
        match &asked.effect {
            Effect::Plan => {
                let plan = self.planned(world, &asked.record, around).map(Arc::new).map_err(Problem::from);
                self.news |= self.plan.as_ref() != Some(&plan);
                self.plan = Some(plan);
            }
            Effect::Capture { track, instances } => {
                let kept = instances.iter().map(|id| (id.clone(), Captured::default()));
                self.tracks.entry(track.clone()).or_default().evidence.extend(kept);
                self.news = true;
            }
            _ => self.call(world, asked, luck),
        }
    }

    fn call(&mut self, world: &mut World, asked: &Asked, luck: Luck) {
        let Some((track, call)) = key(&asked.effect) else { return };
        let told = world.site(&track).token;
        let lost = |when: &str| Error::new(Kind::Unavailable, format!("the call was lost {when}"));
        let done = match luck {
            Luck::Lost => Err(lost("on its way")),
            Luck::Mute => perform(world, asked, false).and_then(|_| Err(lost("on its way back"))),
            Luck::Good | Luck::Half => perform(world, asked, luck == Luck::Half),
        };
        // Its token shows that an order was taken, although nothing may have moved.
        self.news |= world.site(&track).token != told;
        let seen = self.tracks.entry(track.clone()).or_default();
        match &done {
            Ok(answer) => {
                self.news |= seen.problems.remove(&call).is_some() | answer.is_news(seen);
                answer.take(seen);
                if let Answer::Turn(turn) = answer {
                    self.news |= turn.moved;
                    self.again.remove(&track);
                    self.again.extend(turn.again_at.map(|at| (track.clone(), at)));
                }
            }
            Err(error) if error.kind() == Kind::Fenced => {
                world.breaks("G7", format_args!("the living engine: {error}"));
            }
            Err(error) => {
                seen.problems.insert(call, Problem::from(error));
                self.news = true;
            }
        }
    }

    fn planned(&self, world: &World, record: &Record, around: &Around) -> Result<deploy_core::Plan> {
        let observed = |(track, seen): (&TrackRef, &TrackSeen)| {
            let observed = Observed::clone(seen.observed.as_ref()?);
            Some((track.clone(), (Capabilities { slots: Some(8), ..Capabilities::all() }, observed)))
        };
        planner::plan(&Planning {
            release: &record.request.release,
            environment: &record.request.environment,
            strategies: &around.strategies,
            platforms: self.tracks.iter().filter_map(observed).collect(),
            known: &around.known,
            now: world.now,
        })
    }
}

/// What an engine knows besides.
#[derive(Debug)]
pub struct Around {
    pub strategies: Registry,
    pub known: Known,
    pub tracks: Vec<TrackRef>,
}

enum Answer {
    Newest(deploy_core::Token),
    Fenced,
    Prepared,
    Turn(deploy_core::Turn),
    Task(String, deploy_core::TaskOutcome),
    Removed,
}

impl Answer {
    fn is_news(&self, seen: &TrackSeen) -> bool {
        match self {
            Self::Newest(token) => seen.newest != Some(*token),
            Self::Fenced => !seen.fenced,
            Self::Prepared => !seen.prepared,
            Self::Turn(turn) => turn.moved,
            Self::Task(key, outcome) => seen.tasks.get(key) != Some(outcome),
            Self::Removed => !seen.removed,
        }
    }

    fn take(&self, seen: &mut TrackSeen) {
        match self {
            Self::Newest(token) => seen.newest = Some(*token),
            Self::Fenced => seen.fenced = true,
            Self::Prepared => seen.prepared = true,
            Self::Turn(turn) => seen.troubles.clone_from(&turn.troubles),
            Self::Task(key, outcome) => drop(seen.tasks.insert(key.clone(), outcome.clone())),
            Self::Removed => seen.removed = true,
        }
    }
}

/// Lets a call of a dead engine land. Whether its platform took it.
pub fn land(world: &mut World, asked: &Asked) -> bool {
    perform(world, asked, false).is_ok()
}

fn perform(world: &mut World, asked: &Asked, half: bool) -> Result<Answer> {
    let (record, seen) = (&asked.record, &asked.seen);
    Ok(match &asked.effect {
        Effect::ReadToken { track } => Answer::Newest(world.site(track).token),
        Effect::Fence { track, token } => {
            let newest = world.fence(track, *token);
            if newest > *token {
                return Err(Error::new(Kind::Fenced, format!("{newest} stands")));
            }
            Answer::Fenced
        }
        Effect::Prepare { track, revisions, token } => {
            world.prepare(track, revisions, *token)?;
            Answer::Prepared
        }
        Effect::Converge { track, written_off, paused } => {
            let order = order(record, seen, track, written_off, *paused, world.now);
            Answer::Turn(order.map_or(Ok(deploy_core::Turn::default()), |order| world.converge(&order, half))?)
        }
        Effect::Task { run, act, token } => Answer::Task(run.key.clone(), world.task(run, *act, *token)?),
        Effect::Remove { track, token } => {
            world.remove(track, *token)?;
            Answer::Removed
        }
        _ => Answer::Newest(deploy_core::Token::default()),
    })
}

/// The track that a call is for, and what sort of call it is; none where no platform is called.
pub fn key(effect: &Effect) -> Option<(TrackRef, Call)> {
    let (track, call) = match effect {
        Effect::ReadToken { track } => (track, Call::Observe),
        Effect::Fence { track, .. } => (track, Call::Fence),
        Effect::Prepare { track, .. } => (track, Call::Prepare),
        Effect::Converge { track, .. } => (track, Call::Converge),
        Effect::Task { run, .. } => (&run.track, Call::Task),
        Effect::Remove { track, .. } => (track, Call::Remove),
        _ => return None,
    };
    Some((track.clone(), call))
}

fn probe(known: Folded, life: Life, now: Timestamp) -> Folded {
    let health = match life {
        Life::Starting | Life::Exited => Health::Unknown,
        Life::Well => Health::Healthy,
        Life::Terminating => known.health,
        Life::Ill => Health::Unhealthy,
    };
    Folded { health, since: if health == known.health { known.since } else { now }, fresh: true }
}

impl Engine {
    /// What it knows of each instance, in words.
    pub fn probed_words(&self) -> String {
        format!("{:?} {:?}", self.probed, self.plan.is_some())
    }
}
