//! Many seeds over the mix of all simulated platforms, and what came of them.

use super::campaign::play;
use super::profile::Profile;
use super::run::Run;
use super::shrink::shrink;
use deploy_core::Result;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

/// The guarantees that a campaign checks in every run, with two properties of the machine.
pub const CHECKED: [&str; 15] =
    ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "G11", "G13", "G14", "fixpoint", "progress"];

/// What came of many seeds.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Runs.
    pub seeds: u64,
    /// Deployments in them.
    pub deployments: u64,
    /// Looks of engines.
    pub looks: u64,
    /// Engines that were killed.
    pub kills: u64,
    /// Late calls of dead engines that landed.
    pub late_calls: u64,
    /// How deployments ended.
    pub ends: BTreeMap<String, u64>,
    /// How often each guarantee was broken, each run counted once.
    pub broken: BTreeMap<&'static str, u64>,
    /// The first runs that broke each, shrunk.
    pub found: Vec<Found>,
}

/// A run that broke a guarantee.
#[derive(Debug, Clone)]
pub struct Found {
    /// The guarantee.
    pub guarantee: &'static str,
    /// Which run, how it is replayed, what it takes.
    pub report: String,
}

/// The profile that a seed plays on.
pub const fn profile_of(seed: u64) -> Profile {
    Profile::ALL[(seed % Profile::ALL.len() as u64) as usize]
}

/// Plays seeds of a strategy on two threads, each on its profile or all on one.
///
/// # Errors
/// As [`play`].
pub fn sweep(seeds: Range<u64>, name: &str, only: Option<Profile>) -> Result<Tally> {
    let (next, tally) = (Mutex::new(seeds), Mutex::new(Ok(Tally::default())));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = locked(&next).next() {
                    let profile = only.unwrap_or_else(|| profile_of(seed));
                    let played = play(seed, profile, name);
                    let mut tally = locked(&tally);
                    match (played, tally.as_mut()) {
                        (Ok(run), Ok(tally)) => tally.add(&run, profile, name),
                        (Err(error), Ok(_)) => *tally = Err(error.with("seed", seed)),
                        (_, Err(_)) => break,
                    }
                }
            });
        }
    });
    tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Tally {
    /// No more runs than these are shrunk of each guarantee.
    const SHOWN: u64 = 2;

    fn add(&mut self, run: &Run, profile: Profile, name: &str) {
        self.seeds += 1;
        self.deployments += run.history.len() as u64;
        self.looks += run.all_looks;
        self.kills += u64::from(run.kills);
        self.late_calls += u64::from(run.calls);
        for (record, _) in &run.history {
            *self.ends.entry(record.status().to_string()).or_default() += 1;
        }
        let mut broken: Vec<_> = run.world.trail.broken.iter().map(|breach| breach.guarantee).collect();
        broken.sort_unstable();
        broken.dedup();
        for guarantee in broken {
            let times = self.broken.entry(guarantee).or_default();
            *times += 1;
            if *times <= Self::SHOWN {
                let report = shrink(run.seed, profile, name, guarantee)
                    .map_or_else(|error| error.to_string(), |shrunk| shrunk.report(run.seed, profile, name, 60));
                self.found.push(Found { guarantee, report });
            }
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.deployments += other.deployments;
        self.looks += other.looks;
        self.kills += other.kills;
        self.late_calls += other.late_calls;
        other.ends.into_iter().for_each(|(end, times)| *self.ends.entry(end).or_default() += times);
        other.broken.into_iter().for_each(|(name, times)| *self.broken.entry(name).or_default() += times);
        self.found.extend(other.found);
    }

    /// The figures, a line each.
    pub fn figures(&self) -> Vec<String> {
        let counts = [
            ("seeds", self.seeds),
            ("deployments", self.deployments),
            ("looks", self.looks),
            ("kills", self.kills),
            ("late calls", self.late_calls),
        ];
        let mut lines: Vec<_> = counts.iter().map(|(name, value)| format!("figure: {name} = {value}")).collect();
        lines.extend(self.ends.iter().map(|(end, times)| format!("figure: ended {end} = {times}")));
        lines.extend(CHECKED.iter().map(|name| {
            let times = self.broken.get(name).copied().unwrap_or(0);
            format!("figure: breaches of {name} = {times}")
        }));
        lines
    }
}
