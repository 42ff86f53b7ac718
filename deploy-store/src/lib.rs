//! Durable records of deployments.
//!
//! With the feature `sqlite` (on by default) `Sqlite` keeps them in one file beside the engine. It excludes `rusqlite`
//! from the same program, as both link SQLite.
//!
//! ```no_run
//! # #[cfg(feature = "sqlite")]
//! # async fn opened() -> deploy_core::Result<()> {
//! use deploy_core::{Filter, Store as _};
//!
//! let store = deploy_store::Sqlite::open("deploy.db").await?;
//! let newest = store.list(&Filter::default()).await?;
//! # drop(newest);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlite::{InstanceRow, Options, Sqlite};
