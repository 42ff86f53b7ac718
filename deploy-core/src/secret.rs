//! References to secrets. A value never enters a spec, a release, a plan or a record.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a secret's value is found when a revision is prepared. Written `{ env: NAME }`, `{ file: PATH }` or
/// `{ provider: …, key: …, version: … }`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
#[schemars(with = "Written")]
pub struct SecretRef {
    /// Who knows it: `env` (the engine's environment), `file`, or a provider of one's own.
    pub provider: String,
    /// The name by which the provider knows it.
    pub key: String,
    /// The version, where the provider has versions; part of the revision.
    pub version: Option<String>,
}

/// A reference to a secret: exactly one of `env`, `file` and `provider` with `key`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SecretRef")]
struct Written {
    /// A variable of the engine's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    env: Option<String>,
    /// A file on the engine's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// A provider of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// The provider's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The version; a new version is a new revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl SecretRef {
    /// A variable of the engine's environment.
    pub fn env(name: impl Into<String>) -> Self {
        Self { provider: "env".into(), key: name.into(), version: None }
    }

    /// A file on the engine's host.
    pub fn file(path: impl Into<String>) -> Self {
        Self { provider: "file".into(), key: path.into(), version: None }
    }
}

impl TryFrom<Written> for SecretRef {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        let (provider, key) = match (written.env, written.file, written.provider, written.key) {
            (Some(env), None, None, None) => ("env".into(), env),
            (None, Some(file), None, None) => ("file".into(), file),
            (None, None, Some(provider), Some(key)) => (provider, key),
            _ => return Err("a secret has exactly one of `env`, `file`, or `provider` with `key`".into()),
        };
        Ok(Self { provider, key, version: written.version })
    }
}

impl From<SecretRef> for Written {
    fn from(secret: SecretRef) -> Self {
        let mut written = Self { env: None, file: None, provider: None, key: None, version: secret.version };
        match secret.provider.as_str() {
            "env" => written.env = Some(secret.key),
            "file" => written.file = Some(secret.key),
            _ => (written.provider, written.key) = (Some(secret.provider), Some(secret.key)),
        }
        written
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.key)?;
        self.version.iter().try_for_each(|version| write!(f, "@{version}"))
    }
}
