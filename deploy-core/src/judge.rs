//! Verdicts over figures.

use crate::Sample;
use crate::time::human;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::time::Duration;

/// A judge by name, with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgeSpec {
    /// The name it was registered with. `threshold` stands in the engine.
    #[serde(default = "threshold")]
    pub name: String,
    /// How often it is asked. Default 10 s, at least 100 ms.
    #[serde(default = "ten", with = "human")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Its settings, as it reads them.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

fn threshold() -> String {
    "threshold".into()
}

const fn ten() -> Duration {
    Duration::from_secs(10)
}

impl Default for JudgeSpec {
    fn default() -> Self {
        Self { name: threshold(), interval: ten(), settings: serde_json::Map::new() }
    }
}

/// What a judge says of all samples so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The candidate is good.
    Pass,
    /// It is not, with the reason: go back at once.
    Fail(String),
    /// Too little is known, with what is missing.
    Unproven(String),
}

/// What a judge remembers between samples; stored with the verdict.
pub type JudgeState = serde_json::Value;

/// Folds samples into a verdict. Pure.
///
/// # Contract
/// The same state and sample give the same state and verdict. A sample without figures is unproven, never fail or pass.
pub trait Judge: Debug + Send + Sync {
    /// Takes one more sample. `state` is `null` at first.
    fn fold(&self, state: &mut JudgeState, sample: &Sample) -> Verdict;
}
