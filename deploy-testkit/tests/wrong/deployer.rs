//! Platforms that are wrong.

use super::{begins, broken, instances, router};
use crate::specs;
use async_trait::async_trait;
use deploy_core::{
    Capabilities, Deployer, Observed, Order, OrderKind, Result, Revision, Split, Token, TrackRef, Traffic, Turn,
};
use deploy_fleet::Fleet;
use deploy_testkit::conformance;
use std::sync::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ShiftsDuringGrow,
    TakesOlder,
    ObservesFromACache,
    NeverReturns,
    ScalesDuringShift,
    LaunchesInAPause,
    NeverGetsThere,
}

/// A sound platform behind a fault.
#[derive(Debug)]
struct Wrong {
    fault: Fault,
    own: Fleet<instances::Plain, router::Plain>,
    cache: Mutex<Option<Observed>>,
}

impl Wrong {
    fn new(fault: Fault) -> Self {
        let own = Fleet::new(instances::Plain::new(None), router::Plain::new(None));
        Self { fault, own, cache: Mutex::default() }
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
        let now = self.own.observe(track).await?;
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
}

async fn told(fault: Fault) -> String {
    broken(conformance::Deployer::new(specs(), move || async move { Ok((Wrong::new(fault), ())) }).run().await)
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
