//! What the settings of all strategies have in common.

use deploy_core::{Error, Result, Strategy, StrategyRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A strategy that is its settings.
pub(crate) trait Settings: Strategy + Default + Serialize + DeserializeOwned + 'static {
    /// The name in a spec.
    const NAME: &'static str;

    /// Checks what can be checked without a workload.
    fn check(&self) -> Result<()>;
}

/// Reads settings from a spec; the error names the key that is wrong.
pub(crate) fn read<S: Settings>(settings: &Map<String, Value>) -> Result<S> {
    let read: S = parse(settings).map_err(|error| wrong::<S>(settings, &error))?;
    read.check()?;
    Ok(read)
}

fn parse<S: Settings>(settings: &Map<String, Value>) -> serde_json::Result<S> {
    S::deserialize(Value::Object(settings.clone()))
}

/// Every key has a default, so the one at fault fails when it stands alone.
fn wrong<S: Settings>(settings: &Map<String, Value>, error: &serde_json::Error) -> Error {
    let alone = |(key, value): (&String, &Value)| parse::<S>(&[(key.clone(), value.clone())].into_iter().collect());
    let found = settings.iter().find_map(|entry| alone(entry).err().map(|error| (entry.0.clone(), error.to_string())));
    let (key, message) = found.unwrap_or_else(|| (S::NAME.to_owned(), error.to_string()));
    Error::at(key, format!("{message}; in the settings of the strategy `{}`", S::NAME))
}

/// A strategy as a spec names it, with the settings that differ from the defaults.
pub(crate) fn write<S: Settings>(settings: &S) -> StrategyRef {
    let (mut given, default) = (keys(settings), keys(&S::default()));
    given.retain(|key, value| default.get(key) != Some(value));
    StrategyRef { name: S::NAME.to_owned(), settings: given }
}

fn keys<S: Settings>(settings: &S) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Declares the settings of a strategy: its own keys with their defaults, and those that all have.
macro_rules! settings {
    (
        $(#[$about:meta])*
        $name:ident as $written:literal {
            $($(#[$key_about:meta])* $key:ident: $type:ty = $default:expr,)*
        }
    ) => {
        #[derive(Debug, Clone, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        $(#[$about])*
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$key_about])* pub $key: $type,)*
            /// How long an instance has to be healthy before it counts as ready. Default 0.
            #[serde(with = "::deploy_core::time::human")]
            #[schemars(with = "String")]
            pub min_ready: ::std::time::Duration,
            /// So many may fail or be unreachable without holding the rest up; a share is rounded down. Default 0.
            pub max_failed: ::deploy_core::Amount,
            /// Tasks and moves of a stage take at most so long; its bake is added. Default 10 min.
            #[serde(with = "::deploy_core::time::human")]
            #[schemars(with = "String")]
            pub progress_deadline: ::std::time::Duration,
            /// What happens when a stage is late: `go_back` or `pause`. Default `go_back`.
            pub on_deadline: ::deploy_core::OnDeadline,
            /// Tasks before anything moves.
            pub before: Vec<::deploy_core::Task>,
            /// Tasks when the candidate serves everything, while there is still a way back.
            pub after: Vec<::deploy_core::Task>,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($key: $default,)*
                    min_ready: ::std::time::Duration::ZERO,
                    max_failed: ::deploy_core::Amount::NONE,
                    progress_deadline: ::deploy_core::Step::DEADLINE,
                    on_deadline: ::deploy_core::OnDeadline::default(),
                    before: Vec::new(),
                    after: Vec::new(),
                }
            }
        }

        impl $name {
            fn pace(&self, max_surge: ::deploy_core::Amount, max_unavailable: ::deploy_core::Amount) -> $crate::pace::Pace<'_> {
                let (min_ready, max_failed) = (self.min_ready, self.max_failed);
                $crate::pace::Pace {
                    budget: ::deploy_core::Budget { max_surge, max_unavailable, min_ready, max_failed },
                    deadline: self.progress_deadline,
                    on_deadline: self.on_deadline,
                    before: &self.before,
                    after: &self.after,
                }
            }
        }

        impl From<$name> for ::deploy_core::StrategyRef {
            fn from(settings: $name) -> Self {
                $crate::settings::write(&settings)
            }
        }

        impl $name {
            /// The name in a spec.
            pub const NAME: &'static str = $written;
        }
    };
}
