//! One workload: its table, its members and its figures.

use crate::config::Config;
use crate::metrics::Meter;
use crate::rules::Verdict;
use crate::table::{Change, Decided, Nobody, Picked, Table, Unserved};
use crate::upstream::{Flight, Upstream};
use deploy_core::{Member, Result, Routed, Routes, Side, TrackRef};
use http::{HeaderMap, HeaderValue};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A workload that requests are served for.
#[derive(Debug)]
pub(crate) struct Track {
    name: TrackRef,
    table: Mutex<Table>,
    members: Mutex<Vec<(Member, Arc<Upstream>)>>,
    meters: Mutex<HashMap<Side, Arc<Meter>>>,
}

/// Routes that can be switched to without failing.
#[derive(Debug)]
pub(crate) struct Prepared {
    change: Change,
    members: Vec<(Member, Arc<Upstream>)>,
}

impl Track {
    pub(crate) fn new(name: TrackRef, config: &Config) -> Self {
        Self {
            name,
            table: Mutex::new(Table::closed(config.choice, config.out_of_use)),
            members: Mutex::default(),
            meters: Mutex::default(),
        }
    }

    /// Chooses an instance for a request, and the cookie that its client is to be given.
    pub(crate) fn pick(&self, headers: &HeaderMap) -> Result<(Picked, Option<HeaderValue>), Unserved> {
        let mut table = lock(&self.table);
        while let Some(rules) = table.rules() {
            drop(table);
            let (verdict, cookie) = rules.judge(headers);
            table = lock(&self.table);
            if table.has_rules(&rules) {
                return table.pick(verdict).map(|picked| (picked, cookie));
            }
        }
        table.pick(Verdict::Divide).map(|picked| (picked, None))
    }

    /// Chooses another instance for a request that was not sent.
    pub(crate) fn pick_again(&self, decided: &mut Decided, tried: &[Arc<Upstream>]) -> Result<Flight, Nobody> {
        lock(&self.table).pick_again(decided, tried)
    }

    /// Chooses an instance for a copy.
    pub(crate) fn pick_mirror(&self) -> Option<Arc<Upstream>> {
        lock(&self.table).pick_mirror()
    }

    /// Makes routes ready: instances that are known stay what they are.
    pub(crate) fn prepare(&self, routes: &Routes, salt: &str) -> Result<Prepared> {
        let instances = routes.members.iter().map(|member| self.instance(member)).collect::<Result<Vec<_>>>()?;
        let change = Change::new(routes, &instances, salt)?;
        Ok(Prepared { change, members: routes.members.iter().cloned().zip(instances).collect() })
    }

    fn instance(&self, member: &Member) -> Result<Arc<Upstream>> {
        let is_same = |known: &Member| {
            (&known.instance, &known.address, &known.side) == (&member.instance, &member.address, &member.side)
        };
        let known = lock(&self.members).iter().find(|(known, _)| is_same(known)).map(|(_, known)| Arc::clone(known));
        match known {
            Some(known) => Ok(known),
            None => Ok(Arc::new(Upstream::new(member, self.meter(&member.side)?)?)),
        }
    }

    fn meter(&self, side: &Side) -> Result<Arc<Meter>> {
        let mut meters = lock(&self.meters);
        if let Some(meter) = meters.get(side) {
            return Ok(Arc::clone(meter));
        }
        let meter = Arc::new(Meter::new(&self.name, side)?);
        meters.insert(side.clone(), Arc::clone(&meter));
        Ok(meter)
    }

    /// Switches: once this returns, no request is newly sent to who is draining or not a member any more.
    pub(crate) fn switch(&self, prepared: Prepared) {
        lock(&self.table).change(prepared.change);
        for (member, instance) in &prepared.members {
            instance.pool.set_closed(member.draining.is_some());
        }
        let before = std::mem::replace(&mut *lock(&self.members), prepared.members);
        let members = lock(&self.members);
        for (_, gone) in before.iter().filter(|(_, one)| !members.iter().any(|(_, other)| Arc::ptr_eq(one, other))) {
            gone.pool.set_closed(true);
        }
        let serves = |side: &Side| members.iter().any(|(member, _)| member.side == *side);
        lock(&self.meters).retain(|side, meter| serves(side) || meter.is_recent());
    }

    /// Serves nobody any more.
    pub(crate) fn close(&self, config: &Config) {
        *lock(&self.table) = Table::closed(config.choice, config.out_of_use);
        for (_, gone) in std::mem::take(&mut *lock(&self.members)) {
            gone.pool.set_closed(true);
        }
    }

    /// Every instance in the set.
    pub(crate) fn instances(&self) -> Vec<Arc<Upstream>> {
        lock(&self.members).iter().map(|(_, instance)| Arc::clone(instance)).collect()
    }

    /// Every member, with what it has in flight.
    pub(crate) fn routed(&self) -> Vec<Routed> {
        let routed = |(member, instance): &(Member, Arc<Upstream>)| Routed {
            member: member.clone(),
            in_flight: Some(instance.in_flight()),
        };
        lock(&self.members).iter().map(routed).collect()
    }

    /// What was measured of a side.
    pub(crate) fn measured(&self, side: &Side) -> Option<Arc<Meter>> {
        lock(&self.meters).get(side).map(Arc::clone)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
