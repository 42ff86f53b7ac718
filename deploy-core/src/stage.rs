//! What a strategy lays out.

use crate::time::human;
use crate::{Budget, Count, GateSpec, JudgeSpec, Split, Task, Traffic};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where one workload should be: a count for each side, and traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Of stable; its shares are of stable's own count.
    pub stable: Count,
    /// Of the candidate; its shares are of its own count.
    pub candidate: Count,
    /// Where requests go.
    pub traffic: Traffic,
}

impl Desired {
    /// Both sides, all traffic to stable.
    pub const fn both(stable: Count, candidate: Count) -> Self {
        Self { stable, candidate, traffic: Traffic::stable() }
    }

    /// The candidate alone, all traffic to it.
    pub const fn candidate(candidate: Count) -> Self {
        Self { stable: Count::NONE, candidate, traffic: Traffic::candidate() }
    }

    /// Stable alone, all traffic to it.
    pub const fn stable(stable: Count) -> Self {
        Self { stable, candidate: Count::NONE, traffic: Traffic::stable() }
    }

    /// The candidate alone, replacing stable at one place.
    pub const fn pooled(candidate: Count) -> Self {
        Self { stable: Count::NONE, candidate, traffic: Traffic::Pooled }
    }

    /// Nobody, and nobody is served.
    pub const fn nothing() -> Self {
        Self { stable: Count::NONE, candidate: Count::NONE, traffic: Traffic::None }
    }

    /// Sends requests elsewhere. For a worker core makes it [`Traffic::NotRouted`].
    #[must_use]
    pub fn traffic(mut self, traffic: impl Into<Traffic>) -> Self {
        self.traffic = traffic.into();
        self
    }

    /// Splits by a share.
    #[must_use]
    pub fn split(self, split: Split) -> Self {
        self.traffic(split)
    }
}

/// A desired state, the limits on the way to it, and the tasks around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it is called in the plan: `a first instance`.
    pub name: String,
    /// Where the workload should be.
    pub desired: Desired,
    /// The limits on the way.
    pub budget: Budget,
    /// Done before anything moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Task>,
    /// Done when it is settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Task>,
    /// Tasks, moves and bake together take at most so long. Default 10 min plus the bake.
    #[serde(with = "human")]
    pub deadline: Duration,
}

impl Step {
    /// The default deadline without bake: 10 min.
    pub const DEADLINE: Duration = Duration::from_secs(600);

    /// A step to a desired state, the budget and deadline by default.
    pub fn to(desired: Desired) -> Self {
        Self {
            name: String::new(),
            desired,
            budget: Budget::default(),
            before: Vec::new(),
            after: Vec::new(),
            deadline: Self::DEADLINE,
        }
    }

    /// Names it for people.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the limits on the way.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Sets the deadline.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Adds tasks before anything moves.
    #[must_use]
    pub fn before(mut self, tasks: impl IntoIterator<Item = Task>) -> Self {
        self.before.extend(tasks);
        self
    }

    /// Adds tasks when it is settled.
    #[must_use]
    pub fn after(mut self, tasks: impl IntoIterator<Item = Task>) -> Self {
        self.after.extend(tasks);
        self
    }
}

/// What happens when a stage is late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// All workloads go back.
    #[default]
    GoBack,
    /// It pauses and tells.
    Pause,
}

/// The way back from a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Back {
    /// All stable, then nothing of the candidate, under the stage's budget.
    #[default]
    Derived,
    /// These steps.
    Steps(Vec<Step>),
    /// There is none, for this reason.
    Refused(String),
}

/// What must hold before the next stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// Settled and healthy so long.
    #[serde(with = "human")]
    pub bake: Duration,
    /// Asked while it bakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeSpec>,
    /// Asked when it has baked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateSpec>,
}

/// A step, what must hold before the next, what its deadline does, and its way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The step.
    pub step: Step,
    /// What must hold.
    pub holds: Holds,
    /// What lateness does.
    pub on_deadline: OnDeadline,
    /// The way back.
    pub back: Back,
}

impl Stage {
    /// A stage to a desired state that holds nothing more.
    pub fn to(desired: Desired) -> Self {
        Self::from(Step::to(desired))
    }

    /// Stays settled and healthy so long; the deadline grows by it.
    #[must_use]
    pub fn bake(mut self, bake: Duration) -> Self {
        self.step.deadline = self.step.deadline.saturating_sub(self.holds.bake).saturating_add(bake);
        self.holds.bake = bake;
        self
    }

    /// Asks a judge while it bakes.
    #[must_use]
    pub fn judge(mut self, judge: Option<JudgeSpec>) -> Self {
        self.holds.judge = judge;
        self
    }

    /// Asks a gate when it has baked.
    #[must_use]
    pub fn gate(mut self, gate: Option<GateSpec>) -> Self {
        self.holds.gate = gate;
        self
    }

    /// Says what lateness does.
    #[must_use]
    pub const fn on_deadline(mut self, on_deadline: OnDeadline) -> Self {
        self.on_deadline = on_deadline;
        self
    }

    /// Says a way back that differs from the derived one.
    #[must_use]
    pub fn back(mut self, back: Back) -> Self {
        self.back = back;
        self
    }
}

impl From<Step> for Stage {
    fn from(step: Step) -> Self {
        Self { step, holds: Holds::default(), on_deadline: OnDeadline::default(), back: Back::default() }
    }
}

/// The way of one workload: stages, the commit, and the steps after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// Before the commit.
    pub before: Vec<Stage>,
    /// After it; without a way back.
    pub after: Vec<Step>,
}

impl Stages {
    /// No stage yet.
    pub const fn new() -> Self {
        Self { before: Vec::new(), after: Vec::new() }
    }

    /// Adds a stage before the commit.
    #[must_use]
    pub fn then(mut self, stage: impl Into<Stage>) -> Self {
        self.before.push(stage.into());
        self
    }

    /// Adds a step after the commit; from there on there is no way back.
    #[must_use]
    pub fn after_commit(mut self, step: Step) -> Self {
        self.after.push(step);
        self
    }
}
