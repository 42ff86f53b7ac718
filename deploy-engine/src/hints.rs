//! Hints of the store, handed to those that they are for.

use deploy_core::{DeploymentId, Store};
use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::stream::{BoxStream, StreamExt as _};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

type Ears = BTreeMap<DeploymentId, Vec<UnboundedSender<DeploymentId>>>;

/// The one that the store tells, however many deployments this engine runs: told each by itself, every write of one would
/// wake all.
#[derive(Debug)]
pub(crate) struct Hints {
    ears: Shared,
    task: Option<AbortHandle>,
}

/// None where the store gives no hints, or none any more.
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Option<Ears>>>);

/// Leaves its place when its stream is dropped.
struct Ear {
    id: DeploymentId,
    ears: Shared,
}

impl Hints {
    /// Listens until it is dropped. Needs a runtime around.
    pub(crate) fn begin(store: &dyn Store) -> Self {
        let hints = store.watch();
        let ears = Shared(Arc::new(Mutex::new(hints.as_ref().map(|_| Ears::new()))));
        let task = hints.map(|hints| tokio::spawn(ears.clone().listen(hints)).abort_handle());
        Self { ears, task }
    }

    /// The hints about one deployment from now on; none where the store gives none.
    pub(crate) fn of(&self, id: &DeploymentId) -> Option<BoxStream<'static, DeploymentId>> {
        let (tell, told) = unbounded();
        self.ears.lock().as_mut()?.entry(id.clone()).or_default().push(tell);
        let ear = Ear { id: id.clone(), ears: self.ears.clone() };
        Some(told.map(move |_| ear.id.clone()).boxed())
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        self.task.iter().for_each(AbortHandle::abort);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Ears>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn listen(self, mut hints: BoxStream<'static, DeploymentId>) {
        while let Some(id) = hints.next().await {
            let ears = self.lock();
            let of = ears.as_ref().and_then(|ears| ears.get(&id));
            of.into_iter().flatten().for_each(|ear| drop(ear.unbounded_send(id.clone())));
        }
        *self.lock() = None;
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut ears = self.ears.lock();
        let Some(ears) = ears.as_mut() else { return };
        let Some(of) = ears.get_mut(&self.id) else { return };
        of.retain(|ear| !ear.is_closed());
        if of.is_empty() {
            ears.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deploy_core::{Actor, Ask, Memory, Name, Release, Request, Source, Spec, Timestamp, Workload};
    use futures::FutureExt as _;

    async fn asked(store: &Memory, application: &str) -> deploy_core::Result<DeploymentId> {
        let web = Workload::new(Source::Command(vec!["web".into()]));
        let spec = Spec::new(Name::new(application)?).workload(Name::new("web")?, web);
        let release = Release::new(spec.environment(Name::new("production")?, Name::new("here")?))?;
        let id = DeploymentId::from(application);
        store.create(&id, &Request::new(release, Name::new("production")?), &Actor::new("ann")).await?;
        Ok(id)
    }

    #[tokio::test]
    async fn a_hint_reaches_those_that_it_is_for_and_nobody_else() -> deploy_core::Result<()> {
        let store = Memory::new(|| Timestamp::UNIX_EPOCH);
        let hints = Hints::begin(&store);
        let (shop, blog) = (asked(&store, "shop").await?, asked(&store, "blog").await?);
        tokio::task::yield_now().await;
        let (of_shop, of_blog) = (hints.of(&shop), hints.of(&blog));
        let (Some(mut of_shop), Some(mut of_blog)) = (of_shop, of_blog) else { panic!("this store gives hints") };
        store.signal(&shop, &Ask::Cancel, &Actor::new("ann")).await?;
        assert_eq!(of_shop.next().await, Some(shop));
        assert_eq!(of_blog.next().now_or_never(), None);
        drop((of_shop, of_blog));
        assert!(hints.ears.lock().as_ref().is_some_and(BTreeMap::is_empty), "who has gone has left nothing");
        Ok(())
    }
}
