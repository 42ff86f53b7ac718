//! The real engine on the simulated platforms, with something done to it at the boundaries that its calls cross.
//!
//! `DEPLOY_SEED=17` plays another seed; `DEPLOY_CHAOS=canary/instant/well/812` plays one boundary of one scene in the
//! tests that are named, and prints what happened.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a broken test may panic; figures go into the report")]

use deploy_testkit::chaos::{Case, Mode, Outcome, Setting, Simulated, peace, play};
use deploy_testkit::sim::Dice;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

/// So many boundaries of each scene, of every call or of appends alone.
const CALLS: usize = 2;
const APPENDS: usize = 1;
/// The same in the soak; where no number stands, all.
const MANY: usize = 400;
const ALL: usize = usize::MAX;

/// What a test plays.
#[derive(Debug, Clone, Copy)]
struct Job {
    scene: Simulated,
    case: Case,
}

/// What came of all jobs of a mode.
#[derive(Debug, Default)]
struct Sum {
    boundaries: u64,
    played: u64,
    unreached: u64,
    found: Vec<String>,
}

fn seed() -> u64 {
    std::env::var("DEPLOY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(5)
}

/// One boundary of one scene, where only that is to be played.
fn only() -> Option<(Simulated, u64)> {
    let one = std::env::var("DEPLOY_CHAOS").ok()?;
    let (scene, boundary) = one.rsplit_once('/').unwrap();
    Some((scene.parse().unwrap(), boundary.parse().unwrap()))
}

/// Whether a call is about to change something at a boundary.
fn changes(calm: &Outcome, number: u64) -> bool {
    const WRITES: [&str; 6] = ["append", "converge", "fence", "prepare", "task", "remove"];
    let name = calm.boundaries.get(number as usize).and_then(|name| name.strip_prefix("before "));
    name.is_some_and(|name| WRITES.iter().any(|write| name.starts_with(write)))
}

/// A scene in peace; played once for all tests of this file.
fn calm(scene: Simulated, seed: u64, mode: Mode) -> Arc<Outcome> {
    static KNOWN: Mutex<BTreeMap<String, Arc<OnceLock<Arc<Outcome>>>>> = Mutex::new(BTreeMap::new());
    let name = format!("{scene} {}", mode == Mode::Skew);
    let known = KNOWN.lock().unwrap().entry(name).or_default().clone();
    known.get_or_init(|| Arc::new(peace(&|setting: &Setting| scene.make(setting), seed, mode).unwrap())).clone()
}

/// Some of the boundaries where a mode strikes, by the seed.
fn drawn(calm: &Outcome, mode: Mode, seed: u64, sample: usize) -> (u64, Vec<u64>) {
    let all = calm.boundaries.iter().enumerate().filter(|(_, name)| mode.strikes_at(name));
    let all: Vec<u64> = all.map(|(number, _)| number as u64).collect();
    let count = all.len() as u64;
    if all.len() <= sample {
        return (count, all);
    }
    let mut dice = Dice::new(seed.wrapping_mul(31) ^ mode as u64);
    let writes = all.iter().filter(|number| changes(calm, **number)).copied().collect::<Vec<_>>();
    // Every second one is a write about to be done: they are few, and weigh most.
    let from = |index: usize| if index % 2 == 1 { &writes } else { &all };
    (count, (0..sample).filter_map(|index| dice.pick(from(index)).copied()).collect())
}

/// Plays a mode at some boundaries of every scene, on two threads.
fn played(mode: Mode, test: &str, sample: usize) -> Sum {
    let (next, sum) = (Mutex::new(Simulated::all().into_iter().enumerate()), Mutex::new(Sum::default()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((index, scene)) = next.lock().unwrap().next() else { break };
                    of_scene(scene, index, mode, test, sample, &sum);
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

fn of_scene(scene: Simulated, index: usize, mode: Mode, test: &str, sample: usize, sum: &Mutex<Sum>) {
    if only().is_some_and(|(only, _)| only != scene) {
        return;
    }
    let (make, seed) = (|setting: &Setting| scene.make(setting), seed());
    let calm = calm(scene, seed, mode);
    assert!(calm.found.is_empty(), "{scene} in peace: {:?}\n{}", calm.found, calm.trail);
    let (count, mut boundaries) = drawn(&calm, mode, seed.wrapping_add(index as u64 * 977), sample);
    if let Some((_, boundary)) = only() {
        boundaries = vec![boundary];
    }
    sum.lock().unwrap().boundaries += count;
    for boundary in boundaries {
        let job = Job { scene, case: Case { seed, mode, boundary } };
        let mut outcome = play(&make, &job.case, &calm).unwrap();
        outcome.found.extend(another(&job, &outcome, &calm));
        let mut sum = sum.lock().unwrap();
        sum.played += 1;
        sum.unreached += u64::from(!outcome.reached);
        sum.found.extend(told(&job, &outcome, test));
    }
}

/// A case has to be the run in peace until its boundary: else it could not be played again. Where two processes take
/// turns that is so only almost.
fn another(job: &Job, outcome: &Outcome, calm: &Outcome) -> Option<String> {
    let until = ..=job.case.boundary as usize;
    let same = outcome.boundaries.get(until) == calm.boundaries.get(until);
    (job.case.mode != Mode::Pause && !same && only().is_none())
        .then(|| "it is another run than in peace before its boundary".into())
}

/// What was found in a run, with the command that plays it again.
fn told(job: &Job, outcome: &Outcome, test: &str) -> Option<String> {
    let Job { scene, case } = job;
    let name = outcome.boundaries.get(case.boundary as usize).map_or("not reached", String::as_str);
    let command = format!(
        "DEPLOY_SEED={} DEPLOY_CHAOS={scene}/{} cargo test -p deploy-testkit --test chaos -- --nocapture --include-ignored --exact {test}",
        case.seed, case.boundary
    );
    let found = outcome.found.join("\n");
    let trail = if only().is_some() { &outcome.trail } else { "" };
    (!outcome.found.is_empty()).then(|| format!("{trail}\n{scene}, {case} ({name})\n{found}\nagain: {command}"))
}

fn holds(mode: Mode, test: &str, sample: usize) {
    let sum = played(mode, test, sample);
    println!("figure: chaos {mode} boundaries = {}", sum.boundaries);
    println!("figure: chaos {mode} played = {}", sum.played);
    println!("figure: chaos {mode} not reached = {}", sum.unreached);
    println!("figure: chaos {mode} found = {}", sum.found.len());
    assert!(sum.found.is_empty(), "{} of {} runs: {}", sum.found.len(), sum.played, sum.found.join("\n"));
    let most = if mode == Mode::Pause { sum.played / 10 } else { 0 };
    assert!(sum.unreached <= most, "{} of {} boundaries were not reached", sum.unreached, sum.played);
}

/// A test of each mode at so many boundaries of each scene; and all of them, with so many in the soak.
macro_rules! modes {
    ($($mode:ident $few:ident $many:ident: $small:ident;)*) => {
        $(
            #[test]
            fn $small() {
                holds(Mode::$mode, stringify!($small), $few);
            }
        )*

        const MODES: &[(Mode, usize, &str)] = &[$((Mode::$mode, $many, stringify!($small)),)*];
    };
}

modes! {
    Kill CALLS ALL: killed_at_a_boundary_it_ends_as_in_peace;
    Drop CALLS MANY: dropped_at_a_boundary_it_ends_as_in_peace;
    Pause CALLS MANY: an_engine_that_stood_still_changes_nothing_more;
    Skew CALLS MANY: clocks_that_are_hours_apart_change_nothing;
    Late APPENDS ALL: an_append_that_is_done_late_loses_nothing;
    Slow APPENDS ALL: an_append_that_is_answered_late_loses_nothing;
    Lost APPENDS ALL: an_append_whose_answer_is_lost_loses_nothing;
    Full APPENDS ALL: a_full_store_is_waited_for;
    Unread APPENDS ALL: a_store_that_cannot_be_read_is_waited_for;
    Gone APPENDS ALL: a_store_that_cannot_be_reached_is_waited_for;
}

#[test]
#[ignore = "soak: all boundaries, or 400 of each scene; DEPLOY_CHAOS_MODE=kill plays one mode"]
fn nothing_is_lost_at_any_boundary() {
    let wanted = std::env::var("DEPLOY_CHAOS_MODE").ok();
    let wanted = |mode: &Mode| wanted.as_ref().is_none_or(|wanted| mode.to_string() == *wanted);
    for (mode, many, test) in MODES.iter().filter(|(mode, ..)| wanted(mode)) {
        holds(*mode, test, *many);
    }
}
