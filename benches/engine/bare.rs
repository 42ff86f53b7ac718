//! The limit: the same moves by bare platform calls. It starts, waits until ready, drains and stops, and knows nothing of
//! plans, records, or what to do when something goes wrong.

use crate::site::{COUNT, DRAIN, INTERVAL, MIN_READY, SURGE, Site, environment, name, strategy, track};
use deploy_core::{
    HealthCheck, Instance, InstanceId, Instances, Launch, Member, ProbeTarget, Revision, Router, Routes, Side, SlotId,
    Split, Spread, Timestamp, Token, TrackRef,
};
use deploy_physical::Machine;
use deploy_traffic::{Config, EmbeddedProxy};
use futures::future::{join_all, try_join_all};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// It looks so often whether the data plane has moved, or a process is there.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) struct Bare {
    pub(crate) site: Site,
    machine: Machine,
    proxy: EmbeddedProxy,
    track: TrackRef,
    token: Token,
    check: Arc<dyn HealthCheck>,
    serving: Vec<Instance>,
    side: Option<Side>,
    /// Whom the proxy was told of last.
    told: Mutex<Vec<Member>>,
    taken: Mutex<BTreeSet<SlotId>>,
}

impl Bare {
    /// Ten processes of a first version.
    pub(crate) async fn new() -> Self {
        let site = Site::new();
        let release = site.release("v1", strategy("rolling"));
        let probe = release.resolve(&environment(), &name("web")).unwrap().workload.health.unwrap();
        let mut bare = Self {
            machine: site.machine(),
            proxy: EmbeddedProxy::start(Config::default()).unwrap(),
            track: track(),
            token: Token::new(1, 1),
            check: deploy_health::check(&probe).unwrap(),
            serving: Vec::new(),
            side: None,
            told: Mutex::default(),
            taken: Mutex::default(),
            site,
        };
        bare.blue_green("v1").await;
        bare
    }

    /// Each of two places brings in one after the other, and for each one takes an old one out.
    pub(crate) async fn rolling(&mut self, version: &str) -> Duration {
        let (side, launch) = self.prepare(version).await;
        let old = Mutex::new(std::mem::take(&mut self.serving));
        let new = Mutex::new(Vec::new());
        let began = Instant::now();
        let this = &*self;
        let place = |_| async {
            loop {
                let Some(old) = old.lock().await.pop() else { return };
                let one = this.bring_in(&launch).await;
                this.route(Spread::Pooled, &[member(&one)], std::slice::from_ref(&old.id)).await;
                new.lock().await.push(one);
                this.drain(&old.id).await;
                this.machine.stop(&this.track, &old.id, DRAIN, this.token).await.unwrap();
            }
        };
        join_all((0..SURGE).map(place)).await;
        self.gone(&side).await;
        let took = began.elapsed();
        self.end(side, new.into_inner()).await;
        took
    }

    /// All beside the old ones, one switch, then the old ones go.
    pub(crate) async fn blue_green(&mut self, version: &str) -> Duration {
        let (side, launch) = self.prepare(version).await;
        let old: Vec<InstanceId> = self.serving.iter().map(|old| old.id.clone()).collect();
        let began = Instant::now();
        let new = join_all((0..COUNT).map(|_| self.bring_in(&launch))).await;
        let members: Vec<_> = new.iter().map(member).collect();
        let split =
            |percent| Spread::Split { from: self.side.clone(), to: Some(side.clone()), split: Split::percent(percent) };
        self.route(split(0), &members, &[]).await;
        self.route(split(100), &[], &old).await;
        let going = old.iter().map(|old| async {
            self.drain(old).await;
            self.machine.stop(&self.track, old, DRAIN, self.token).await
        });
        try_join_all(going).await.unwrap();
        self.gone(&side).await;
        let took = began.elapsed();
        self.end(side, new).await;
        took
    }

    async fn prepare(&mut self, version: &str) -> (Side, Launch) {
        self.token = Token::new(1, self.token.generation + 1);
        let release = self.site.release(version, strategy("rolling"));
        let revision: Revision = release.resolve(&environment(), &name("web")).unwrap().revision;
        let (side, spec) = (Side::home(revision.id.clone()), revision.spec.clone().unwrap());
        self.machine.prepare(&self.track, &[revision], self.token).await.unwrap();
        (side.clone(), Launch { track: self.track.clone(), side, spec })
    }

    async fn end(&mut self, side: Side, new: Vec<Instance>) {
        self.told.lock().await.retain(|member| member.draining.is_none());
        *self.taken.lock().await = new.iter().map(|one| one.slot.clone()).collect();
        (self.serving, self.side) = (new, Some(side));
    }

    /// Starts one and waits until it is ready.
    async fn bring_in(&self, launch: &Launch) -> Instance {
        let slot = self.slot().await;
        self.machine.launch(&slot, launch, self.token).await.unwrap();
        let one = self.machine.list(&self.track).await.unwrap().into_iter().find(|one| one.slot == slot).unwrap();
        let target = ProbeTarget {
            instance: one.id.clone(),
            side: one.side.clone(),
            address: one.address.clone(),
            ports: one.ports.clone(),
            running: true,
            versions: Vec::new(),
        };
        while self.check.probe(&target).await.ok() != Some(deploy_core::Health::Healthy) {
            sleep(INTERVAL).await;
        }
        sleep(MIN_READY).await;
        one
    }

    async fn slot(&self) -> SlotId {
        let slots = self.machine.slots(&self.track).await.unwrap();
        let mut taken = self.taken.lock().await;
        let free = slots.into_iter().find(|slot| !taken.contains(&slot.id)).unwrap().id;
        taken.insert(free.clone());
        free
    }

    async fn route(&self, spread: Spread, come: &[Member], go: &[InstanceId]) {
        let mut told = self.told.lock().await;
        told.extend_from_slice(come);
        let now = Timestamp::now();
        told.iter_mut().filter(|one| go.contains(&one.instance)).for_each(|one| one.draining = Some(now));
        let (track, members) = (self.track.clone(), told.clone());
        let routes = Routes { track, ports: vec![self.site.port()], token: self.token, spread, members };
        self.proxy.apply(&routes).await.unwrap();
    }

    async fn drain(&self, instance: &InstanceId) {
        let until = Instant::now() + DRAIN;
        while Instant::now() < until {
            let seen = self.proxy.observe(&self.track).await.unwrap();
            let one = seen.members.iter().find(|routed| routed.member.instance == *instance);
            if one.is_none_or(|routed| routed.in_flight == Some(0)) {
                return;
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until nothing else stands, and removes what is left of it.
    async fn gone(&self, side: &Side) {
        loop {
            let seen = self.machine.list(&self.track).await.unwrap();
            let left: Vec<_> = seen.iter().filter(|one| one.side != *side).collect();
            if left.is_empty() {
                return;
            }
            let stops = left.iter().map(|one| self.machine.stop(&self.track, &one.id, DRAIN, self.token));
            try_join_all(stops).await.unwrap();
            sleep(LOOK).await;
        }
    }
}

fn member(one: &Instance) -> Member {
    let address = one.address.clone().unwrap();
    Member { instance: one.id.clone(), side: one.side.clone(), address, draining: None }
}
