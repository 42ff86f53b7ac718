//! How long one decision takes: the machine's, and the executor's of moves.

use crate::PAIRS;
use crate::process::cpu;
use deploy_benches::{Goal, Row, Scene, Table, median};
use deploy_core::machine;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// One turn of calls takes so long.
const TURN: Duration = Duration::from_millis(300);

pub(crate) fn rows() -> Table {
    let scenes = [100, 1_000, 10_000].map(|instances| Scene::rolling(instances).unwrap());
    let [small, middle, large] = &scenes;
    let turns: Vec<_> = (0..PAIRS).map(|_| [reconcile(small), reconcile(large), moves(middle), moves(large)]).collect();
    let of = |index: usize| median(turns.iter().map(|turn| turn[index]).collect());
    let linear = median(turns.iter().map(|turn| turn[3] / turn[2]).collect());
    let mut table = Table::default();
    let note = format!("median of {PAIRS} turns");
    table.push(Row::new("machine: reconcile, 100 instances", Goal::Below(10.0), of(0), " us").note(&note));
    table.push(Row::new("machine: reconcile, 10,000 instances", Goal::Below(1_000.0), of(1), " us").note(&note));
    let note = format!("{:.0} us and {:.0} us", of(2), of(3));
    table.push(Row::new("fleet: moves, 10,000 to 1,000 instances", Goal::AtMost(12.0), linear, "x").note(note));
    table
}

fn reconcile(scene: &Scene) -> f64 {
    micros(|| drop(black_box(machine::reconcile(black_box(&scene.record), black_box(&scene.seen), scene.now))))
}

fn moves(scene: &Scene) -> f64 {
    let none = BTreeSet::new();
    let order = machine::order(&scene.record, &scene.seen, &scene.track, &none, false, scene.now).unwrap();
    micros(|| drop(black_box(deploy_fleet::moves(black_box(&order), &scene.instances, &scene.slots, None))))
}

/// What a call uses of a core: however long the machine lets it wait, that does not count.
fn micros(mut call: impl FnMut()) -> f64 {
    let (until, before, mut calls) = (Instant::now() + TURN, cpu(), 0);
    while Instant::now() < until {
        call();
        calls += 1;
    }
    (cpu() - before).as_secs_f64() * 1e6 / f64::from(calls)
}
