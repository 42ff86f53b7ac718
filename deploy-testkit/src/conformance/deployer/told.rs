//! A platform under a step, and the orders it is told.

use super::{first_line, track};
use crate::conformance::dropped;
use crate::conformance::report::{Held, Report};
use crate::conformance::tasks::{Runner, Work};
use deploy_core::time::after;
use deploy_core::{
    Bounds, Budget, Capabilities, Folded, Health, Instance, InstanceState, Observed, Order, OrderKind, OrderLine,
    OrderSide, Place, Places, Result, Revision, Running, Spread, Timestamp, Token, TrackRef, Traffic, Turn, bounds,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// An order is not reached when it is not after so many turns.
pub(super) const LOOKS: u32 = 600;

/// An order in short: which of the two revisions, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) kind: OrderKind,
    pub(super) from: Option<(usize, u32)>,
    pub(super) to: (usize, u32),
    pub(super) traffic: Traffic,
    pub(super) paused: bool,
}

/// What it is told and answers is noted.
pub(super) struct Told<'r, D, K> {
    pub(super) it: D,
    keep: K,
    pub(super) report: &'r Report,
    pub(super) revisions: [Revision; 2],
    pub(super) can: Capabilities,
    pub(super) track: TrackRef,
    pub(super) token: Token,
    traffic: Traffic,
    pace: Duration,
    begun: Instant,
}

impl<'r, D: deploy_core::Deployer, K> Told<'r, D, K> {
    pub(super) fn new(
        it: D,
        keep: K,
        report: &'r Report,
        revisions: [Revision; 2],
        can: Capabilities,
        pace: Duration,
    ) -> Self {
        let (track, token, begun) = (track(), Token::new(2, 0), Instant::now());
        Self { it, keep, report, revisions, can, track, token, traffic: Traffic::None, pace, begun }
    }

    pub(super) fn work(&self) -> Work<'_, K> {
        Work {
            runner: Runner::Deployer(&self.it),
            keep: &self.keep,
            report: self.report,
            track: &self.track,
            revision: &self.revisions[0],
            fence: self.can.fence,
        }
    }

    /// How many stand of the side that an order brings in.
    pub(super) async fn standing(&self, line: &Line) -> Held<u32> {
        let seen = self.observe().await?;
        Ok(self.sides(line).1.map_or(0, |side| stand(&seen, &side)))
    }

    pub(super) async fn remove(&self, token: Token) -> Held<Result<()>> {
        self.report.call(format!("remove({token})"), self.it.remove(&self.track, token)).await
    }

    pub(super) fn first(&self, count: u32) -> Line {
        first_line(count)
    }

    /// The first revision alone, settled.
    pub(super) async fn bring_up(&mut self, count: u32) -> Held<Line> {
        let line = self.first(count);
        self.reach(&line).await?;
        Ok(line)
    }

    /// Tells a new order until it is settled.
    pub(super) async fn reach(&mut self, line: &Line) -> Held {
        self.token.generation += 1;
        self.settle(line).await?;
        self.traffic = line.traffic.clone();
        Ok(())
    }

    pub(super) async fn settle(&mut self, line: &Line) -> Held {
        let mut last = String::new();
        for _ in 0..LOOKS {
            self.turn(line, None).await?;
            let seen = self.observe().await?;
            match self.missing(line, &seen) {
                None => return Ok(()),
                Some(missing) => last = missing,
            }
            self.wait().await;
        }
        Err(self.report.broken(format_args!("after {LOOKS} turns {last}"), format_args!("{line:?} is settled")))
    }

    /// One turn; before it, where asked, the same is dropped after so many polls.
    pub(super) async fn turn(&self, line: &Line, dropped: Option<u32>) -> Held<Turn> {
        let turn = self.converge(line, self.token, dropped).await?;
        self.report.done(turn)
    }

    pub(super) async fn converge(&self, line: &Line, token: Token, polls: Option<u32>) -> Held<Result<Turn>> {
        let (health, ended) = folded(&self.observe().await?);
        let (from, to) = self.sides(line);
        let Bounds { floor, ceiling, .. } = self.bounds(line);
        let spec = self.revisions[line.to.0].spec.clone();
        let ports = spec.map(|spec| spec.ports.clone()).unwrap_or_default();
        let (budget, none) = (Budget::default(), BTreeSet::new());
        let order = Order {
            track: &self.track,
            kind: line.kind,
            from,
            to,
            traffic: line.traffic.clone(),
            traffic_before: self.traffic.clone(),
            ports: &ports,
            count: count(line),
            floor,
            ceiling,
            max_unavailable: 0,
            budget: &budget,
            written_off: &none,
            exclusive: false,
            paused: line.paused,
            health: &health,
            ended: &ended,
            token,
            now: self.now(),
        };
        if let Some(polls) = polls {
            let done = dropped::after(polls, self.it.converge(&order)).await.is_some();
            self.report.note(format!("converge dropped after {polls} polls, ended: {done}"));
        }
        let paused = if line.paused { ", paused" } else { "" };
        let told =
            format!("converge({:?} {:?} -> {:?}, {}, {token}{paused})", line.kind, line.from, line.to, line.traffic);
        self.report.call(told, self.it.converge(&order)).await
    }

    pub(super) fn bounds(&self, line: &Line) -> Bounds {
        let from = line.from.map_or(0, |(_, count)| count);
        let order = OrderLine { kind: line.kind, from, to: line.to.1, traffic: line.traffic.clone() };
        // Two of the first are what serves wherever a second comes in.
        let baseline = if line.from.is_some() { 2 } else { 0 };
        bounds(&[order], &Budget::default(), count(line), baseline, 0)
    }

    pub(super) fn sides(&self, line: &Line) -> (Option<OrderSide>, Option<OrderSide>) {
        let side = |(which, count): (usize, u32)| OrderSide::new(&self.revisions[which], self.place(which), count);
        (line.from.map(side), Some(side(line.to)))
    }

    /// The second revision stands aside where there are stable names.
    const fn place(&self, which: usize) -> Place {
        if which == 1 && matches!(self.can.places, Places::HomeAndAside) { Place::Aside } else { Place::Home }
    }

    /// As a router is told the traffic of an order.
    pub(super) fn spread(&self, line: &Line) -> Spread {
        let (from, to) = self.sides(line);
        let (from, to) = (from.map(|side| side.side), to.map(|side| side.side));
        deploy_core::Frame { from: from.as_ref(), to: to.as_ref() }.spread(&line.traffic)
    }

    /// What an observation lacks of an order.
    fn missing(&self, line: &Line, seen: &Observed) -> Option<String> {
        if seen.token < self.token {
            return Some(format!("the token is {}", seen.token));
        }
        let (from, to) = self.sides(line);
        let off = from.iter().chain(&to).find(|side| stand(seen, side) != side.count || leaves(seen, side) > 0);
        if let Some(side) = off {
            let (stands, leaving) = (stand(seen, side), leaves(seen, side));
            return Some(format!("{stands} stand and {leaving} are leaving of the {} of {}", side.count, side.side));
        }
        let spread = seen.traffic.as_ref().map(|traffic| &traffic.spread);
        let sides = to.iter().map(|side| (side, true)).chain(from.iter().map(|side| (side, false)));
        let ready = |(side, is_to): (&OrderSide, bool)| ready(seen, side, is_served(line, is_to));
        let short = sides.map(|(side, is_to)| (side, ready((side, is_to)))).find(|(side, ready)| *ready < side.count);
        match spread {
            Some(spread) if *spread != self.spread(line) => Some(format!("requests go by {spread:?}")),
            _ => short.map(|(side, ready)| format!("{ready} of {} of {} are ready", side.count, side.side)),
        }
    }

    pub(super) async fn fence(&self, token: Token) -> Held<Token> {
        let told = self.report.call(format!("fence({token})"), self.it.fence(&self.track, token)).await?;
        self.report.done(told)
    }

    pub(super) async fn observe(&self) -> Held<Observed> {
        let told = self.it.observe(&self.track).await;
        self.report.note(format!("observe -> {:?}", told.as_ref().map(in_words)));
        self.report.done(told)
    }

    pub(super) async fn wait(&self) {
        tokio::time::sleep(self.pace).await;
    }

    fn now(&self) -> Timestamp {
        let begin = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        after(begin, self.begun.elapsed())
    }
}

fn count(line: &Line) -> u32 {
    line.to.1.max(line.from.map_or(0, |(_, count)| count))
}

pub(super) fn stand(seen: &Observed, side: &OrderSide) -> u32 {
    seen.side(&side.side).map_or(0, Running::total)
}

fn leaves(seen: &Observed, side: &OrderSide) -> u32 {
    seen.side(&side.side).map_or(0, Running::terminating)
}

/// Those that are ready; where the engine probes, those that run and, if requests are to reach them, are admitted.
pub(super) fn ready(seen: &Observed, side: &OrderSide, served: bool) -> u32 {
    match seen.side(&side.side) {
        Some(Running::Counts(counts)) => counts.ready,
        Some(Running::Instances(instances)) => {
            instances.iter().filter(|instance| instance.runs() && (instance.admitted || !served)).count() as u32
        }
        None => 0,
    }
}

/// Whether requests are to reach a side of an order.
fn is_served(line: &Line, is_to: bool) -> bool {
    match &line.traffic {
        Traffic::Pooled => true,
        Traffic::Split(split) if is_to => split.serves_candidate(),
        Traffic::Split(split) => split.serves_stable(),
        _ => false,
    }
}

type FoldedHealth = (BTreeMap<deploy_core::InstanceId, Folded>, BTreeSet<deploy_core::InstanceId>);

/// Whoever runs is well; every end is recorded.
fn folded(seen: &Observed) -> FoldedHealth {
    let since = Timestamp::UNIX_EPOCH;
    let well = Folded { health: Health::Healthy, since, fresh: true };
    let of = |is: fn(&Instance) -> bool| seen.instances().filter(move |it| is(it)).map(|it| it.id.clone());
    let running = of(|instance| instance.state == InstanceState::Running);
    (running.map(|id| (id, well)).collect(), of(|instance| instance.exit().is_some()).collect())
}

fn in_words(seen: &Observed) -> String {
    let side = |(side, running): (&deploy_core::Side, &Running)| {
        format!("{side}: {} stand, {} leave", running.total(), running.terminating())
    };
    let sides: Vec<_> = seen.sides.iter().map(side).collect();
    let traffic = seen.traffic.as_ref().map(|traffic| super::super::router::spread_in_words(&traffic.spread));
    format!("{}; {}; requests by {}", seen.token, sides.join(", "), traffic.unwrap_or_else(|| "nobody".into()))
}
