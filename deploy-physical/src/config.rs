//! How a machine is set up.

use crate::archive::Bounds;
use crate::host::Host;
use crate::instances::{Inner, Machine};
use crate::local::LocalHost;
use crate::processes::Processes;
use crate::retention::Keep;
use crate::secrets::{Providers, SecretProvider, built_in};
use crate::services::ServiceManager;
use crate::slots::{Ports, fits};
use deploy_core::{Error, Result};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

/// Sets up a [`Machine`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    root: Option<PathBuf>,
    name: String,
    ports: RangeInclusive<u16>,
    slots: u16,
    log_most: u64,
    bounds: Bounds,
    keep: Keep,
    providers: Providers,
    host: Option<Arc<dyn Host>>,
    services: Option<Arc<dyn ServiceManager>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            root: None,
            name: "local".into(),
            ports: 20000..=20999,
            slots: 32,
            log_most: 10 << 20,
            bounds: Bounds::default(),
            keep: Keep::default(),
            providers: built_in(),
            host: None,
            services: None,
        }
    }
}

impl Builder {
    /// The directory under which everything stands, absolute. Required. It belongs to one target.
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// The name its slots bear. Default `local`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The ports that instances listen on. Default 20000 to 20999. They should lie outside the range from which the
    /// kernel takes ports for outgoing connections (32768 to 60999 unless set otherwise).
    pub fn ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// How many instances a workload may have at the same time, at least 2. Default 32. What a workload was given once
    /// stays as it was.
    pub fn slots_per_workload(mut self, slots: u16) -> Self {
        self.slots = slots;
        self
    }

    /// At how many bytes a log is cut. Default 10 MiB; the part before is kept once.
    pub fn log_bytes(mut self, most: u64) -> Self {
        self.log_most = most;
        self
    }

    /// How much an artifact may hold.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// What is kept of releases that neither run nor are needed.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// Adds a provider of secrets under the name that references bear; one of the same name (`env`, `file`) is replaced.
    pub fn secrets(mut self, name: impl Into<String>, provider: impl SecretProvider + 'static) -> Self {
        self.providers.insert(name.into(), Arc::new(provider));
        self
    }

    /// Another host than the one the engine runs on.
    pub fn host(mut self, host: impl Host + 'static) -> Self {
        self.host = Some(Arc::new(host));
        self
    }

    /// Another way to keep programs running than plain processes.
    pub fn services(mut self, services: impl ServiceManager + 'static) -> Self {
        self.services = Some(Arc::new(services));
        self
    }

    /// Makes the machine. Nothing is touched yet.
    ///
    /// # Errors
    /// `Invalid` for a root that is missing or not absolute, and for ports that hold no workload.
    pub fn build(self) -> Result<Machine> {
        let root = self.root.ok_or_else(|| Error::at("root", "it is missing: give the directory for releases"))?;
        fits(&self.ports, self.slots, &root)?;
        let local = || -> Arc<dyn Host> { Arc::new(LocalHost::new(self.name, root.join("staging"))) };
        let host = self.host.unwrap_or_else(local);
        let processes = || -> Arc<dyn ServiceManager> { Arc::new(Processes::new(host.clone(), self.log_most)) };
        Ok(Machine::of(Inner {
            services: self.services.unwrap_or_else(processes),
            ports: Ports { root: root.clone(), range: self.ports, slots: self.slots },
            root,
            providers: self.providers,
            bounds: self.bounds,
            keep: self.keep,
            inherited: host.environment(),
            host,
            changed: tokio::sync::watch::Sender::new(()),
        }))
    }
}
