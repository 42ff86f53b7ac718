//! What goes wrong with calls and hosts.

use super::unit::Life;
use super::world::World;
use deploy_core::time::{after, before};
use deploy_core::{Error, Exit, InstanceId, Kind, Result, Timestamp};
use std::time::Duration;

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
    /// Most calls are refused for a while: the platform asks for fewer.
    pub throttled: Vec<(Timestamp, Timestamp)>,
    /// Hosts on which nothing more can be launched for a while.
    pub full: Vec<(String, Timestamp, Timestamp)>,
    /// Hosts that go down and come up again.
    pub reboots: Vec<Reboot>,
    /// So many percent of the calls take effect late, by at most so long.
    pub late: (u32, Duration),
}

/// A host goes down and comes up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reboot {
    /// The host.
    pub host: String,
    /// When it goes down.
    pub at: Timestamp,
    /// When it can be reached again.
    pub up: Timestamp,
    /// What becomes of its instances.
    pub then: Then,
}

/// What becomes of the instances of a host that was rebooted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// They have ended.
    Ended,
    /// They are started again as who they were.
    Same,
    /// They are started again under other ids.
    Another,
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
    /// Nothing was done: there are too many calls.
    Throttled,
}

fn holds(span: &(Timestamp, Timestamp), now: Timestamp) -> bool {
    (span.0..span.1).contains(&now)
}

impl Faults {
    /// Whether the platform takes no, or few, calls, or took none a short while ago.
    pub(super) fn is_deaf(&self, now: Timestamp, lately: Duration) -> bool {
        self.outages.iter().chain(&self.throttled).any(|(from, to)| (*from..after(*to, lately)).contains(&now))
    }

    /// When any of it begins or ends.
    pub(super) fn changes(&self) -> impl Iterator<Item = Timestamp> {
        let hosts = self.cuts.iter().chain(&self.full).flat_map(|(_, from, to)| [*from, *to]);
        let all = self.outages.iter().chain(&self.throttled).flat_map(|(from, to)| [*from, *to]);
        hosts.chain(all).chain(self.reboots.iter().map(|reboot| reboot.at))
    }
}

impl World {
    /// Whether a call goes wrong, and when: before its effect, or after it.
    pub(crate) fn strike(&mut self) -> Strike {
        let now = self.now;
        if self.faults.outages.iter().any(|span| holds(span, now)) {
            return Strike::Before;
        }
        if self.faults.throttled.iter().any(|span| holds(span, now)) && self.dice.chance(80) {
            return Strike::Throttled;
        }
        if self.now >= self.faults.until || !self.dice.chance(self.faults.rate) {
            return Strike::None;
        }
        if self.dice.chance(50) { Strike::Before } else { Strike::After }
    }

    /// Whether a host can be reached.
    pub(crate) fn reaches(&self, host: &str) -> bool {
        !self.faults.cuts.iter().any(|(cut, from, to)| cut == host && holds(&(*from, *to), self.now))
    }

    /// Whether a host takes nothing more.
    pub(crate) fn is_full(&self, host: &str) -> bool {
        self.faults.full.iter().any(|(full, from, to)| full == host && holds(&(*from, *to), self.now))
    }

    /// Does something that may go wrong before or after its effect.
    pub(crate) fn risky<T>(&mut self, what: &str, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let broke = |when: &str| Error::new(Kind::Unavailable, format!("{what} broke {when}"));
        match self.strike() {
            Strike::Before => Err(broke("off")),
            Strike::Throttled => Err(Error::new(Kind::Throttled, format!("{what}: 429 too many requests"))),
            Strike::None => act(self),
            Strike::After => act(self).and_then(|_| Err(broke("after its effect"))),
        }
    }

    /// A call that was decided takes effect late: time passes meanwhile. That of a dead engine comes late by itself, and no
    /// later than its timeout.
    pub(crate) fn answer_late(&mut self) {
        let (percent, most) = self.faults.late;
        if percent > 0 && self.compared.is_none() && self.dice.chance(percent) {
            let to = after(self.now, self.dice.millis(0, most.as_millis() as u64));
            // What goes down in between nobody could have known when it was decided.
            let down = self.faults.reboots.iter().map(|reboot| reboot.at).filter(|at| *at > self.now).min();
            self.advance(down.map_or(to, |down| to.min(before(down, Duration::from_millis(1)))).max(self.now));
        }
    }

    pub(super) fn reboot_those_due(&mut self) {
        while let Some(index) = self.faults.reboots.iter().position(|reboot| reboot.at <= self.now) {
            let reboot = self.faults.reboots.swap_remove(index);
            self.reboot(&reboot);
        }
    }

    /// Everything on the host ends at once; nothing can be told of it until it is up.
    fn reboot(&mut self, reboot: &Reboot) {
        self.trail.note(self.now, format!("{} goes down until {}, then: {:?}", reboot.host, reboot.up, reboot.then));
        self.faults.cuts.push((reboot.host.clone(), self.now, reboot.up));
        let well_at = after(reboot.up, self.start_span());
        let here = |unit: &&mut super::unit::Unit| super::instant::host(&unit.slot) == reboot.host;
        for unit in self.sites.values_mut().flat_map(|site| &mut site.units).filter(here) {
            unit.requests.clear();
            match (unit.life, reboot.then) {
                (Life::Terminating(_), _) => unit.life = Life::Terminating(reboot.up),
                (Life::Exited(_), _) => {}
                (Life::Running, Then::Ended) => unit.life = Life::Exited(Exit { code: None, signal: Some(9) }),
                (Life::Running, then) => {
                    (unit.started, unit.well_at) = (reboot.up, well_at.max(unit.well_at));
                    if then == Then::Another {
                        unit.id = InstanceId::new(format!("{}+", unit.id));
                    }
                }
            }
        }
    }
}
