//! What every platform does, whatever runs on it.

mod kept;
mod told;
mod way;

use super::failure::{Failure, Guarantee};
use super::report::{Held, Passed, Report};
use super::tasks::{Case, Tasks};
use deploy_core::{Fence, InstanceSpec, Kind, Name, OrderKind, Result, Revision, Token, TrackRef, Traffic};
use futures::future::LocalBoxFuture;
use std::fmt;
use std::time::Duration;
use told::{Line, Told};

const SHOWN: Guarantee = Guarantee::Contract("`observe` answers from the source");
const AGAIN: Guarantee = Guarantee::Contract("the same order again does no harm");
const LOGS: Guarantee = Guarantee::Contract("`NotFound` where nothing is kept of it");
const PREPARED: Guarantee = Guarantee::Contract("`prepare` changes nothing live");

type Made<D, K> = LocalBoxFuture<'static, Result<(D, K)>>;

/// Holds a platform to the contract of [`deploy_core::Deployer`], as far as its capabilities go.
///
/// Where the engine probes, every instance that runs is taken for well.
pub struct Deployer<D, K> {
    make: Box<dyn Fn() -> Made<D, K>>,
    specs: [InstanceSpec; 2],
    pace: Duration,
    tasks: Option<Tasks<K>>,
}

impl<D, K> fmt::Debug for Deployer<D, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployer").field("specs", &self.specs).field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl<D: deploy_core::Deployer + 'static, K: 'static> Deployer<D, K> {
    /// Platforms made anew for each step: empty, with room for five instances, each with what has to live as long as it.
    /// Both specs, which differ, are of a program with a port that becomes well and runs until it is told to stop.
    pub fn new<F: Future<Output = Result<(D, K)>> + 'static>(
        specs: [InstanceSpec; 2],
        make: impl Fn() -> F + 'static,
    ) -> Self {
        Self { make: Box::new(move || Box::pin(make())), specs, pace: Duration::from_millis(100), tasks: None }
    }

    /// Says how long to wait between two turns, in the runtime's time. Default 100 ms.
    #[must_use]
    pub const fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// Declares programs that tasks run.
    #[must_use]
    pub fn tasks(mut self, tasks: Tasks<K>) -> Self {
        self.tasks = Some(tasks);
        self
    }

    /// Takes every step.
    ///
    /// # Errors
    /// The first step that does not hold.
    pub async fn run(self) -> std::result::Result<Passed, Failure> {
        let report = Report::of("Deployer");
        report.step(SHOWN, "the token of a turn comes back in what is observed");
        shows(&mut self.fresh(&report).await?).await?;
        report.step(Guarantee::G7, "the mark is raised with nothing there, and an older token is refused");
        fences(&mut self.fresh(&report).await?).await?;
        report.step(PREPARED, "what is shipped twice runs nowhere");
        prepares(&self.fresh(&report).await?).await?;
        report.step(Guarantee::G5, "a first order is reached, in bounded turns");
        reached(self.fresh(&report).await?).await?;
        report.step(Guarantee::G8, "in a pause nothing is launched");
        pauses(&mut self.fresh(&report).await?).await?;
        way::steps(&self, &report).await?;
        report.step(LOGS, "of an unknown instance no log is kept");
        let told = self.fresh(&report).await?;
        report.refused(told.it.logs(&told.track, &"nobody-1".into(), 10).await, &[Kind::NotFound])?;
        self.runs_tasks(&report).await?;
        kept::steps(&self, &report).await?;
        report.left_out(
            "whether what belongs to neither side goes in a grow or a shift already",
            "platforms of single instances let it go in every order, within the limits",
        );
        report.left_out("instances without our mark", "the suite cannot make them");
        report.left_out("hosts that cannot be reached, and troubles at one of them", "the suite cannot cut a host off");
        report.left_out(
            "what a log says, bits that are wrong, and what can never run",
            "the suite is given two programs that run",
        );
        report.left_out("plans that are refused by `check`", "the suite makes no plans");
        report
            .left_out("what is kept of revisions after `prune`", "the trait does not tell it: `Instances` has `kept`");
        Ok(report.passed())
    }

    async fn runs_tasks(&self, report: &Report) -> Held {
        let able = self.fresh(report).await?.can.tasks;
        for case in Case::ALL {
            if case.begin(report, able, self.tasks.as_ref()) {
                case.take(&self.fresh(report).await?.work(), self.tasks.as_ref()).await?;
            }
        }
        Ok(())
    }

    async fn fresh<'r>(&self, report: &'r Report) -> Held<Told<'r, D, K>> {
        let (it, keep) = report.done((self.make)().await)?;
        let revision = |spec: &InstanceSpec| report.done(Revision::of(spec.clone()));
        let revisions = [revision(&self.specs[0])?, revision(&self.specs[1])?];
        let can = report.done(it.capabilities(&track()).await)?;
        let told = Told::new(it, keep, report, revisions, can, self.pace);
        report.done(told.it.prepare(&told.track, &told.revisions, Token::default()).await)?;
        Ok(told)
    }
}

fn track() -> TrackRef {
    #[allow(clippy::expect_used, reason = "a name that is written here is one")]
    let [application, environment, workload, target] =
        ["shop", "production", "web", "here"].map(|name| Name::new(name).expect("a name"));
    TrackRef { application, environment, workload, target }
}

async fn fences<D: deploy_core::Deployer, K>(told: &mut Told<'_, D, K>) -> Held {
    let report = told.report;
    let token = Token::new(2, 5);
    report.equal(&told.fence(token).await?, &token)?;
    if told.can.fence == Fence::None {
        report.leave_out("the platform refuses no token (`fence` is none)");
        return Ok(());
    }
    told.token = token;
    told.turn(&told.first(1), None).await?;
    report.equal(&told.fence(Token::new(1, 9)).await?, &token)?;
    let older = told.converge(&told.first(2), Token::new(1, 9), None).await?;
    report.refused(older, &[Kind::Fenced])?;
    told.token = Token::new(2, 6);
    told.turn(&told.first(1), None).await?;
    let older = told.converge(&told.first(2), token, None).await?;
    report.refused(older, &[Kind::Fenced])?;
    told.settle(&told.first(1)).await
}

async fn shows<D: deploy_core::Deployer, K>(told: &mut Told<'_, D, K>) -> Held {
    let report = told.report;
    let empty = told.observe().await?;
    report.equal(&empty.instances().count(), &0)?;
    report.equal(&empty.sides.values().map(deploy_core::Running::total).sum::<u32>(), &0)?;
    told.token = Token::new(2, 1);
    told.turn(&told.first(1), None).await?;
    for _ in 0..told::LOOKS {
        let seen = told.observe().await?;
        if seen.token >= told.token {
            return report.equal(&seen.token, &told.token);
        }
        told.wait().await;
    }
    Err(report.broken("an older token for ever", told.token))
}

async fn prepares<D: deploy_core::Deployer, K>(told: &Told<'_, D, K>) -> Held {
    for _ in 0..2 {
        let shipped = told.it.prepare(&told.track, &told.revisions, Token::new(2, 1));
        let shipped = told.report.call("prepare(both revisions)", shipped).await?;
        told.report.done(shipped)?;
    }
    let seen = told.observe().await?;
    told.report.equal(&seen.instances().count(), &0)
}

async fn reached<D: deploy_core::Deployer, K>(mut told: Told<'_, D, K>) -> Held {
    let line = told.bring_up(2).await?;
    told.report.then(AGAIN, "an order that is settled moves nothing");
    let before: Vec<_> = told.observe().await?.instances().map(|instance| instance.id.clone()).collect();
    let turn = told.turn(&line, None).await?;
    told.report.holds(!turn.moved, "it moved", "nothing to move")?;
    told.settle(&line).await?;
    let after: Vec<_> = told.observe().await?.instances().map(|instance| instance.id.clone()).collect();
    told.report.equal(&after, &before)
}

async fn pauses<D: deploy_core::Deployer, K>(told: &mut Told<'_, D, K>) -> Held {
    let line = Line { paused: true, ..told.first(2) };
    for _ in 0..5 {
        told.turn(&line, None).await?;
        told.wait().await;
    }
    let stand = told.observe().await?.sides.values().map(deploy_core::Running::total).sum::<u32>();
    told.report.equal(&stand, &0)?;
    told.settle(&Line { paused: false, ..line }).await
}

/// What a first order is: one revision alone, pooled.
const fn first_line(count: u32) -> Line {
    Line { kind: OrderKind::InPlace, from: None, to: (0, count), traffic: Traffic::Pooled, paused: false }
}
