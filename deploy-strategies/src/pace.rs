//! The limits that all stages of a plan share, and how stages are made with them.

use deploy_core::{Budget, Desired, Error, OnDeadline, Result, Stage, Stages, Step, Task};
use std::time::Duration;

/// The limits that all stages of a plan share.
pub(crate) struct Pace<'a> {
    pub(crate) budget: Budget,
    pub(crate) deadline: Duration,
    pub(crate) on_deadline: OnDeadline,
    pub(crate) before: &'a [Task],
    pub(crate) after: &'a [Task],
}

impl Pace<'_> {
    /// Refuses times that cannot be kept.
    pub(crate) fn check(&self) -> Result<()> {
        if self.budget.min_ready < self.deadline {
            return Ok(());
        }
        let (ready, deadline) =
            (deploy_core::time::show(self.budget.min_ready), deploy_core::time::show(self.deadline));
        let message = format!(
            "nobody can be ready in time: min_ready is {ready} and progress_deadline {deadline}; \
             make progress_deadline longer than min_ready"
        );
        Err(Error::at("progress_deadline", message))
    }

    pub(crate) fn step(&self, name: impl Into<String>, desired: Desired) -> Step {
        Step::to(desired).named(name).budget(self.budget.clone()).deadline(self.deadline)
    }

    pub(crate) fn stage(&self, name: impl Into<String>, desired: Desired) -> Stage {
        Stage::from(self.step(name, desired)).on_deadline(self.on_deadline)
    }

    /// Puts the tasks before the first and after the last stage; `after` are the steps after the commit.
    pub(crate) fn stages(&self, mut before: Vec<Stage>, after: Vec<Step>) -> Stages {
        if let Some(first) = before.first_mut() {
            first.step.before.splice(0..0, self.before.iter().cloned());
        }
        if let Some(last) = before.last_mut() {
            last.step.after.extend(self.after.iter().cloned());
        }
        Stages { before, after }
    }
}
