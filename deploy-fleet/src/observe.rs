//! What instances and a router show together.

use deploy_core::{
    Condition, ConditionKind, Instance, Observed, RouteState, Running, Side, Slot, Spread, Token, TrafficSeen,
};
use std::collections::BTreeMap;

/// Puts together what was read.
pub(crate) fn merge(instances: Vec<Instance>, slots: &[Slot], routes: Option<&RouteState>, token: Token) -> Observed {
    let mut sides: BTreeMap<Side, Vec<Instance>> = BTreeMap::new();
    for instance in instances {
        let instance = mark(instance, routes);
        sides.entry(instance.side.clone()).or_default().push(instance);
    }
    Observed {
        sides: sides.into_iter().map(|(side, instances)| (side, Running::Instances(instances))).collect(),
        traffic: routes.map(traffic),
        wanted: None,
        foreign: Vec::new(),
        conditions: slots.iter().filter_map(closed).collect(),
        token: routes.map_or(token, |routes| token.max(routes.token)),
    }
}

/// Says of an instance what the router says.
fn mark(mut instance: Instance, routes: Option<&RouteState>) -> Instance {
    let member = routes.and_then(|routes| routes.member(&instance.id));
    let told = |routes: &RouteState| routes.spread != Spread::None || !routes.members.is_empty();
    let routed = routes.is_some_and(told) || (routes.is_some() && instance.address.is_some());
    instance.admitted = !routed || member.is_some_and(|routed| routed.member.draining.is_none());
    instance.in_flight = member.and_then(|routed| routed.in_flight);
    instance
}

fn traffic(routes: &RouteState) -> TrafficSeen {
    let mut left = routes.members.iter().filter(|routed| routed.member.draining.is_some());
    TrafficSeen {
        spread: routes.spread.clone(),
        evidence: routes.evidence,
        drained: left.all(|routed| routed.in_flight == Some(0)),
    }
}

/// Why nothing can be launched in a slot, in the platform's words.
fn closed(slot: &Slot) -> Option<Condition> {
    let why = slot.closed.as_ref()?;
    let words = format!("slot `{}` on host `{}` is closed: {why}", slot.id, slot.host);
    Some(Condition { kind: ConditionKind::Waiting, side: None, instance: None, words })
}
