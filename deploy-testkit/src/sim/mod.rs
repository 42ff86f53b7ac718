//! A simulated world in virtual time: platforms, routers, tasks, engines that die, and what is checked of all of it.
//!
//! The same seed gives the same run. Nothing here waits, opens a socket or starts a process, so thousands of
//! deployments take a second.

mod asks;
mod audit;
pub mod campaign;
mod check;
mod control;
mod deployment;
mod dice;
mod draw;
mod drive;
mod errand;
mod faults;
mod instant;
mod late;
mod ledger;
mod mishap;
pub mod mix;
mod platform;
mod profile;
mod rival;
mod run;
pub mod scenario;
mod script;
mod search;
mod settings;
mod shell;
pub mod shrink;
mod site;
mod trace;
mod trail;
mod trouble;
mod unit;
mod world;

pub use control::{Control, PROPAGATION};
pub use dice::Dice;
pub use draw::Draw;
pub use errand::Errand;
pub use faults::{Faults, Reboot, Then};
pub use platform::Platform;
pub use profile::{Lack, Profile, WINDOW};
pub use run::Run;
pub use script::{Disturb, Hints, Mishap, Rival, Script};
pub use shell::{Around, Outside, Shell, converge};
pub use site::Site;
pub use trail::{Breach, Trail};
pub use unit::{Life, Temper, Unit, address};
pub use world::World;
