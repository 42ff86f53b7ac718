//! What is played: a store, a platform, and what is brought in.

use super::Clock;
use super::life::Life;
use deploy_core::{Deployer, Request, Result, Store, Timestamp};
use deploy_engine::Builder;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// A store and a platform, made anew for each run, and what is brought in there.
///
/// # Contract
/// * Both live by the clock that they were [made](Make) with, and stay when an engine dies.
/// * The same seed makes the same scene.
/// * `state` is the same text for two runs that ended alike, whatever happened on the way.
pub trait Scene: Debug + Send + Sync {
    /// Where records are kept.
    fn store(&self) -> Arc<dyn Store>;

    /// The platform, and the name of the target that it is.
    fn platform(&self) -> (String, Arc<dyn Deployer>);

    /// What is brought in, in order: all but the last in peace.
    fn requests(&self) -> Vec<Request>;

    /// Gives an engine what it needs besides store and platform: health checks, gates, judges, figures. What is asked
    /// through [`Life::call`] has boundaries too.
    fn dress(&self, builder: Builder, _life: &Life) -> Builder {
        builder
    }

    /// What stands, and where requests go.
    fn state(&self) -> String;

    /// What was broken on the way: of the platform's own checks, a task that was done twice.
    fn broken(&self) -> Vec<String> {
        Vec::new()
    }

    /// The last lines of what happened.
    fn trail(&self, _lines: usize) -> String {
        String::new()
    }
}

/// What a scene is made with.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Chance: the same seed makes the same scene.
    pub seed: u64,
    /// The store's time.
    pub clock: Clock,
    /// The platform's time is so far from it.
    pub skew: jiff::SignedDuration,
}

impl Setting {
    /// The platform's clock.
    pub fn platform_clock(&self) -> impl Fn() -> Timestamp + Send + Sync + 'static {
        let (clock, skew) = (self.clock.clone(), self.skew);
        move || clock.now().checked_add(skew).unwrap_or_default()
    }
}

/// Makes a scene.
pub type Make<'a> = &'a (dyn Fn(&Setting) -> Result<Arc<dyn Scene>> + Sync);

/// The lease that engines of a run have.
pub const LEASE: Duration = Duration::from_secs(15);
