//! A simulated world in virtual time: platforms, routers, tasks, engines that die, and what is checked of all of it.
//!
//! The same seed gives the same run. Nothing here waits, opens a socket or starts a process, so thousands of
//! deployments take a minute. The store is the one in memory, the moves are those of `deploy-fleet`, the decisions are
//! `machine::reconcile`'s; the shell around them is a synchronous one of its own, so nothing is shown of the engine's.
//!
//! What is checked in every run, where, and what that cannot show:
//!
//! | | checked | not checked |
//! |---|---|---|
//! | G1 | each launch, stop and change of the router against the order's floor and ceiling, by what was seen when it was decided (`audit`) | what a platform's own controller does between orders |
//! | G2 | who is stopped is out of the router, with nothing in flight or drained; nobody known to be ill is routed to after a turn without errors; nothing is removed while it runs (`audit`, `world`) | requests themselves: the load tests send them. Platforms with a controller drain by their own delay. What a late call drops within its window |
//! | G3 | each gain of a share against the ready of its side, each stop and scaling against the share that is served (`audit`) | with a controller, only that what is served is not scaled to nothing |
//! | G4 | another deployment is refused with the holder's id, or waits; what begins is the oldest that has not ended (`rival`) | two engines that begin at the same moment: the stores' own tests |
//! | G5 | each look of what has not ended gives a time to wake; nothing outlives the sum of its deadlines and pauses (`check`) | |
//! | G6 | a good release comes in whatever dies; no task starts twice, no undo before its task is over; what is launched was prepared; a take-over loads what was written (`campaign`, `errand`, `audit`, `drive`) | |
//! | G7 | each late call and each write against the newest token, within [`WINDOW`] where the fence is checked; the store refuses an older epoch (`late`, `audit`) | what a late call does within the window, but that it is mended afterwards |
//! | G8 | at the end one release serves everything and nothing else is left, or it says what is where; while everybody is well nobody is unserved (`check`) | unserved users while something is ill |
//! | G9 | nothing is said of a platform that could not be observed, nothing settles on who cannot be told, nothing goes back without something held against it (`trace`) | that the evidence is the true cause |
//! | G10 | numbers, times, the store's record against the fold, the flapping limit (`check`, `trace`, `drive`); every event survives being written down (one seed in four) | |
//! | G11 | the value of a secret that releases refer to is in no record, event, error or line (`search`) | what real platforms say: tested there |
//! | G12 | nothing: there is no shell and no archive here | |
//! | G13 | no platform is asked for what it lacks; what is refused is refused before anything is touched (`profile`, `errand`, `trace`) | |
//! | G14 | no deployment waits on once a terminal condition of its candidate is seen (`trace`) | |

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
mod from_zero;
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
