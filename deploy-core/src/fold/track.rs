//! What an event makes of one track.

use crate::orders::OrderNow;
use crate::record::{Crash, Grip, Judged, Point};
use crate::{Timestamp, TrackState, Verdict, What, time};
use std::time::Duration;

impl TrackState {
    pub(super) fn take(&mut self, what: &What, at: Timestamp, earns_until: Timestamp) {
        match what {
            What::TokenRead { newest, .. } => {
                self.generation = self.generation.max(newest.generation) + 1;
                self.grip = Grip::Read;
            }
            What::Fenced { .. } => self.grip = Grip::Held,
            What::Prepared { .. } => self.prepared = true,
            What::StageBegan { index, taken, baseline, lines, deadline, .. } => {
                self.stage = *index;
                self.stage_began = at;
                self.taken = *taken;
                self.baseline = *baseline;
                self.lines = lines.clone();
                self.deadline = Some(*deadline);
                self.earned = Duration::ZERO;
                self.judged = None;
                self.promoted = false;
                self.flaps.clear();
                self.reach(Point::Before(0), at);
            }
            What::CountRaised { taken, lines, .. } => {
                self.earn(earns_until);
                self.taken = *taken;
                self.lines = lines.clone();
                self.reach(Point::Next(0), at);
            }
            What::OrderBegan { order, .. } => self.order_began(order, at),
            What::TrafficSeen { .. } => self.traffic_seen = Some(at),
            What::OrderSettled { .. } => {
                self.shifting = false;
                let next = match self.point {
                    Point::Order(index) if index + 1 < self.lines.len() => Point::Next(index + 1),
                    _ => Point::After(0),
                };
                self.reach(next, at);
            }
            What::Settled { .. } => self.reach(Point::Bake, at),
            What::Unsettled { .. } => {
                self.earn(earns_until);
                self.reach(Point::Order(self.lines.len().saturating_sub(1)), at);
            }
            What::Judged { interval, state, verdict, .. } => {
                let judged = Judged { interval: *interval, at, state: state.clone(), verdict: verdict.clone() };
                self.judged(judged, at);
            }
            What::StagePassed { .. } => {
                self.stage += 1;
                self.reach(Point::Idle, at);
            }
            What::TrackDone { .. } => self.reach(Point::Done, at),
            What::HealthChanged { instance, folded, .. } => self.health_changed(instance, *folded),
            What::InstanceEnded { instance, side, slot, exit, .. } => {
                self.ended.insert(instance.clone());
                self.evidence.insert(instance.clone());
                let words = exit.to_string();
                self.crashes.push(Crash { slot: slot.clone(), side: side.clone(), at, words });
            }
            What::Evidence { instance, .. } => {
                self.evidence.insert(instance.clone());
            }
            What::ConditionsChanged { conditions, .. } => {
                (self.conditions, self.conditions_at) = (conditions.clone(), at);
            }
            What::TroubleBegan { trouble, .. } => {
                let since = self.troubles.get(&trouble.at).map_or(at, |(since, _)| *since);
                self.troubles.insert(trouble.at.clone(), (since, trouble.clone()));
            }
            What::TroubleEnded { place, .. } => {
                self.troubles.remove(place);
            }
            What::Warned { .. } => self.warned = true,
            _ => {}
        }
    }

    pub(super) fn reach(&mut self, point: Point, at: Timestamp) {
        self.point = point;
        self.since = at;
    }

    pub(super) fn begin_leg(&mut self, at: Timestamp) {
        self.stage = 0;
        self.lines.clear();
        self.promoted = false;
        self.deadline = None;
        self.troubles.clear();
        self.warned = false;
        self.reach(Point::Idle, at);
    }

    pub(super) fn task_done(&mut self, at: Timestamp) {
        match self.point {
            Point::Before(index) => self.reach(Point::Before(index + 1), at),
            Point::After(index) => self.reach(Point::After(index + 1), at),
            _ => {}
        }
    }

    fn order_began(&mut self, order: &OrderNow, at: Timestamp) {
        self.touched = true;
        self.generation += 1;
        self.traffic_seen = None;
        self.shifting |= order.line.kind.shifts();
        let after = self.standing.after(&order.line, order.frame());
        self.standing_before = std::mem::replace(&mut self.standing, after);
        self.order = Some(order.clone());
        self.reach(Point::Order(order.index), at);
    }

    fn health_changed(&mut self, instance: &crate::InstanceId, folded: Option<crate::Folded>) {
        let Some(folded) = folded else {
            self.health.remove(instance);
            return;
        };
        let before = self.health.insert(instance.clone(), folded);
        // The same since another time has changed twice meanwhile.
        if before.is_some_and(|before| (before.health, before.since) != (folded.health, folded.since)) {
            *self.flaps.entry(instance.clone()).or_default() += 1;
        }
    }

    /// A pass earns the interval, anything else earns nothing.
    fn judged(&mut self, judged: Judged, at: Timestamp) {
        if judged.verdict == Verdict::Pass && self.point == Point::Bake {
            self.earned += time::between(self.since, at);
        }
        self.since = at;
        self.intervals = judged.interval;
        self.judged = Some(judged);
    }

    /// Keeps what the bake has earned so far. An interval that was not judged to its end is void.
    fn earn(&mut self, until: Timestamp) {
        match self.point {
            Point::Bake if self.judging => self.intervals += 1,
            Point::Bake => self.earned += time::between(self.since, until),
            _ => {}
        }
    }

    /// A gap between engines earns nothing: the bake keeps what it had at the last renewal.
    pub(super) fn void_gap(&mut self, renewed: Option<Timestamp>, at: Timestamp) {
        if self.point == Point::Bake {
            let until = renewed.unwrap_or(self.since).max(self.since).min(at);
            self.earn(until);
            self.since = at;
        }
    }

    pub(super) fn resumed(&mut self, paused: Timestamp, at: Timestamp, again: Option<Duration>) {
        let span = time::between(paused, at);
        self.deadline = match again {
            Some(again) => Some(time::after(at, again)),
            None => self.deadline.map(|deadline| time::after(deadline, span)),
        };
        self.troubles.clear();
        if self.point == Point::Bake {
            self.earn(paused.max(self.since));
            self.since = at;
        }
    }

    pub(super) fn part_of_stage(&self) -> f64 {
        let steps = self.lines.len() as f64 + 1.0;
        match self.point {
            Point::Next(index) | Point::Order(index) => index as f64 / steps,
            Point::After(_) | Point::Bake | Point::Gate => self.lines.len() as f64 / steps,
            _ => 0.0,
        }
    }
}
