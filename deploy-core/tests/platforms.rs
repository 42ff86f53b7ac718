//! What a platform does that was written with as little as it needs.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use async_trait::async_trait;
use deploy_core::{
    Capabilities, Deployer, Fence, Instance, InstanceId, Instances, InstancesCapabilities, Kind, Launch, Observed,
    Order, Result, Revision, Side, Slot, SlotId, Spread, TaskAct, TaskRun, Token, TrackRef, Turn,
};
use futures::FutureExt;
use std::time::Duration;
use support::{instance, observed, track};

fn done<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().unwrap()
}

fn side() -> Side {
    Side::home("v1".into())
}

/// Two instances, written by a token.
#[derive(Debug)]
struct Small(Token);

#[async_trait]
impl Deployer for Small {
    async fn capabilities(&self, _track: &TrackRef) -> Result<Capabilities> {
        Ok(Capabilities::all())
    }

    async fn observe(&self, _track: &TrackRef) -> Result<Observed> {
        Ok(Observed { token: self.0, ..observed(&[(&side(), 2)], Spread::Pooled) })
    }

    async fn converge(&self, _order: &Order<'_>) -> Result<Turn> {
        Ok(Turn::default())
    }
}

/// One instance in its only slot.
#[derive(Debug)]
struct Single;

#[async_trait]
impl Instances for Single {
    fn capabilities(&self) -> InstancesCapabilities {
        InstancesCapabilities {
            fence: Fence::None,
            survives_engine: false,
            relaunch_adopted: false,
            tasks: false,
            resources: false,
            hints: false,
        }
    }

    async fn list(&self, _track: &TrackRef) -> Result<Vec<Instance>> {
        Ok(vec![instance("a", &side(), true)])
    }

    async fn slots(&self, _track: &TrackRef) -> Result<Vec<Slot>> {
        Ok(Vec::new())
    }

    async fn launch(&self, _slot: &SlotId, _launch: &Launch, _token: Token) -> Result<()> {
        Ok(())
    }

    async fn stop(&self, _: &TrackRef, _: &InstanceId, _grace: Duration, _token: Token) -> Result<()> {
        Ok(())
    }

    async fn fence(&self, _track: &TrackRef, token: Token) -> Result<Token> {
        Ok(token)
    }

    async fn token(&self, _track: &TrackRef) -> Result<Token> {
        Ok(Token::default())
    }
}

fn run() -> TaskRun {
    TaskRun {
        key: "d1/migrate".into(),
        track: track("web"),
        run: vec!["migrate".into()],
        revision: Revision::adopted(),
        timeout: Duration::from_secs(1),
    }
}

#[test]
fn the_newest_token_stands_whoever_wrote_it() {
    let small = Small(Token::new(2, 5));
    for (token, stands) in [((1, 9), (2, 5)), ((2, 5), (2, 5)), ((3, 0), (3, 0))] {
        let fenced = done(small.fence(&track("web"), Token::new(token.0, token.1))).unwrap();
        assert_eq!(fenced, Token::new(stands.0, stands.1));
    }
}

#[test]
fn a_platforms_instances_are_those_it_shows() {
    let listed = done(Small(Token::default()).instances(&track("web"))).unwrap();
    assert_eq!(listed.iter().map(|instance| instance.id.as_str()).collect::<Vec<_>>(), ["v1-0", "v1-1"]);
}

#[test]
fn no_log_is_kept_by_a_platform_that_does_not_say_so() {
    let (web, id) = (track("web"), InstanceId::new("a"));
    let told = [done(Small(Token::default()).logs(&web, &id, 9)), done(Single.logs(&web, &id, 9))];
    for error in told.map(Result::unwrap_err) {
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(error.to_string(), "no log of `a` is kept; track: shop/production/web@edge");
    }
}

#[test]
fn no_task_is_run_by_a_platform_that_does_not_say_so() {
    let token = Token::default();
    let told =
        [done(Small(token).task(&run(), TaskAct::Start, token)), done(Single.task(&run(), TaskAct::Start, token))];
    for error in told.map(Result::unwrap_err) {
        assert_eq!(error.kind(), Kind::Unsupported);
        assert_eq!(error.to_string(), "this platform runs no tasks; task: d1/migrate");
    }
}
