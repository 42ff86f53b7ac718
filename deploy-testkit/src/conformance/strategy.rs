//! What every strategy does, whatever way it lays out.

mod drawn;

use super::failure::{Failure, Guarantee};
use super::report::{Held, Passed, Report};
use deploy_core::planner::{Planning, plan};
use deploy_core::{
    Back, Change, Count, Desired, Kind, Result, Stages, Step, Strategies, StrategyRef, Timestamp, Traffic, need,
};
use drawn::Drawn;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

const PURE: Guarantee = Guarantee::Contract("the same change gives the same stages");
const VERIFIED: Guarantee = Guarantee::Contract("what it returns is verified before anything is touched");

/// Holds a strategy to the contract of [`deploy_core::Strategy`], over drawn changes.
pub struct Strategy {
    make: Box<dyn Fn() -> Arc<dyn deploy_core::Strategy>>,
    draws: u64,
    exclusive: bool,
    workers: bool,
}

impl fmt::Debug for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strategy").field("draws", &self.draws).finish_non_exhaustive()
    }
}

impl Strategy {
    /// Strategies made anew for each change, with the same settings.
    pub fn new(make: impl Fn() -> Arc<dyn deploy_core::Strategy> + 'static) -> Self {
        Self { make: Box::new(make), draws: 300, exclusive: true, workers: true }
    }

    /// Draws so many changes. Default 300.
    #[must_use]
    pub const fn draws(mut self, draws: u64) -> Self {
        self.draws = draws;
        self
    }

    /// Declares that it is not for workloads with one writer.
    #[must_use]
    pub const fn without_exclusive(mut self) -> Self {
        self.exclusive = false;
        self
    }

    /// Declares that it is not for workloads that nobody is routed to.
    #[must_use]
    pub const fn without_workers(mut self) -> Self {
        self.workers = false;
        self
    }

    /// Takes every step.
    ///
    /// # Errors
    /// The first step that does not hold, with the seed of its change.
    pub async fn run(self) -> std::result::Result<Passed, Failure> {
        let report = Report::of("Strategy");
        let declared = [(self.exclusive, "workloads with one writer"), (self.workers, "workloads that are not routed")];
        for (_, what) in declared.iter().filter(|(is, _)| !is) {
            report.left_out(*what, "declared not to be for them");
        }
        report.step(VERIFIED, "a web service of three instances is brought from one release to the next");
        let laid_out = self.draw(&report, &Drawn::plain())?;
        report.holds(laid_out, "a refusal", "stages")?;
        for seed in seeds(self.draws) {
            let drawn = Drawn::by(seed);
            if (drawn.workload.is_exclusive() && !self.exclusive) || (!drawn.workload.is_routed() && !self.workers) {
                continue;
            }
            report.step(VERIFIED, "drawn changes are laid out as a plan may be, or refused");
            report.draw(seed);
            self.draw(&report, &drawn)?;
        }
        Ok(once_each(report.passed()))
    }

    /// Whether it laid out a change; else it refused it.
    fn draw(&self, report: &Report, drawn: &Drawn) -> Held<bool> {
        report.note(format!("change: {drawn}"));
        let strategy = (self.make)();
        let change = drawn.change();
        let stages = match strategy.plan(&change) {
            Ok(stages) => stages,
            Err(error) => {
                report.note(format!("plan -> refused, {:?}: {error}", error.kind()));
                report.refused::<()>(Err(error), &[Kind::Unsupported, Kind::Invalid])?;
                return Ok(false);
            }
        };
        lines(&stages).for_each(|line| report.note(line));
        report.then(PURE, "the same change gives the same stages, from another one of it too");
        for again in [strategy.plan(&change), (self.make)().plan(&change)] {
            let again = report.done(again)?;
            report.equal(&again, &stages)?;
        }
        safe(report, &change, &stages)?;
        report.then(VERIFIED, "`Plan::verify` takes what core makes of its stages");
        let strategies = One(strategy);
        let planning = Planning {
            release: &drawn.release,
            environment: &drawn.environment,
            strategies: &strategies,
            platforms: [(drawn.track.clone(), (drawn.capabilities.clone(), drawn.observed.clone()))].into(),
            known: &drawn.known,
            now: Timestamp::UNIX_EPOCH,
        };
        match plan(&planning) {
            Err(error) if error.kind() == Kind::Unsupported => report.note(format!("core refuses it: {error}")),
            planned => drop(report.done(planned)?),
        }
        Ok(true)
    }
}

/// G3, on the stages themselves.
fn safe(report: &Report, change: &Change<'_>, stages: &Stages) -> Held {
    report.then(Guarantee::G3, "who gets requests has enough instances for them");
    steps(stages).try_for_each(|step| enough(report, change, step))?;
    report.then(Guarantee::G3, "selector and weight never change in one step: a plan pools or splits");
    let pooled = steps(stages).any(|step| step.desired.traffic == Traffic::Pooled);
    let divided = |step: &&Step| step.desired.traffic.split().is_some_and(|split| !split.is_whole());
    let split = steps(stages).find(divided);
    let told =
        split.map_or_else(String::new, |step| format!("both pooled traffic and a split ({})", step.desired.traffic));
    report.holds(!pooled || split.is_none(), told, "one of them in a plan")
}

fn enough(report: &Report, change: &Change<'_>, step: &Step) -> Held {
    let Some(split) = step.desired.traffic.split() else { return Ok(()) };
    let (count, desired) = (change.workload.replicas, &step.desired);
    let away = step.budget.max_unavailable.down(count);
    let sides = [
        ("the candidate", desired.candidate, split.candidate, split.serves_candidate()),
        ("stable", desired.stable, split.candidate.rest(), split.serves_stable()),
    ];
    for (who, has, share, served) in sides {
        let needs = if served { need(share, count, away).max(1) } else { 0 };
        // A number of stable's is of its own count, which a strategy is not shown.
        let needs = if who == "stable" && matches!(has, Count::Exactly(_)) { needs.min(1) } else { needs };
        let told = format!("{} instances of {who} for {} of {count}", has.of(count), desired.traffic);
        report.holds(has.of(count) >= needs, told, format_args!("at least {needs}"))?;
    }
    Ok(())
}

/// All steps of all stages, and of the ways back that were laid out.
fn steps(stages: &Stages) -> impl Iterator<Item = &Step> {
    let backs = stages.before.iter().flat_map(|stage| match &stage.back {
        Back::Steps(steps) => steps.as_slice(),
        _ => &[],
    });
    stages.before.iter().map(|stage| &stage.step).chain(&stages.after).chain(backs)
}

fn lines(stages: &Stages) -> impl Iterator<Item = String> {
    let line = |when: &str, step: &Step| {
        let Desired { stable, candidate, traffic } = &step.desired;
        format!("{when} `{}`: stable {stable}, candidate {candidate}, traffic {traffic}", step.name)
    };
    let before = stages.before.iter().map(move |stage| line("stage", &stage.step));
    before.chain(stages.after.iter().map(move |step| line("after the commit", step)))
}

/// The strategy under any name.
#[derive(Debug)]
struct One(Arc<dyn deploy_core::Strategy>);

impl Strategies for One {
    fn get(&self, _strategy: &StrategyRef) -> Result<Arc<dyn deploy_core::Strategy>> {
        Ok(Arc::clone(&self.0))
    }
}

/// The seeds of a run: so many, or the one that `DEPLOY_SEED` says.
pub(super) fn seeds(draws: u64) -> Range<u64> {
    let replayed = std::env::var("DEPLOY_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    replayed.map_or(0..draws, |seed| seed..seed + 1)
}

/// A step that was taken for many draws is told once.
fn once_each(mut passed: Passed) -> Passed {
    let mut seen = Vec::new();
    passed.checked.retain(|checked| {
        let news = !seen.contains(checked);
        if news {
            seen.push(checked.clone());
        }
        news
    });
    passed
}
