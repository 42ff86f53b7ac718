//! The one executor for platforms that start single instances: the only place where launch, admit, drain and retire are
//! put in order.
//!
//! [`moves`] is pure: from an order and what is seen to what is done next. [`Fleet`] carries that out on an
//! [`Instances`](deploy_core::Instances) and a [`Router`](deploy_core::Router), and is a
//! [`Deployer`](deploy_core::Deployer).
//!
//! ```
//! use deploy_core::{Deployer, Instances, Router};
//! use deploy_fleet::Fleet;
//!
//! /// A platform that starts single instances, and what sends requests to them, as one target.
//! fn target(hosts: impl Instances, proxy: impl Router) -> impl Deployer {
//!     Fleet::new(hosts, proxy)
//! }
//! ```

mod capabilities;
mod fleet;
mod moves;
mod observe;
mod sight;
mod turn;

pub use fleet::{Fleet, NoRouter};
pub use moves::{Moves, Stop, Wait, moves};
