//! Strategies by name.

use crate::settings::{self, Settings};
use crate::{AbTest, BlueGreen, Canary, Recreate, RollingUpdate};
use deploy_core::{Error, Kind, Result, Strategies, Strategy, StrategyRef};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Factory = dyn Fn(&Map<String, Value>) -> Result<Arc<dyn Strategy>> + Send + Sync;

/// Finds a strategy by the name that a spec gives it, and reads its settings.
///
/// [`Registry::default`] knows `rolling`, `recreate`, `blue_green`, `canary` and `ab_test`, and their other spellings.
/// Those of one's own stand beside them:
///
/// ```
/// # use deploy_core::{Change, Desired, Result, Stage, Stages, Strategies, Strategy, StrategyRef};
/// # use deploy_strategies::Registry;
/// # use std::sync::Arc;
/// #[derive(Debug)]
/// struct AtOnce;
///
/// impl Strategy for AtOnce {
///     fn plan(&self, change: &Change<'_>) -> Result<Stages> {
///         Ok(Stages::new().then(Stage::to(Desired::pooled(change.count()))))
///     }
/// }
///
/// let registry = Registry::default().with("at_once", |_settings| Ok(Arc::new(AtOnce)));
/// assert!(registry.get(&StrategyRef::named("at_once")).is_ok());
/// ```
#[derive(Clone)]
pub struct Registry {
    known: BTreeMap<String, Arc<Factory>>,
    aliases: BTreeMap<&'static str, &'static str>,
    schemas: BTreeMap<&'static str, Schema>,
}

impl Registry {
    /// A registry that knows nothing yet.
    pub const fn empty() -> Self {
        Self { known: BTreeMap::new(), aliases: BTreeMap::new(), schemas: BTreeMap::new() }
    }

    /// Adds a strategy, made from its settings each time it is asked for; one of the same name is replaced.
    #[must_use]
    pub fn with<F>(mut self, name: impl Into<String>, factory: F) -> Self
    where
        F: Fn(&Map<String, Value>) -> Result<Arc<dyn Strategy>> + Send + Sync + 'static,
    {
        let name = name.into();
        self.schemas.remove(name.as_str());
        self.known.insert(name, Arc::new(factory));
        self
    }

    /// The names that exist, in order, without other spellings.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// The JSON Schema of the settings of each strategy that came with this crate, by name.
    pub fn schemas(&self) -> impl Iterator<Item = (&str, &Schema)> {
        self.schemas.iter().map(|(name, schema)| (*name, schema))
    }

    fn standard<S: Settings + JsonSchema>(self, aliases: &[&'static str]) -> Self {
        let read = |settings: &Map<String, Value>| Ok(Arc::new(settings::read::<S>(settings)?) as Arc<dyn Strategy>);
        let mut with = self.with(S::NAME, read);
        with.aliases.extend(aliases.iter().map(|alias| (*alias, S::NAME)));
        with.schemas.insert(S::NAME, schemars::schema_for!(S));
        with
    }

    fn unknown(&self, name: &str) -> Error {
        let known: Vec<_> = self.names().collect();
        let near = nearest(name, self.names().chain(self.aliases.keys().copied()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let message = format!("there is no strategy `{name}`; there are: {}{hint}", known.join(", "));
        Error::new(Kind::NotFound, message).with("at", "strategy")
    }
}

/// The name that differs from another by the fewest letters, if by at most a third of them.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (far, near) = known.map(|known| (distance(name, known), known)).min()?;
    (far <= name.chars().count().div_ceil(3)).then_some(near)
}

/// How many letters must be added, left out or changed (Levenshtein's distance).
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in two.iter().enumerate() {
            let least = (corner + usize::from(a != *b)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], least);
        }
    }
    row.last().copied().unwrap_or_default()
}

impl Default for Registry {
    fn default() -> Self {
        Self::empty()
            .standard::<RollingUpdate>(&["rolling_update", "rolling-update"])
            .standard::<Recreate>(&[])
            .standard::<BlueGreen>(&["blue-green"])
            .standard::<Canary>(&[])
            .standard::<AbTest>(&["ab-test", "a/b", "ab"])
    }
}

impl Strategies for Registry {
    fn get(&self, strategy: &StrategyRef) -> Result<Arc<dyn Strategy>> {
        let name = strategy.name.as_str();
        let aliased = || self.aliases.get(name).and_then(|name| self.known.get(*name));
        let factory = self.known.get(name).or_else(aliased).ok_or_else(|| self.unknown(name))?;
        factory(&strategy.settings)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known.keys()).finish()
    }
}
