//! Hints to look again.

use crate::instances::Inner;
use crate::layout::Layout;
use deploy_core::TrackRef;
use futures::FutureExt as _;
use futures::future::select_all;
use futures::stream::{BoxStream, StreamExt as _, unfold};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long at most it takes until what another engine started is waited for too.
const AGAIN: Duration = Duration::from_secs(5);

/// A hint whenever a program of the workload, instance or task, has ended.
pub(crate) fn hints(inner: Arc<Inner>, track: &TrackRef) -> BoxStream<'static, ()> {
    let changed = inner.changed.subscribe();
    let watching = Watching { layout: inner.layout(track), inner, changed, ended: BTreeSet::new() };
    unfold(watching, |mut watching| async move {
        watching.next().await;
        Some(((), watching))
    })
    .boxed()
}

struct Watching {
    inner: Arc<Inner>,
    layout: Layout,
    changed: watch::Receiver<()>,
    ended: BTreeSet<PathBuf>,
}

impl Watching {
    /// Comes back when something has ended that had not the last time; the first time, when anything has.
    async fn next(&mut self) {
        loop {
            self.changed.mark_unchanged();
            let (running, ended) = self.now().await.unwrap_or_else(|| (BTreeSet::new(), self.ended.clone()));
            let news = ended.difference(&self.ended).next().is_some();
            self.ended = ended;
            if news {
                return;
            }
            tokio::select! {
                () = one_ended(&self.inner, &running) => {}
                _ = self.changed.changed() => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// The directories of what runs and of what has ended; none where that cannot be told now.
    async fn now(&self) -> Option<(BTreeSet<PathBuf>, BTreeSet<PathBuf>)> {
        let (mut running, mut ended) = (BTreeSet::new(), BTreeSet::new());
        for under in [self.layout.instances(), self.layout.tasks()] {
            for (name, standing) in self.inner.services.list(&under).await.ok()? {
                let set = if standing.state.is_live() { &mut running } else { &mut ended };
                set.insert(under.join(name));
            }
        }
        Some((running, ended))
    }
}

async fn one_ended(inner: &Inner, running: &BTreeSet<PathBuf>) {
    if running.is_empty() {
        return std::future::pending().await;
    }
    select_all(running.iter().map(|dir| inner.services.ended(dir).boxed())).await;
    // Its end may be a moment away from being seen.
    tokio::time::sleep(Duration::from_millis(10)).await;
}
