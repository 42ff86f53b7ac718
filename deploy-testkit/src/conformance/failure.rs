//! What is broken, and how to see it again.

use std::fmt;

/// What a step shows: a guarantee of the whole, or a sentence of a trait's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Guarantee {
    /// No move takes ready instances below the floor or standing ones above the ceiling.
    G1,
    /// Nothing is newly routed to who is not healthy, and no request is lost when an instance goes.
    G2,
    /// A share grows only over enough ready; counts and traffic never change in one order.
    G3,
    /// One active deployment for each application and environment.
    G4,
    /// Every wait ends: calls are bounded, and what was asked for is reached.
    G5,
    /// A call that was dropped or lost is made again, and the end is the same.
    G6,
    /// Who lost its lease changes nothing more.
    G7,
    /// No move leaves users unserved; in a pause nothing is launched.
    G8,
    /// What could not be told is never taken for good or bad.
    G9,
    /// Events are gapless and append-only; the record equals their fold.
    G10,
    /// What cannot be done is refused, never silently done otherwise.
    G13,
    /// What cannot become well ends the wait at once.
    G14,
    /// A sentence of the contract, by its subject.
    Contract(&'static str),
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(sentence) => write!(f, "the contract ({sentence})"),
            guarantee => write!(f, "{guarantee:?}"),
        }
    }
}

/// A step of a suite that does not hold. Its `Display`, and its `Debug` alike, is all that is needed to see it again: a
/// test that returns it shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// The suite: `Router`.
    pub suite: &'static str,
    /// What is broken.
    pub guarantee: Guarantee,
    /// In which step.
    pub step: Box<str>,
    /// What the subject told or did.
    pub told: Box<str>,
    /// What it should have.
    pub expected: Box<str>,
    /// The calls of the step with their answers, in order.
    pub trace: Box<[String]>,
    /// What the step was drawn by, where it was drawn: `DEPLOY_SEED` replays it.
    pub seed: Option<u64>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suite, guarantee, step, told, expected, .. } = self;
        writeln!(f, "{guarantee} is broken in step \"{step}\": told {told}, expected {expected}")?;
        write!(f, "  suite: {suite}")?;
        if let Some(seed) = self.seed {
            write!(f, "\n  seed: {seed} (DEPLOY_SEED={seed} replays it)")?;
        }
        write!(f, "\n  trace:")?;
        if self.trace.is_empty() {
            write!(f, " nothing was called yet")?;
        }
        for (number, line) in (1..).zip(self.trace.iter()) {
            write!(f, "\n    {number}. {line}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}
