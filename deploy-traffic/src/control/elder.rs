//! The proxy that was replaced, as its successor sees it.

use crate::control::client::{Line, exchange};
use crate::control::protocol::{self, Ask};
use deploy_core::{Error, Kind, Result, RouteState};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long it may take to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// A proxy that still answers requests it had accepted, until it has ended.
#[derive(Debug, Default)]
pub(crate) struct Elder(Mutex<Option<Line>>);

impl Elder {
    pub(crate) fn new(line: Line) -> Self {
        Self(Mutex::new(Some(line)))
    }

    /// Asks it; none where it has ended.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, ask: &Ask) -> Result<Option<T>> {
        let mut held = self.0.lock().await;
        let Some(line) = held.as_mut() else { return Ok(None) };
        match tokio::time::timeout(LIMIT, exchange(line, &protocol::ask(ask)?)).await {
            Ok(Ok(answer)) => protocol::answered(&answer).map(Some),
            Ok(Err(_)) => {
                *held = None;
                Ok(None)
            }
            Err(_) => Err(Error::new(
                Kind::Timeout,
                "the proxy that was replaced still serves, and gave no answer within 2 s",
            )),
        }
    }

    /// Adds what it still has in flight.
    pub(crate) async fn add_flights(&self, state: &mut RouteState, ask: &Ask) {
        let theirs = self.ask::<RouteState>(ask).await;
        for routed in &mut state.members {
            let more = match &theirs {
                Ok(None) => Some(0),
                Ok(Some(theirs)) => theirs.member(&routed.member.instance).map_or(Some(0), |routed| routed.in_flight),
                Err(_) => None,
            };
            routed.in_flight = routed.in_flight.zip(more).map(|(ours, theirs)| ours + theirs);
        }
    }
}
