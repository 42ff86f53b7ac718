//! One-shot effects around a step.

use crate::time::human;
use crate::{Revision, TrackRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a task is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Saves what is about to be changed.
    Backup,
    /// Changes data.
    Migration,
    /// Tries what was brought up.
    SmokeTest,
    /// Anything a user wants done.
    #[default]
    Hook,
    /// Proves that what was asked for is there.
    Verification,
}

/// A one-shot effect. Its outcome is read from the platform, by its stable key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name, unique in its track; the stable key is made of it.
    pub name: crate::Name,
    /// What it is for.
    #[serde(default)]
    pub kind: TaskKind,
    /// The program and its arguments, run with the environment and secrets of a revision.
    pub run: Vec<String>,
    /// Whose environment and bits it runs with. Default: the candidate's.
    #[serde(default)]
    pub of: Whose,
    /// What happens to its effect on the way back. Default: it is kept.
    #[serde(default)]
    pub undo: Undo,
    /// It has failed when it takes longer. Default 10 min.
    #[serde(default = "ten_minutes", with = "human")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

const fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

/// Whose bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The side on trial.
    #[default]
    Candidate,
    /// The side that ran before.
    Stable,
}

/// What happens to a task's effect on the way back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// It stays.
    #[default]
    Keep,
    /// Another program takes it back; right after none, half or all of the first.
    Run(Vec<String>),
    /// There is no way back from it, for this reason.
    Forbidden(String),
}

impl Task {
    /// A task that runs a program with the candidate's environment and keeps its effect on the way back.
    pub fn new(name: crate::Name, kind: TaskKind, run: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let run = run.into_iter().map(Into::into).collect();
        Self { name, kind, run, of: Whose::Candidate, undo: Undo::Keep, timeout: ten_minutes() }
    }

    /// Says what happens to its effect on the way back.
    #[must_use]
    pub fn undo(mut self, undo: Undo) -> Self {
        self.undo = undo;
        self
    }
}

/// A task as the platform is asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRun {
    /// The stable key, unique over all deployments: once in effect.
    pub key: String,
    /// Where it runs.
    pub track: TrackRef,
    /// The program and its arguments.
    pub run: Vec<String>,
    /// Whose environment and bits it runs with.
    pub revision: Revision,
    /// It has failed when it takes longer.
    #[serde(with = "human")]
    pub timeout: Duration,
}

/// What is asked of the platform about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskAct {
    /// Start it, if a task of this key was never started or barred; else only look.
    Start,
    /// Look.
    Look,
    /// Stop it if it runs; make its key unusable if it never ran.
    Bar,
}

/// How a task stands, as the platform says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskOutcome {
    /// No task of this key was ever started.
    NotStarted,
    /// It runs.
    Running,
    /// It ended well.
    Done,
    /// It ended otherwise; the platform's words, the last lines of its output.
    Failed(String),
    /// It was barred: it will not run, and what ran was stopped.
    Barred,
    /// The platform cannot tell.
    Unknown,
}
