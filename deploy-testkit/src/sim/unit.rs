//! One simulated instance: what it truly is, whatever anybody thinks of it.

use deploy_core::time::after;
use deploy_core::{Exit, Instance, InstanceId, InstanceState, Side, SlotId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// The nature of a revision's instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Temper {
    /// They start, and stay well.
    #[default]
    Well,
    /// They run but never become well.
    NeverWell,
    /// They end soon after they were started.
    CrashAtStart,
    /// They become well, and are no more after a while.
    SickAfter(Duration),
    /// They become well, and end after a while.
    CrashAfter(Duration),
    /// Well and not in turn, each so long.
    Flapping(Duration),
    /// They cannot even be started: the platform says so for good.
    Impossible,
}

/// How a unit stands in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Running,
    /// It was told to stop and is gone then; until then it finishes what it has.
    Terminating(Timestamp),
    /// It ended by itself.
    Exited(Exit),
}

/// One simulated instance.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its id.
    pub id: InstanceId,
    /// Its side.
    pub side: Side,
    /// Where it stands.
    pub slot: SlotId,
    /// When it was started.
    pub started: Timestamp,
    /// Well from then on.
    pub well_at: Timestamp,
    /// Not well in this span.
    pub sick: Option<(Timestamp, Timestamp)>,
    /// It ends by itself then.
    pub crash_at: Option<Timestamp>,
    /// Its nature.
    pub temper: Temper,
    /// How it stands.
    pub life: Life,
    /// How often it was started again by its platform.
    pub restarts: u32,
    /// When each request ends that it has in flight since it left the set.
    pub requests: Vec<Timestamp>,
}

impl Unit {
    /// Whether it answers requests well at a time.
    pub fn is_well(&self, now: Timestamp) -> bool {
        let flapped = match self.temper {
            Temper::Flapping(span) => {
                let age = deploy_core::time::between(self.well_at, now).as_millis();
                !(age / span.as_millis().max(1)).is_multiple_of(2)
            }
            _ => false,
        };
        !matches!(self.life, Life::Exited(_))
            && now >= self.well_at
            && !flapped
            && self.sick.is_none_or(|(from, to)| now < from || now >= to)
    }

    /// Whether it runs and was not told to stop.
    pub const fn runs(&self) -> bool {
        matches!(self.life, Life::Running)
    }

    /// How many requests it has in flight.
    pub fn in_flight(&self, now: Timestamp) -> u64 {
        self.requests.iter().filter(|end| **end > now).count() as u64
    }

    /// What follows from time alone.
    pub fn age(&mut self, now: Timestamp) {
        if self.runs() && self.crash_at.is_some_and(|at| at <= now) {
            self.life = Life::Exited(Exit { code: Some(1), signal: None });
        }
    }

    /// Whether it is gone for good.
    pub fn is_gone(&self, now: Timestamp) -> bool {
        matches!(self.life, Life::Terminating(at) if at <= now)
    }

    /// The next time at which something about it changes by itself.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let life = match self.life {
            Life::Running => self.crash_at,
            Life::Terminating(at) => Some(at),
            Life::Exited(_) => return None,
        };
        let sick = self.sick.into_iter().flat_map(|(from, to)| [from, to]);
        let flap = match self.temper {
            Temper::Flapping(span) if now >= self.well_at => {
                let age = deploy_core::time::between(self.well_at, now).as_millis();
                let turns = (age / span.as_millis().max(1)) as u32 + 1;
                Some(after(self.well_at, span * turns))
            }
            _ => None,
        };
        let requests = self.requests.iter().copied().max();
        let all = life.into_iter().chain(sick).chain(flap).chain(requests).chain([self.well_at]);
        all.filter(|at| *at > now).min()
    }

    /// It as a platform of single instances lists it.
    pub fn listed(&self, reached: bool, admitted: bool, in_flight: Option<u64>) -> Instance {
        let state = match self.life {
            _ if !reached => InstanceState::Unknown,
            Life::Running => InstanceState::Running,
            Life::Terminating(_) => InstanceState::Terminating,
            Life::Exited(exit) => InstanceState::Exited(exit),
        };
        Instance {
            id: self.id.clone(),
            side: self.side.clone(),
            slot: self.slot.clone(),
            state,
            address: Some(address(&self.id)),
            ports: BTreeMap::new(),
            started: Some(self.started),
            admitted,
            in_flight,
            health: None,
        }
    }
}

/// Where requests to an instance are sent.
pub fn address(id: &InstanceId) -> String {
    format!("{id}.sim:8080")
}
