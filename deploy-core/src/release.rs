//! One immutable version of an application.

use crate::{InstanceSpec, Kind, Name, ReleaseId, Result, RevisionId, Source, Spec, StrategyRef, Workload};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// One immutable version of an application. Its id is a digest of its content and of references to secrets with their
/// versions, never of a secret's value, never random: the same content is the same release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The digest of the spec.
    pub id: ReleaseId,
    /// The content.
    pub spec: Arc<Spec>,
}

/// What an instance is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The digest of its spec, or `adopted`.
    pub id: RevisionId,
    /// Absent for what ran before we came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<Arc<InstanceSpec>>,
}

/// A workload of a release as it is in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The workload, overlays applied.
    pub workload: Workload,
    /// Its target.
    pub target: Name,
    /// Its strategy.
    pub strategy: StrategyRef,
    /// What its instances are made from.
    pub revision: Revision,
}

impl Release {
    /// Makes a release of a spec, which is validated first.
    ///
    /// # Errors
    /// `Invalid` with the key's path, as [`Spec::validate`]; also a local source without a digest, which a loader fills in.
    pub fn new(spec: Spec) -> Result<Self> {
        spec.validate()?;
        let id = ReleaseId::new(digest(&spec)?);
        Ok(Self { id, spec: Arc::new(spec) })
    }

    /// The version as people call it; else the id.
    pub fn version(&self) -> &str {
        self.spec.version.as_deref().unwrap_or(self.id.as_str())
    }

    /// A workload as it is in an environment.
    ///
    /// # Errors
    /// `NotFound` for an unknown environment or workload; `Invalid` where it has no target.
    pub fn resolve(&self, environment: &Name, name: &Name) -> Result<Resolved> {
        let here = self.spec.environment_of(environment)?;
        let workload = self.spec.workload_in(here, name).ok_or_else(|| {
            crate::Error::new(Kind::NotFound, format!("there is no workload `{name}` in {}", self.spec.application))
        })?;
        Ok(Resolved {
            target: self.spec.target_in((environment, here), name)?,
            strategy: self.spec.strategy_in(here, name),
            revision: Revision::of(workload.instance_spec())?,
            workload,
        })
    }
}

impl Revision {
    /// The revision of a spec.
    ///
    /// # Errors
    /// Never in practice: a spec serialises.
    pub fn of(spec: InstanceSpec) -> Result<Self> {
        let id = RevisionId::new(match &spec.source {
            Source::Artifact(file) | Source::Directory(file) if file.sha256.is_some() => {
                let mut content = spec.clone();
                let digest = file.sha256.clone();
                let bits = crate::FileSource { path: String::new(), sha256: digest, size: None };
                content.source = match &spec.source {
                    Source::Directory(_) => Source::Directory(bits),
                    _ => Source::Artifact(bits),
                };
                self::digest(&content)?
            }
            _ => self::digest(&spec)?,
        });
        Ok(Self { id, spec: Some(Arc::new(spec)) })
    }

    /// What ran before we came.
    pub fn adopted() -> Self {
        Self { id: RevisionId::adopted(), spec: None }
    }
}

/// The first 16 hexadecimal digits of the SHA-256 of a value as JSON with its keys in order.
fn digest(value: &impl Serialize) -> Result<String> {
    let unfit = |error: serde_json::Error| {
        crate::Error::new(Kind::Invalid, "this content cannot be written as JSON").from_source(error)
    };
    let json = serde_json::to_value(value).and_then(|value| serde_json::to_vec(&value)).map_err(unfit)?;
    let digest = Sha256::digest(&json);
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
