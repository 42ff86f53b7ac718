//! What every platform of single instances does.

use super::dropped;
use super::failure::{Failure, Guarantee};
use super::report::{Held, Passed, Report};
use deploy_core::{
    Fence, Instance, InstanceSpec, InstanceState, Kind, Launch, Name, Result, Revision, Side, SlotId, TaskAct, TaskRun,
    Token, TrackRef,
};
use futures::future::LocalBoxFuture;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const SHOWN: Guarantee = Guarantee::Contract("`list` and `slots` show every earlier write of the caller");
const LAUNCHED: Guarantee = Guarantee::Contract("`launch` is idempotent by slot");
const STOPPED: Guarantee = Guarantee::Contract("who was told to stop is terminating until it is removed");
const LOGS: Guarantee = Guarantee::Contract("`NotFound` where nothing is kept of it");
const FENCED: Guarantee = Guarantee::G7;
const TOKEN: Token = Token::new(2, 1);
const LONG: Duration = Duration::from_secs(30);

type Made<I, K> = LocalBoxFuture<'static, Result<(I, K)>>;

/// Holds a platform of single instances to the contract of [`deploy_core::Instances`].
pub struct Instances<I, K> {
    make: Box<dyn Fn() -> Made<I, K>>,
    specs: [InstanceSpec; 2],
}

impl<I, K> fmt::Debug for Instances<I, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instances").field("specs", &self.specs).finish_non_exhaustive()
    }
}

impl<I: deploy_core::Instances + 'static, K: 'static> Instances<I, K> {
    /// Platforms made anew for each step: empty, with two slots at least, each with what has to live as long as it. Both
    /// specs, which differ, are of a program that runs until it is told to stop and then ends within its grace time.
    pub fn new<F: Future<Output = Result<(I, K)>> + 'static>(
        specs: [InstanceSpec; 2],
        make: impl Fn() -> F + 'static,
    ) -> Self {
        Self { make: Box::new(move || Box::pin(make())), specs }
    }

    /// Takes every step.
    ///
    /// # Errors
    /// The first step that does not hold.
    pub async fn run(self) -> std::result::Result<Passed, Failure> {
        let report = Report::of("Instances");
        report.step(SHOWN, "who was launched is listed at once, in its slot");
        lists(&self.fresh(&report).await?).await?;
        report.step(FENCED, "the mark is raised with nothing there, and stands");
        raises(&self.fresh(&report).await?).await?;
        report.step(FENCED, "an older token is refused, and nothing has changed");
        fences(&self.fresh(&report).await?).await?;
        report.step(LAUNCHED, "the same again is no second instance, another revision is refused");
        launches(&self.fresh(&report).await?).await?;
        report.step(STOPPED, "who was told to stop is terminating, and goes");
        stops(&self.fresh(&report).await?).await?;
        report.step(Guarantee::Contract("an instance that is gone is no error"), "an unknown instance can be stopped");
        let told = self.fresh(&report).await?;
        report.done(told.stop("nobody-1", TOKEN).await?)?;
        report.step(Guarantee::G6, "calls that were dropped can be made again, to the same end");
        self.drops(&report).await?;
        report.step(LOGS, "of an unknown instance no log is kept");
        let told = self.fresh(&report).await?;
        report.refused(told.it.logs(&track(), &"nobody-1".into(), 10).await, &[Kind::NotFound])?;
        report.step(Guarantee::G13, "tasks are run once by their key, or refused");
        tasks(&self.fresh(&report).await?).await?;
        report.left_out("instances on a host that cannot be reached", "the suite cannot cut a host off");
        Ok(report.passed())
    }

    async fn fresh<'r>(&self, report: &'r Report) -> Held<Told<'r, I, K>> {
        let (it, keep) = report.done((self.make)().await)?;
        let revision = |spec: &InstanceSpec| report.done(Revision::of(spec.clone()));
        let [one, other] = [revision(&self.specs[0])?, revision(&self.specs[1])?];
        let told = Told { it, keep, report, revisions: [one, other] };
        report.done(told.it.prepare(&track(), &told.revisions, Token::default()).await)?;
        Ok(told)
    }

    async fn drops(&self, report: &Report) -> Held {
        for polls in 1..=dropped::POLLS {
            let told = self.fresh(report).await?;
            let (slot, launch) = (told.slot(0).await?, told.launch_of(0));
            let fenced = dropped::after(polls, told.it.fence(&track(), TOKEN)).await.is_some();
            let launched = dropped::after(polls, told.it.launch(&slot, &launch, TOKEN)).await.is_some();
            report.note(format!("fence and launch dropped after {polls} polls, ended: {fenced}, {launched}"));
            report.equal(&told.fence(TOKEN).await?, &TOKEN)?;
            report.done(told.launch(&slot, 0, TOKEN).await?)?;
            let instance = told.only().await?;
            let stop = told.it.stop(&launch.track, &instance.id, LONG, TOKEN);
            let stopped = dropped::after(polls, stop).await.is_some();
            report.note(format!("stop({}) dropped after {polls} polls, ended: {stopped}", instance.id));
            told.gone(&instance).await?;
            if fenced && launched && stopped {
                return Ok(());
            }
        }
        report.left_out("drops after more polls", format!("a call took more than {} polls", dropped::POLLS));
        Ok(())
    }
}

/// A platform under a step: what it is told and answers is noted.
struct Told<'r, I, K> {
    it: I,
    #[allow(dead_code, reason = "it lives as long as the platform")]
    keep: K,
    report: &'r Report,
    revisions: [Revision; 2],
}

impl<I: deploy_core::Instances, K> Told<'_, I, K> {
    fn launch_of(&self, which: usize) -> Launch {
        let revision = &self.revisions[which];
        let spec = revision.spec.clone().unwrap_or_else(|| Arc::new(unreachable_spec()));
        Launch { track: track(), side: Side::home(revision.id.clone()), spec }
    }

    async fn slot(&self, which: usize) -> Held<SlotId> {
        let slots = self.report.done(self.it.slots(&track()).await)?;
        let open = slots.iter().filter(|slot| slot.closed.is_none()).nth(which);
        let told = format!("{} slots", slots.len());
        open.map(|slot| slot.id.clone()).ok_or_else(|| self.report.broken(told, "two open slots"))
    }

    async fn launch(&self, slot: &SlotId, which: usize, token: Token) -> Held<Result<()>> {
        let launch = self.launch_of(which);
        let what = format!("launch({slot}, {}, {token})", launch.side.revision);
        self.report.call(what, self.it.launch(slot, &launch, token)).await
    }

    async fn stop(&self, id: &str, token: Token) -> Held<Result<()>> {
        let what = format!("stop({id}, {token})");
        self.report.call(what, self.it.stop(&track(), &id.into(), LONG, token)).await
    }

    async fn fence(&self, token: Token) -> Held<Token> {
        let told = self.report.call(format!("fence({token})"), self.it.fence(&track(), token)).await?;
        self.report.done(told)
    }

    async fn list(&self) -> Held<Vec<Instance>> {
        let told = self.it.list(&track()).await;
        let one = |it: &Instance| format!("{} in {} {:?}", it.id, it.slot, it.state);
        let shown = told.as_ref().map(|list| list.iter().map(one).collect::<Vec<_>>().join("; "));
        self.report.note(format!("list -> {shown:?}"));
        self.report.done(told)
    }

    async fn only(&self) -> Held<Instance> {
        let mut list = self.list().await?;
        self.report.holds(list.len() == 1, format_args!("{} instances", list.len()), "one instance")?;
        Ok(list.remove(0))
    }

    /// Stops an instance until nothing is left of it; meanwhile it is terminating.
    async fn gone(&self, instance: &Instance) -> Held {
        for _ in 0..600 {
            self.report.done(self.stop(instance.id.as_str(), TOKEN).await?)?;
            let list = self.list().await?;
            let Some(seen) = list.iter().find(|seen| seen.id == instance.id) else { return Ok(()) };
            let state = &seen.state;
            self.report.holds(*state == InstanceState::Terminating, format_args!("{state:?}"), "Terminating")?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(self.report.broken("it is still listed after 600 looks", "it is gone"))
    }
}

async fn raises<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held {
    let report = told.report;
    report.equal(&told.fence(TOKEN).await?, &TOKEN)?;
    report.equal(&told.fence(Token::new(1, 9)).await?, &TOKEN)?;
    report.equal(&report.done(told.it.token(&track()).await)?, &TOKEN)?;
    report.holds(told.list().await?.is_empty(), "instances", "none")
}

async fn fences<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held {
    let report = told.report;
    if told.it.capabilities().fence == Fence::None {
        report.leave_out("the platform refuses no token (`fence` is none)");
        return Ok(());
    }
    let (older, slot, second) = (Token::new(1, 9), told.slot(0).await?, told.slot(1).await?);
    report.done(told.launch(&slot, 0, TOKEN).await?)?;
    let instance = told.only().await?;
    report.refused(told.launch(&second, 0, older).await?, &[Kind::Fenced])?;
    report.refused(told.stop(instance.id.as_str(), older).await?, &[Kind::Fenced])?;
    let revisions = &told.revisions;
    // The default of `prepare` ships nothing, so it has nothing to refuse.
    if let Err(error) = told.it.prepare(&track(), revisions, older).await {
        report.refused::<()>(Err(error), &[Kind::Fenced])?;
    }
    report.equal(&told.only().await?.state, &InstanceState::Running)?;
    report.equal(&report.done(told.it.token(&track()).await)?, &TOKEN)?;
    report.done(told.launch(&second, 0, Token::new(2, 2)).await?)?;
    report.refused(told.stop(instance.id.as_str(), TOKEN).await?, &[Kind::Fenced]).map(drop)
}

async fn lists<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held {
    let report = told.report;
    report.holds(told.list().await?.is_empty(), "instances", "none")?;
    for which in 0..2 {
        let slot = told.slot(which).await?;
        report.done(told.launch(&slot, which, TOKEN).await?)?;
        let list = told.list().await?;
        report.equal(&list.len(), &(which + 1))?;
        let seen = list.iter().find(|seen| seen.slot == slot);
        let seen = seen.ok_or_else(|| report.broken("nobody in its slot", format_args!("one in {slot}")))?;
        report.equal(&seen.side, &told.launch_of(which).side)?;
        report.equal(&seen.state, &InstanceState::Running)?;
        report.holds(!seen.admitted && seen.in_flight.is_none(), "a router's word", "none: it has no router")?;
    }
    let list = told.list().await?;
    report.holds(list[0].id != list[1].id, "the same id twice", "an id of its own")?;
    let other = report.done(told.it.list(&of("api")).await)?;
    report.holds(other.is_empty(), format_args!("{} instances of another workload", other.len()), "none")
}

async fn launches<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held {
    let report = told.report;
    let slot = told.slot(0).await?;
    report.done(told.launch(&slot, 0, TOKEN).await?)?;
    let first = told.only().await?;
    report.done(told.launch(&slot, 0, TOKEN).await?)?;
    report.equal(&told.only().await?.id, &first.id)?;
    report.refused(told.launch(&slot, 1, TOKEN).await?, &[Kind::Busy])?;
    let last = told.only().await?;
    report.equal(&(last.id, last.side, last.state), &(first.id, first.side, InstanceState::Running))
}

async fn stops<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held {
    let report = told.report;
    let slot = told.slot(0).await?;
    report.done(told.launch(&slot, 0, TOKEN).await?)?;
    let first = told.only().await?;
    told.gone(&first).await?;
    report.done(told.stop(first.id.as_str(), TOKEN).await?)?;
    report.done(told.launch(&slot, 1, TOKEN).await?)?;
    let second = told.only().await?;
    report.holds(second.id != first.id, "the id of who was there before", "an id of its own")
}

async fn tasks<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held {
    use deploy_core::TaskOutcome::{Barred, NotStarted};
    let (report, revision) = (told.report, told.revisions[0].clone());
    let run = |key: &str| TaskRun {
        key: key.into(),
        track: track(),
        run: vec!["true".into()],
        revision: revision.clone(),
        timeout: LONG,
    };
    if !told.it.capabilities().tasks {
        let refused = told.it.task(&run("d1/1/migrate"), TaskAct::Start, TOKEN).await;
        return report.refused(refused, &[Kind::Unsupported]).map(drop);
    }
    let task = run("d1/1/migrate");
    for (act, expected) in [(TaskAct::Look, NotStarted), (TaskAct::Bar, Barred), (TaskAct::Start, Barred)] {
        let outcome = report.call(format!("task({act:?})"), told.it.task(&task, act, TOKEN)).await?;
        report.equal(&report.done(outcome)?, &expected)?;
    }
    Ok(())
}

/// What no step is launched from: every revision here has a spec.
fn unreachable_spec() -> InstanceSpec {
    deploy_core::Workload::new(deploy_core::Source::Command(Vec::new())).instance_spec()
}

fn track() -> TrackRef {
    of("web")
}

#[allow(clippy::expect_used, reason = "a name that is written here is one")]
fn of(workload: &str) -> TrackRef {
    let [application, environment, workload, target] =
        ["shop", "production", workload, "here"].map(|name| Name::new(name).expect("a name"));
    TrackRef { application, environment, workload, target }
}
