//! What every platform of single instances does.

mod kept;
mod life;
mod told;

use super::failure::{Failure, Guarantee};
use super::programs::Programs;
use super::report::{Held, Passed, Report};
use super::tasks::{Case, Tasks};
use super::{Read, dropped, read};
use deploy_core::{Fence, Instance, InstanceSpec, InstanceState, Kind, Result, Revision, RevisionId, Token};
use futures::future::LocalBoxFuture;
use std::fmt;
use told::{LONG, Told, of};

const SHOWN: Guarantee = Guarantee::Contract("`list` and `slots` show every earlier write of the caller");
const LAUNCHED: Guarantee = Guarantee::Contract("`launch` is idempotent by slot");
const STOPPED: Guarantee = Guarantee::Contract("who was told to stop is terminating until it is removed");
const LOGS: Guarantee = Guarantee::Contract("`NotFound` where nothing is kept of it");
const PREPARED: Guarantee = Guarantee::Contract("`prepare` changes nothing live");
const HINTED: Guarantee = Guarantee::Contract("hints to look again");
const FENCED: Guarantee = Guarantee::G7;
const TOKEN: Token = Token::new(2, 1);

type Made<I, K> = LocalBoxFuture<'static, Result<(I, K)>>;
type Reopen<I, K> = Box<dyn Fn(K) -> Made<I, K>>;

/// Holds a platform of single instances to the contract of [`deploy_core::Instances`].
pub struct Instances<I, K> {
    make: Box<dyn Fn() -> Made<I, K>>,
    specs: [InstanceSpec; 2],
    programs: Programs,
    tasks: Option<Tasks<K>>,
    serves: Option<Read<K, Option<RevisionId>>>,
    kept: Option<Read<K, Vec<RevisionId>>>,
    reopen: Option<Reopen<I, K>>,
}

impl<I, K> fmt::Debug for Instances<I, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut it = f.debug_struct("Instances");
        it.field("specs", &self.specs).field("programs", &self.programs).field("tasks", &self.tasks);
        it.finish_non_exhaustive()
    }
}

impl<I: deploy_core::Instances + 'static, K: 'static> Instances<I, K> {
    /// Platforms made anew for each step: empty, with two slots at least, each with what has to live as long as it. Both
    /// specs, which differ, are of a program that runs until it is told to stop and then ends within its grace time.
    pub fn new<F: Future<Output = Result<(I, K)>> + 'static>(
        specs: [InstanceSpec; 2],
        make: impl Fn() -> F + 'static,
    ) -> Self {
        let make = Box::new(move || -> Made<I, K> { Box::pin(make()) });
        Self { make, specs, programs: Programs::new(), tasks: None, serves: None, kept: None, reopen: None }
    }

    /// Declares programs that end by themselves, have to be killed, say something, can never run.
    #[must_use]
    pub fn programs(mut self, programs: Programs) -> Self {
        self.programs = programs;
        self
    }

    /// Declares programs that tasks run.
    #[must_use]
    pub fn tasks(mut self, tasks: Tasks<K>) -> Self {
        self.tasks = Some(tasks);
        self
    }

    /// Says how the stable name is read: the revision that serves there. With it `serving` is checked for both specs.
    #[must_use]
    pub fn serves<F: Future<Output = Result<Option<RevisionId>>> + 'static>(
        mut self,
        serves: impl Fn(&K) -> F + 'static,
    ) -> Self {
        self.serves = Some(read(serves));
        self
    }

    /// Says how it is read of which revisions bits are kept, on a platform that keeps none but those it has to.
    #[must_use]
    pub fn kept<F: Future<Output = Result<Vec<RevisionId>>> + 'static>(
        mut self,
        kept: impl Fn(&K) -> F + 'static,
    ) -> Self {
        self.kept = Some(read(kept));
        self
    }

    /// Says how another engine's handle on the same platform is made. The one before was dropped.
    #[must_use]
    pub fn reopened<F: Future<Output = Result<(I, K)>> + 'static>(mut self, reopen: impl Fn(K) -> F + 'static) -> Self {
        self.reopen = Some(Box::new(move |keep| Box::pin(reopen(keep))));
        self
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
        report.step(PREPARED, "what is shipped twice runs nowhere");
        prepares(&self.fresh(&report).await?).await?;
        report.step(LAUNCHED, "the same again is no second instance, another revision is refused");
        launches(&self.fresh(&report).await?).await?;
        report.step(STOPPED, "who was told to stop is terminating, and goes");
        stops(&self.fresh(&report).await?).await?;
        report.step(Guarantee::Contract("an instance that is gone is no error"), "an unknown instance can be stopped");
        let told = self.fresh(&report).await?;
        report.done(told.stop(&"nobody-1".into(), TOKEN).await?)?;
        report.step(Guarantee::G6, "calls that were dropped can be made again, to the same end");
        self.drops(&report).await?;
        report.step(LOGS, "of an unknown instance no log is kept");
        let told = self.fresh(&report).await?;
        report.refused(told.it.logs(&told.track, &"nobody-1".into(), 10).await, &[Kind::NotFound])?;
        report.step(HINTED, "hints are given where they are declared");
        let told = self.fresh(&report).await?;
        report.equal(&told.it.changes(&told.track).is_some(), &told.it.capabilities().hints)?;
        life::steps(&self, &report).await?;
        self.runs_tasks(&report).await?;
        kept::steps(&self, &report).await?;
        report.left_out("instances on a host that cannot be reached", "the suite cannot cut a host off");
        report.left_out("slots of a host that is full", "the suite cannot fill a host");
        report.left_out("instances without our mark", "the suite cannot make them");
        Ok(report.passed())
    }

    async fn fresh<'r>(&self, report: &'r Report) -> Held<Told<'r, I, K>> {
        let (it, keep) = report.done((self.make)().await)?;
        let revision = |spec: &InstanceSpec| report.done(Revision::of(spec.clone()));
        let told = Told::new(it, keep, report, [revision(&self.specs[0])?, revision(&self.specs[1])?]);
        report.done(told.it.prepare(&told.track, &told.revisions, Token::default()).await)?;
        Ok(told)
    }

    async fn runs_tasks(&self, report: &Report) -> Held {
        let able = self.fresh(report).await?.it.capabilities().tasks;
        for case in Case::ALL {
            if case.begin(report, able, self.tasks.as_ref()) {
                case.take(&self.fresh(report).await?.work(), self.tasks.as_ref()).await?;
            }
        }
        Ok(())
    }

    async fn drops(&self, report: &Report) -> Held {
        for polls in 1..=dropped::POLLS_OF_PLATFORM {
            let told = self.fresh(report).await?;
            let (slot, launch, track) = (told.slot(0).await?, told.launch_of_first(), &told.track);
            let fenced = dropped::after(polls, told.it.fence(track, TOKEN)).await.is_some();
            let shipped = dropped::after(polls, told.it.prepare(track, &told.revisions, TOKEN)).await.is_some();
            let launched = dropped::after(polls, told.it.launch(&slot, &launch, TOKEN)).await.is_some();
            let ended = [fenced, shipped, launched];
            report.note(format!("fence, prepare and launch dropped after {polls} polls, ended: {ended:?}"));
            report.equal(&told.fence(TOKEN).await?, &TOKEN)?;
            report.done(told.it.prepare(track, &told.revisions, TOKEN).await)?;
            report.done(told.launch(&slot, 0, TOKEN).await?)?;
            let instance = told.only().await?;
            let stop = told.it.stop(track, &instance.id, LONG, TOKEN);
            let stopped = dropped::after(polls, stop).await.is_some();
            report.note(format!("stop({}) dropped after {polls} polls, ended: {stopped}", instance.id));
            told.gone(&instance).await?;
            if ended == [true; 3] && stopped {
                return Ok(());
            }
        }
        report
            .left_out("drops after more polls", format!("a call took more than {} polls", dropped::POLLS_OF_PLATFORM));
        Ok(())
    }
}

async fn raises<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held {
    let report = told.report;
    report.equal(&told.fence(TOKEN).await?, &TOKEN)?;
    report.equal(&told.fence(Token::new(1, 9)).await?, &TOKEN)?;
    report.equal(&told.token().await?, &TOKEN)?;
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
    report.refused(told.stop(&instance.id, older).await?, &[Kind::Fenced])?;
    let shipped = told.it.prepare(&told.track, &told.revisions, older).await;
    let marked = told.it.serving(&told.track, &told.side(0), older).await;
    for (call, told) in [("prepare", shipped), ("serving", marked)] {
        match told {
            Ok(()) => report.left_out(
                format!("`{call}` under an older token"),
                "it was taken: where nothing is to be written, nothing can be refused",
            ),
            told => drop(report.refused(told, &[Kind::Fenced])?),
        }
    }
    report.equal(&told.only().await?.state, &InstanceState::Running)?;
    report.equal(&told.token().await?, &TOKEN)?;
    report.done(told.launch(&second, 0, Token::new(2, 2)).await?)?;
    report.equal(&told.token().await?, &Token::new(2, 2))?;
    report.refused(told.stop(&instance.id, TOKEN).await?, &[Kind::Fenced]).map(drop)
}

async fn prepares<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held {
    for _ in 0..2 {
        let shipped = told.it.prepare(&told.track, &told.revisions, TOKEN);
        told.report.done(told.report.call("prepare(both revisions)", shipped).await?)?;
        told.report.holds(told.list().await?.is_empty(), "instances", "none")?;
    }
    let instance = told.first().await?;
    let shipped = told.it.prepare(&told.track, &told.revisions, TOKEN);
    told.report.done(told.report.call("prepare(both revisions)", shipped).await?)?;
    let still = told.only().await?;
    told.report.equal(&(still.id, still.state), &(instance.id, InstanceState::Running))
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
        report.equal(&seen.side, &told.side(which))?;
        report.equal(&seen.state, &InstanceState::Running)?;
        report.equal(&seen.address.is_some(), &told.has_port(which))?;
        let a_routers = seen.admitted || seen.in_flight.is_some() || seen.health.is_some();
        report.holds(!a_routers, "a router's or a probe's word", "none: it has neither")?;
        let slots = report.done(told.it.slots(&told.track).await)?;
        report.holds(slots.iter().any(|it| it.id == slot), format_args!("no {slot}"), "all places, taken and free")?;
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
    let first: Instance = told.first().await?;
    told.gone(&first).await?;
    report.done(told.stop(&first.id, TOKEN).await?)?;
    report.done(told.launch(&slot, 1, TOKEN).await?)?;
    let second = told.only().await?;
    report.holds(second.id != first.id, "the id of who was there before", "an id of its own")
}
