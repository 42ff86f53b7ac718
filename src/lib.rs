//! The deployment engine that Rust programs embed: rolling, blue-green, canary, recreate and A/B, the same on every
//! platform, with health checks, judges, gates, automatic rollback and durable state.
//!
//! This crate is a thin facade: it re-exports the crates of the workspace by feature and holds nothing of its own.
//!
//! | feature | what it brings |
//! |---|---|
//! | (none) | [`core`]: model, plan, traits, state machine, in-memory store |
//! | `strategies` (default) | [`strategies`]: recreate, rolling, blue-green, canary, A/B |
//! | `engine` (default) | [`engine`]: the async shell |
//! | `fleet` (default) | [`fleet`]: the executor for platforms that start single instances |
//! | `health` (default) | [`health`]: HTTP, TCP, command, gRPC, composite checks |
//! | `config` | [`config`]: specs from YAML, TOML, JSON |
//! | `traffic` | [`traffic`]: the embedded reverse proxy |
//! | `physical` | [`physical`]: plain hosts as a target; this machine for now |
//! | `sqlite` | [`store`]: durable records in SQLite |
//! | `full` | all of them |
//!
//! # A plan is data
//!
//! ```
//! use deploy::prelude::*;
//!
//! # fn main() -> Result<()> {
//! let web = Workload::new(Source::Image("shop/web:2".into()));
//! let spec = Spec::new("shop".parse()?).workload("web".parse()?, web).environment("staging".parse()?, "here".parse()?);
//! let release = Release::new(spec)?;
//! assert_eq!(release.id, Release::new((*release.spec).clone())?.id, "the same content is the same release");
//! # Ok(())
//! # }
//! ```

pub use deploy_core as core;

#[cfg(feature = "config")]
pub use deploy_config as config;
#[cfg(feature = "engine")]
pub use deploy_engine as engine;
#[cfg(feature = "fleet")]
pub use deploy_fleet as fleet;
#[cfg(feature = "health")]
pub use deploy_health as health;
#[cfg(feature = "physical")]
pub use deploy_physical as physical;
#[cfg(feature = "sqlite")]
pub use deploy_store as store;
#[cfg(feature = "strategies")]
pub use deploy_strategies as strategies;
#[cfg(feature = "traffic")]
pub use deploy_traffic as traffic;

/// What most programs name: `use deploy::prelude::*;`.
pub mod prelude {
    pub use deploy_core::{
        Actor, Back, Budget, Capabilities, Change, Count, Deployer, Desired, Error, Filter, HealthCheck, Instances,
        Judge, Kind, Name, Observed, Order, Plan, Probe, Release, Request, Result, Router, SecretRef, Share, Source,
        Spec, Split, Stage, Stages, Status, Step, Store, Strategy, StrategyRef, Task, Traffic, Turn, Workload,
    };
    #[cfg(feature = "engine")]
    pub use deploy_engine::Engine;
    #[cfg(feature = "fleet")]
    pub use deploy_fleet::Fleet;
    #[cfg(feature = "physical")]
    pub use deploy_physical::ThisMachine;
    #[cfg(feature = "sqlite")]
    pub use deploy_store::Sqlite;
    #[cfg(feature = "strategies")]
    pub use deploy_strategies::Registry;
}

/// README and guides, so that what they show compiles.
#[cfg(all(doctest, feature = "config", feature = "engine", feature = "physical", feature = "sqlite"))]
mod papers {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/guides/strategy.md")]
    struct Strategy;
    #[doc = include_str!("../docs/guides/deployer.md")]
    struct Deployer;
    #[doc = include_str!("../docs/guides/operating.md")]
    struct Operating;
}
