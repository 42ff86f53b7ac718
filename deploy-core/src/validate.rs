//! What makes no sense in a spec, by the key's path.

use crate::spec::listed;
use crate::{Check, Error, Name, Probe, Result, Source, Spec, Workload};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Spec {
    /// Checks that everything in the spec, and in each environment with its overlays, makes sense.
    ///
    /// # Errors
    /// `Invalid` for the first thing that does not, with the key's path in the context `at`, the value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        if self.workloads.is_empty() {
            return Err(Error::at("workloads", "an application has at least one workload; this one has none"));
        }
        for (name, workload) in &self.workloads {
            workload.validate(&format!("workloads.{name}"))?;
            self.dependencies_exist(name, workload)?;
        }
        self.dependencies_end()?;
        self.environments.keys().try_for_each(|name| self.environment_fits(name))
    }

    fn dependencies_exist(&self, name: &Name, workload: &Workload) -> Result<()> {
        let Some(unknown) = workload.depends_on.iter().find(|other| !self.workloads.contains_key(*other)) else {
            return Ok(());
        };
        let known = listed(self.workloads.keys().filter(|other| *other != name));
        let message = format!("`{unknown}` is not a workload; there are: {known}");
        Err(Error::at(format!("workloads.{name}.depends_on"), message))
    }

    /// No workload waits for itself.
    fn dependencies_end(&self) -> Result<()> {
        let mut done: BTreeSet<&Name> = BTreeSet::new();
        while done.len() < self.workloads.len() {
            let free = |name: &&Name| {
                !done.contains(*name) && self.workloads[*name].depends_on.iter().all(|d| done.contains(d))
            };
            let Some(next) = self.workloads.keys().find(free) else {
                let circle: Vec<_> =
                    self.workloads.keys().filter(|name| !done.contains(name)).map(Name::as_str).collect();
                let message = format!(
                    "these wait for each other for ever: {}; remove one of the dependencies",
                    circle.join(", ")
                );
                return Err(Error::at(format!("workloads.{}.depends_on", circle[0]), message));
            };
            done.insert(next);
        }
        Ok(())
    }

    fn environment_fits(&self, name: &Name) -> Result<()> {
        let environment = &self.environments[name];
        let at = format!("environments.{name}");
        let keys = environment.targets.keys().map(|key| ("targets", key));
        for (section, key) in keys.chain(environment.workloads.keys().map(|key| ("workloads", key))) {
            if !self.workloads.contains_key(key) {
                let message = format!("`{key}` is not a workload; there are: {}", listed(self.workloads.keys()));
                return Err(Error::at(format!("{at}.{section}.{key}"), message));
            }
        }
        let mut ports = BTreeMap::new();
        for key in self.workloads.keys() {
            let target = self.target_in((name, environment), key)?;
            let workload = self.workload_in(environment, key).unwrap_or_else(|| self.workloads[key].clone());
            let path = if environment.workloads.contains_key(key) {
                format!("{at}.workloads.{key}")
            } else {
                format!("workloads.{key}")
            };
            workload.validate(&path)?;
            for (port_name, port) in workload.ports.iter().filter(|_| workload.is_routed()) {
                if let Some(other) = ports.insert((target.clone(), *port), key) {
                    let message =
                        format!("port {port} is taken by workload `{other}` on target `{target}`; give each its own");
                    let own = environment.workloads.get(key).is_some_and(|overlay| overlay.ports.is_some());
                    let path = if own { path } else { format!("workloads.{key}") };
                    return Err(Error::at(format!("{path}.ports.{port_name}"), message));
                }
            }
        }
        Ok(())
    }
}

impl Workload {
    /// Checks that everything makes sense; `at` is the path of the workload's key.
    fn validate(&self, at: &str) -> Result<()> {
        if self.is_serverless() {
            self.is_left_to_the_platform(at)?;
        } else if self.replicas == 0 {
            return Err(Error::at(
                format!("{at}.replicas"),
                "0 replicas serve nobody: use 1 or more, or remove the workload",
            ));
        }
        if self.is_exclusive() && self.replicas > 1 {
            let message = format!(
                "{} replicas of an exclusive workload would be several writers: use 1, or `exclusive: false`",
                self.replicas
            );
            return Err(Error::at(format!("{at}.replicas"), message));
        }
        if self.routed == Some(true) && self.ports.is_empty() {
            return Err(Error::at(
                format!("{at}.ports"),
                "a routed workload needs a port: give `ports: { http: 8080 }`, or `routed: false`",
            ));
        }
        self.ports_fit(at)?;
        self.source_fits(at)?;
        self.environment_fits(at)?;
        self.health.as_ref().map_or(Ok(()), |probe| self.probe_fits(probe, at))
    }

    /// A serverless workload says nothing of how many there are.
    fn is_left_to_the_platform(&self, at: &str) -> Result<()> {
        if self.is_exclusive() {
            let message = "how many run of a `serverless` workload is the platform's own business, also while one takes \
                the place of another: it cannot be exclusive";
            return Err(Error::at(format!("{at}.exclusive"), message));
        }
        if self.replicas > 1 {
            let message = "how many run of a `serverless` workload is the platform's own business: leave `replicas` out, \
                or give it another kind";
            return Err(Error::at(format!("{at}.replicas"), message));
        }
        Ok(())
    }

    fn ports_fit(&self, at: &str) -> Result<()> {
        let mut seen = BTreeMap::new();
        for (name, port) in &self.ports {
            let path = || format!("{at}.ports.{name}");
            if *port == 0 {
                return Err(Error::at(path(), "0 is not a port: use 1 to 65535"));
            }
            if let Some(other) = seen.insert(port, name) {
                return Err(Error::at(path(), format!("port {port} is taken by `{other}`; give each its own")));
            }
        }
        Ok(())
    }

    fn source_fits(&self, at: &str) -> Result<()> {
        let (path, empty) = match &self.source {
            Source::Image(image) => ("image", image.trim().is_empty()),
            Source::Artifact(file) => ("artifact", file.path.is_empty()),
            Source::Directory(file) => ("directory", file.path.is_empty()),
            Source::Command(run) => ("command", run.first().is_none_or(String::is_empty)),
        };
        if empty {
            return Err(Error::at(format!("{at}.source.{path}"), format!("`{path}` is empty: say what is to run")));
        }
        match &self.source {
            Source::Artifact(file) | Source::Directory(file) => {
                digest_fits(file.sha256.as_deref(), &format!("{at}.source.{path}"))
            }
            _ => Ok(()),
        }
    }

    fn environment_fits(&self, at: &str) -> Result<()> {
        for (section, name) in self.env.keys().map(|k| ("env", k)).chain(self.secrets.keys().map(|k| ("secrets", k))) {
            let fits = !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !fits {
                let message = format!("`{name}` is not a variable's name: use letters, digits and `_`, no digit first");
                return Err(Error::at(format!("{at}.{section}"), message));
            }
        }
        match self.secrets.keys().find(|name| self.env.contains_key(*name)) {
            Some(twice) => {
                Err(Error::at(format!("{at}.secrets.{twice}"), format!("`{twice}` is in `env` too: keep one of them")))
            }
            None => Ok(()),
        }
    }

    fn probe_fits(&self, probe: &Probe, at: &str) -> Result<()> {
        let timing = &probe.timing;
        let path = |key: &str| format!("{at}.health.{key}");
        if timing.interval < Duration::from_millis(10) {
            return Err(Error::at(
                path("interval"),
                format!("{} is too often: use 10ms or more", crate::time::show(timing.interval)),
            ));
        }
        if timing.timeout.is_zero() {
            return Err(Error::at(path("timeout"), "0 leaves no time for an answer: use 10ms or more"));
        }
        if timing.healthy == 0 || timing.unhealthy == 0 {
            let key = if timing.healthy == 0 { "healthy" } else { "unhealthy" };
            return Err(Error::at(path(key), "0 answers decide nothing: use 1 or more"));
        }
        self.check_fits(&probe.check, &format!("{at}.health"))
    }

    fn check_fits(&self, check: &Check, at: &str) -> Result<()> {
        match check {
            Check::Http(http) if !http.path.starts_with('/') => {
                Err(Error::at(format!("{at}.http.path"), format!("`{}` is not a path: begin it with `/`", http.path)))
            }
            Check::Http(http) if http.status.0 > http.status.1 || http.status.0 < 100 || http.status.1 > 599 => {
                let (low, high) = http.status;
                Err(Error::at(
                    format!("{at}.http.status"),
                    format!("[{low}, {high}] is no range of statuses: use [lowest, highest] of 100 to 599"),
                ))
            }
            Check::Http(http) => self.port_exists(http.port.as_deref(), &format!("{at}.http.port")),
            Check::Tcp(tcp) => self.port_exists(tcp.port.as_deref(), &format!("{at}.tcp.port")),
            Check::Grpc(grpc) => self.port_exists(grpc.port.as_deref(), &format!("{at}.grpc.port")),
            Check::Command(command) if command.run.first().is_none_or(String::is_empty) => {
                Err(Error::at(format!("{at}.command.run"), "`run` is empty: give a program and its arguments"))
            }
            Check::Command(_) | Check::Process {} => Ok(()),
            Check::All(checks) | Check::Any(checks) if checks.is_empty() => {
                Err(Error::at(at, "`all` and `any` need at least one check"))
            }
            Check::All(checks) | Check::Any(checks) => checks.iter().try_for_each(|check| self.check_fits(check, at)),
            Check::Not(check) => self.check_fits(check, at),
        }
    }

    fn port_exists(&self, port: Option<&str>, at: &str) -> Result<()> {
        match port {
            Some(port) if !self.ports.contains_key(port) => {
                let known = listed(self.ports.keys());
                Err(Error::at(at, format!("there is no port `{port}`; the workload has: {known}")))
            }
            None if self.ports.is_empty() => {
                Err(Error::at(at, "the check needs a port and the workload has none: give `ports: { http: 8080 }`"))
            }
            _ => Ok(()),
        }
    }
}

fn digest_fits(sha256: Option<&str>, at: &str) -> Result<()> {
    match sha256 {
        None => Ok(()),
        Some(digest)
            if digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()) =>
        {
            Ok(())
        }
        Some(digest) => {
            Err(Error::at(format!("{at}.sha256"), format!("`{digest}` is not a SHA-256: use 64 digits of 0-9 and a-f")))
        }
    }
}
