//! Recreate, rolling update, blue-green, canary and A/B as pure functions from what runs to stages.
//!
//! A strategy is its settings: each is one struct that serde reads (unknown keys are errors), and that lays out stages.
//! Nothing here touches a platform, reads a clock or knows which platform it is; core divides the stages into orders,
//! adds what a platform needs around them, and verifies the result.
//!
//! | strategy | runs beside stable | traffic moves | needs | way back |
//! |---|---|---|---|---|
//! | [`RollingUpdate`] | `max_surge` | with the instances | nothing | instance by instance |
//! | [`Recreate`] | nothing | after a gap | a router that can serve nobody | stop, undo, start |
//! | [`BlueGreen`] | all | at once | room for twice the count | one switch |
//! | [`Canary`] | its share, then all | in shares | a router that divides by share | one switch |
//! | [`AbTest`] | its part, then all | by header, cookie or share | a router that knows them | one switch |
//!
//! ```
//! use deploy_core::{Strategies, StrategyRef};
//! use deploy_strategies::{Canary, Registry};
//! use std::time::Duration;
//!
//! // In code, a strategy is its settings ...
//! let canary = StrategyRef::from(Canary { bake: Duration::from_secs(60), ..Canary::default() });
//! // ... and in a spec, its name with them: `canary: { bake: 1m }`.
//! assert_eq!(canary.settings["bake"], "1m");
//! assert!(Registry::default().get(&canary).is_ok());
//! ```

#[macro_use]
mod settings;

mod ab_test;
mod blue_green;
mod canary;
mod needs;
mod pace;
mod recommend;
mod recreate;
mod registry;
mod rolling;

pub use ab_test::{AbTest, Decides};
pub use blue_green::BlueGreen;
pub use canary::Canary;
pub use recommend::{Recommendation, Situation, recommend};
pub use recreate::Recreate;
pub use registry::Registry;
pub use rolling::RollingUpdate;
