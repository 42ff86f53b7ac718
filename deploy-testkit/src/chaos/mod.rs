//! The real engine, killed, dropped, stopped and starved of its store at every boundary that its calls cross.
//!
//! Everything outside the engine stands behind one [`Life`]: its [store and its platform](Around), its health checks,
//! gates and figures. Each call crosses two boundaries there, before its effect and after it. A run is first played in
//! [`peace`], which counts them; then a [`Case`] is [played](play) for each boundary, or for as many as there is time
//! for: at that boundary the engine's process is killed and another started, or it is stopped while another engine takes
//! over, or the store does not do what it should. It has to end as in peace, with nothing broken.
//!
//! All of it runs in virtual time: each process is a runtime of its own with a paused clock, and the [`Clock`] of a run
//! follows whichever is driven. A process that is not driven stands still, as by SIGSTOP; one that is dropped is dead.
//!
//! ```
//! use deploy_testkit::chaos::{Case, Mode, Simulated, peace, play};
//! use deploy_testkit::sim::Profile;
//!
//! let scene = Simulated { strategy: "rolling", profile: Profile::Instant, sick: false };
//! let make = |setting: &_| scene.make(setting);
//! let calm = peace(&make, 5, Mode::Kill)?;
//! let boundary = calm.boundaries.iter().position(|name| name == "after append").unwrap_or(0) as u64;
//! let killed = play(&make, &Case { seed: 5, mode: Mode::Kill, boundary }, &calm)?;
//! assert!(killed.reached && killed.found.is_empty(), "{:?}\n{}", killed.found, killed.trail);
//! # Ok::<(), deploy_core::Error>(())
//! ```
//!
//! For a platform or a store of your own, implement [`Scene`].

mod around;
mod case;
mod check;
mod clock;
mod fault;
mod life;
mod log;
mod pause;
mod play;
mod process;
mod scene;
mod simulated;

pub use around::Around;
pub use case::{Case, Mode};
pub use clock::Clock;
pub use life::{Life, Side};
pub use play::{Outcome, peace, play};
pub use scene::{LEASE, Make, Scene, Setting};
pub use simulated::Simulated;
