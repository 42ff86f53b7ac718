//! A simulated world as a platform that the real engine can be run on.

use super::world::World;
use async_trait::async_trait;
use deploy_core::{
    Capabilities, Deployer, Observed, Order, Result, Revision, TaskAct, TaskOutcome, TaskRun, Timestamp, Token,
    TrackRef, Turn,
};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A [`Deployer`] over a shared simulated world. Clones share it.
///
/// The clock is handed in: the world's time is moved to it at every call, never backward. Hand in a clock that a test
/// moves, or a real one for a world in real time.
#[derive(Clone)]
pub struct Platform {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Platform {
    /// A platform over a world, by a clock.
    pub fn new(world: World, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { world: Arc::new(Mutex::new(world)), clock: Arc::new(clock) }
    }

    /// The world as it is now, to be looked into or changed.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock)();
        if now > world.now {
            world.advance(now);
        }
        world
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").finish_non_exhaustive()
    }
}

#[async_trait]
impl Deployer for Platform {
    async fn capabilities(&self, track: &TrackRef) -> Result<Capabilities> {
        Ok(self.world().capabilities(track))
    }

    async fn observe(&self, track: &TrackRef) -> Result<Observed> {
        self.world().observe(track)
    }

    async fn converge(&self, order: &Order<'_>) -> Result<Turn> {
        self.world().converge(order)
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        self.world().fence(track, token)
    }

    async fn prepare(&self, track: &TrackRef, revisions: &[Revision], token: Token) -> Result<()> {
        self.world().prepare(track, revisions, token)
    }

    async fn task(&self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        self.world().task(run, act, token)
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        self.world().remove(track, token)
    }
}
