//! What is asked for: an application, its workloads, its environments.

use crate::{Error, GateSpec, Name, Result, Source, StrategyRef, Workload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An application with its workloads and environments: what a release is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The application's name.
    pub application: Name,
    /// The version as people call it; a label, not an identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The services, by name; at least one.
    pub workloads: BTreeMap<Name, Workload>,
    /// How workloads are brought to a new release. Default `rolling`.
    #[serde(default)]
    pub strategy: StrategyRef,
    /// Where it runs, by name; at least one to deploy to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environments: BTreeMap<Name, Environment>,
    /// Where the stable name is after a deployment. Default `return`.
    #[serde(default, skip_serializing_if = "HomePolicy::is_return")]
    pub home: HomePolicy,
}

/// What happens to the stable name when a candidate came in aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HomePolicy {
    /// The candidate is brought home at the end: both names at full count for a while.
    #[default]
    Return,
    /// It stays aside; the next candidate comes in at home.
    Alternate,
}

impl HomePolicy {
    fn is_return(&self) -> bool {
        *self == Self::Return
    }
}

/// A name that binds an application to targets and overlays its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Environment {
    /// The target of every workload that `targets` does not name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Name>,
    /// The target of each workload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<Name, Name>,
    /// What differs here, by workload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub workloads: BTreeMap<Name, Overlay>,
    /// The strategy here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyRef>,
    /// What must be decided before a deployment begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateSpec>,
}

/// What differs for a workload in an environment. A key that is given replaces; `env` and `secrets` are added key by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Overlay {
    /// How many instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Where the bits come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Ports by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<BTreeMap<Name, u16>>,
    /// How it is asked whether it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<crate::Probe>,
    /// Environment variables to add or replace.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Secrets to add or replace.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, crate::SecretRef>,
    /// What one instance may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<crate::Resources>,
    /// The strategy of this workload here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyRef>,
}

impl Overlay {
    fn on(&self, workload: &Workload) -> Workload {
        let mut made = workload.clone();
        made.replicas = self.replicas.unwrap_or(made.replicas);
        made.source = self.source.clone().unwrap_or(made.source);
        made.ports = self.ports.clone().unwrap_or(made.ports);
        made.health = self.health.clone().or(made.health);
        made.env.extend(self.env.clone());
        made.secrets.extend(self.secrets.clone());
        made.resources = self.resources.clone().unwrap_or(made.resources);
        made.strategy = self.strategy.clone().or(made.strategy);
        made
    }
}

impl Spec {
    /// An application without workloads or environments yet.
    pub fn new(application: Name) -> Self {
        Self {
            application,
            version: None,
            workloads: BTreeMap::new(),
            strategy: StrategyRef::default(),
            environments: BTreeMap::new(),
            home: HomePolicy::Return,
        }
    }

    /// Gives it the version that people call it.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Adds a workload; one of the same name is replaced.
    #[must_use]
    pub fn workload(mut self, name: Name, workload: Workload) -> Self {
        self.workloads.insert(name, workload);
        self
    }

    /// Sets the strategy.
    #[must_use]
    pub fn strategy(mut self, strategy: StrategyRef) -> Self {
        self.strategy = strategy;
        self
    }

    /// Adds an environment with one target for everything.
    #[must_use]
    pub fn environment(mut self, name: Name, target: Name) -> Self {
        self.environments.insert(name, Environment { target: Some(target), ..Environment::default() });
        self
    }

    /// The environment of a name.
    ///
    /// # Errors
    /// `NotFound`, naming those that exist.
    pub fn environment_of(&self, name: &Name) -> Result<&Environment> {
        self.environments.get(name).ok_or_else(|| {
            let known = listed(self.environments.keys());
            Error::new(crate::Kind::NotFound, format!("there is no environment `{name}`; the spec has: {known}"))
                .with("at", "environments")
        })
    }

    /// A workload as it is in an environment, overlays applied.
    pub fn workload_in(&self, environment: &Environment, name: &Name) -> Option<Workload> {
        let workload = self.workloads.get(name)?;
        Some(environment.workloads.get(name).map_or_else(|| workload.clone(), |overlay| overlay.on(workload)))
    }

    /// The strategy of a workload in an environment: the overlay's, the workload's, the environment's, the application's.
    pub fn strategy_in(&self, environment: &Environment, name: &Name) -> StrategyRef {
        let overlay = environment.workloads.get(name).and_then(|overlay| overlay.strategy.clone());
        let workload = || self.workloads.get(name).and_then(|workload| workload.strategy.clone());
        overlay.or_else(workload).or_else(|| environment.strategy.clone()).unwrap_or_else(|| self.strategy.clone())
    }

    /// The target of a workload in an environment.
    ///
    /// # Errors
    /// `Invalid` where neither `targets` nor `target` says one.
    pub fn target_in(&self, environment: (&Name, &Environment), name: &Name) -> Result<Name> {
        let (at, environment) = environment;
        environment.targets.get(name).or(environment.target.as_ref()).cloned().ok_or_else(|| {
            let message = format!("workload `{name}` has no target here: give `target`, or `targets: {{ {name}: … }}`");
            Error::at(format!("environments.{at}"), message)
        })
    }
}

/// The names that there are, for a message.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    let names: Vec<_> = names.map(Name::as_str).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
