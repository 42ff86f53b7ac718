//! What instances and a router can do together.

use deploy_core::{
    Capabilities, Evidence, Instance, InstancesCapabilities, Places, Prober, RouterCapabilities, Share, Slot,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// Merges both; without a router only workers can be run.
pub(crate) fn merge(
    own: &InstancesCapabilities,
    router: Option<&RouterCapabilities>,
    slots: &[Slot],
    instances: &[Instance],
) -> Capabilities {
    Capabilities {
        slots: Some(usable(slots, instances)),
        evidence: router.map_or(Evidence::DataPlane, |router| router.evidence),
        fence: router.map_or(own.fence, |router| own.fence.min(router.fence)),
        routes: router.is_some(),
        split: router.is_some_and(|router| router.split),
        finest: router.map_or(Share::WHOLE, |router| router.finest),
        matches: router.is_some_and(|router| router.matches),
        sticky: router.is_some_and(|router| router.sticky),
        mirror: router.is_some_and(|router| router.mirror),
        traffic_none: router.is_some(),
        places: Places::One,
        relaunch_adopted: own.relaunch_adopted,
        survives_engine: own.survives_engine && router.is_none_or(|router| router.survives_engine),
        tasks: own.tasks,
        resources: own.resources,
        autoscaler: false,
        scales_to_zero: false,
        prober: Prober::Engine,
        propagation: router.map_or(Duration::ZERO, |router| router.propagation),
    }
}

/// Slots that are open, or hold an instance of ours already.
fn usable(slots: &[Slot], instances: &[Instance]) -> u32 {
    let held: BTreeSet<_> = instances.iter().map(|instance| &instance.slot).collect();
    slots.iter().filter(|slot| slot.closed.is_none() || held.contains(&slot.id)).count() as u32
}
