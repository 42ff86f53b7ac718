//! Platforms that are wrong.

use super::{begins, broken, instances, plain, router};
use crate::specs;
use async_trait::async_trait;
use deploy_core::{
    Capabilities, Deployer, Error, Instance, InstanceState, Kind, Observed, Order, OrderKind, Result, Revision,
    RevisionId, Running, Split, TaskAct, TaskOutcome, TaskRun, Token, TrackRef, Traffic, Turn,
};
use deploy_fleet::Fleet;
use deploy_testkit::conformance;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ShiftsDuringGrow,
    TakesOlder,
    ObservesFromACache,
    NeverReturns,
    ScalesDuringShift,
    LaunchesInAPause,
    NeverGetsThere,
    KeepsWhatIsNeither,
    ShowsNobody,
    PrunesTheRunning,
    RemovesOnce,
    RunsTasksAgain,
    ForgetsTheFence,
    LeavesTheStoppedAdmitted,
}

/// A sound platform behind a fault.
#[derive(Debug)]
struct Wrong {
    fault: Fault,
    plain: plain::Plain,
    own: Fleet<plain::Plain, router::Plain>,
    cache: Mutex<Option<Observed>>,
    removed: AtomicBool,
}

impl Wrong {
    fn new(fault: Fault) -> Self {
        let (instances, router) = match fault {
            Fault::PrunesTheRunning => (Some(plain::Fault::PrunesTheRunning), None),
            Fault::ForgetsTheFence => (Some(plain::Fault::ForgetsTheFence), Some(router::Fault::ForgetsTheFence)),
            Fault::RunsTasksAgain => (Some(plain::Fault::RunsAgain), None),
            _ => (None, None),
        };
        let plain = plain::Plain::new(instances);
        let own = Fleet::new(plain.clone(), router::Plain::new(router));
        Self { fault, plain, own, cache: Mutex::default(), removed: AtomicBool::new(false) }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

#[async_trait]
impl Deployer for Wrong {
    async fn capabilities(&self, track: &TrackRef) -> Result<Capabilities> {
        self.own.capabilities(track).await
    }

    async fn observe(&self, track: &TrackRef) -> Result<Observed> {
        let mut now = self.own.observe(track).await?;
        if self.has(Fault::LeavesTheStoppedAdmitted) {
            now.sides.values_mut().for_each(admit_the_stopped);
        }
        let mut cache = self.cache.lock().unwrap();
        if self.has(Fault::ObservesFromACache) { Ok(cache.get_or_insert(now).clone()) } else { Ok(now) }
    }

    async fn converge(&self, order: &Order<'_>) -> Result<Turn> {
        let mut order = order.clone();
        match self.fault {
            Fault::ShiftsDuringGrow if order.kind == OrderKind::Grow => {
                self.own.converge(&order).await?;
                (order.kind, order.traffic_before) = (OrderKind::Shift, order.traffic);
                order.traffic = Traffic::Split(Split::percent(50));
            }
            Fault::TakesOlder => order.token = order.token.max(self.own.observe(order.track).await?.token),
            Fault::NeverReturns => std::future::pending().await,
            Fault::ScalesDuringShift if order.kind == OrderKind::Shift && order.traffic == Traffic::candidate() => {
                order.kind = OrderKind::InPlace;
                order.floor = 0;
                order.from.iter_mut().for_each(|side| side.count = 0);
            }
            Fault::LaunchesInAPause => order.paused = false,
            Fault::KeepsWhatIsNeither => order.floor += if order.from.is_none() { 2 } else { 0 },
            Fault::NeverGetsThere => order.to.iter_mut().for_each(|side| side.count = side.count.min(1)),
            _ => {}
        }
        self.own.converge(&order).await
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        self.own.fence(track, token).await
    }

    async fn prepare(&self, track: &TrackRef, revisions: &[Revision], token: Token) -> Result<()> {
        self.own.prepare(track, revisions, token).await
    }

    async fn instances(&self, track: &TrackRef) -> Result<Vec<Instance>> {
        if self.has(Fault::ShowsNobody) { Ok(Vec::new()) } else { self.own.instances(track).await }
    }

    async fn prune(&self, track: &TrackRef, keep: &[RevisionId]) -> Result<()> {
        self.own.prune(track, keep).await
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        if self.has(Fault::RemovesOnce) && self.removed.swap(true, Ordering::SeqCst) {
            return Err(Error::new(Kind::NotFound, "it was removed"));
        }
        self.own.remove(track, token).await
    }

    async fn task(&self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        self.own.task(run, act, token).await
    }
}

fn admit_the_stopped(running: &mut Running) {
    if let Running::Instances(instances) = running {
        let stopped = instances.iter_mut().filter(|instance| instance.state == InstanceState::Terminating);
        stopped.for_each(|instance| instance.admitted = true);
    }
}

async fn told(fault: Fault) -> String {
    let make = move || async move {
        let wrong = Wrong::new(fault);
        let plain = wrong.plain.clone();
        Ok((wrong, plain))
    };
    broken(conformance::Deployer::new(specs(), make).tasks(instances::tasks()).run().await)
}

const ORDER_BY_ORDER: &str = "G3 is broken in step \"a grow does not shift, a shift does not scale, a shrink does neither more than it is told\"";

#[tokio::test(start_paused = true)]
async fn a_platform_that_shifts_while_it_grows() {
    begins(&told(Fault::ShiftsDuringGrow).await, &format!("{ORDER_BY_ORDER}: told requests by "));
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_scales_while_it_shifts() {
    let line = told(Fault::ScalesDuringShift).await;
    begins(&line, &format!("{ORDER_BY_ORDER}: told "));
    assert!(line.ends_with("expected the counts of the order: a shift does not scale"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_takes_an_older_token() {
    let line = told(Fault::TakesOlder).await;
    begins(
        &line,
        "G7 is broken in step \"the mark is raised with nothing there, and an older token is refused\": told Turn",
    );
    assert!(line.ends_with("expected the error Fenced"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_observes_from_a_cache() {
    begins(
        &told(Fault::ObservesFromACache).await,
        "the contract (`observe` answers from the source) is broken in step \"the token of a turn comes back in what is observed\": told an older token for ever",
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_never_returns() {
    assert!(told(Fault::NeverReturns).await.ends_with("told nothing within 60 s, expected an answer"));
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_launches_in_a_pause() {
    assert_eq!(
        told(Fault::LaunchesInAPause).await,
        "G8 is broken in step \"in a pause nothing is launched\": told 2, expected 0"
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_never_gets_there() {
    let line = told(Fault::NeverGetsThere).await;
    begins(&line, "G5 is broken in step \"a first order is reached, in bounded turns\": told after 600 turns 1 stand");
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_keeps_what_is_of_neither_side() {
    begins(
        &told(Fault::KeepsWhatIsNeither).await,
        "the contract (what belongs to neither side of the order goes too) is broken in step \"a revision of neither side goes when one is brought in in place\": told after 600 turns it stands",
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_leaves_who_is_stopped_in_the_router() {
    begins(
        &told(Fault::LeavesTheStoppedAdmitted).await,
        "G2 is broken in step \"who is told to stop is out of the router before\": told web-",
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_shows_people_nobody() {
    begins(
        &told(Fault::ShowsNobody).await,
        "the contract (the instances, for people) is broken in step \"the instances that people are shown are those that are observed\": told []",
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_runs_a_task_again() {
    begins(
        &told(Fault::RunsTasksAgain).await,
        "G6 is broken in step \"a task runs once by its key, and its outcome stays\": told it was run 2 times",
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_prunes_who_runs() {
    begins(
        &told(Fault::PrunesTheRunning).await,
        "the contract (`prune` removes what is neither running nor named) is broken in step \"who runs is not touched when the rest is pruned\": told []",
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_cannot_remove_what_was_removed() {
    begins(
        &told(Fault::RemovesOnce).await,
        "the contract (`remove` forgets a workload) is broken in step \"of a workload that was removed nothing is left, and it may come again\": told the error NotFound",
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_forgets_its_fence_with_a_workload() {
    begins(
        &told(Fault::ForgetsTheFence).await,
        "G7 is broken in step \"after a workload was removed an older token is refused still\": told Turn",
    );
}
