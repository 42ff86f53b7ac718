//! The sorts of simulated platforms, and what each can do.

use super::control::PROPAGATION;
use super::world::World;
use deploy_core::{
    Capabilities, Error, Evidence, Fence, Order, Places, Prober, Release, Result, Share, Spec, Split, TrackRef,
    Traffic, WorkloadKind,
};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// How a simulated platform behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Single instances, decided by `deploy_fleet::moves`, behind a router whose word is the data plane's.
    Instant,
    /// A lagging controller of its own: counts, stale reads, stable names, a router whose word is only accepted.
    Controller,
    /// As `Instant`, but the token is compared before a write and not with it: within [`WINDOW`] a late call may land.
    CheckedFence,
    /// As `Instant`, on few hosts with few slots that are cut off, reboot, fill up and answer late.
    Fleet,
    /// As `Controller`, but what is routed is serverless: as many run as the platform likes, and none at times. A request
    /// to none waits until one is up.
    ScaleToZero,
}

/// How long after its comparison of the token a write may land where the fence is [`Fence::Checked`].
pub const WINDOW: Duration = Duration::from_secs(2);

/// Something a platform cannot do although others of its profile can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lack {
    /// Divides no traffic.
    Split,
    /// Shares only in steps of a tenth.
    FineSteps,
    /// Routes by no header or cookie.
    Matches,
    /// Runs no tasks.
    Tasks,
    /// Cannot serve nobody while instances run.
    TrafficNone,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Instant, Self::Controller, Self::CheckedFence, Self::Fleet, Self::ScaleToZero];

    /// Those that run as many instances as they are told.
    pub const TOLD: [Self; 4] = [Self::Instant, Self::Controller, Self::CheckedFence, Self::Fleet];

    /// Whether its platforms have a controller of their own.
    pub const fn has_controller(self) -> bool {
        matches!(self, Self::Controller | Self::ScaleToZero)
    }

    /// A release as its platforms take it: where they scale to zero, what is routed is serverless.
    ///
    /// # Errors
    /// `Invalid` for what makes no sense.
    pub fn own(self, release: &Release) -> Result<Release> {
        if self != Self::ScaleToZero {
            return Ok(release.clone());
        }
        let mut spec = Spec::clone(&release.spec);
        for workload in spec.workloads.values_mut().filter(|workload| workload.is_routed()) {
            (workload.kind, workload.replicas) = (WorkloadKind::Serverless, 1);
        }
        Release::new(spec)
    }

    /// Its hosts, each with so many slots.
    pub(super) fn hosts(self) -> BTreeMap<String, u32> {
        let (hosts, slots) = if self == Self::Fleet { (5, 3) } else { (4, 8) };
        (0..hosts).map(|host| (format!("host-{host}"), slots)).collect()
    }
}

impl FromStr for Profile {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|profile| format!("{profile:?}").eq_ignore_ascii_case(name));
        found.ok_or_else(|| Error::invalid(format!("there is no profile `{name}`: {:?}", Self::ALL)))
    }
}

impl World {
    /// What the platform of a workload can do.
    pub fn capabilities(&self, _track: &TrackRef) -> Capabilities {
        let single = Capabilities { slots: Some(self.hosts.values().sum()), ..Capabilities::all() };
        let mut can = match self.profile {
            Profile::Instant | Profile::Fleet => single,
            Profile::CheckedFence => Capabilities { fence: Fence::Checked, ..single },
            Profile::Controller | Profile::ScaleToZero => Capabilities {
                evidence: Evidence::Accepted,
                finest: Share::percent(1),
                places: Places::HomeAndAside,
                prober: Prober::Platform,
                autoscaler: self.profile == Profile::Controller,
                scales_to_zero: self.profile == Profile::ScaleToZero,
                propagation: PROPAGATION,
                ..Capabilities::all()
            },
        };
        self.lacks.iter().for_each(|lack| lack.take_from(&mut can));
        can
    }

    /// G13: the platform is asked for nothing that it said it cannot do.
    pub(super) fn is_possible(&mut self, order: &Order<'_>) {
        let can = self.capabilities(order.track);
        let beyond = |split: &Split| match () {
            () if !split.is_whole() && !can.split => Some("to divide traffic"),
            () if !split.matches.is_empty() && !can.matches => Some("to route by a match"),
            () if !split.candidate.points().is_multiple_of(can.finest.points()) => Some("for a finer share"),
            () => None,
        };
        let how = match &order.traffic {
            Traffic::Split(split) => beyond(split),
            Traffic::None if !can.traffic_none => Some("to serve nobody"),
            _ => None,
        };
        if let Some(how) = how {
            self.trail.broken(self.now, "G13", format!("{} is asked {how}", order.track.workload));
        }
    }
}

impl Lack {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Split, Self::FineSteps, Self::Matches, Self::Tasks, Self::TrafficNone];

    const fn take_from(self, can: &mut Capabilities) {
        match self {
            Self::Split => can.split = false,
            Self::FineSteps => can.finest = Share::percent(10),
            Self::Matches => can.matches = false,
            Self::Tasks => can.tasks = false,
            Self::TrafficNone => can.traffic_none = false,
        }
    }
}
