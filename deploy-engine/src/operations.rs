//! What people do with deployments, and see of them.

use crate::{Engine, history, nearest, watch};
use deploy_core::{
    Actor, Ask, DeploymentId, Error, Event, Filter, Folded, Instance, InstanceId, Kind, OnBusy, Record, Request,
    Result, Status, Summary, TrackRef, Way, What,
};
use futures::future::{BoxFuture, join_all};
use futures::stream::{BoxStream, StreamExt as _};
use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::Arc;

/// Something that is asked of a deployment under way when this is awaited.
///
/// # Cancel safety
/// May be dropped: it was asked or not, as the deployment's events show.
#[derive(Debug)]
#[must_use = "nothing is asked before this is awaited"]
pub struct Asked<'a> {
    engine: &'a Engine,
    id: DeploymentId,
    ask: Ask,
    actor: Actor,
}

/// A way back that is asked for when this is awaited.
///
/// # Cancel safety
/// May be dropped: it was asked or not, as [`Engine::list`] shows.
#[derive(Debug)]
#[must_use = "nothing is asked before this is awaited"]
pub struct Rollback<'a> {
    engine: &'a Engine,
    id: DeploymentId,
    to: Option<DeploymentId>,
    actor: Actor,
}

impl Engine {
    fn ask(&self, id: &DeploymentId, ask: Ask) -> Asked<'_> {
        Asked { engine: self, id: id.clone(), ask, actor: self.itself() }
    }

    /// Ends a deployment: at once while nothing was changed, by going back afterwards. Refused after the commit.
    pub fn cancel(&self, id: &DeploymentId) -> Asked<'_> {
        self.ask(id, Ask::Cancel)
    }

    /// Takes no order further and begins no task until it is resumed, or the pause is over.
    pub fn pause(&self, id: &DeploymentId) -> Asked<'_> {
        self.ask(id, Ask::Pause)
    }

    /// Goes on after a pause.
    pub fn resume(&self, id: &DeploymentId) -> Asked<'_> {
        self.ask(id, Ask::Resume)
    }

    /// Passes over bake, judge and gate of the stage that holds, or of all that are left; never over readiness.
    pub fn promote(&self, id: &DeploymentId, to_the_end: bool) -> Asked<'_> {
        self.ask(id, Ask::Promote { to_the_end })
    }

    /// Opens a gate that waits, by its name or key.
    pub fn approve(&self, id: &DeploymentId, gate: impl Into<String>) -> Asked<'_> {
        self.ask(id, Ask::Approve { gate: gate.into() })
    }

    /// Closes a gate that waits, by its name or key: it goes back, or does not begin.
    pub fn reject(&self, id: &DeploymentId, gate: impl Into<String>, reason: impl Into<String>) -> Asked<'_> {
        self.ask(id, Ask::Reject { gate: gate.into(), reason: reason.into() })
    }

    /// Takes a deployment back. One that is under way goes back; after one that has ended, an earlier release is
    /// deployed: the last that completed before it, or the one [`named`](Rollback::to). Awaited, it gives the id of the
    /// deployment that goes back.
    pub fn rollback(&self, id: &DeploymentId) -> Rollback<'_> {
        Rollback { engine: self, id: id.clone(), to: None, actor: self.itself() }
    }

    /// The whole state of a deployment.
    ///
    /// # Errors
    /// `NotFound`, with the nearest id there is.
    pub async fn get(&self, id: &DeploymentId) -> Result<Record> {
        nearest::explain(self.store().as_ref(), id, self.store().load(id).await).await
    }

    /// The deployments that fit, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Summary>> {
        self.store().list(&filter).await
    }

    /// The events after a number, oldest first; all after 0.
    ///
    /// # Errors
    /// `NotFound`, with the nearest id there is.
    pub async fn events(&self, id: &DeploymentId, after: u64) -> Result<Vec<Event>> {
        nearest::explain(self.store().as_ref(), id, self.store().events(id, after).await).await
    }

    /// The events after a number, and then those to come, without a gap; ends with the deployment, or with the first
    /// error: `NotFound`, with the nearest id there is; what the store says.
    pub fn watch(&self, id: &DeploymentId, after: u64) -> BoxStream<'static, Result<Event>> {
        watch::events(self.store().clone(), id.clone(), after)
    }

    /// Waits until a deployment has ended.
    ///
    /// # Errors
    /// `NotFound`, with the nearest id there is; what the store says.
    pub async fn wait(&self, id: &DeploymentId) -> Result<Record> {
        let record = self.get(id).await?;
        let mut events = self.watch(id, record.version);
        while let Some(event) = events.next().await {
            event?;
        }
        self.get(id).await
    }

    /// The instances of every track of a deployment as their platforms list them now.
    ///
    /// # Errors
    /// `NotFound`, with the nearest id there is; `Unavailable` where a platform cannot be reached.
    pub async fn instances(&self, id: &DeploymentId) -> Result<BTreeMap<TrackRef, Vec<Instance>>> {
        let tracks = self.tracks(&self.get(id).await?);
        let listed = join_all(tracks.into_iter().map(|track| async {
            let instances = self.core().deployer(&track).instances(&track).await?;
            Ok((track, instances))
        }));
        listed.await.into_iter().collect()
    }

    /// Folded health of every instance of a deployment, as last recorded.
    ///
    /// # Errors
    /// `NotFound`, with the nearest id there is.
    pub async fn health(&self, id: &DeploymentId) -> Result<BTreeMap<TrackRef, BTreeMap<InstanceId, Folded>>> {
        let record = self.get(id).await?;
        Ok(record.tracks.into_iter().map(|(track, state)| (track, Arc::unwrap_or_clone(state).health)).collect())
    }

    /// The last lines of what an instance said, oldest first: from its platform, or what was kept when it went.
    ///
    /// # Errors
    /// `NotFound` where neither has any, or the deployment is not there.
    pub async fn logs(&self, id: &DeploymentId, instance: &InstanceId, lines: usize) -> Result<Vec<String>> {
        let record = self.get(id).await?;
        for track in self.tracks(&record) {
            if let Ok(log) = self.core().deployer(&track).logs(&track, instance, lines).await {
                return Ok(log);
            }
        }
        let events = self.events(id, 0).await?;
        let kept = events.into_iter().rev().find_map(|event| kept_log(event.what, instance));
        let mut log = kept.ok_or_else(|| {
            Error::new(Kind::NotFound, format!("no log of instance `{instance}` is kept")).with("deployment", id)
        })?;
        Ok(log.split_off(log.len().saturating_sub(lines)))
    }

    fn tracks(&self, record: &Record) -> Vec<TrackRef> {
        if record.tracks.is_empty() {
            return history::tracks_of(&record.request.release, &record.scope.environment);
        }
        record.tracks.keys().cloned().collect()
    }
}

fn kept_log(what: What, of: &InstanceId) -> Option<Vec<String>> {
    match what {
        What::InstanceEnded { instance, log, .. } | What::Evidence { instance, log, .. } if instance == *of => {
            Some(log)
        }
        _ => None,
    }
}

impl Asked<'_> {
    /// Says who asks. Default: the engine's own name.
    pub fn by(mut self, actor: impl Into<Actor>) -> Self {
        self.actor = actor.into();
        self
    }

    async fn send(self) -> Result<()> {
        let record = self.engine.get(&self.id).await?;
        if let Some(why) = refusal(&record, &self.ask) {
            return Err(not_now(&record, &why));
        }
        tracing::info!(deployment = %self.id, ask = ?self.ask, by = %self.actor, "asked");
        self.engine.store().signal(&self.id, &self.ask, &self.actor).await.map(drop)
    }
}

impl<'a> IntoFuture for Asked<'a> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'a, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn not_now(record: &Record, why: &str) -> Error {
    Error::new(Kind::Conflict, format!("deployment {} is {}: {why}", record.id, record.status()))
}

/// Why a deployment cannot be asked this now; the machine has the last word, by an event.
fn refusal(record: &Record, ask: &Ask) -> Option<String> {
    if let Way::Ended { .. } = record.way {
        return Some("it has ended".into());
    }
    match (ask, &record.way) {
        (Ask::Cancel | Ask::Rollback, Way::After { .. }) => {
            Some("it is past its commit; wait for its end and roll it back then".into())
        }
        (Ask::Cancel | Ask::Rollback, Way::Back { .. }) => Some("it is going back already".into()),
        (Ask::Pause, Way::Pending { .. }) => Some("it has not begun; cancel it instead".into()),
        (Ask::Pause, Way::Back { .. }) => Some("a way back is not held up".into()),
        (Ask::Pause, _) if record.paused.is_some() => Some("it is paused already".into()),
        (Ask::Resume, _) if record.paused.is_none() => Some("it is not paused".into()),
        (Ask::Promote { .. }, Way::Pending { .. }) => Some("it has not begun".into()),
        (Ask::Approve { gate } | Ask::Reject { gate, .. }, _) => no_gate(record, gate),
        _ => None,
    }
}

fn no_gate(record: &Record, gate: &str) -> Option<String> {
    let waiting = || record.gates.iter().filter(|(_, state)| state.decision.is_none());
    if waiting().any(|(key, state)| key == gate || state.name == gate) {
        return None;
    }
    let names: Vec<_> = waiting().map(|(_, state)| state.name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Some(format!("no gate `{gate}` waits; those that do: {names}"))
}

impl Rollback<'_> {
    /// Says who asks. Default: the engine's own name.
    pub fn by(mut self, actor: impl Into<Actor>) -> Self {
        self.actor = actor.into();
        self
    }

    /// Names the earlier deployment whose release is deployed again.
    pub fn to(mut self, earlier: &DeploymentId) -> Self {
        self.to = Some(earlier.clone());
        self
    }

    async fn go(self) -> Result<DeploymentId> {
        let Self { engine, id, to, actor } = self;
        let record = engine.get(&id).await?;
        match (record.status().is_final(), &to) {
            (false, Some(_)) => Err(not_now(&record, "it goes back to what ran before it; name none")),
            (false, None) => engine.ask(&id, Ask::Rollback).by(actor).send().await.map(|()| id),
            (true, _) => {
                let earlier = earlier(engine, &record, to.as_ref()).await?;
                let mut request = Request::new(earlier.request.release.clone(), earlier.scope.environment.clone());
                request.on_busy = OnBusy::Refuse;
                engine.deploy(request).by(actor).await
            }
        }
    }
}

async fn earlier(engine: &Engine, record: &Record, named: Option<&DeploymentId>) -> Result<Record> {
    if let Some(named) = named {
        let earlier = engine.get(named).await?;
        if earlier.scope != record.scope {
            let message = format!("deployment {named} was of {}, not of {}", earlier.scope, record.scope);
            return Err(Error::invalid(message));
        }
        if earlier.status() != Status::Completed {
            return Err(not_now(&earlier, "only a release that completed is gone back to"));
        }
        return Ok(earlier);
    }
    let found = history::completed_before(engine.store().as_ref(), &record.scope, &record.id).await?;
    found.ok_or_else(|| {
        let message = format!("no earlier deployment of {} completed: there is nothing to go back to", record.scope);
        Error::new(Kind::NotFound, message)
    })
}

impl<'a> IntoFuture for Rollback<'a> {
    type Output = Result<DeploymentId>;
    type IntoFuture = BoxFuture<'a, Result<DeploymentId>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.go())
    }
}
