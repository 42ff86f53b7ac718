//! Routers that are wrong.

use super::{begins, broken};
use async_trait::async_trait;
use deploy_core::{
    Error, Evidence, Fence, Kind, Result, RouteState, Routed, Router, RouterCapabilities, Routes, Share, Spread, Token,
    TrackRef,
};
use deploy_testkit::conformance;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    DropsTheDraining,
    TakesOlder,
    ForgetsTheWeight,
    AppliesHalf,
    SticksSilently,
    ForgetsTheRest,
    NeverAnswers,
    ForgetsTheFence,
    RefusesEveryPort,
}

/// A router that remembers what it is told.
#[derive(Debug)]
pub struct Plain {
    fault: Option<Fault>,
    states: Mutex<BTreeMap<TrackRef, RouteState>>,
}

impl Plain {
    pub fn new(fault: Option<Fault>) -> Self {
        Self { fault, states: Mutex::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn held(&self, track: &TrackRef, token: Token) -> Result<()> {
        let newest = self.states.lock().unwrap().get(track).map(|state| state.token).unwrap_or_default();
        if token < newest && !self.has(Fault::TakesOlder) {
            return Err(Error::new(Kind::Fenced, format!("{token} is older than {newest}")));
        }
        Ok(())
    }

    /// The members alone.
    fn half(&self, track: &TrackRef, after: &RouteState) {
        let mut states = self.states.lock().unwrap();
        let state = states.entry(track.clone()).or_insert_with(|| RouteState::empty(Evidence::DataPlane));
        state.members.clone_from(&after.members);
    }

    fn state(&self, routes: &Routes) -> RouteState {
        let kept = |member: &&deploy_core::Member| member.draining.is_none() || !self.has(Fault::DropsTheDraining);
        let members = routes.members.iter().filter(kept);
        let mut spread = routes.spread.clone();
        if let (Spread::Split { split, .. }, true) = (&mut spread, self.has(Fault::ForgetsTheWeight))
            && !split.is_whole()
        {
            split.candidate = Share::percent(50);
        }
        RouteState {
            spread,
            evidence: Evidence::DataPlane,
            members: members.map(|member| Routed { member: member.clone(), in_flight: Some(0) }).collect(),
            token: routes.token,
        }
    }
}

#[async_trait]
impl Router for Plain {
    fn capabilities(&self) -> RouterCapabilities {
        RouterCapabilities {
            evidence: Evidence::DataPlane,
            fence: Fence::Atomic,
            split: true,
            finest: Share::percent(1),
            matches: false,
            sticky: false,
            mirror: false,
            propagation: Duration::ZERO,
            survives_engine: false,
        }
    }

    async fn can_listen(&self, _track: &TrackRef, ports: &[u16]) -> Result<()> {
        match ports.iter().find(|port| std::net::TcpListener::bind(("127.0.0.1", **port)).is_err()) {
            None if !self.has(Fault::RefusesEveryPort) => Ok(()),
            taken => Err(Error::invalid(format!("port {taken:?} is taken"))),
        }
    }

    async fn apply(&self, routes: &Routes) -> Result<()> {
        if self.has(Fault::NeverAnswers) {
            std::future::pending::<()>().await;
        }
        self.held(&routes.track, routes.token)?;
        if let Spread::Split { split, .. } = &routes.spread {
            let fine = split.candidate.points().is_multiple_of(100);
            let sticks = split.sticky.is_some() && !self.has(Fault::SticksSilently);
            if !split.matches.is_empty() || sticks || !split.mirror.is_none() || !fine {
                return Err(Error::invalid("this router only divides, in whole percent"));
            }
        }
        let after = self.state(routes);
        if self.has(Fault::AppliesHalf) {
            self.half(&routes.track, &after);
            tokio::task::yield_now().await;
        }
        let mut states = self.states.lock().unwrap();
        if self.has(Fault::ForgetsTheRest) {
            states.clear();
        }
        states.insert(routes.track.clone(), after);
        Ok(())
    }

    async fn observe(&self, track: &TrackRef) -> Result<RouteState> {
        let states = self.states.lock().unwrap();
        Ok(states.get(track).cloned().unwrap_or_else(|| RouteState::empty(Evidence::DataPlane)))
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        let mut states = self.states.lock().unwrap();
        let state = states.entry(track.clone()).or_insert_with(|| RouteState::empty(Evidence::DataPlane));
        state.token = state.token.max(token);
        Ok(state.token)
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        self.held(track, token)?;
        let mut states = self.states.lock().unwrap();
        if self.has(Fault::ForgetsTheFence) {
            states.remove(track);
        } else if let Some(state) = states.get_mut(track) {
            *state = RouteState { token, ..RouteState::empty(Evidence::DataPlane) };
        }
        Ok(())
    }
}

async fn told(fault: Fault) -> String {
    broken(conformance::Router::new(move || async move { Ok((Plain::new(Some(fault)), ())) }).run().await)
}

#[tokio::test]
async fn a_router_that_drops_the_draining_member_at_once() {
    let line = told(Fault::DropsTheDraining).await;
    begins(&line, "G2 is broken in step \"a member that drains stays in the set until it is no longer listed\"");
    assert!(line.contains("told [web-2 of v2], expected [web-1 of v1, draining; web-2 of v2]"), "{line}");
}

#[tokio::test]
async fn a_router_that_takes_an_older_token() {
    let line = told(Fault::TakesOlder).await;
    assert_eq!(
        line,
        "G7 is broken in step \"an older token is refused, and nothing has changed\": told (), expected the error Fenced"
    );
}

#[tokio::test]
async fn a_router_that_forgets_a_weight() {
    let line = told(Fault::ForgetsTheWeight).await;
    begins(&line, "the contract (`observe` shows every earlier write of the caller) is broken");
    assert!(line.ends_with("told 50% of v1 for v2, expected 25% of v1 for v2"), "{line}");
}

#[tokio::test]
async fn a_router_that_applies_half() {
    let line = told(Fault::AppliesHalf).await;
    begins(
        &line,
        "G6 is broken in step \"a change that was dropped is made whole or not at all, and again it is made\"",
    );
    assert!(line.ends_with("expected the state before or the one after"), "{line}");
}

#[tokio::test]
async fn a_router_that_takes_stickiness_and_does_not_stick() {
    let line = told(Fault::SticksSilently).await;
    begins(
        &line,
        "G13 is broken in step \"stickiness that it cannot do is refused, and nothing has changed\": told ()",
    );
}

#[tokio::test]
async fn a_router_that_forgets_other_workloads() {
    begins(
        &told(Fault::ForgetsTheRest).await,
        "the contract (`observe` shows every earlier write of the caller) is broken in step \"what one workload is told changes no other\"",
    );
}

#[tokio::test]
async fn a_router_that_forgets_its_fence_with_a_workload() {
    begins(
        &told(Fault::ForgetsTheFence).await,
        "G7 is broken in step \"after a workload was removed an older token is refused still\": told (), expected the error Fenced",
    );
}

#[tokio::test]
async fn a_router_that_refuses_a_port_that_is_free() {
    let line = told(Fault::RefusesEveryPort).await;
    begins(&line, "the contract (whether a workload's ports can be listened on) is broken");
    assert!(line.ends_with("is taken), expected no error"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_router_that_never_answers() {
    let line = told(Fault::NeverAnswers).await;
    assert!(line.ends_with("told nothing within 60 s, expected an answer"), "{line}");
}
