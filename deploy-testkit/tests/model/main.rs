//! The machine and the moves of the fleet, explored exhaustively on small worlds: every order of looks, calls, answers and
//! of what instances do, with every placement of so many faults.
//!
//! A fault is a call that is lost, whose answer is lost, that is half done or that outlasts the next look, the death of
//! the engine (a call of it may land at any time later), an instance that falls ill or ends, a task that fails, or time
//! that passes while something could happen. Time is abstract: it steps to what is due next, when there is nothing to do
//! but wait. Calls of one look are made in its order: those to different workloads commute, and calls of one workload that
//! overtake each other are faults.
//!
//! Checked of every state: G1, G2, G3, G6, G7, G8 and G10 in `rules.rs` and `state.rs`, that the same look gives nothing
//! new, and G5: an end can be reached without further faults. Of runs without illness and delay: that they complete.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "a test"
)]

mod engine;
mod explore;
mod rules;
mod state;
mod world;

use deploy_core::planner::{self, Known};
use deploy_core::{Actor, DeploymentId, Event, Name, Record, Release, Request, Source, Spec, Status, What, Workload};
use deploy_strategies::Registry;
use deploy_testkit::sim::scenario::strategy;
use engine::Around;
use explore::explore;
use serde_json::{Value, json};
use state::{Action, State};
use std::time::Duration;
use world::World;

/// How long an instance may finish what it has in flight.
const DRAIN: Duration = Duration::from_secs(5);
/// Far more states than any world has; one that has more is told.
const MOST: usize = 1_500_000;

/// A small world.
struct Small {
    strategy: &'static str,
    settings: Value,
    replicas: u32,
    /// Another workload that the first depends on.
    second: bool,
}

const fn small(strategy: &'static str) -> Small {
    Small { strategy, settings: Value::Null, replicas: 1, second: false }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn workload(of: &str, port: u16, version: &str, replicas: u32) -> Workload {
    let mut workload = Workload::new(Source::Command(vec![of.into(), version.into()]));
    workload.ports = [(name("http"), port)].into();
    (workload.replicas, workload.drain) = (replicas, DRAIN);
    workload
}

impl Small {
    fn release(&self, version: &str) -> Release {
        let strategy = strategy(self.strategy, self.settings.clone());
        let mut web = workload("web", 80, version, self.replicas);
        let mut spec = Spec::new(name("shop")).version(version).strategy(strategy);
        if self.second {
            web.depends_on = [name("api")].into();
            spec = spec.workload(name("api"), workload("api", 81, version, 1));
        }
        Release::new(spec.workload(name("web"), web).environment(name("production"), name("edge"))).unwrap()
    }

    /// The state in which `v2` was asked for and `v1` runs.
    fn first(&self, faults: u8) -> (State, Around) {
        let mut known = Known::default();
        let begin = deploy_core::Timestamp::from_second(1_800_000_000).unwrap();
        let (state, around) = self.asked("v1", World::new(begin), known.clone(), 0, 0);
        let end = straight(state, &around);
        assert_eq!(end.record.status(), Status::Completed, "{:?}", end.record.reason());
        known.add(&self.release("v1"), &name("production")).unwrap();
        known.completed(&self.release("v1"), &name("production")).unwrap();
        self.asked("v2", end.world, known, 10, faults)
    }

    fn asked(&self, version: &str, world: World, known: Known, epoch: u64, faults: u8) -> (State, Around) {
        let release = self.release(version);
        let tracks: Vec<_> = planner::tracks(&release, &name("production"), &known).unwrap().into_iter().collect();
        let request = Box::new(Request::new(release, name("production")));
        let what = What::Requested { request, actor: Actor::new("tester") };
        let record = Record::fold(&DeploymentId::new(version), [Event { number: 1, at: world.now, what }]).unwrap();
        (State::new(world, record, epoch, faults), Around { strategies: Registry::default(), known, tracks })
    }

    /// Explores it with so many faults and tells what was found.
    fn holds(&self, faults: u8) {
        let (first, around) = self.first(faults);
        let found = explore(first.clone(), &around, MOST);
        let called = format!("{}{}{}", self.strategy, self.replicas, if self.second { "_and_api" } else { "" });
        println!(
            "figure: model {called} with {faults} faults = {} states, {} ends, depth {}, {:.1} s{}",
            found.states,
            found.ends,
            found.depth,
            found.took.as_secs_f64(),
            if found.cut { ", cut off" } else { "" }
        );
        if let Some((how, path)) = found.broken {
            panic!("{how}\n{}", told(first, &around, &path));
        }
    }
}

/// Goes on without a fault, the first way there is, to the end.
fn straight(mut state: State, around: &Around) -> State {
    for _ in 0..10_000 {
        let Some(choice) = state.choices().into_iter().find(|(action, faults)| *faults == 0 && *action != Action::Gap)
        else {
            return state;
        };
        state = state.after(choice, around);
    }
    panic!("it does not end: {:?}", state.record.status());
}

/// A path in words: every action, and what happened by it.
fn told(mut state: State, around: &Around, path: &[Action]) -> String {
    let mut lines = Vec::new();
    for action in path {
        let Some(choice) = state.choices().into_iter().find(|(own, _)| own == action) else { break };
        let next = state.after(choice, around);
        let of = state.engine.as_ref().and_then(|engine| engine.pending.front()).map(|asked| &asked.effect);
        let of = of.filter(|_| matches!(action, Action::Call(_) | Action::Delay)).map(|effect| format!(" {effect:?}"));
        lines.push(format!("{} {action:?}{}", next.world.now, of.unwrap_or_default()));
        for site in next.world.sites.values().filter(|_| next.world.sites != state.world.sites) {
            let units: Vec<_> = site.units.iter().map(|unit| format!("{} {:?}", unit.id, unit.life)).collect();
            let members: Vec<_> = site
                .members
                .iter()
                .map(|member| format!("{}{}", member.instance, if member.draining.is_some() { "-" } else { "" }))
                .collect();
            lines.push(format!("    {} routed [{}] {:?}", units.join(", "), members.join(" "), site.spread));
        }
        if next.record.version > state.record.version {
            lines.push(format!("    {} {:?} {}", next.record.status(), next.record.way, points(&next)));
        }
        state = next;
    }
    lines.join("\n")
}

fn points(state: &State) -> String {
    let points =
        state.record.tracks.iter().map(|(track, of)| format!("{} {} {:?}", track.workload, of.stage, of.point));
    points.collect::<Vec<_>>().join(", ")
}

fn soaks() -> bool {
    std::env::var_os("DEPLOY_SOAK").is_some()
}

/// One fault more in the soak.
fn faults(some: u8) -> u8 {
    some + u8::from(soaks())
}

#[test]
fn recreate_holds_whatever_happens() {
    let migrate = json!({ "between": [{ "name": "migrate", "run": ["up"], "undo": { "run": ["down"] } }] });
    Small { settings: migrate, ..small("recreate") }.holds(faults(1));
}

#[test]
fn rolling_holds_whatever_happens() {
    Small { replicas: 2, ..small("rolling") }.holds(faults(1));
}

#[test]
fn blue_green_holds_whatever_happens() {
    small("blue_green").holds(faults(1));
}

#[test]
fn canary_holds_whatever_happens() {
    Small { settings: json!({ "steps": ["50%"], "bake": "10s" }), ..small("canary") }.holds(faults(1));
}

#[test]
fn ab_test_holds_whatever_happens() {
    small("ab_test").holds(faults(1));
}

#[test]
fn two_workloads_hold_whatever_happens() {
    Small { second: true, ..small("rolling") }.holds(faults(1));
}
