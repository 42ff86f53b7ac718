//! A world as plain data: what runs, whom the router has, which tasks ran. Nothing in it happens by itself.

use super::rules;
use deploy_core::{
    Error, Evidence, Exit, Instance, InstanceId, InstanceState, Kind, Member, Observed, Order, Result, RevisionId,
    RouteState, Routed, Routes, Running, Side, Slot, SlotId, Spread, TaskAct, TaskOutcome, TaskRun, Timestamp, Token,
    TrackRef, TrafficSeen, Turn,
};
use deploy_fleet::{Moves, moves};
use std::collections::{BTreeMap, BTreeSet};

/// So many slots has each workload: more than its instances ever need.
const SLOTS: usize = 8;

/// How an instance stands in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Starting,
    Well,
    /// Not well, for good.
    Ill,
    Terminating,
    Exited,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub id: InstanceId,
    pub side: Side,
    pub slot: SlotId,
    pub life: Life,
    /// It still serves what it had when it left the router's set.
    pub busy: bool,
}

impl Unit {
    pub fn runs(&self) -> bool {
        matches!(self.life, Life::Starting | Life::Well | Life::Ill)
    }
}

/// The platform of one workload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    pub token: Token,
    pub units: Vec<Unit>,
    pub prepared: BTreeSet<RevisionId>,
    pub spread: Spread,
    pub members: Vec<Member>,
    serial: u32,
}

/// A task: how it ended, none while it runs, and how often it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    pub outcome: Option<TaskOutcome>,
    pub started: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    pub now: Timestamp,
    pub sites: BTreeMap<TrackRef, Site>,
    pub errands: BTreeMap<String, Errand>,
    /// Guarantees that were broken, and how.
    pub broken: Vec<String>,
}

impl World {
    pub fn new(now: Timestamp) -> Self {
        Self { now, sites: BTreeMap::new(), errands: BTreeMap::new(), broken: Vec::new() }
    }

    pub fn site(&mut self, track: &TrackRef) -> &mut Site {
        self.sites.entry(track.clone()).or_default()
    }

    pub fn observe(&mut self, track: &TrackRef) -> Observed {
        self.site(track).observed(track.workload.as_str() != "worker")
    }

    fn raise(&mut self, track: &TrackRef, token: Token) -> Result<()> {
        let newest = self.site(track).token;
        if token < newest {
            return Err(Error::new(Kind::Fenced, format!("{token} is older than {newest}")));
        }
        self.site(track).token = token;
        Ok(())
    }

    pub fn fence(&mut self, track: &TrackRef, token: Token) -> Token {
        let site = self.site(track);
        site.token = site.token.max(token);
        site.token
    }

    pub fn prepare(&mut self, track: &TrackRef, revisions: &[deploy_core::Revision], token: Token) -> Result<()> {
        self.raise(track, token)?;
        self.site(track).prepared.extend(revisions.iter().map(|revision| revision.id.clone()));
        Ok(())
    }

    pub fn remove(&mut self, track: &TrackRef, token: Token) -> Result<()> {
        self.raise(track, token)?;
        let token = self.site(track).token;
        *self.site(track) = Site { token, ..Site::default() };
        Ok(())
    }

    pub fn task(&mut self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        self.raise(&run.track, token)?;
        rules::undo_in_order(self, run, act);
        let errand = self.errands.get_mut(&run.key);
        Ok(match (act, errand) {
            (TaskAct::Start, None) => {
                self.errands.insert(run.key.clone(), Errand { outcome: None, started: 1 });
                TaskOutcome::Running
            }
            (TaskAct::Look, None) => TaskOutcome::NotStarted,
            (TaskAct::Bar, None) => {
                self.errands.insert(run.key.clone(), Errand { outcome: Some(TaskOutcome::Barred), started: 0 });
                TaskOutcome::Barred
            }
            (TaskAct::Bar, Some(errand)) => errand.outcome.get_or_insert(TaskOutcome::Barred).clone(),
            (_, Some(errand)) => errand.outcome.clone().unwrap_or(TaskOutcome::Running),
        })
    }

    /// One turn toward an order; one that breaks off has told the router at most.
    pub fn converge(&mut self, order: &Order<'_>, breaks_off: bool) -> Result<Turn> {
        self.raise(order.track, order.token)?;
        let mut turn = Turn::default();
        let mut next = self.decide(order);
        if let Some(routes) = &next.routes {
            turn.moved = true;
            self.apply(order, routes);
            next = self.decide(order);
            if let Some(routes) = next.routes.as_ref().filter(|_| !breaks_off) {
                self.apply(order, routes);
            }
        }
        if breaks_off {
            return Err(Error::new(Kind::Unavailable, "it broke off in the middle"));
        }
        for stop in &next.stop {
            turn.moved |= self.stop(order, &stop.instance);
        }
        for (slot, launch) in &next.launch {
            rules::launch(self, order, launch);
            turn.moved |= self.site(order.track).start(order.track, &launch.side, slot);
        }
        rules::routed(self, order);
        turn.again_at = next.again_at;
        Ok(turn)
    }

    fn decide(&mut self, order: &Order<'_>) -> Moves {
        let site = self.site(order.track);
        let slot =
            |number: usize| Slot { id: SlotId::new(format!("host/{number}")), host: "host".into(), closed: None };
        let slots: Vec<_> = (0..SLOTS).map(slot).collect();
        moves(order, &site.list(), &slots, Some(&site.routes()))
    }

    fn apply(&mut self, order: &Order<'_>, routes: &Routes) {
        rules::routes(self, order, routes);
        let site = self.site(order.track);
        for member in routes.members.iter().filter(|member| member.draining.is_some()) {
            let was = site.members.iter().find(|old| old.instance == member.instance);
            if was.is_some_and(|was| was.draining.is_none()) {
                let leaving = site.units.iter_mut().filter(|unit| unit.id == member.instance && unit.runs());
                leaving.for_each(|unit| unit.busy = true);
            }
        }
        site.members.clone_from(&routes.members);
        site.spread = routes.spread.clone();
    }

    fn stop(&mut self, order: &Order<'_>, id: &InstanceId) -> bool {
        let Some(index) = self.site(order.track).units.iter().position(|unit| unit.id == *id) else { return false };
        match self.site(order.track).units[index].life {
            Life::Terminating => return false,
            Life::Exited => drop(self.site(order.track).units.remove(index)),
            _ => {
                rules::stop(self, order, id);
                self.site(order.track).units[index].life = Life::Terminating;
            }
        }
        true
    }
}

impl Site {
    fn start(&mut self, track: &TrackRef, side: &Side, slot: &SlotId) -> bool {
        if self.units.iter().any(|unit| unit.slot == *slot) {
            return false;
        }
        self.serial += 1;
        let id = InstanceId::new(format!("{}-{}", track.workload, self.serial));
        self.units.push(Unit { id, side: side.clone(), slot: slot.clone(), life: Life::Starting, busy: false });
        true
    }

    pub fn is_admitted(&self, id: &InstanceId) -> bool {
        self.members.iter().any(|member| member.instance == *id && member.draining.is_none())
    }

    fn list(&self) -> Vec<Instance> {
        let listed = |unit: &Unit| Instance {
            id: unit.id.clone(),
            side: unit.side.clone(),
            slot: unit.slot.clone(),
            state: match unit.life {
                Life::Terminating => InstanceState::Terminating,
                Life::Exited => InstanceState::Exited(Exit { code: Some(1), signal: None }),
                _ => InstanceState::Running,
            },
            address: Some(format!("{}:80", unit.id)),
            ports: BTreeMap::new(),
            started: None,
            admitted: false,
            in_flight: None,
            health: None,
        };
        self.units.iter().map(listed).collect()
    }

    fn routes(&self) -> RouteState {
        let busy =
            |id: &InstanceId| self.units.iter().any(|unit| unit.id == *id && unit.busy && unit.life != Life::Exited);
        let routed =
            |member: &Member| Routed { member: member.clone(), in_flight: Some(u64::from(busy(&member.instance))) };
        let members = self.members.iter().map(routed).collect();
        RouteState { spread: self.spread.clone(), evidence: Evidence::DataPlane, members, token: self.token }
    }

    fn observed(&self, routed: bool) -> Observed {
        let routes = self.routes();
        let mut sides: BTreeMap<Side, Vec<Instance>> = BTreeMap::new();
        for mut instance in self.list() {
            instance.admitted = !routed || self.is_admitted(&instance.id);
            instance.in_flight = routes.member(&instance.id).and_then(|routed| routed.in_flight);
            sides.entry(instance.side.clone()).or_default().push(instance);
        }
        let mut left = routes.members.iter().filter(|routed| routed.member.draining.is_some());
        let drained = left.all(|routed| routed.in_flight == Some(0));
        Observed {
            sides: sides.into_iter().map(|(side, instances)| (side, Running::Instances(instances))).collect(),
            traffic: Some(TrafficSeen { spread: routes.spread.clone(), evidence: routes.evidence, drained }),
            token: routes.token,
            ..Observed::default()
        }
    }
}
