//! What a run of a suite tells: what was held, what was left out, and what is broken.

use super::failure::{Failure, Guarantee};
use deploy_core::{Error, Kind, Result};
use std::fmt::{self, Debug, Display};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The result of a check.
pub(super) type Held<T = ()> = std::result::Result<T, Failure>;

/// No call of a subject may take longer, in the runtime's time.
pub(super) const BOUND: Duration = Duration::from_secs(60);

/// What a subject was held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The suite: `Router`.
    pub suite: &'static str,
    /// What was checked, in order.
    pub checked: Vec<Checked>,
    /// What was not, and why.
    pub left_out: Vec<LeftOut>,
}

/// A step that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it shows.
    pub guarantee: Guarantee,
    /// In one sentence.
    pub step: String,
}

/// A step that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// What was not checked.
    pub step: String,
    /// Why, and what would make it be checked.
    pub why: String,
}

impl Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} steps hold, {} were left out", self.suite, self.checked.len(), self.left_out.len())?;
        for Checked { guarantee, step } in &self.checked {
            writeln!(f, "  holds     {step} ({guarantee})")?;
        }
        for LeftOut { step, why } in &self.left_out {
            writeln!(f, "  left out  {step}: {why}")?;
        }
        Ok(())
    }
}

/// The step that is being taken, and all before it.
#[derive(Debug)]
pub(super) struct Report(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    passed: Passed,
    trace: Vec<String>,
    seed: Option<u64>,
}

impl Report {
    pub(super) const fn of(suite: &'static str) -> Self {
        let passed = Passed { suite, checked: Vec::new(), left_out: Vec::new() };
        Self(Mutex::new(Inner { passed, trace: Vec::new(), seed: None }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a step; what was noted before belongs to the one before.
    pub(super) fn step(&self, guarantee: Guarantee, step: impl Into<String>) {
        let mut inner = self.lock();
        inner.trace.clear();
        inner.seed = None;
        inner.passed.checked.push(Checked { guarantee, step: step.into() });
    }

    /// The step goes on under another guarantee; its trace is kept.
    pub(super) fn then(&self, guarantee: Guarantee, step: impl Into<String>) {
        self.lock().passed.checked.push(Checked { guarantee, step: step.into() });
    }

    /// Begins a draw of the step.
    pub(super) fn draw(&self, seed: u64) {
        let mut inner = self.lock();
        inner.trace.clear();
        inner.seed = Some(seed);
    }

    pub(super) fn left_out(&self, step: impl Into<String>, why: impl Into<String>) {
        self.lock().passed.left_out.push(LeftOut { step: step.into(), why: why.into() });
    }

    /// Takes back the step that was begun: it cannot be taken, for this reason.
    pub(super) fn leave_out(&self, why: impl Into<String>) {
        let mut inner = self.lock();
        if let Some(Checked { step, .. }) = inner.passed.checked.pop() {
            inner.passed.left_out.push(LeftOut { step, why: why.into() });
        }
    }

    pub(super) fn note(&self, line: impl Into<String>) {
        self.lock().trace.push(line.into());
    }

    pub(super) fn passed(self) -> Passed {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).passed
    }

    /// The step is broken.
    pub(super) fn broken(&self, told: impl Display, expected: impl Display) -> Failure {
        let inner = self.lock();
        let last = inner.passed.checked.last();
        Failure {
            suite: inner.passed.suite,
            guarantee: last.map_or(Guarantee::Contract("start"), |last| last.guarantee),
            step: last.map_or("it starts", |last| &last.step).into(),
            told: told.to_string().into(),
            expected: expected.to_string().into(),
            trace: inner.trace.clone().into(),
            seed: inner.seed,
        }
    }

    pub(super) fn holds(&self, holds: bool, told: impl Display, expected: impl Display) -> Held {
        if holds { Ok(()) } else { Err(self.broken(told, expected)) }
    }

    pub(super) fn equal<T: PartialEq + Debug>(&self, told: &T, expected: &T) -> Held {
        self.holds(told == expected, format_args!("{told:?}"), format_args!("{expected:?}"))
    }

    /// What came of a call that must not fail.
    pub(super) fn done<T>(&self, told: Result<T>) -> Held<T> {
        told.map_err(|error| self.broken(wrong(&error), "no error"))
    }

    /// The error of a call that must fail in one of these ways.
    pub(super) fn refused<T: Debug>(&self, told: Result<T>, kinds: &[Kind]) -> Held<Error> {
        let expected = kinds.iter().map(|kind| format!("{kind:?}")).collect::<Vec<_>>().join(" or ");
        match told {
            Err(error) if kinds.contains(&error.kind()) => Ok(error),
            Err(error) => Err(self.broken(wrong(&error), format_args!("the error {expected}"))),
            Ok(told) => Err(self.broken(format_args!("{told:?}"), format_args!("the error {expected}"))),
        }
    }

    /// Makes a call, notes it with its answer, and holds it to the bound.
    pub(super) async fn call<T: Debug>(&self, what: impl Into<String>, call: impl Future<Output = T>) -> Held<T> {
        let what = what.into();
        let Ok(told) = tokio::time::timeout(BOUND, call).await else {
            self.note(format!("{what} -> no answer"));
            return Err(self.broken(format_args!("nothing within {} s", BOUND.as_secs()), "an answer"));
        };
        self.note(format!("{what} -> {}", short(&format!("{told:?}"))));
        Ok(told)
    }
}

fn wrong(error: &Error) -> String {
    format!("the error {:?} ({error})", error.kind())
}

/// At most a line of an answer.
fn short(told: &str) -> String {
    const LONGEST: usize = 300;
    let line = told.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST { line } else { line.chars().take(LONGEST).chain("…".chars()).collect() }
}
