//! The events of a deployment as they happen.

use crate::nearest;
use deploy_core::{DeploymentId, Event, Result, Store, What};
use futures::stream::{self, BoxStream, StreamExt as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Where a store gives no hints, it is asked so often.
const POLL: Duration = Duration::from_millis(500);
/// Where it does, hints may be of another process's store: it is asked so often all the same.
const LOOK: Duration = Duration::from_secs(5);

struct Watching {
    store: Arc<dyn Store>,
    id: DeploymentId,
    hints: Option<BoxStream<'static, DeploymentId>>,
    after: u64,
    ready: VecDeque<Event>,
    ended: bool,
}

/// The events after a number, then those to come; ends with the deployment.
pub(crate) fn events(store: Arc<dyn Store>, id: DeploymentId, after: u64) -> BoxStream<'static, Result<Event>> {
    let hints = store.watch();
    let watching = Watching { store, id, hints, after, ready: VecDeque::new(), ended: false };
    stream::unfold(Some(watching), |watching| async {
        let mut watching = watching?;
        match watching.next().await {
            Ok(Some(event)) => Some((Ok(event), Some(watching))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

impl Watching {
    async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = event.number;
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            self.read().await?;
            if self.ready.is_empty() && !self.ended {
                self.hint().await;
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        let events = self.store.events(&self.id, self.after).await;
        self.ready.extend(nearest::explain(self.store.as_ref(), &self.id, events).await?);
        self.ended = match self.ready.back() {
            Some(event) => is_end(&event.what),
            None => {
                let record = self.store.load(&self.id).await?;
                record.status().is_final() && self.after >= record.version
            }
        };
        Ok(())
    }

    async fn hint(&mut self) {
        let Some(hints) = &mut self.hints else { return tokio::time::sleep(POLL).await };
        let own = async { while hints.next().await.is_some_and(|id| id != self.id) {} };
        let _ = tokio::time::timeout(LOOK, own).await;
    }
}

const fn is_end(what: &What) -> bool {
    matches!(what, What::Completed | What::RolledBack { .. } | What::Failed { .. } | What::Cancelled { .. })
}
