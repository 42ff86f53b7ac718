//! Strategies that are wrong.

use super::{begins, broken};
use deploy_core::{Change, Count, Desired, Error, Kind, Result, Split, Stage, Stages, Step, Strategy, Traffic};
use deploy_testkit::conformance;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    TrafficOnNobody,
    TooFew,
    PoolsAndSplits,
    Undecided,
    LeavesStable,
    NeverPlans,
}

static ASKED: AtomicU64 = AtomicU64::new(0);

impl Strategy for Wrong {
    fn plan(&self, change: &Change<'_>) -> Result<Stages> {
        let all = change.count();
        let half = || change.traffic(Split::percent(50).into());
        let whole = || change.traffic(Traffic::candidate());
        let to = |stable, candidate, traffic| Stage::to(Desired::both(stable, candidate).traffic(traffic));
        let last = Step::to(Desired::candidate(all).traffic(whole()));
        let sound = || Stages::new().then(to(all, all, whole()));
        Ok(match self {
            Self::TrafficOnNobody => Stages::new().then(to(all, Count::NONE, half())).then(to(all, all, whole())),
            Self::TooFew => Stages::new().then(to(all, Count::Exactly(1), half())).then(to(all, all, whole())),
            Self::PoolsAndSplits => {
                let pooled = Stage::to(Desired::pooled(all).traffic(change.traffic(Traffic::Pooled)));
                return Ok(Stages::new().then(to(all, all, half())).then(pooled));
            }
            Self::Undecided => {
                let stages =
                    if ASKED.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { Stages::new() } else { sound() };
                stages.then(to(all, all, whole()))
            }
            Self::LeavesStable => return Ok(sound()),
            Self::NeverPlans => return Err(Error::new(Kind::Unsupported, "not today")),
        }
        .after_commit(last))
    }
}

async fn told(wrong: Wrong) -> String {
    broken(conformance::Strategy::new(move || Arc::new(wrong)).without_exclusive().run().await)
}

const G3: &str = "G3 is broken in step \"who gets requests has enough instances for them\"";

#[tokio::test]
async fn a_strategy_that_sends_traffic_to_nobody() {
    assert_eq!(
        told(Wrong::TrafficOnNobody).await,
        format!("{G3}: told 0 instances of the candidate for 50% of 3, expected at least 2")
    );
}

#[tokio::test]
async fn a_strategy_with_fewer_than_a_share_needs() {
    assert_eq!(
        told(Wrong::TooFew).await,
        format!("{G3}: told 1 instances of the candidate for 50% of 3, expected at least 2")
    );
}

#[tokio::test]
async fn a_strategy_that_moves_selector_and_weight() {
    assert_eq!(
        told(Wrong::PoolsAndSplits).await,
        "G3 is broken in step \"selector and weight never change in one step: a plan pools or splits\": told both pooled traffic and a split (50%), expected one of them in a plan"
    );
}

#[tokio::test]
async fn a_strategy_that_is_undecided() {
    begins(&told(Wrong::Undecided).await, "the contract (the same change gives the same stages) is broken");
}

#[tokio::test]
async fn a_strategy_that_leaves_stable_behind() {
    let line = told(Wrong::LeavesStable).await;
    begins(
        &line,
        "the contract (what it returns is verified before anything is touched) is broken in step \"`Plan::verify` takes what core makes of its stages\"",
    );
    assert!(line.contains("are left at the end: retire them after the commit"), "{line}");
}

#[tokio::test]
async fn a_strategy_that_never_plans() {
    assert!(told(Wrong::NeverPlans).await.ends_with("told a refusal, expected stages"));
}
