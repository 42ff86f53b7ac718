//! Playing a run: in peace, or with one thing done to it.

use super::case::{Case, Mode};
use super::check;
use super::clock::Clock;
use super::life::Life;
use super::log::Log;
use super::process::{Asked, Process, runtime};
use super::scene::{Make, Scene, Setting};
use crate::sim::Dice;
use deploy_core::{DeploymentId, Error, Record, Request, Result, Store, Timestamp};
use futures::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The last record; none where it did not end in two hours.
    pub record: Option<Record>,
    /// What stands.
    pub state: String,
    /// The boundaries that the first engine crossed, by name: `before append`.
    pub boundaries: Vec<String>,
    /// Whether the case's boundary was reached.
    pub reached: bool,
    /// What is not as it has to be.
    pub found: Vec<String>,
    /// The last lines of what happened.
    pub trail: String,
}

/// No run takes longer.
const LONGEST: Duration = Duration::from_secs(7_200);
/// What is left to do after an end is done by then.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Plays a run in peace: its boundaries are those that cases of a mode are about, its end is what theirs are held
/// against. It is the same for all modes but [`Mode::Skew`].
///
/// # Errors
/// Where the scene cannot be made.
pub fn peace(make: Make<'_>, seed: u64, mode: Mode) -> Result<Outcome> {
    let mut run = Run::begin(make, seed, mode == Mode::Skew)?;
    let process = run.process(true)?;
    process.life.count();
    run.finish(&process);
    Ok(run.outcome(&process.life, None))
}

/// Plays a case. What it [found](Outcome::found) is empty where it ended as in peace and nothing was broken.
///
/// # Errors
/// Where the scene cannot be made.
pub fn play(make: Make<'_>, case: &Case, peace: &Outcome) -> Result<Outcome> {
    let mut run = Run::begin(make, case.seed, case.mode == Mode::Skew)?;
    run.dice = Dice::new(case.seed.wrapping_mul(1_000_003) ^ case.boundary);
    match case.mode {
        Mode::Kill | Mode::Skew => run.kill(case, peace),
        Mode::Drop => run.dropped(case, peace),
        Mode::Pause => run.pause(case, peace),
        _ => run.fault(case, peace),
    }
}

/// One run.
pub(super) struct Run {
    pub(super) scene: Arc<dyn Scene>,
    pub(super) clock: Clock,
    pub(super) log: Log,
    pub(super) dice: Dice,
    pub(super) found: Vec<String>,
    seed: u64,
    lives: usize,
    /// What is asked of the store between two processes.
    own: Runtime,
    id: DeploymentId,
    request: Request,
}

impl Run {
    /// Makes the scene and brings in all but the last.
    fn begin(make: Make<'_>, seed: u64, skewed: bool) -> Result<Self> {
        let clock = Clock::new(Timestamp::from_second(1_800_000_000).unwrap_or_default());
        let mut dice = Dice::new(seed);
        let minutes = dice.below(3_600) as i64 - 1_800;
        let skew = jiff::SignedDuration::from_mins(if skewed { minutes } else { 0 });
        let scene = make(&Setting { seed, clock: clock.clone(), skew })?;
        let mut requests = scene.requests();
        let request = requests.pop().ok_or_else(|| Error::invalid("a scene brings in one release at least"))?;
        let (log, id) = (Log::default(), DeploymentId::new(format!("d{}", requests.len())));
        let mut run = Self { scene, clock, log, dice, found: Vec::new(), seed, lives: 0, own: runtime()?, id, request };
        for (number, request) in requests.into_iter().enumerate() {
            let id = DeploymentId::new(format!("d{number}"));
            let process = run.start(Some((id.clone(), request)))?;
            let ended = process.drive(ended(&run.scene.store(), &id));
            process.run(AFTERWARDS);
            if ended.is_none() {
                run.found.push(format!("{id} did not end in peace"));
            }
        }
        Ok(run)
    }

    pub(super) fn life(&mut self) -> Life {
        self.lives += 1;
        // By its number alone: until its boundary a case is the run in peace.
        let seed = self.seed.wrapping_mul(101) ^ self.lives as u64;
        Life::new(self.lives, self.log.clone(), seed)
    }

    fn start(&mut self, asked: Asked) -> Result<Process> {
        let life = self.life();
        Process::start(&self.scene, &self.clock, life, asked)
    }

    /// A process whose engine is asked for the last release, or only stands by.
    pub(super) fn process(&mut self, asks: bool) -> Result<Process> {
        let asked = asks.then(|| self.asked());
        self.start(asked)
    }

    pub(super) fn asked(&self) -> (DeploymentId, Request) {
        (self.id.clone(), self.request.clone())
    }

    /// Lets a process run until the boundary it aims at. False where the deployment ended before.
    fn reaches(&self, process: &Process) -> bool {
        let store = self.scene.store();
        process.drive(async {
            tokio::select! {
                biased;
                () = process.life.struck() => true,
                _ = afterwards(&store, &self.id) => false,
            }
        })
    }

    /// Lets a process run until the deployment has ended, and what is left to do then.
    pub(super) fn finish(&self, process: &Process) {
        let store = self.scene.store();
        process.drive(async { drop(afterwards(&store, &self.id).await) });
    }

    pub(super) fn is_ended(&self) -> bool {
        self.record().is_some_and(|record| record.status().is_final())
    }

    /// The record as the store has it; none where it has none yet.
    pub(super) fn record(&self) -> Option<Record> {
        self.own.block_on(self.scene.store().load(&self.id)).ok()
    }

    fn kill(mut self, case: &Case, peace: &Outcome) -> Result<Outcome> {
        let first = self.process(true)?;
        first.life.count();
        first.life.aim(case.boundary);
        if !self.reaches(&first) {
            return Ok(self.outcome(&first.life, Some(peace)));
        }
        let at_once = self.dice.chance(30);
        let gap = self.dice.millis(1, if at_once { 10 } else { 40_000 });
        self.clock.pass(gap);
        let life = first.life.clone();
        let second = self.process(true)?;
        if self.dice.chance(60) {
            let late = self.dice.millis(0, 60_000);
            second.run(late);
            life.land(case.boundary);
            first.drive(async { drop(tokio::time::timeout(Duration::from_secs(1), life.struck()).await) });
        }
        drop(first);
        self.finish(&second);
        let mut outcome = self.outcome(&life, Some(peace));
        outcome.reached = true;
        Ok(outcome)
    }

    fn dropped(mut self, case: &Case, peace: &Outcome) -> Result<Outcome> {
        let mut process = self.process(true)?;
        let life = process.life.clone();
        life.count();
        life.aim(case.boundary);
        let reached = self.reaches(&process);
        if reached {
            let (next, asked) = (self.life(), self.asked());
            process.replace(&self.scene, next, Some(asked));
            self.finish(&process);
        }
        let mut outcome = self.outcome(&life, Some(peace));
        outcome.reached = reached;
        Ok(outcome)
    }

    fn fault(mut self, case: &Case, peace: &Outcome) -> Result<Outcome> {
        let fault = case.mode.fault(&mut self.dice);
        let process = self.process(true)?;
        process.life.count();
        if let Some(fault) = fault {
            process.life.fault(case.boundary, fault);
        }
        self.finish(&process);
        let mut outcome = self.outcome(&process.life, Some(peace));
        outcome.reached = outcome.boundaries.len() as u64 > case.boundary;
        Ok(outcome)
    }

    pub(super) fn outcome(self, life: &Life, peace: Option<&Outcome>) -> Outcome {
        let record = self.record().filter(|record| record.status().is_final());
        let mut found = self.found.clone();
        found.extend(self.own.block_on(check::all(&self, record.as_ref(), self.record().as_ref(), peace)));
        Outcome {
            record,
            state: self.scene.state(),
            boundaries: life.names(),
            reached: false,
            found,
            trail: self.scene.trail(400),
        }
    }
}

/// Waits until a deployment has ended and what is left to do then is done.
async fn afterwards(store: &Arc<dyn Store>, id: &DeploymentId) -> Option<Record> {
    let ended = ended(store, id).await;
    tokio::time::sleep(AFTERWARDS).await;
    ended
}

/// Waits until a deployment has ended; none where it takes too long.
pub(super) async fn ended(store: &Arc<dyn Store>, id: &DeploymentId) -> Option<Record> {
    let mut hints = store.watch();
    let ended = async {
        loop {
            match store.load(id).await {
                Ok(record) if record.status().is_final() => return record,
                _ => {}
            }
            match &mut hints {
                Some(hints) => drop(hints.next().await),
                None => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    tokio::time::timeout(LONGEST, ended).await.ok()
}
