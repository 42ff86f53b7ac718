//! How long one decision takes: the machine's, and the executor's of moves.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use deploy_benches::Scene;
use deploy_core::machine;
use std::collections::BTreeSet;
use std::hint::black_box;

fn decide(criterion: &mut Criterion) {
    for instances in [100, 10_000] {
        let scene = Scene::rolling(instances).unwrap();
        criterion.bench_with_input(BenchmarkId::new("reconcile", instances), &scene, |bencher, scene| {
            bencher.iter(|| machine::reconcile(black_box(&scene.record), black_box(&scene.seen), scene.now));
        });
        let none = BTreeSet::new();
        let order = machine::order(&scene.record, &scene.seen, &scene.track, &none, false, scene.now).unwrap();
        criterion.bench_with_input(BenchmarkId::new("moves", instances), &scene, |bencher, scene| {
            bencher.iter(|| deploy_fleet::moves(black_box(&order), &scene.instances, &scene.slots, None));
        });
    }
}

criterion_group!(benches, decide);
criterion_main!(benches);
