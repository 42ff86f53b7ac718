//! Asking for a deployment.

use crate::Engine;
use deploy_core::{
    Actor, Creation, DeploymentId, Error, Kind, Name, OnBusy, OnFailure, Plan, Release, Request, Result,
};
use futures::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;
use std::time::Duration;

/// A plan, with the release that it brings in. Printed as the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The release.
    pub release: Release,
}

impl Deref for Planned {
    type Target = Plan;
    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plan.fmt(f)
    }
}

/// What [`Engine::deploy`] takes: an environment and a release, a [`Planned`], or a plan with its release, that was
/// approved, or a whole [`Request`].
#[derive(Debug)]
pub struct DeployRequest(Result<Request>);

impl From<Request> for DeployRequest {
    fn from(request: Request) -> Self {
        Self(Ok(request))
    }
}

impl From<Planned> for DeployRequest {
    fn from(planned: Planned) -> Self {
        Self(approved(planned.plan, planned.release))
    }
}

impl From<(Plan, &Release)> for DeployRequest {
    fn from((plan, release): (Plan, &Release)) -> Self {
        Self(approved(plan, release.clone()))
    }
}

fn approved(plan: Plan, release: Release) -> Result<Request> {
    if plan.release != release.id || plan.scope.application != release.spec.application {
        let message =
            format!("the plan is of release {} of {}, not of release {}", plan.release, plan.scope, release.id);
        return Err(Error::invalid(message));
    }
    let mut request = Request::new(release, plan.scope.environment.clone());
    request.approved = Some(Box::new(plan));
    Ok(request)
}

impl From<(&str, &Release)> for DeployRequest {
    fn from((environment, release): (&str, &Release)) -> Self {
        Self(Name::new(environment).map(|environment| Request::new(release.clone(), environment)))
    }
}

impl From<(&Name, &Release)> for DeployRequest {
    fn from((environment, release): (&Name, &Release)) -> Self {
        Self(Ok(Request::new(release.clone(), environment.clone())))
    }
}

/// A deployment that is asked for when this is awaited.
///
/// # Cancel safety
/// May be dropped: once polled it is made all the same; asking again with the same [`id`](Self::id) finds it.
#[derive(Debug)]
#[must_use = "nothing is asked for before this is awaited"]
pub struct Deploy<'a> {
    engine: &'a Engine,
    request: Result<Request>,
    id: Option<DeploymentId>,
    actor: Actor,
}

impl Engine {
    /// Makes the plan of bringing a release to an environment: what would happen. Nothing is touched, no token written.
    ///
    /// # Errors
    /// `NotFound` for what the engine or the spec does not have; `Invalid` and `Unsupported` for a plan that would break
    /// a guarantee; `Unavailable` where a platform cannot be observed.
    pub async fn plan(&self, application: &str, environment: &str, release: &Release) -> Result<Planned> {
        if release.spec.application != *application {
            let message = format!("the release is of `{}`, not of `{application}`", release.spec.application);
            return Err(Error::invalid(message));
        }
        let environment = Name::new(environment)?;
        self.core().validate(release, &environment)?;
        let scope = Request::new(release.clone(), environment.clone()).scope();
        let known = self.core().known(&scope).await?;
        let plan = self.core().plan(release, &environment, &known).await?;
        Ok(Planned { plan, release: release.clone() })
    }

    /// Asks for a deployment: awaited, it returns the id at once. The deployment survives this process.
    ///
    /// # Errors
    /// `NotFound` for an environment, target, strategy or gate that is not there; `Busy` with the `holder` where another
    /// deployment is active and [`OnBusy::Refuse`] holds; `Conflict` for an id that is there with other content.
    pub fn deploy(&self, what: impl Into<DeployRequest>) -> Deploy<'_> {
        Deploy { engine: self, request: what.into().0, id: None, actor: self.itself() }
    }
}

impl Deploy<'_> {
    /// Says who asks. Default: the engine's own name.
    pub fn by(mut self, actor: impl Into<Actor>) -> Self {
        self.actor = actor.into();
        self
    }

    /// Gives it an id of the caller's: asking again with the same content finds the same deployment. Default: a UUID version 7.
    pub fn id(mut self, id: impl Into<DeploymentId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Says what happens where another deployment is active. Default: it is refused.
    pub fn on_busy(self, on_busy: OnBusy) -> Self {
        self.with(|request| request.on_busy = on_busy)
    }

    /// Goes on with another plan where what runs has changed since the plan was approved. Default: it is refused.
    /// What has waited for its turn is always planned anew.
    pub fn replan(self, replan: bool) -> Self {
        self.with(|request| request.replan = replan)
    }

    /// Says what happens when the candidate fails. Default: it goes back by itself.
    pub fn on_failure(self, on_failure: OnFailure) -> Self {
        self.with(|request| request.on_failure = on_failure)
    }

    /// It has failed when it has not begun within so long. Default 1 h.
    pub fn pending(self, most: Duration) -> Self {
        self.with(|request| request.pending = most)
    }

    fn with(mut self, change: impl FnOnce(&mut Request)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }

    /// Asked in a task of its own: what was made is looked after, even if nobody waits for the answer any more.
    async fn ask(self) -> Result<DeploymentId> {
        let Self { engine, request, id, actor } = self;
        let asked = tokio::spawn(ask(engine.clone(), request?, id, actor)).await;
        asked.unwrap_or_else(|_| Err(Error::new(Kind::Unclassified, "the store panicked")))
    }
}

async fn ask(engine: Engine, mut request: Request, id: Option<DeploymentId>, actor: Actor) -> Result<DeploymentId> {
    if engine.is_ending() {
        return Err(Error::new(Kind::Unavailable, "this engine was shut down: ask another one"));
    }
    request.replan |= request.on_busy != OnBusy::Refuse;
    engine.core().validate(&request.release, &request.environment)?;
    let id = id.unwrap_or_else(|| DeploymentId::new(uuid::Uuid::now_v7().to_string()));
    let record = match engine.store().create(&id, &request, &actor).await? {
        Creation::New(record) => {
            tracing::info!(deployment = %id, scope = %record.scope, release = %request.release.id, by = %actor, "deploy");
            engine.core().tell_requested(&record);
            record
        }
        Creation::Existing(record) => record,
    };
    if !record.status().is_final() {
        engine.look_after(&id, &record.scope);
    }
    Ok(id)
}

impl<'a> IntoFuture for Deploy<'a> {
    type Output = Result<DeploymentId>;
    type IntoFuture = BoxFuture<'a, Result<DeploymentId>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}
