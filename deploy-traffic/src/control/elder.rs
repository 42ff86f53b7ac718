//! The proxy that was replaced, as its successor sees it.

use crate::control::client::{Line, exchange};
use crate::control::protocol::{self, Ask};
use deploy_core::{Error, Kind, Result, RouteState};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long it may take to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// A proxy that still answers requests it had accepted, until it has ended.
#[derive(Debug, Default)]
pub(crate) struct Elder(Option<mpsc::Sender<Question>>);

type Question = (Vec<u8>, oneshot::Sender<Vec<u8>>);

impl Elder {
    /// Speaks with it until it ends. A task of its own reads each answer, even one that came too late for who asked.
    pub(crate) fn new(line: Line) -> Self {
        let (questions, asked) = mpsc::channel(16);
        tokio::spawn(ask_all(line, asked));
        Self(Some(questions))
    }

    /// Asks it; none where it has ended.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, ask: &Ask) -> Result<Option<T>> {
        let Some(questions) = &self.0 else { return Ok(None) };
        let request = protocol::ask(ask)?;
        let answer = async {
            let (answer, answered) = oneshot::channel();
            questions.send((request, answer)).await.ok()?;
            answered.await.ok()
        };
        match tokio::time::timeout(LIMIT, answer).await {
            Ok(Some(answer)) => protocol::answered(&answer).map(Some),
            Ok(None) => Ok(None),
            Err(_) => Err(Error::new(Kind::Timeout, "the proxy that was replaced still serves and gives no answer")),
        }
    }

    /// Adds what it still has in flight; unknown where it gives no answer.
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

async fn ask_all(mut line: Line, mut questions: mpsc::Receiver<Question>) {
    while let Some((request, asker)) = questions.recv().await {
        let Ok(answer) = exchange(&mut line, &request).await else { return };
        let _ = asker.send(answer);
    }
}
