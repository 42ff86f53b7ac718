//! A deployer made of instances and a router.

use crate::{capabilities, observe, turn};
use async_trait::async_trait;
use deploy_core::{
    Capabilities, Deployer, Error, Instance, InstanceId, Instances, Kind, Observed, Order, Result, Revision,
    RevisionId, RouteState, Router, RouterCapabilities, Routes, TaskAct, TaskOutcome, TaskRun, Token, Track, TrackRef,
    Turn,
};
use futures::future::{try_join, try_join3, try_join4};
use futures::stream::BoxStream;

/// A [`Deployer`] made of a platform that starts single instances and a router.
///
/// Every move is decided by [`moves`](crate::moves()) from what is seen at the beginning of a turn; nothing is kept in
/// memory, so any number of engines, one after the other, may own one.
///
/// ```
/// # use deploy_core::{Instances, Router};
/// use deploy_fleet::Fleet;
///
/// fn web(hosts: impl Instances, proxy: impl Router) -> impl deploy_core::Deployer {
///     Fleet::new(hosts, proxy)
/// }
///
/// fn workers(hosts: impl Instances) -> impl deploy_core::Deployer {
///     Fleet::workers(hosts)
/// }
/// ```
#[derive(Debug)]
pub struct Fleet<I, R = NoRouter> {
    pub(crate) instances: I,
    pub(crate) router: Option<R>,
}

/// The router of a fleet that runs workers alone. There is no such thing.
#[derive(Debug, Clone, Copy)]
pub enum NoRouter {}

impl<I: Instances, R: Router> Fleet<I, R> {
    /// Instances whose requests come by a router. Workers can be run on it too.
    pub const fn new(instances: I, router: R) -> Self {
        Self { instances, router: Some(router) }
    }

    /// What the router does; none where there is none.
    pub(crate) async fn routes(&self, track: &TrackRef) -> Result<Option<RouteState>> {
        match &self.router {
            Some(router) => router.observe(track).await.map(Some),
            None => Ok(None),
        }
    }

    /// Raises the token on both sides, where theirs is older.
    pub(crate) async fn raise(&self, track: &TrackRef, seen: Token, routes: Token, token: Token) -> Result<Token> {
        let own = async { if seen < token { self.instances.fence(track, token).await } else { Ok(seen) } };
        let router = async {
            match &self.router {
                Some(router) if routes < token => router.fence(track, token).await,
                _ => Ok(routes),
            }
        };
        try_join(own, router).await.map(|(own, router)| own.max(router))
    }
}

impl<I: Instances> Fleet<I> {
    /// Instances that nobody is routed to.
    pub const fn workers(instances: I) -> Self {
        Self { instances, router: None }
    }
}

#[async_trait]
impl<I: Instances, R: Router> Deployer for Fleet<I, R> {
    async fn capabilities(&self, track: &TrackRef) -> Result<Capabilities> {
        let (slots, instances) = try_join(self.instances.slots(track), self.instances.list(track)).await?;
        let router = self.router.as_ref().map(Router::capabilities);
        Ok(capabilities::merge(&self.instances.capabilities(), router.as_ref(), &slots, &instances))
    }

    async fn observe(&self, track: &TrackRef) -> Result<Observed> {
        let own = &self.instances;
        let (instances, slots, token, routes) =
            try_join4(own.list(track), own.slots(track), own.token(track), self.routes(track)).await?;
        Ok(observe::merge(instances, &slots, routes.as_ref(), token))
    }

    /// Takes one pass: the token, the router, then stops and launches, at most 16 of them at a time.
    ///
    /// The router is told at most twice: what it is seen to have drained after the first time is stopped in the same
    /// pass.
    ///
    /// # Errors
    /// `Fenced` for an older token; what the instances say where they cannot be listed.
    ///
    /// # Cancel safety
    /// May be dropped at any await; the next call goes on from what is seen then.
    async fn converge(&self, order: &Order<'_>) -> Result<Turn> {
        turn::take(self, order).await
    }

    async fn check(&self, track: &TrackRef, planned: &Track) -> Result<()> {
        let spec = planned.candidate.as_ref().and_then(|party| party.revision.spec.as_deref());
        match (&self.router, spec) {
            (Some(router), Some(spec)) if planned.routed => router.can_listen(track, &spec.port_numbers()).await,
            _ => Ok(()),
        }
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        self.raise(track, Token::default(), Token::default(), token).await
    }

    async fn prepare(&self, track: &TrackRef, revisions: &[Revision], token: Token) -> Result<()> {
        self.instances.prepare(track, revisions, token).await
    }

    async fn task(&self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        self.instances.task(run, act, token).await
    }

    fn changes(&self, track: &TrackRef) -> Option<BoxStream<'static, ()>> {
        self.instances.changes(track)
    }

    async fn logs(&self, track: &TrackRef, instance: &InstanceId, lines: usize) -> Result<Vec<String>> {
        self.instances.logs(track, instance, lines).await
    }

    async fn instances(&self, track: &TrackRef) -> Result<Vec<Instance>> {
        let own = &self.instances;
        let (instances, token, routes) = try_join3(own.list(track), own.token(track), self.routes(track)).await?;
        Ok(observe::merge(instances, &[], routes.as_ref(), token).instances().cloned().collect())
    }

    /// Forgets the route first, then the workload.
    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        if let Some(router) = &self.router {
            router.remove(track, token).await?;
        }
        self.instances.remove(track, token).await
    }

    async fn prune(&self, track: &TrackRef, keep: &[RevisionId]) -> Result<()> {
        self.instances.prune(track, keep).await
    }
}

#[async_trait]
impl Router for NoRouter {
    fn capabilities(&self) -> RouterCapabilities {
        match *self {}
    }

    async fn apply(&self, _routes: &Routes) -> Result<()> {
        match *self {}
    }

    async fn observe(&self, _track: &TrackRef) -> Result<RouteState> {
        match *self {}
    }

    async fn fence(&self, _track: &TrackRef, _token: Token) -> Result<Token> {
        match *self {}
    }

    async fn remove(&self, _track: &TrackRef, _token: Token) -> Result<()> {
        match *self {}
    }
}

/// Says that a newer token stands.
pub(crate) fn fenced(order: &Order<'_>, newest: Token) -> Error {
    Error::new(Kind::Fenced, format!("the token {} is older than {newest}, which stands", order.token))
        .with("track", order.track)
}
