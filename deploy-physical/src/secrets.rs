//! Values of secrets: looked up once for a revision, kept beside its bits, taken out of everything that is shown.

use crate::error::corrupt;
use crate::host::Host;
use crate::layout::Layout;
use async_trait::async_trait;
use deploy_core::{Error, InstanceSpec, Kind, Result, RevisionId, SecretRef, TrackRef};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// Knows the values of secrets.
///
/// # Contract
/// * The value is in no message, no `Debug` and no log.
/// * The same reference gives the same value until its version changes.
#[async_trait]
pub trait SecretProvider: Debug + Send + Sync {
    /// The value of a secret.
    ///
    /// # Errors
    /// `NotFound` where there is none, `Denied`, `Unavailable`. The message completes "it cannot be resolved: …".
    async fn resolve(&self, secret: &SecretRef) -> Result<SecretString>;
}

/// Variables of the engine's environment: `{ env: NAME }`.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnvSecrets;

#[async_trait]
impl SecretProvider for EnvSecrets {
    async fn resolve(&self, secret: &SecretRef) -> Result<SecretString> {
        match std::env::var(&secret.key) {
            Ok(value) => Ok(value.into()),
            Err(std::env::VarError::NotPresent) => {
                Err(Error::new(Kind::NotFound, "the engine's environment has no such variable"))
            }
            Err(std::env::VarError::NotUnicode(_)) => Err(Error::invalid("the variable is not UTF-8")),
        }
    }
}

/// Files on the engine's host: `{ file: PATH }`. One line end at the end of the file is not part of the value.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSecrets;

#[async_trait]
impl SecretProvider for FileSecrets {
    async fn resolve(&self, secret: &SecretRef) -> Result<SecretString> {
        let read = tokio::fs::read_to_string(&secret.key).await;
        let value = read.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(Kind::NotFound, "there is no such file"),
            std::io::ErrorKind::PermissionDenied => Error::new(Kind::Denied, "the file may not be read"),
            _ => Error::new(Kind::Unavailable, format!("the file cannot be read: {error}")),
        })?;
        let value = value.strip_suffix('\n').unwrap_or(&value);
        Ok(value.strip_suffix('\r').unwrap_or(value).into())
    }
}

/// Values by the variable that bears them.
pub(crate) type Values = BTreeMap<String, SecretString>;

/// Providers by the name that references bear.
pub(crate) type Providers = BTreeMap<String, Arc<dyn SecretProvider>>;

/// The providers that are always there.
pub(crate) fn built_in() -> Providers {
    [("env".to_owned(), Arc::new(EnvSecrets) as Arc<dyn SecretProvider>), ("file".to_owned(), Arc::new(FileSecrets))]
        .into()
}

/// Looks up all secrets of a spec.
pub(crate) async fn resolve(providers: &Providers, track: &TrackRef, spec: &InstanceSpec) -> Result<Values> {
    let mut values = Values::new();
    for (variable, secret) in &spec.secrets {
        let value = resolve_one(providers, secret).await.and_then(whole);
        values.insert(variable.clone(), value.map_err(|error| refused(track, variable, secret, &error))?);
    }
    Ok(values)
}

async fn resolve_one(providers: &Providers, secret: &SecretRef) -> Result<SecretString> {
    match providers.get(&secret.provider) {
        Some(provider) => provider.resolve(secret).await,
        None => {
            let known: Vec<_> = providers.keys().map(String::as_str).collect();
            Err(Error::invalid(format!("there is no provider `{}`, only {}", secret.provider, known.join(", "))))
        }
    }
}

/// A variable cannot bear a zero byte.
fn whole(value: SecretString) -> Result<SecretString> {
    if value.expose_secret().contains('\0') {
        return Err(Error::invalid("its value has a zero byte, which no variable can bear"));
    }
    Ok(value)
}

fn refused(track: &TrackRef, variable: &str, secret: &SecretRef, error: &Error) -> Error {
    let kind = match error.kind() {
        Kind::Unavailable | Kind::Timeout | Kind::Throttled => error.kind(),
        _ => Kind::Invalid,
    };
    let workload = &track.workload;
    let words = format!("the secret `{secret}` cannot be resolved: {}", error.message());
    Error::new(kind, words).with("at", format!("workloads.{workload}.secrets.{variable}"))
}

/// Keeps the values of a revision, readable by the owner alone.
pub(crate) async fn keep(host: &dyn Host, layout: &Layout, revision: &RevisionId, values: &Values) -> Result<()> {
    let file = layout.secrets(revision);
    host.make_dir(&layout.all_secrets(), 0o700).await?;
    let plain: BTreeMap<_, _> = values.iter().map(|(name, value)| (name, value.expose_secret())).collect();
    let text = serde_json::to_vec(&plain).map_err(|error| corrupt(&file, error))?;
    host.write(&file, &text, 0o600).await
}

/// The values that were kept for a revision; none where it was never prepared.
pub(crate) async fn kept(host: &dyn Host, layout: &Layout, revision: &RevisionId) -> Result<Option<Values>> {
    let file = layout.secrets(revision);
    let Some(text) = host.read(&file).await? else { return Ok(None) };
    // The parser's own words could quote a value.
    let plain: BTreeMap<String, String> = serde_json::from_slice(&text).map_err(|_| {
        Error::new(Kind::Corrupt, format!("{} is not what was written there: remove it", file.display()))
    })?;
    Ok(Some(plain.into_iter().map(|(name, value)| (name, value.into())).collect()))
}

/// Takes values out of text that is shown.
#[derive(Default)]
pub(crate) struct Redaction(Vec<SecretString>);

impl Redaction {
    /// All of these values, and each line of those that have several; the longest first, as one may be part of another.
    pub(crate) fn of(values: &Values) -> Self {
        let exposed = values.values().map(secrecy::ExposeSecret::expose_secret);
        let mut parts: Vec<&str> = exposed.flat_map(|value| value.lines().chain([value])).collect();
        parts.retain(|part| !part.trim().is_empty());
        parts.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        parts.dedup();
        Self(parts.into_iter().map(Into::into).collect())
    }

    /// The text with `***` in place of each value.
    pub(crate) fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, part| text.replace(part.expose_secret(), "***"))
    }

    /// The longest value, in bytes: as much may stand cut at the start of a text that was cut.
    pub(crate) fn longest(&self) -> usize {
        self.0.first().map_or(0, |part| part.expose_secret().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[&str]) -> Values {
        values.iter().enumerate().map(|(index, value)| (index.to_string(), SecretString::from(*value))).collect()
    }

    #[test]
    fn a_value_that_holds_another_goes_whole_and_so_does_each_line_of_one() {
        let redaction = Redaction::of(&values(&["abc", "abcdef", "one\ntwo", ""]));
        assert_eq!(redaction.apply("x abcdef y abc z two"), "x *** y *** z ***");
        assert_eq!(redaction.longest(), 7);
    }

    #[test]
    fn values_are_not_in_debug() {
        assert!(!format!("{:?}", values(&["hush"])).contains("hush"));
    }
}
