//! A platform with a lagging controller of its own: it is told counts and routes, and gets there in its own time.

use super::from_zero::Hosted;
use super::instant::shown;
use super::site::Site;
use super::unit::{Life, Temper, Unit};
use super::world::World;
use deploy_core::time::{after, between};
use deploy_core::{
    Counts, Error, Evidence, Observed, Order, OrderSide, Place, Result, RevisionId, Running, Side, SlotId, Spread,
    Timestamp, TrackRef, Traffic, TrafficSeen, Turn,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a change of traffic takes at most from when it is accepted until every request follows it.
pub const PROPAGATION: Duration = Duration::from_secs(3);
/// How long a pod is well before the platform counts it as ready.
const PROBED: Duration = Duration::from_secs(1);
/// How long a terminating pod goes on serving: the preStop delay.
pub(super) const PRE_STOP: Duration = Duration::from_secs(5);

/// What one name was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) revision: RevisionId,
    pub(super) replicas: u32,
    /// How many run is the platform's own business.
    serverless: bool,
    at_least: bool,
    surge: u32,
    unavailable: u32,
    pub(super) paused: bool,
    /// The controller has taken it in from then on.
    taken: Timestamp,
}

/// One change of the routes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    spread: Spread,
    /// The controller says that it took it, from then on.
    accepted: Timestamp,
    /// Every request follows it from then on.
    effective: Timestamp,
}

/// The controller of one workload.
#[derive(Debug, Clone, Default)]
pub struct Control {
    names: BTreeMap<Place, Told>,
    routes: Vec<Route>,
    snapshots: Vec<(Timestamp, Observed)>,
    shown: Timestamp,
    tick: Timestamp,
    /// The least and most an autoscaler wants, where one lives, and what it wants now.
    pub scaler: Option<(u32, u32)>,
    wanted: u32,
    /// The revisions that scale by themselves.
    pub(super) hosted: BTreeMap<Side, Hosted>,
}

impl Control {
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let routes = self.routes.iter().flat_map(|route| [route.accepted, route.effective]);
        let names = self.names.values().map(|told| told.taken);
        routes.chain(names).chain([self.tick]).filter(|at| *at > now).min()
    }

    /// Makes it look at once.
    pub(crate) const fn wake(&mut self, now: Timestamp) {
        self.tick = now;
    }

    fn accepted(&self, now: Timestamp) -> Spread {
        let route = self.routes.iter().rev().find(|route| route.accepted <= now);
        route.map(|route| route.spread.clone()).unwrap_or_default()
    }

    fn last(&self) -> Spread {
        self.routes.last().map(|route| route.spread.clone()).unwrap_or_default()
    }

    /// What requests follow in truth.
    pub fn effective(&self, now: Timestamp) -> Spread {
        let route = self.routes.iter().rev().find(|route| route.effective <= now);
        route.map(|route| route.spread.clone()).unwrap_or_default()
    }

    /// Whether its workload scales by itself.
    pub(super) fn is_serverless(&self) -> bool {
        self.names.values().any(|told| told.serverless)
    }

    fn replicas(&self, told: &Told) -> u32 {
        let wanted = if told.at_least && told.replicas > 0 && self.scaler.is_some() { self.wanted } else { 0 };
        told.replicas.max(wanted)
    }
}

/// Whether the platform's own probe says that a pod is ready.
pub(crate) fn is_ready(unit: &Unit, now: Timestamp) -> bool {
    unit.runs() && unit.is_well(now) && between(unit.well_at, now) >= PROBED
}

impl World {
    pub(crate) fn observe_controller(&mut self, track: &TrackRef) -> Observed {
        let now = self.now;
        let stale = self.dice.millis(0, 1_500);
        self.snapshot(track);
        let Some(control) = self.site(track).control.as_mut() else { return Observed::default() };
        let wanted = Timestamp::from_millisecond(now.as_millisecond() - stale.as_millis() as i64).unwrap_or(now);
        let at = wanted.max(control.shown);
        let newest = control.snapshots.iter().rposition(|(taken, _)| *taken <= at).unwrap_or(0);
        control.snapshots.drain(..newest);
        let Some((taken, observed)) = control.snapshots.first() else { return Observed::default() };
        control.shown = *taken;
        observed.clone()
    }

    /// Keeps what is true now, to be shown now or later.
    fn snapshot(&mut self, track: &TrackRef) {
        let now = self.now;
        let conditions = self.conditions(track);
        let cut: Vec<_> = self.hosts.keys().filter(|host| !self.reaches(host)).cloned().collect();
        let told = |unit: &Unit| !cut.iter().any(|host| host == super::instant::host(&unit.slot));
        let site = self.site(track);
        let token = site.token;
        let mut sides: BTreeMap<Side, Counts> = site.counts_hosted(now).collect();
        let serverless = site.control.as_ref().is_some_and(Control::is_serverless);
        for unit in site.units.iter().filter(|_| !serverless) {
            let counts = sides.entry(unit.side.clone()).or_default();
            match unit.life {
                Life::Terminating(_) => counts.terminating += 1,
                _ if !told(unit) => (counts.total, counts.unknown) = (counts.total + 1, counts.unknown + 1),
                Life::Exited(_) => (counts.total, counts.failed) = (counts.total + 1, counts.failed + 1),
                Life::Running => {
                    counts.total += 1;
                    counts.ready += u32::from(is_ready(unit, now));
                }
            }
        }
        let Some(control) = site.control.as_mut() else { return };
        for (place, told) in control.names.iter().filter(|(_, told)| told.taken <= now) {
            if let Some(counts) = sides.get_mut(&Side::new(told.revision.clone(), *place)) {
                counts.ordered = told.replicas;
            }
        }
        let traffic = TrafficSeen { spread: control.accepted(now), evidence: Evidence::Accepted, drained: false };
        let observed = Observed {
            sides: sides.into_iter().map(|(side, counts)| (side, Running::Counts(counts))).collect(),
            traffic: Some(traffic),
            wanted: control.scaler.map(|_| control.wanted),
            foreign: Vec::new(),
            conditions,
            token,
        };
        if control.snapshots.last().is_none_or(|(_, last)| *last != observed) {
            control.snapshots.push((now, observed));
        }
    }

    pub(crate) fn converge_controller(&mut self, order: &Order<'_>) -> Result<Turn> {
        let (now, track) = (self.now, order.track);
        let mut turn = Turn { again_at: Some(after(now, Duration::from_secs(1))), ..Turn::default() };
        let seen = self.observe_controller(track);
        for place in [Place::Home, Place::Aside] {
            turn.moved |= self.tell(order, place)?;
        }
        if !order.paused && order.traffic != Traffic::NotRouted {
            turn.moved |= self.route(order, &seen);
        }
        if turn.moved
            && let Some(control) = self.site(track).control.as_mut()
        {
            control.tick = now;
        }
        Ok(turn)
    }

    /// Tells one name its revision and count. True where that is news.
    fn tell(&mut self, order: &Order<'_>, place: Place) -> Result<bool> {
        let (now, lag) = (self.now, self.dice.millis(0, 2_000));
        let here: Vec<&OrderSide> = order.sides().filter(|side| side.side.place == place).collect();
        let mut wanted = here.iter().filter(|side| side.count > 0);
        let (side, second) = (wanted.next(), wanted.next());
        if second.is_some() {
            return Err(Error::invalid("one name cannot have two revisions at full count"));
        }
        let strays_may_go = order.kind.retires();
        let Some(control) = self.site(order.track).control.as_mut() else { return Ok(false) };
        let old = control.names.get(&place).cloned();
        if order.paused {
            let roll = old.filter(|old| !old.paused);
            return Ok(roll.map(|old| control.names.insert(place, Told { paused: true, ..old })).is_some());
        }
        let told = match (side, &old) {
            (Some(side), _) => Told {
                revision: side.side.revision.clone(),
                replicas: side.count,
                serverless: side.spec.as_ref().is_some_and(|spec| spec.is_serverless()),
                at_least: side.at_least,
                surge: order.ceiling.saturating_sub(side.count),
                unavailable: side.count.saturating_sub(order.floor),
                paused: false,
                taken: now,
            },
            (None, Some(old)) if !here.is_empty() || strays_may_go => {
                Told { replicas: 0, at_least: false, paused: false, ..old.clone() }
            }
            _ => return Ok(false),
        };
        let same = old.as_ref().is_some_and(|old| Told { taken: told.taken, ..old.clone() } == told);
        if same {
            return Ok(false);
        }
        control.names.insert(place, Told { taken: after(now, lag), ..told.clone() });
        let fewer = old.as_ref().is_some_and(|old| told.replicas < old.replicas);
        self.trail.note(now, format!("{} {place:?}: {} x {}", order.track.workload, told.replicas, told.revision));
        if fewer {
            self.scaling_is_safe(order);
        }
        Ok(true)
    }

    /// Tells the router, where every side that gains has enough ready. True where that is news.
    fn route(&mut self, order: &Order<'_>, seen: &Observed) -> bool {
        let (now, lag, spreads) = (self.now, self.dice.millis(0, 1_000), self.dice.below(2_900));
        let side = |ordered: &Option<OrderSide>| ordered.as_ref().map(|ordered| ordered.side.clone());
        let spread = match &order.traffic {
            Traffic::None | Traffic::NotRouted | Traffic::InPlace => Spread::None,
            Traffic::Pooled => Spread::Pooled,
            Traffic::Split(split) => {
                Spread::Split { from: side(&order.from), to: side(&order.to), split: split.clone().ordered() }
            }
        };
        let Some(control) = self.site(order.track).control.as_ref() else { return false };
        let before = control.last();
        let stands = |side: &Side| seen.side(side).is_some_and(|running| running.total() > 0);
        let ready = |side: &Side| ready_of(seen, side);
        if before == spread || !super::audit::gains_are_covered(order, &before, &spread, ready, stands) {
            return false;
        }
        let Some(control) = self.site(order.track).control.as_mut() else { return false };
        let accepted = control.routes.last().map_or(now, |last| last.accepted).max(after(now, lag));
        let effective = after(accepted, Duration::from_millis(spreads));
        let effective = control.routes.last().map_or(effective, |last| last.effective.max(effective));
        let line = format!("{} routes: {}", order.track.workload, shown(&spread));
        control.routes.push(Route { spread, accepted, effective });
        self.trail.note(now, line);
        true
    }

    /// One turn of the controller.
    pub(crate) fn control(&mut self, track: &TrackRef) {
        let now = self.now;
        let (soon, late, roll) = (self.dice.millis(200, 1_500), self.dice.millis(20_000, 40_000), self.dice.roll());
        let Some(control) = self.site(track).control.as_mut() else { return };
        if control.tick > now {
            self.snapshot(track);
            return;
        }
        if let Some((least, most)) = control.scaler {
            control.wanted = least + (roll % u64::from(most - least + 1)) as u32;
        }
        let names: Vec<_> = control.names.iter().filter(|(_, told)| told.taken <= now).collect();
        let names: Vec<_> =
            names.into_iter().map(|(place, told)| (*place, told.clone(), control.replicas(told))).collect();
        let waits = control.names.values().any(|told| told.taken > now);
        let mut busy = waits;
        self.restart(track);
        for (place, told, count) in names {
            busy |= match told.serverless {
                true => self.host(track, place, &told),
                false => self.scale(track, place, &told, count),
            };
        }
        if let Some(control) = self.site(track).control.as_mut() {
            control.tick = after(now, if busy { soon } else { late });
        }
        self.snapshot(track);
    }

    /// What ended by itself is started again, each time later.
    fn restart(&mut self, track: &TrackRef) {
        let (now, span, tempers) = (self.now, self.start_span(), self.tempers.clone());
        for unit in self.site(track).units.iter_mut().filter(|unit| matches!(unit.life, Life::Exited(_))) {
            let temper = tempers.get(&unit.side.revision).copied().unwrap_or_default();
            unit.life = Life::Running;
            unit.well_at = after(now, span * 3);
            unit.restarts += 1;
            unit.crash_at = match temper {
                Temper::CrashAtStart => Some(after(now, span)),
                Temper::CrashAfter(late) => Some(after(now, span * 3 + late)),
                _ => None,
            };
        }
    }

    /// Takes one name a step further. True while it is not as told.
    fn scale(&mut self, track: &TrackRef, place: Place, told: &Told, count: u32) -> bool {
        let (now, temper) = (self.now, self.temper(&told.revision));
        let spans: Vec<_> = (0..8).map(|_| self.start_span()).collect();
        let side = Side::new(told.revision.clone(), place);
        let site = self.site(track);
        let here: Vec<&Unit> = site.units.iter().filter(|unit| unit.side.place == place && unit.runs()).collect();
        let (own, old): (Vec<&Unit>, Vec<&Unit>) = here.iter().partition(|unit| unit.side == side);
        let ready = here.iter().filter(|unit| is_ready(unit, now)).count() as u32;
        let total = here.len() as u32;
        let held = told.paused && !old.is_empty();
        let most = if old.is_empty() { count } else { count + told.surge };
        let room = if held { 0 } else { most.saturating_sub(total).min(count.saturating_sub(own.len() as u32)) };
        let mut spare = ready.saturating_sub(if old.is_empty() { 0 } else { count.saturating_sub(told.unavailable) });
        let mut go: Vec<_> = Vec::new();
        for unit in old.iter().filter(|_| !held) {
            if !is_ready(unit, now) || spare > 0 {
                spare -= u32::from(is_ready(unit, now));
                go.push(unit.id.clone());
            }
        }
        let mut extra: Vec<&&Unit> = own.iter().collect();
        extra.sort_by_key(|unit| is_ready(unit, now));
        go.extend(extra.iter().take(own.len().saturating_sub(count as usize)).map(|unit| unit.id.clone()));
        let done = room == 0 && go.is_empty() && own.len() as u32 == count && old.is_empty() && ready == total;
        for id in go {
            site.unit(&id).into_iter().for_each(|unit| unit.life = Life::Terminating(after(now, PRE_STOP)));
        }
        if temper == Temper::Impossible && room > 0 {
            site.impossible.insert(side);
            return true;
        }
        for span in spans.iter().cycle().take(room as usize) {
            start(site, &side, now, *span, temper);
        }
        !done
    }
}

pub(super) fn start(site: &mut Site, side: &Side, now: Timestamp, span: Duration, temper: Temper) {
    let slot = SlotId::new(format!("host-{}/{}", site.serial % 4, site.serial));
    drop(site.start(side, slot, now, span, temper));
}

/// How many of a side are ready, as observed.
pub(crate) fn ready_of(seen: &Observed, side: &Side) -> u32 {
    match seen.side(side) {
        Some(Running::Counts(counts)) => counts.ready,
        _ => 0,
    }
}
