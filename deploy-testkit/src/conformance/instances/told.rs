//! Instances under a step.

use super::TOKEN;
use crate::conformance::programs::{LOOKS, PACE};
use crate::conformance::report::{Held, Report};
use crate::conformance::tasks::{Runner, Work};
use deploy_core::{
    Instance, InstanceId, InstanceSpec, InstanceState, Launch, Name, Result, Revision, Side, SlotId, Token, TrackRef,
};
use std::sync::Arc;
use std::time::Duration;

pub(super) const LONG: Duration = Duration::from_secs(30);

/// A platform under a step: what it is told and answers is noted.
pub(super) struct Told<'r, I, K> {
    pub(super) it: I,
    pub(super) keep: K,
    pub(super) report: &'r Report,
    pub(super) revisions: [Revision; 2],
    pub(super) track: TrackRef,
}

impl<'r, I: deploy_core::Instances, K> Told<'r, I, K> {
    pub(super) fn new(it: I, keep: K, report: &'r Report, revisions: [Revision; 2]) -> Self {
        Self { it, keep, report, revisions, track: of("web") }
    }

    pub(super) fn work(&self) -> Work<'_, K> {
        Work {
            runner: Runner::Instances(&self.it),
            keep: &self.keep,
            report: self.report,
            track: &self.track,
            revision: &self.revisions[0],
            fence: self.it.capabilities().fence,
        }
    }

    pub(super) fn side(&self, which: usize) -> Side {
        Side::home(self.revisions[which].id.clone())
    }

    /// Whether requests can be sent to its instances.
    pub(super) fn has_port(&self, which: usize) -> bool {
        self.revisions[which].spec.as_ref().is_some_and(|spec| spec.routed_port().is_some())
    }

    fn launch_of(&self, revision: &Revision) -> Launch {
        let spec = revision.spec.clone().unwrap_or_else(|| Arc::new(unreachable_spec()));
        Launch { track: self.track.clone(), side: Side::home(revision.id.clone()), spec }
    }

    pub(super) fn launch_of_first(&self) -> Launch {
        self.launch_of(&self.revisions[0])
    }

    pub(super) async fn slots(&self) -> Held<Vec<SlotId>> {
        let slots = self.report.done(self.it.slots(&self.track).await)?;
        Ok(slots.into_iter().filter(|slot| slot.closed.is_none()).map(|slot| slot.id).collect())
    }

    pub(super) async fn slot(&self, which: usize) -> Held<SlotId> {
        let slots = self.slots().await?;
        let told = format!("{} open slots", slots.len());
        slots.get(which).cloned().ok_or_else(|| self.report.broken(told, "two open slots"))
    }

    pub(super) async fn launch(&self, slot: &SlotId, which: usize, token: Token) -> Held<Result<()>> {
        self.launched(slot, &self.revisions[which], token).await
    }

    pub(super) async fn launched(&self, slot: &SlotId, revision: &Revision, token: Token) -> Held<Result<()>> {
        let launch = self.launch_of(revision);
        let what = format!("launch({slot}, {}, {token})", launch.side.revision);
        self.report.call(what, self.it.launch(slot, &launch, token)).await
    }

    /// A revision of its own, shipped.
    pub(super) async fn prepared(&self, spec: &InstanceSpec) -> Held<Revision> {
        let revision = self.report.done(Revision::of(spec.clone()))?;
        let told = self.it.prepare(&self.track, std::slice::from_ref(&revision), TOKEN);
        let told = self.report.call(format!("prepare({})", revision.id), told).await?;
        self.report.done(told)?;
        Ok(revision)
    }

    /// The one instance, of a program of its own.
    pub(super) async fn runs(&self, spec: &InstanceSpec) -> Held<Instance> {
        let (revision, slot) = (self.prepared(spec).await?, self.slot(0).await?);
        self.report.done(self.launched(&slot, &revision, TOKEN).await?)?;
        self.only().await
    }

    /// The one instance, of the first revision, in the first slot.
    pub(super) async fn first(&self) -> Held<Instance> {
        let slot = self.slot(0).await?;
        self.report.done(self.launch(&slot, 0, TOKEN).await?)?;
        self.only().await
    }

    pub(super) async fn stop(&self, id: &InstanceId, token: Token) -> Held<Result<()>> {
        self.stop_within(id, LONG, token).await
    }

    pub(super) async fn stop_within(&self, id: &InstanceId, grace: Duration, token: Token) -> Held<Result<()>> {
        let what = format!("stop({id}, {token})");
        self.report.call(what, self.it.stop(&self.track, id, grace, token)).await
    }

    pub(super) async fn remove(&self, token: Token) -> Held<Result<()>> {
        self.report.call(format!("remove({token})"), self.it.remove(&self.track, token)).await
    }

    pub(super) async fn fence(&self, token: Token) -> Held<Token> {
        let told = self.report.call(format!("fence({token})"), self.it.fence(&self.track, token)).await?;
        self.report.done(told)
    }

    pub(super) async fn token(&self) -> Held<Token> {
        let told = self.report.call("token()", self.it.token(&self.track)).await?;
        self.report.done(told)
    }

    pub(super) async fn list(&self) -> Held<Vec<Instance>> {
        let told = self.it.list(&self.track).await;
        let one = |it: &Instance| format!("{} in {} {:?}", it.id, it.slot, it.state);
        let shown = told.as_ref().map(|list| list.iter().map(one).collect::<Vec<_>>().join("; "));
        self.report.note(format!("list -> {shown:?}"));
        self.report.done(told)
    }

    pub(super) async fn only(&self) -> Held<Instance> {
        let mut list = self.list().await?;
        self.report.holds(list.len() == 1, format_args!("{} instances", list.len()), "one instance")?;
        Ok(list.remove(0))
    }

    /// Stops an instance until nothing is left of it; meanwhile it is terminating.
    pub(super) async fn gone(&self, instance: &Instance) -> Held {
        for _ in 0..LOOKS {
            self.report.done(self.stop(&instance.id, TOKEN).await?)?;
            let list = self.list().await?;
            let Some(seen) = list.iter().find(|seen| seen.id == instance.id) else { return Ok(()) };
            let state = &seen.state;
            self.report.holds(*state == InstanceState::Terminating, format_args!("{state:?}"), "Terminating")?;
            tokio::time::sleep(PACE).await;
        }
        Err(self.report.broken(format_args!("it is still listed after {LOOKS} looks"), "it is gone"))
    }
}

/// What no step is launched from: every revision here has a spec.
fn unreachable_spec() -> InstanceSpec {
    deploy_core::Workload::new(deploy_core::Source::Command(Vec::new())).instance_spec()
}

#[allow(clippy::expect_used, reason = "a name that is written here is one")]
pub(super) fn of(workload: &str) -> TrackRef {
    let [application, environment, workload, target] =
        ["shop", "production", workload, "here"].map(|name| Name::new(name).expect("a name"));
    TrackRef { application, environment, workload, target }
}
