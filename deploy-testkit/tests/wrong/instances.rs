//! Platforms of single instances that are wrong.

use super::{begins, broken};
use crate::specs;
use async_trait::async_trait;
use deploy_core::{
    Error, Exit, Fence, Instance, InstanceId, InstanceState, Instances, InstancesCapabilities, Kind, Launch, Result,
    Slot, SlotId, Token, TrackRef,
};
use deploy_testkit::conformance;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    LaunchesTwice,
    TakesAnotherRevision,
    TellsTheStoppedAsEnded,
    TakesOlder,
    ListsLate,
    StopsOnlyKnown,
}

/// Instances that run at once, and end at the second call of `stop`.
#[derive(Debug)]
pub struct Plain {
    fault: Option<Fault>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    serial: u32,
    token: Token,
    listed: Vec<Instance>,
    tracks: Vec<TrackRef>,
    shown: Vec<Instance>,
}

impl Plain {
    pub fn new(fault: Option<Fault>) -> Self {
        Self { fault, inner: Mutex::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn raise(&self, inner: &mut Inner, token: Token) -> Result<()> {
        if token < inner.token && !self.has(Fault::TakesOlder) {
            return Err(Error::new(Kind::Fenced, format!("{token} is older than {}", inner.token)));
        }
        inner.token = inner.token.max(token);
        Ok(())
    }
}

#[async_trait]
impl Instances for Plain {
    fn capabilities(&self) -> InstancesCapabilities {
        InstancesCapabilities {
            fence: Fence::Atomic,
            survives_engine: false,
            relaunch_adopted: false,
            resources: true,
            tasks: false,
            hints: false,
        }
    }

    async fn list(&self, track: &TrackRef) -> Result<Vec<Instance>> {
        let mut inner = self.inner.lock().unwrap();
        let now = inner.listed.clone();
        let before = std::mem::replace(&mut inner.shown, now.clone());
        let shown = if self.has(Fault::ListsLate) { before } else { now };
        Ok(if inner.tracks.iter().all(|known| known == track) { shown } else { Vec::new() })
    }

    async fn slots(&self, _track: &TrackRef) -> Result<Vec<Slot>> {
        let slot = |n: u32| Slot { id: format!("here/{n}").into(), host: "here".into(), closed: None };
        Ok((0..8).map(slot).collect())
    }

    async fn launch(&self, slot: &SlotId, launch: &Launch, token: Token) -> Result<()> {
        let mut inner = self.inner.lock().unwrap();
        self.raise(&mut inner, token)?;
        let there = inner.listed.iter().find(|instance| instance.slot == *slot);
        match there.map(|instance| instance.side == launch.side) {
            Some(true) if !self.has(Fault::LaunchesTwice) => return Ok(()),
            Some(false) if self.has(Fault::TakesAnotherRevision) => return Ok(()),
            Some(false) => return Err(Error::new(Kind::Busy, format!("{slot} is taken"))),
            _ => {}
        }
        inner.serial += 1;
        inner.tracks = vec![launch.track.clone()];
        let (id, address) = (format!("web-{}", inner.serial), format!("127.0.0.1:{}", 20_000 + inner.serial));
        inner.listed.push(Instance {
            id: id.into(),
            side: launch.side.clone(),
            slot: slot.clone(),
            state: InstanceState::Running,
            address: Some(address),
            ports: [].into(),
            started: None,
            admitted: false,
            in_flight: None,
            health: None,
        });
        Ok(())
    }

    async fn stop(&self, _track: &TrackRef, id: &InstanceId, _grace: Duration, token: Token) -> Result<()> {
        let mut inner = self.inner.lock().unwrap();
        self.raise(&mut inner, token)?;
        let known = inner.listed.iter().position(|instance| instance.id == *id);
        let Some(at) = known else {
            let unknown = Error::new(Kind::NotFound, format!("there is no {id}"));
            return if self.has(Fault::StopsOnlyKnown) { Err(unknown) } else { Ok(()) };
        };
        let exit = Exit { code: Some(0), signal: None };
        match inner.listed[at].state {
            InstanceState::Running if self.has(Fault::TellsTheStoppedAsEnded) => {
                inner.listed[at].state = InstanceState::Exited(exit);
            }
            InstanceState::Running => inner.listed[at].state = InstanceState::Terminating,
            _ => drop(inner.listed.remove(at)),
        }
        Ok(())
    }

    async fn fence(&self, _track: &TrackRef, token: Token) -> Result<Token> {
        let mut inner = self.inner.lock().unwrap();
        inner.token = inner.token.max(token);
        Ok(inner.token)
    }

    async fn token(&self, _track: &TrackRef) -> Result<Token> {
        Ok(self.inner.lock().unwrap().token)
    }
}

async fn told(fault: Fault) -> String {
    broken(conformance::Instances::new(specs(), move || async move { Ok((Plain::new(Some(fault)), ())) }).run().await)
}

const LAUNCHED: &str = "the contract (`launch` is idempotent by slot) is broken in step \"the same again is no second instance, another revision is refused\"";

#[tokio::test]
async fn instances_that_launch_twice_in_one_slot() {
    begins(&told(Fault::LaunchesTwice).await, &format!("{LAUNCHED}: told 2 instances, expected one instance"));
}

#[tokio::test]
async fn instances_that_take_another_revision_in_a_taken_slot() {
    begins(&told(Fault::TakesAnotherRevision).await, &format!("{LAUNCHED}: told (), expected the error Busy"));
}

#[tokio::test(start_paused = true)]
async fn instances_that_tell_who_was_stopped_as_ended() {
    let line = told(Fault::TellsTheStoppedAsEnded).await;
    begins(&line, "the contract (who was told to stop is terminating until it is removed) is broken");
}

#[tokio::test]
async fn instances_that_take_an_older_token() {
    begins(
        &told(Fault::TakesOlder).await,
        "G7 is broken in step \"an older token is refused, and nothing has changed\": told (), expected the error Fenced",
    );
}

#[tokio::test]
async fn instances_that_list_what_was_a_look_ago() {
    assert_eq!(
        told(Fault::ListsLate).await,
        "the contract (`list` and `slots` show every earlier write of the caller) is broken in step \"who was launched is listed at once, in its slot\": told 0, expected 1"
    );
}

#[tokio::test]
async fn instances_that_cannot_stop_who_is_gone() {
    begins(
        &told(Fault::StopsOnlyKnown).await,
        "the contract (who was told to stop is terminating until it is removed) is broken",
    );
}
