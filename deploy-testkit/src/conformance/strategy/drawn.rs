//! Changes that a seed draws.

use crate::sim::Dice;
use deploy_core::planner::Known;
use deploy_core::{
    Capabilities, Change, Counts, Evidence, Exit, Instance, InstanceState, Name, Observed, Release, Revision, Running,
    Share, Side, Source, Spec, Split, Spread, StrategyRef, TrackRef, TrafficSeen, Workload,
};
use std::fmt;

/// A change, with all that a plan of it needs.
pub(super) struct Drawn {
    pub(super) workload: Workload,
    stable: Revision,
    candidate: Revision,
    pub(super) capabilities: Capabilities,
    pub(super) observed: Observed,
    pub(super) release: Release,
    pub(super) environment: Name,
    pub(super) track: TrackRef,
    pub(super) known: Known,
}

/// What is drawn.
struct Draw {
    replicas: u32,
    stable: u32,
    routed: bool,
    exclusive: bool,
    pooled: bool,
    capabilities: Capabilities,
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workload, can) = (&self.workload, &self.capabilities);
        let stands: u32 = self.observed.sides.values().map(Running::total).sum();
        write!(f, "{} of {stands} run", workload.replicas)?;
        write!(f, ", routed {}, exclusive {}", workload.is_routed(), workload.is_exclusive())?;
        let abilities = (can.split, can.matches, can.sticky, can.mirror, can.traffic_none, can.tasks);
        write!(f, "; platform: split, matches, sticky, mirror, none, tasks {abilities:?}, finest {}", can.finest)
    }
}

impl Drawn {
    /// Three instances of a web service on a platform that can do everything.
    pub(super) fn plain() -> Self {
        let capabilities = Capabilities::all();
        Self::of(Draw { replicas: 3, stable: 3, routed: true, exclusive: false, pooled: false, capabilities })
    }

    pub(super) fn by(seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_add(1));
        let exclusive = dice.chance(10);
        let replicas = if exclusive { 1 } else { 1 + dice.below(60) as u32 };
        let stable = match dice.below(4) {
            0 => 0,
            1 if !exclusive => 1 + dice.below(60) as u32,
            _ => replicas,
        };
        let (routed, pooled) = (!dice.chance(25), dice.chance(30));
        Self::of(Draw { replicas, stable, routed, exclusive, pooled, capabilities: able(&mut dice) })
    }

    fn of(draw: Draw) -> Self {
        let (old, release) = (release("1", draw.stable.max(1), &draw), release("2", draw.replicas, &draw));
        let environment = name("production");
        let (_, stable) = resolved(&old);
        let (workload, candidate) = resolved(&release);
        let observed = observed(&draw, &stable);
        let known = known(&old, &environment);
        Self {
            workload,
            stable,
            candidate,
            capabilities: draw.capabilities,
            observed,
            release,
            environment,
            track: track(),
            known,
        }
    }

    pub(super) const fn change(&self) -> Change<'_> {
        Change {
            workload: &self.workload,
            stable: &self.stable,
            candidate: &self.candidate,
            capabilities: &self.capabilities,
            observed: &self.observed,
        }
    }
}

#[allow(clippy::expect_used, reason = "a name that is written here is one")]
fn name(name: &str) -> Name {
    Name::new(name).expect("a name")
}

fn track() -> TrackRef {
    let [application, environment, workload, target] = ["shop", "production", "web", "here"].map(name);
    TrackRef { application, environment, workload, target }
}

/// A release of one workload.
#[allow(clippy::expect_used, reason = "a release that is written here is one")]
fn release(version: &str, replicas: u32, draw: &Draw) -> Release {
    let mut web = Workload::new(Source::Image(format!("registry.example/web:{version}")));
    web.replicas = replicas;
    web.ports.insert(name("http"), 8080);
    (web.routed, web.exclusive) = (Some(draw.routed), Some(draw.exclusive));
    let spec = Spec::new(name("shop")).version(version).workload(name("web"), web);
    let spec = spec.strategy(StrategyRef::named("subject")).environment(name("production"), name("here"));
    Release::new(spec).expect("a release")
}

#[allow(clippy::expect_used, reason = "the release has this workload")]
fn resolved(release: &Release) -> (Workload, Revision) {
    let resolved = release.resolve(&name("production"), &name("web")).expect("the workload");
    (resolved.workload, resolved.revision)
}

#[allow(clippy::expect_used, reason = "the release has this environment")]
fn known(release: &Release, environment: &Name) -> Known {
    let mut known = Known::default();
    known.add(release, environment).expect("known");
    known.completed(release, environment).expect("known");
    known
}

fn able(dice: &mut Dice) -> Capabilities {
    let mut can = Capabilities::all();
    let mut able = || !dice.chance(15);
    (can.split, can.matches, can.sticky, can.mirror) = (able(), able(), able(), able());
    (can.traffic_none, can.tasks, can.survives_engine) = (able(), able(), able());
    can.finest = if able() { Share::basis_points(1) } else { Share::percent(1) };
    can
}

/// What runs of stable; ended instances are no longer counted.
fn observed(draw: &Draw, stable: &Revision) -> Observed {
    let side = Side::home(stable.id.clone());
    let counted = Running::Counts(Counts::steady(draw.stable));
    let listed = || (0..=draw.stable).map(|number| instance(number, draw, &side)).collect();
    let running = if draw.pooled { counted } else { Running::Instances(listed()) };
    let spread = match (draw.routed, draw.stable, draw.pooled) {
        (false, ..) | (_, 0, _) => Spread::None,
        (_, _, true) => Spread::Pooled,
        _ => Spread::Split { from: None, to: Some(side.clone()), split: Split::candidate() },
    };
    let traffic = draw.routed.then_some(TrafficSeen { spread, evidence: Evidence::DataPlane, drained: true });
    let sides = if draw.stable == 0 { [].into() } else { [(side, running)].into() };
    Observed { sides, traffic, ..Observed::default() }
}

/// The first of them has ended.
fn instance(number: u32, draw: &Draw, side: &Side) -> Instance {
    let ended = InstanceState::Exited(Exit { code: Some(1), signal: None });
    Instance {
        id: format!("web-{number}").into(),
        side: side.clone(),
        slot: format!("host-{number}").into(),
        state: if number == 0 { ended } else { InstanceState::Running },
        address: Some(format!("10.0.0.1:{}", 20_000 + number)),
        ports: [].into(),
        started: None,
        admitted: draw.routed && number > 0,
        in_flight: None,
        health: None,
    }
}
