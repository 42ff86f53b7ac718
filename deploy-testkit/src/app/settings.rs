//! What the environment says.

use deploy_core::{Error, Result};
use std::{path::PathBuf, str::FromStr, time::Duration};

/// How the application behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where to listen on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    /// The version that every response bears.
    pub version: String,
    /// The side that every response bears (none).
    pub side: Option<String>,
    /// How late it listens (0 s).
    pub start_delay: Duration,
    /// Whether `/healthz` answers 200 (true).
    pub healthy: bool,
    /// The share of requests that answer 500 (0).
    pub error_percent: f64,
    /// When it crashes (never).
    pub crash_after: Option<Duration>,
    /// How long its end may take (10 s).
    pub grace: Duration,
}

/// A task in place of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// How long it takes (0 s).
    pub takes: Duration,
    /// Whether it fails (false).
    pub fails: bool,
    /// The file that it appends a line to when it starts.
    pub log: Option<PathBuf>,
}

impl Settings {
    /// A healthy application of a version, on a port that the system chooses.
    pub fn new(version: impl Into<String>) -> Self {
        Self {
            port: 0,
            version: version.into(),
            side: None,
            start_delay: Duration::ZERO,
            healthy: true,
            error_percent: 0.0,
            crash_after: None,
            grace: Duration::from_secs(10),
        }
    }

    /// Reads the variables that `variable` answers for.
    ///
    /// # Errors
    /// `Invalid` with the variable's name when `PORT` is missing or a value cannot be read.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let port = parsed(&variable, "PORT")?.ok_or_else(|| Error::at("PORT", "PORT is not set; give a port"))?;
        let default = Self::new(variable("APP_VERSION").unwrap_or_else(|| "unknown".into()));
        Ok(Self {
            port,
            side: variable("APP_SIDE").filter(|side| !side.is_empty()),
            start_delay: millis(&variable, "APP_START_DELAY_MS")?.unwrap_or(default.start_delay),
            healthy: parsed(&variable, "APP_HEALTHY")?.unwrap_or(default.healthy),
            error_percent: parsed(&variable, "APP_ERROR_PERCENT")?.unwrap_or(default.error_percent),
            crash_after: millis(&variable, "APP_CRASH_AFTER_MS")?,
            grace: millis(&variable, "APP_GRACE_MS")?.unwrap_or(default.grace),
            ..default
        })
    }
}

impl Task {
    /// Reads the task that `variable` answers for, if there is one.
    ///
    /// # Errors
    /// `Invalid` with the variable's name when a value cannot be read.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let Some(name) = variable("APP_TASK").filter(|name| !name.is_empty()) else { return Ok(None) };
        Ok(Some(Self {
            name,
            takes: millis(&variable, "APP_TASK_MS")?.unwrap_or_default(),
            fails: variable("APP_TASK_FAIL").is_some_and(|value| value == "1" || value == "true"),
            log: variable("APP_TASK_LOG").map(Into::into),
        }))
    }
}

/// Empty counts as unset: that is how a template leaves a variable out.
fn parsed<T: FromStr>(variable: impl Fn(&str) -> Option<String>, name: &'static str) -> Result<Option<T>> {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let wrong = || Error::at(name, format!("{name} is {value:?}, which is no {}", std::any::type_name::<T>()));
    value.parse().map(Some).map_err(|_| wrong())
}

fn millis(variable: impl Fn(&str) -> Option<String>, name: &'static str) -> Result<Option<Duration>> {
    Ok(parsed(variable, name)?.map(Duration::from_millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn environment<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        let map: BTreeMap<_, _> = pairs.iter().copied().collect();
        move |name| map.get(name).map(ToString::to_string)
    }

    #[test]
    fn the_port_is_required_and_the_rest_has_defaults() {
        assert!(Settings::read(environment(&[])).is_err());
        let settings = Settings::read(environment(&[("PORT", "80"), ("APP_VERSION", "v1"), ("APP_GRACE_MS", "")]));
        assert_eq!(settings.ok(), Some(Settings { port: 80, ..Settings::new("v1") }));
    }

    #[test]
    fn a_crash_at_once_is_not_never() {
        let settings = Settings::read(environment(&[("PORT", "0"), ("APP_CRASH_AFTER_MS", "0")]));
        assert_eq!(settings.ok().and_then(|settings| settings.crash_after), Some(Duration::ZERO));
    }

    #[test]
    fn what_cannot_be_read_names_its_variable() {
        let error = Settings::read(environment(&[("PORT", "0"), ("APP_HEALTHY", "perhaps")])).err();
        assert_eq!(error.as_ref().and_then(|error| error.context("at")), Some("APP_HEALTHY"));
    }

    #[test]
    fn a_task_is_told_by_its_name() {
        assert_eq!(Task::read(environment(&[("PORT", "0")])).ok(), Some(None));
        let task = Task::read(environment(&[("APP_TASK", "migrate"), ("APP_TASK_FAIL", "1")]));
        let expected = Task { name: "migrate".into(), takes: Duration::ZERO, fails: true, log: None };
        assert_eq!(task.ok(), Some(Some(expected)));
    }
}
