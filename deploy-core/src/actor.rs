//! Who did it, and what people ask for while a deployment runs.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who did it: part of every operation and event that a person or program caused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// A person, a service, a pipeline.
    pub name: String,
    /// The tenant, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl Actor {
    /// Somebody by name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), tenant: None }
    }

    /// The engine itself.
    pub fn engine() -> Self {
        Self::new("engine")
    }
}

impl From<&str> for Actor {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.tenant.iter().try_for_each(|tenant| write!(f, " of {tenant}"))
    }
}

/// What somebody asks of a deployment that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Its place in the order they came, from 1; given by the store.
    pub number: u64,
    /// What is asked.
    pub ask: Ask,
    /// Who asks.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// End it: at once while nothing was changed, by going back afterwards.
    Cancel,
    /// Go back.
    Rollback,
    /// Take no order further and begin no task.
    Pause,
    /// Go on.
    Resume,
    /// Pass over bake, judge and gate of the stage that holds.
    Promote {
        /// Of all stages that are left.
        to_the_end: bool,
    },
    /// Open a gate by its name, or key.
    Approve {
        /// The gate.
        gate: String,
    },
    /// Close a gate by its name, or key.
    Reject {
        /// The gate.
        gate: String,
        /// Why.
        reason: String,
    },
    /// Make room for another deployment of the same application and environment.
    Supersede {
        /// The deployment that comes.
        by: crate::DeploymentId,
    },
}
