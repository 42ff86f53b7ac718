//! A deployment of so many instances, in the middle of its way.

use deploy_core::machine::{Claim, Seen, TrackSeen};
use deploy_core::planner::{self, Known, Planning};
use deploy_core::{
    Actor, Capabilities, Event, Folded, Health, Instance, InstanceId, InstanceState, Name, Observed, Record, Release,
    Request, Result, Revision, Running, Side, Slot, SlotId, Source, Spec, Spread, Timestamp, Token, TrackRef,
    TrafficSeen, What, Workload,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A rolling update that is under way, and one look at it.
#[derive(Debug)]
pub struct Scene {
    /// What happened so far, from the request on.
    pub history: Vec<What>,
    /// The record: the fold of it.
    pub record: Record,
    /// What is seen.
    pub seen: Seen,
    /// The track.
    pub track: TrackRef,
    /// The instances that are seen.
    pub instances: Vec<Instance>,
    /// Room for as many again.
    pub slots: Vec<Slot>,
    /// Now.
    pub now: Timestamp,
}

impl Scene {
    /// A rolling update of so many instances of an earlier release, all well.
    ///
    /// # Errors
    /// Never for 1 instance and more.
    pub fn rolling(instances: u32) -> Result<Self> {
        let environment: Name = "bench".parse()?;
        let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        let (old, new) = (release("1", instances)?, release("2", instances)?);
        let mut known = Known::default();
        known.add(&old, &environment)?;
        let track = planner::tracks(&new, &environment, &known)?.remove(0);
        let revision = old.resolve(&environment, &track.workload)?.revision;
        let observed = observed(&revision, instances);
        let strategies = deploy_strategies::Registry::default();
        let platforms = BTreeMap::from([(track.clone(), (Capabilities::all(), observed.clone()))]);
        let planning = Planning {
            release: &new,
            environment: &environment,
            strategies: &strategies,
            platforms,
            known: &known,
            now,
        };
        let plan = Arc::new(planner::plan(&planning)?);
        let history = begun(&new, &environment, &plan, &track, now).to_vec();
        let events = (1..).zip(history.clone()).map(|(number, what)| Event { number, at: now, what });
        let record = Record::fold(&"bench".into(), events)?;
        let instances: Vec<Instance> = observed.instances().cloned().collect();
        let folded = Folded { health: Health::Healthy, since: now, fresh: true };
        let health = instances.iter().map(|instance| (instance.id.clone(), folded)).collect();
        let seen = TrackSeen {
            fenced: true,
            prepared: true,
            observed: Some(Arc::new(observed)),
            health,
            ..TrackSeen::default()
        };
        let lease = Claim { epoch: 1, renewed_before: None };
        let seen = Seen { lease, tracks: BTreeMap::from([(track.clone(), Arc::new(seen))]), ..Seen::default() };
        let slots =
            (0..instances.len() * 2).map(|n| Slot { id: slot(n as u32), host: "here".into(), closed: None }).collect();
        let mut scene = Self { history, record, seen, track, instances, slots, now };
        scene.catch_up();
        Ok(scene)
    }

    /// Takes what one look shows into the record, so that the next look is the usual one: nothing happened.
    fn catch_up(&mut self) {
        for what in deploy_core::machine::reconcile(&self.record, &self.seen, self.now).events {
            self.history.push(what.clone());
            self.record.apply(&Event { number: self.record.version + 1, at: self.now, what });
        }
    }
}

fn release(version: &str, replicas: u32) -> Result<Release> {
    let mut web = Workload::new(Source::Image(format!("shop/web:{version}")));
    web.replicas = replicas;
    web.ports.insert("http".parse()?, 8080);
    let spec = Spec::new("shop".parse()?).version(version).workload("web".parse()?, web);
    Release::new(spec.environment("bench".parse()?, "here".parse()?))
}

fn slot(number: u32) -> SlotId {
    SlotId::new(format!("here/{number:05}"))
}

fn observed(revision: &Revision, instances: u32) -> Observed {
    let side = Side::home(revision.id.clone());
    let instance = |number: u32| Instance {
        id: InstanceId::new(format!("web-{number:05}")),
        side: side.clone(),
        slot: slot(number),
        state: InstanceState::Running,
        address: Some(format!("127.0.0.1:{}", 20_000 + number % 10_000)),
        ports: BTreeMap::new(),
        started: None,
        admitted: true,
        in_flight: Some(0),
        health: None,
    };
    let running = Running::Instances((0..instances).map(instance).collect());
    let traffic = TrafficSeen { spread: Spread::Pooled, evidence: deploy_core::Evidence::DataPlane, drained: true };
    Observed { sides: BTreeMap::from([(side, running)]), traffic: Some(traffic), ..Observed::default() }
}

fn begun(
    release: &Release,
    environment: &Name,
    plan: &Arc<deploy_core::Plan>,
    track: &TrackRef,
    now: Timestamp,
) -> [What; 7] {
    let request = Box::new(Request::new(release.clone(), environment.clone()));
    let deadline = deploy_core::time::after(now, plan.deadline);
    [
        What::Requested { request, actor: Actor::new("bench") },
        What::PendingUntil { deadline },
        What::Claimed { epoch: 1, tracks: vec![track.clone()], renewed: None },
        What::TokenRead { track: track.clone(), newest: Token::default() },
        What::Fenced { track: track.clone() },
        What::Started { plan: plan.clone(), deadline },
        What::Prepared { track: track.clone() },
    ]
}
