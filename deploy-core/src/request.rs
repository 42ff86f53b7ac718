//! What is asked of the engine.

use crate::time::human;
use crate::{Name, Plan, Release, Scope};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bring a release to an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What is brought.
    pub release: Release,
    /// Where to.
    pub environment: Name,
    /// What was approved, where somebody looked at a plan first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Box<Plan>>,
    /// Goes on although what runs has changed since the plan was approved.
    #[serde(default)]
    pub replan: bool,
    /// What happens where another deployment of the same application and environment is active.
    #[serde(default)]
    pub on_busy: OnBusy,
    /// What happens when the candidate fails.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// It has failed when it has not begun by then. Default 1 h.
    #[serde(with = "human")]
    pub pending: Duration,
    /// A pause ends by itself after so long. Default 1 h.
    #[serde(with = "human")]
    pub pause: Duration,
    /// A platform's trouble that may pass is tried again for so long while a stage stands still for it; then it
    /// pauses. Default 5 min; a stage's own deadline goes before it.
    #[serde(default = "retry", with = "human")]
    pub retry: Duration,
    /// So many crashes of a candidate's instances within 10 min, or of one slot in a stage, end the wait. Default 3.
    pub crash_limit: u32,
}

/// What happens where another deployment of the same application and environment is active.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBusy {
    /// It is refused with the id of the one that holds it.
    #[default]
    Refuse,
    /// It waits for its turn, first come, first served.
    Queue,
    /// The other one goes back first.
    Supersede,
}

/// What happens when the candidate fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It goes back by itself.
    #[default]
    GoBack,
    /// It pauses and tells.
    Pause,
}

const fn retry() -> Duration {
    Duration::from_secs(300)
}

impl Request {
    /// A release for an environment, everything else by default.
    pub fn new(release: Release, environment: Name) -> Self {
        let hour = Duration::from_secs(3600);
        Self {
            release,
            environment,
            approved: None,
            replan: false,
            on_busy: OnBusy::Refuse,
            on_failure: OnFailure::GoBack,
            pending: hour,
            pause: hour,
            retry: retry(),
            crash_limit: 3,
        }
    }

    /// The application and environment.
    pub fn scope(&self) -> Scope {
        Scope { application: self.release.spec.application.clone(), environment: self.environment.clone() }
    }

    /// Whether another request asks for the same content.
    pub fn same_content(&self, other: &Self) -> bool {
        self.release.id == other.release.id && self.environment == other.environment
    }
}
