//! Plain hosts as a target: artifacts, releases, services; this machine for now.
//!
//! ```
//! # fn main() -> deploy_core::Result<()> {
//! use deploy_physical::ThisMachine;
//!
//! let machine = ThisMachine::builder().root("/srv/deploy").ports(20000..=20999).build()?;
//! # let _ = machine;
//! # Ok(())
//! # }
//! ```
//!
//! [`Machine`] implements [`deploy_core::Instances`]: a slot is a port, an instance a process that outlives the engine and
//! is found again by it. Everything goes through two traits: [`Host`], files and programs of a machine, and
//! [`ServiceManager`], what keeps programs running on it. A host over SSH or units of an init system are further
//! implementations of these; nothing above them knows which it has.
//!
//! # What a program gets
//!
//! Its working directory is its release's, or its own for a source that is a command. Its environment is `PATH`, `HOME`,
//! `LANG` and `TZ` of the engine's; `HOST` (what to listen on: 127.0.0.1), `PORT` (the routed port) and `PORT_<NAME>` for each port by name;
//! the spec's variables and secrets, which win over those before; and `DEPLOY_APPLICATION`, `DEPLOY_ENVIRONMENT`,
//! `DEPLOY_WORKLOAD`, `DEPLOY_INSTANCE`, `DEPLOY_REVISION`, `DEPLOY_RELEASE_DIR`, `DEPLOY_SHARED_DIR`, which win over all.
//! A task gets no ports, and its key in `DEPLOY_TASK`. Programs run as the user the engine runs as.
//!
//! # Secrets
//!
//! Their values are looked up once, when a revision is prepared, and kept in a file that only the owner can read, outside
//! the release, until the revision is pruned: going back needs no value of today. A process's environment can be read
//! by the same user and by root, as everywhere. What is shown of logs has `***` in place of each value; the log files
//! themselves hold what the program wrote.

mod archive;
mod artifact;
mod changes;
mod config;
mod disk;
mod error;
mod fence;
mod host;
mod instances;
mod layout;
mod local;
mod log;
mod prepare;
mod processes;
mod procfs;
mod program;
mod retention;
mod secrets;
mod services;
mod slots;
mod tasks;

pub use archive::Bounds;
pub use config::Builder;
pub use host::{Files, Guard, Host, Looked, MARK, Output, Process, Run, Shape, Signal, Tail};
pub use instances::{Machine, ThisMachine};
pub use local::LocalHost;
pub use processes::Processes;
pub use retention::Keep;
pub use secrets::{EnvSecrets, FileSecrets, SecretProvider};
pub use services::{Service, ServiceManager, Standing, State};
