//! What instances and a router show together.

use deploy_core::{
    Condition, ConditionKind, Instance, Observed, RouteState, Running, Side, Slot, Spread, Token, TrafficSeen,
};
use std::collections::{BTreeMap, BTreeSet};

/// Puts together what was read.
pub(crate) fn merge(
    mut instances: Vec<Instance>,
    slots: &[Slot],
    routes: Option<&RouteState>,
    token: Token,
) -> Observed {
    routes.into_iter().for_each(|routes| mark(&mut instances, routes));
    if routes.is_none() {
        instances.iter_mut().for_each(|instance| instance.admitted = true);
    }
    let mut sides: BTreeMap<Side, Vec<Instance>> = BTreeMap::new();
    for instance in instances {
        sides.entry(instance.side.clone()).or_default().push(instance);
    }
    Observed {
        sides: sides.into_iter().map(|(side, instances)| (side, Running::Instances(instances))).collect(),
        traffic: routes.map(traffic),
        wanted: None,
        foreign: Vec::new(),
        conditions: closed(slots),
        token: routes.map_or(token, |routes| token.max(routes.token)),
    }
}

/// Says of the instances what the router says. A workload that it was never told of, without addresses, is a worker.
fn mark(instances: &mut [Instance], routes: &RouteState) {
    let members: BTreeMap<_, _> = routes.members.iter().map(|routed| (&routed.member.instance, routed)).collect();
    let told = routes.spread != Spread::None || !routes.members.is_empty();
    for instance in instances {
        let routed = members.get(&instance.id);
        let worker = !told && instance.address.is_none();
        instance.admitted = worker || routed.is_some_and(|routed| routed.member.draining.is_none());
        instance.in_flight = routed.and_then(|routed| routed.in_flight);
    }
}

fn traffic(routes: &RouteState) -> TrafficSeen {
    let mut left = routes.members.iter().filter(|routed| routed.member.draining.is_some());
    TrafficSeen {
        spread: routes.spread.clone(),
        evidence: routes.evidence,
        drained: left.all(|routed| routed.in_flight == Some(0)),
    }
}

/// Why nothing can be launched on some hosts, in the platform's words.
fn closed(slots: &[Slot]) -> Vec<Condition> {
    let closed = slots.iter().filter_map(|slot| Some((&slot.host, slot.closed.as_ref()?)));
    let reasons: BTreeSet<_> = closed.collect();
    let condition = |(host, why)| {
        let words = format!("nothing can be launched on host `{host}`: {why}");
        Condition { kind: ConditionKind::Waiting, side: None, instance: None, words }
    };
    reasons.into_iter().map(condition).collect()
}
