//! One process with an engine in it: a runtime of its own, in virtual time.

use super::Clock;
use super::around::Around;
use super::life::Life;
use super::scene::{LEASE, Scene};
use deploy_core::{DeploymentId, Error, Kind, Request, Result};
use deploy_engine::Engine;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

/// A process. Nothing in it runs unless it is driven; dropped, nothing in it ever runs again.
#[derive(Debug)]
pub(super) struct Process {
    runtime: Runtime,
    clock: Clock,
    pub(super) life: Life,
    main: AbortHandle,
}

/// What an engine is asked for once it lives: again, by the same id, until it is there.
pub(super) type Asked = Option<(DeploymentId, Request)>;

impl Process {
    /// Starts a process. Its engine begins when it is driven.
    pub(super) fn start(scene: &Arc<dyn Scene>, clock: &Clock, life: Life, asked: Asked) -> Result<Self> {
        let runtime = runtime()?;
        let main = runtime.spawn(main(scene.clone(), life.clone(), asked)).abort_handle();
        Ok(Self { runtime, clock: clock.clone(), life, main })
    }

    /// Lets it run until something has come; the run's clock follows.
    pub(super) fn drive<T>(&self, until: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            self.clock.enter();
            let come = until.await;
            self.clock.leave();
            come
        })
    }

    /// Lets it run for so long.
    pub(super) fn run(&self, span: Duration) {
        self.drive(async { tokio::time::sleep(span).await });
    }

    /// Wakes it after it stood still for so long: all of its timers are late at once.
    pub(super) fn wake(&self, stood: Duration, answer_first: bool) {
        self.runtime.block_on(async {
            if answer_first {
                self.life.thaw();
            }
            tokio::time::advance(stood).await;
            self.life.thaw();
        });
    }

    /// Drops its engine and begins another one in the same process.
    pub(super) fn replace(&mut self, scene: &Arc<dyn Scene>, life: Life, asked: Asked) {
        self.main.abort();
        self.run(Duration::from_millis(1));
        self.life = life.clone();
        self.main = self.runtime.spawn(main(scene.clone(), life, asked)).abort_handle();
    }
}

/// A runtime in virtual time.
pub(super) fn runtime() -> Result<Runtime> {
    let made = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    made.map_err(|error| Error::new(Kind::Unavailable, "a runtime could not be made").from_source(error))
}

/// Keeps an engine. What cannot be built or asked for yet is tried again each second, as whoever supervises it would.
async fn main(scene: Arc<dyn Scene>, life: Life, asked: Asked) {
    let engine = loop {
        match build(scene.as_ref(), &life).await {
            Ok(engine) => break engine,
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    };
    if let Some((id, request)) = asked {
        while engine.deploy(request.clone()).id(id.clone()).by("tester").await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    std::future::pending::<()>().await;
}

async fn build(scene: &dyn Scene, life: &Life) -> Result<Engine> {
    let (target, platform) = scene.platform();
    let builder = Engine::builder().lease(LEASE).store(Around::new(scene.store(), life));
    scene.dress(builder.target(target, Around::new(platform, life)), life).build().await
}
