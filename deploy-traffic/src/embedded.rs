//! The proxy in the engine's own process.

use crate::config::Config;
use crate::proxy::{self, Proxy, Role};
use async_trait::async_trait;
use deploy_core::{
    Error, Figures, MetricSource, Result, RouteState, Router, RouterCapabilities, Routes, Side, Timestamp, Token,
    TrackRef,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// A reverse proxy in this process, for development: when the process ends, its ports close.
///
/// Dropped, it accepts nobody any more and lets what is under way end.
#[derive(Debug)]
pub struct EmbeddedProxy(Arc<Proxy>);

impl EmbeddedProxy {
    /// Starts it on the runtime that this is called on. It listens once it is told of a workload.
    ///
    /// # Errors
    /// `Invalid` without a tokio runtime around.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> deploy_core::Result<()> {
    /// use deploy_core::{Router, Routes, Spread, Token};
    /// use deploy_traffic::{Config, EmbeddedProxy};
    ///
    /// let proxy = EmbeddedProxy::start(Config::default())?;
    /// let track = "shop/production/web@here".parse()?;
    /// proxy.apply(&Routes { track, ports: vec![], token: Token::new(1, 1), spread: Spread::None, members: vec![] }).await?;
    /// let track = "shop/production/web@here".parse()?;
    /// assert_eq!(proxy.addresses(&track).len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(config: Config) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|error| Error::invalid("the embedded proxy needs a tokio runtime around it").from_source(error))?;
        Ok(Self(Proxy::start(&runtime, config, None)))
    }

    /// The addresses that a workload is listened for on, in the order of its ports.
    pub fn addresses(&self, track: &TrackRef) -> Vec<SocketAddr> {
        self.0.addresses(track)
    }

    /// Accepts nobody any more and returns when the last request is answered, after `stop_limit` at the latest.
    pub async fn stop(self) {
        self.0.leave(Duration::from_secs(1));
        self.0.ended(self.0.config().stop_limit).await;
    }
}

impl Drop for EmbeddedProxy {
    fn drop(&mut self) {
        self.0.leave(self.0.config().idle_grace);
    }
}

#[async_trait]
impl Router for EmbeddedProxy {
    fn capabilities(&self) -> RouterCapabilities {
        proxy::capabilities(false)
    }

    async fn can_listen(&self, track: &TrackRef, ports: &[u16]) -> Result<()> {
        self.0.can_listen(track, ports)
    }

    async fn apply(&self, routes: &Routes) -> Result<()> {
        self.0.apply(routes.clone()).await
    }

    async fn observe(&self, track: &TrackRef) -> Result<RouteState> {
        Ok(self.0.observe(track))
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        self.0.fence(track.clone(), token).await
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        self.0.remove(track.clone(), token, Role::Leading).await
    }
}

#[async_trait]
impl MetricSource for EmbeddedProxy {
    async fn figures(&self, track: &TrackRef, side: &Side, since: Timestamp) -> Result<Option<Figures>> {
        self.0.figures(track, side, since)
    }
}
