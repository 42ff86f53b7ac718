//! A target that nobody registered.

use async_trait::async_trait;
use deploy_core::{Capabilities, Deployer, Error, Kind, Name, Observed, Order, Result, TrackRef, Turn};

/// Stands where a record names a target that this engine does not have: nothing of it can be seen.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) Name);

impl Missing {
    fn error(&self) -> Error {
        let message = format!("this engine has no target `{}`: register it with the builder", self.0);
        Error::new(Kind::Unavailable, message)
    }
}

#[async_trait]
impl Deployer for Missing {
    async fn capabilities(&self, _track: &TrackRef) -> Result<Capabilities> {
        Err(self.error())
    }

    async fn observe(&self, _track: &TrackRef) -> Result<Observed> {
        Err(self.error())
    }

    async fn converge(&self, _order: &Order<'_>) -> Result<Turn> {
        Err(self.error())
    }
}
