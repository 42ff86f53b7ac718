//! What every judge does, whatever it judges by.

use super::failure::{Failure, Guarantee};
use super::report::{Held, Passed, Report};
use crate::sim::Dice;
use deploy_core::{Figures, JudgeState, Sample, Verdict};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const PURE: Guarantee = Guarantee::Contract("the same state and sample give the same state and verdict");
const UNPROVEN: Guarantee = Guarantee::G9;
const LONG: usize = 100;

/// Holds a judge to the contract of [`deploy_core::Judge`].
pub struct Judge {
    make: Box<dyn Fn() -> Arc<dyn deploy_core::Judge>>,
    good: Option<Sample>,
    bad: Option<Sample>,
    draws: u64,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("good", &self.good).field("bad", &self.bad).finish_non_exhaustive()
    }
}

impl Judge {
    /// Judges made anew for each step, with the same settings.
    pub fn new(make: impl Fn() -> Arc<dyn deploy_core::Judge> + 'static) -> Self {
        Self { make: Box::new(make), good: None, bad: None, draws: 50 }
    }

    /// Declares a sample that it passes when it comes again and again.
    #[must_use]
    pub fn passes(mut self, sample: Sample) -> Self {
        self.good = Some(sample);
        self
    }

    /// Declares a sample that it fails when it comes again and again.
    #[must_use]
    pub fn fails(mut self, sample: Sample) -> Self {
        self.bad = Some(sample);
        self
    }

    /// Takes every step.
    ///
    /// # Errors
    /// The first step that does not hold.
    pub async fn run(self) -> Result<Passed, Failure> {
        let report = Report::of("Judge");
        report.step(UNPROVEN, "without figures nothing is proven");
        self.no_figures(&report)?;
        report.step(UNPROVEN, "no request at all is neither good nor bad");
        self.no_requests(&report)?;
        report.step(PURE, "drawn samples give the same verdicts again, and from a state that was stored");
        super::strategy::seeds(self.draws).try_for_each(|seed| self.again(&report, seed))?;
        report.step(Guarantee::Contract("folds samples into a verdict"), "what is good is passed");
        self.ends(&report, self.good.as_ref(), "passes", |verdict| *verdict == Verdict::Pass)?;
        report.step(Guarantee::Contract("folds samples into a verdict"), "what is bad is failed");
        self.ends(&report, self.bad.as_ref(), "fails", |verdict| matches!(verdict, Verdict::Fail(_)))?;
        Ok(report.passed())
    }

    fn no_figures(&self, report: &Report) -> Held {
        let stable = Sample { stable: Some(figures(1000, 0)), candidate: None };
        let (judge, mut state) = ((self.make)(), JudgeState::Null);
        for sample in [Sample::default(), stable].iter().cycle().take(20) {
            unproven(report, &fold(report, &*judge, &mut state, sample))?;
        }
        let Some(good) = &self.good else {
            report.left_out("figures that are missing between good ones", "no good sample was declared (`passes`)");
            return Ok(());
        };
        for _ in 0..LONG {
            fold(report, &*judge, &mut state, good);
        }
        unproven(report, &fold(report, &*judge, &mut state, &Sample::default()))
    }

    fn no_requests(&self, report: &Report) -> Held {
        let sample = Sample { stable: Some(Figures::default()), candidate: Some(Figures::default()) };
        let (judge, mut state) = ((self.make)(), JudgeState::Null);
        (0..20).try_for_each(|_| unproven(report, &fold(report, &*judge, &mut state, &sample)))
    }

    fn again(&self, report: &Report, seed: u64) -> Held {
        report.draw(seed);
        let mut dice = Dice::new(seed);
        let (one, other) = ((self.make)(), (self.make)());
        let (mut kept, mut stored) = (JudgeState::Null, JudgeState::Null);
        for _ in 0..30 {
            let sample = drawn(&mut dice);
            let first = fold(report, &*one, &mut kept, &sample);
            let text = stored.to_string();
            stored = serde_json::from_str(&text).map_err(|error| report.broken(error, "a state that is JSON"))?;
            let second = other.fold(&mut stored, &sample);
            report.equal(&second, &first)?;
            report.equal(&stored, &kept)?;
            let none = sample.candidate.is_none();
            report.holds(
                !none || matches!(first, Verdict::Unproven(_)),
                format_args!("{first:?}"),
                "unproven for a sample without figures of the candidate",
            )?;
        }
        Ok(())
    }

    fn ends(&self, report: &Report, sample: Option<&Sample>, word: &str, is: impl Fn(&Verdict) -> bool) -> Held {
        let Some(sample) = sample else {
            report.leave_out(format!("no such sample was declared (`{word}`)"));
            return Ok(());
        };
        let (judge, mut state) = ((self.make)(), JudgeState::Null);
        let last = (0..LONG).map(|_| fold(report, &*judge, &mut state, sample)).last();
        report.holds(last.as_ref().is_some_and(is), format_args!("{last:?}"), format_args!("a judge that {word} it"))
    }
}

fn fold(report: &Report, judge: &dyn deploy_core::Judge, state: &mut JudgeState, sample: &Sample) -> Verdict {
    let verdict = judge.fold(state, sample);
    let shown = |figures: &Option<Figures>| {
        figures.as_ref().map_or_else(|| "-".to_owned(), |it| format!("{} failed of {}", it.errors, it.requests))
    };
    report.note(format!(
        "fold(stable {}, candidate {}) -> {verdict:?}",
        shown(&sample.stable),
        shown(&sample.candidate)
    ));
    verdict
}

fn unproven(report: &Report, verdict: &Verdict) -> Held {
    report.holds(matches!(verdict, Verdict::Unproven(_)), format_args!("{verdict:?}"), "unproven")
}

fn figures(requests: u64, errors: u64) -> Figures {
    let latency = Some(Duration::from_millis(20));
    Figures { requests, errors, p50: latency, p95: latency, p99: latency, ..Figures::default() }
}

fn drawn(dice: &mut Dice) -> Sample {
    let mut side = |absent: u32| {
        let requests = dice.below(200);
        let errors = if dice.chance(70) { 0 } else { dice.below(requests + 1) };
        let mut figures = figures(requests, errors);
        figures.p99 = (!dice.chance(30)).then(|| dice.millis(1, 3_000));
        (!dice.chance(absent)).then_some(figures)
    };
    Sample { stable: side(20), candidate: side(20) }
}
