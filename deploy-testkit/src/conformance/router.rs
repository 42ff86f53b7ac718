//! What every router does, however it sends requests.

mod backend;
mod plane;
mod state;

use super::failure::{Failure, Guarantee};
use super::report::{Held, Passed, Report};
use deploy_core::{
    Evidence, Member, Name, Result, RouteState, Routes, Side, Split, Spread, Timestamp, Token, TrackRef,
};
use futures::future::LocalBoxFuture;
use std::collections::BTreeMap;
use std::fmt;

const SHOWN: Guarantee = Guarantee::Contract("`observe` shows every earlier write of the caller");
const SAME: Guarantee = Guarantee::Contract("the same state again changes nothing");
const WHOLE: Guarantee = Guarantee::G6;
const FENCED: Guarantee = Guarantee::G7;
const KEPT: Guarantee = Guarantee::Contract("state is durable before it is acknowledged");
const LISTENS: Guarantee = Guarantee::Contract("whether a workload's ports can be listened on");
const PORT: Guarantee =
    Guarantee::Contract("a new port that cannot be listened on is an error, and nothing has changed");

type Made<R, K> = LocalBoxFuture<'static, Result<(R, K)>>;
type Restart<R, K> = Box<dyn Fn(K) -> Made<R, K>>;

/// Holds a router to the contract of [`deploy_core::Router`], as far as its capabilities go.
pub struct Router<R, K> {
    make: Box<dyn Fn() -> Made<R, K>>,
    restart: Option<Restart<R, K>>,
    through: Option<Box<dyn Fn(u16) -> String>>,
    exact: bool,
}

impl<R, K> fmt::Debug for Router<R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("exact", &self.exact).finish_non_exhaustive()
    }
}

impl<R: deploy_core::Router + 'static, K: 'static> Router<R, K> {
    /// Routers made anew for each step: told of nothing yet, each with what has to live as long as it.
    pub fn new<F: Future<Output = Result<(R, K)>> + 'static>(make: impl Fn() -> F + 'static) -> Self {
        Self { make: Box::new(move || Box::pin(make())), restart: None, through: None, exact: false }
    }

    /// Says how it is started again with what it kept. The router itself was dropped before.
    #[must_use]
    pub fn restarted<F: Future<Output = Result<(R, K)>> + 'static>(
        mut self,
        restart: impl Fn(K) -> F + 'static,
    ) -> Self {
        self.restart = Some(Box::new(move |keep| Box::pin(restart(keep))));
        self
    }

    /// Says at which `host:port` clients of this machine reach a workload of that port. With it requests are sent
    /// through the router, to instances that the suite runs on 127.0.0.1.
    #[must_use]
    pub fn through(mut self, address: impl Fn(u16) -> String + 'static) -> Self {
        self.through = Some(Box::new(address));
        self
    }

    /// Declares that shares are exact: of any n requests in a row a side gets its share, by one more or less.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Takes every step.
    ///
    /// # Errors
    /// The first step that does not hold.
    pub async fn run(self) -> std::result::Result<Passed, Failure> {
        let report = Report::of("Router");
        state::steps(&self, &report).await?;
        plane::steps(&self, &report).await?;
        Ok(report.passed())
    }

    async fn fresh<'r>(&self, report: &'r Report) -> Held<Told<'r, R, K>> {
        let (router, keep) = report.done((self.make)().await)?;
        Ok(Told { router, keep, report })
    }
}

/// A router under a step: what it is told and answers is noted.
struct Told<'r, R, K> {
    router: R,
    #[allow(dead_code, reason = "it lives as long as the router")]
    keep: K,
    report: &'r Report,
}

impl<R: deploy_core::Router, K> Told<'_, R, K> {
    async fn applied(&self, routes: &Routes) -> Held<Result<()>> {
        let what = format!("apply({}, {} to {})", routes.token, spread_in_words(&routes.spread), who(&routes.members));
        let told = self.report.call(what, self.router.apply(routes)).await?;
        let can = self.router.capabilities();
        if told.is_ok() && can.evidence < Evidence::DataPlane {
            tokio::time::sleep(can.propagation).await;
        }
        Ok(told)
    }

    async fn apply(&self, routes: &Routes) -> Held {
        let told = self.applied(routes).await?;
        self.report.done(told)
    }

    async fn observe(&self, track: &TrackRef) -> Held<RouteState> {
        let told = self.router.observe(track).await;
        let shown = told.as_ref().map(|state| {
            let members: Vec<_> = state.members.iter().map(|routed| routed.member.clone()).collect();
            format!("{}, {} to {}", state.token, spread_in_words(&state.spread), who(&members))
        });
        self.report.note(format!("observe({}) -> {shown:?}", track.workload));
        self.report.done(told)
    }

    async fn fence(&self, token: Token) -> Held<Token> {
        let told = self.report.call(format!("fence({token})"), self.router.fence(&track("web"), token)).await?;
        self.report.done(told)
    }

    async fn removed(&self, token: Token) -> Held<Result<()>> {
        self.report.call(format!("remove({token})"), self.router.remove(&track("web"), token)).await
    }

    /// It does what it was told, and says so.
    async fn does(&self, routes: &Routes) -> Held {
        let state = self.observe(&routes.track).await?;
        self.report.holds(
            state.spread == routes.spread,
            spread_in_words(&state.spread),
            spread_in_words(&routes.spread),
        )?;
        let told: Vec<_> = state.members.iter().map(|routed| routed.member.clone()).collect();
        self.report.holds(by_id(&told) == by_id(&routes.members), who(&told), who(&routes.members))?;
        self.report.equal(&state.token, &routes.token)
    }
}

/// Members as they are told, but for when they began to drain.
fn by_id(members: &[Member]) -> BTreeMap<&str, (&Side, &str, bool)> {
    let one = |member: &'_ Member| member.draining.is_some();
    members
        .iter()
        .map(|member| (member.instance.as_str(), (&member.side, member.address.as_str(), one(member))))
        .collect()
}

fn who(members: &[Member]) -> String {
    let one = |member: &Member| {
        let draining = if member.draining.is_some() { ", draining" } else { "" };
        format!("{} of {}{draining}", member.instance, member.side.revision)
    };
    format!("[{}]", members.iter().map(one).collect::<Vec<_>>().join("; "))
}

pub(super) fn spread_in_words(spread: &Spread) -> String {
    match spread {
        Spread::None => "none".to_owned(),
        Spread::Pooled => "pooled".to_owned(),
        Spread::Split { from, to, split } => {
            let name = |side: &Option<Side>| side.as_ref().map_or("-".to_owned(), |side| side.revision.to_string());
            let sticky = split.sticky.as_ref().map_or("", |_| " sticky");
            format!("{split}{sticky} of {} for {}", name(from), name(to))
        }
    }
}

#[allow(clippy::expect_used, reason = "a name that is written here is one")]
fn track(workload: &str) -> TrackRef {
    let [application, environment, workload, target] =
        ["shop", "production", workload, "here"].map(|name| Name::new(name).expect("a name"));
    TrackRef { application, environment, workload, target }
}

fn side(revision: &str) -> Side {
    Side::home(revision.into())
}

fn split(split: Split) -> Spread {
    Spread::Split { from: Some(side("v1")), to: Some(side("v2")), split }
}

/// An instance of a revision at a port of this machine.
fn member(instance: &str, revision: &str, port: u16) -> Member {
    Member { instance: instance.into(), side: side(revision), address: format!("127.0.0.1:{port}"), draining: None }
}

fn draining(member: &Member) -> Member {
    Member { draining: Some(Timestamp::UNIX_EPOCH), ..member.clone() }
}

fn routes(generation: u64, spread: Spread, members: &[Member]) -> Routes {
    let token = Token::new(2, generation);
    Routes { track: track("web"), ports: Vec::new(), token, spread, members: members.to_vec() }
}
