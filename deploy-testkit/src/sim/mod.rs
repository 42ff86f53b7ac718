//! A simulated world in virtual time: platforms, routers, tasks, engines that die, and what is checked of all of it.
//!
//! The same seed gives the same run. Nothing here waits, opens a socket or starts a process, so thousands of
//! deployments take a second.

mod audit;
pub mod campaign;
mod check;
mod control;
mod dice;
mod instant;
mod platform;
mod run;
pub mod scenario;
mod script;
mod shell;
mod site;
mod trail;
mod unit;
mod world;

pub use control::{Control, PROPAGATION};
pub use dice::Dice;
pub use platform::Platform;
pub use run::Run;
pub use script::{Disturb, Mishap, Script};
pub use shell::{Around, Outside, Shell, converge};
pub use site::Site;
pub use trail::{Breach, Trail};
pub use unit::{Life, Temper, Unit, address};
pub use world::{Errand, Faults, Profile, World};
