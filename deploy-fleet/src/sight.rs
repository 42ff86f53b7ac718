//! What a pass decides from.

use crate::{Moves, moves};
use deploy_core::{
    Evidence, Health, Instance, InstanceId, InstanceState, Member, Order, OrderSide, RouteState, Routed, Side, Slot,
    Split, Spread, Timestamp, Token, Traffic,
};
use std::collections::BTreeSet;

/// What was read at the beginning of a pass.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) instances: Vec<Instance>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) routes: Option<RouteState>,
    /// There is a router, and what it does could not be read.
    pub(crate) blind: bool,
}

impl Sight {
    /// Whether the router has somebody in its set who is not listed: missing from one list is not gone.
    pub(crate) fn lacks_a_member(instances: &[Instance], routes: Option<&RouteState>) -> bool {
        let listed: BTreeSet<_> = instances.iter().map(|instance| &instance.id).collect();
        let mut members = routes.into_iter().flat_map(|routes| &routes.members).map(|routed| &routed.member);
        members.any(|member| member.draining.is_none() && !listed.contains(&member.instance))
    }

    /// Since when the newest of those that are out of the set still finish requests.
    pub(crate) fn finishing_since(&self) -> Option<Timestamp> {
        let members = self.routes.iter().flat_map(|routes| &routes.members);
        let busy = members.filter(|routed| routed.in_flight.is_some_and(|count| count > 0));
        busy.filter_map(|routed| routed.member.draining).max()
    }

    /// What to do next. Without a word of the router: what needs none.
    pub(crate) fn moves(&self, order: &Order<'_>) -> Moves {
        if !self.blind {
            return moves(order, &self.instances, &self.slots, self.routes.as_ref());
        }
        let mut next = moves(order, &self.instances, &self.slots, Some(&self.all_routed()));
        let ended = |id: &InstanceId| self.instances.iter().any(|seen| seen.id == *id && seen.exit().is_some());
        next.stop.retain(|stop| ended(&stop.instance));
        next.routes = None;
        next
    }

    /// Whose revision serves at the stable name from now on: the side that serves alone when these moves are made.
    pub(crate) fn serving<'a>(&self, order: &'a Order<'_>, next: &Moves) -> Option<&'a Side> {
        let side = if self.blind || order.paused { None } else { self.alone(order, next) }?;
        let well = |id: &InstanceId| order.health.get(id).is_some_and(|folded| folded.health == Health::Healthy);
        self.instances.iter().any(|seen| seen.side == side.side && seen.runs() && well(&seen.id)).then_some(&side.side)
    }

    fn alone<'a>(&self, order: &'a Order<'_>, next: &Moves) -> Option<&'a OrderSide> {
        match &order.traffic {
            Traffic::None => None,
            Traffic::Split(split) => self.has_all(split).then(|| side_of(order, split)).flatten(),
            Traffic::NotRouted | Traffic::InPlace | Traffic::Pooled => {
                let mut ordered = order.sides().filter(|ordered| ordered.count > 0);
                let only = ordered.next().filter(|_| ordered.next().is_none())?;
                self.others_go(&only.side, next).then_some(only)
            }
        }
    }

    /// Whether the router is seen to give one side everything.
    fn has_all(&self, ordered: &Split) -> bool {
        let spread = self.routes.as_ref().map(|routes| &routes.spread);
        ordered.is_whole() && matches!(spread, Some(Spread::Split { split, .. }) if *split == ordered.clone().ordered())
    }

    /// Whether all that stand beside a side are stopped in these moves.
    fn others_go(&self, side: &Side, next: &Moves) -> bool {
        let stopped: BTreeSet<_> = next.stop.iter().map(|stop| &stop.instance).collect();
        let mut others = self.instances.iter().filter(|seen| seen.side != *side && seen.stands());
        others.all(|seen| stopped.contains(&seen.id))
    }

    /// As if everything were in the set, so that nothing is stopped.
    fn all_routed(&self) -> RouteState {
        let running = self.instances.iter().filter(|seen| !matches!(seen.state, InstanceState::Exited(_)));
        let members = running.map(|seen| Routed { member: member(seen), in_flight: None });
        RouteState {
            spread: Spread::Pooled,
            evidence: Evidence::Unproven,
            members: members.collect(),
            token: Token::default(),
        }
    }
}

fn member(seen: &Instance) -> Member {
    let address = seen.address.clone().unwrap_or_default();
    Member { instance: seen.id.clone(), side: seen.side.clone(), address, draining: None }
}

fn side_of<'a>(order: &'a Order<'_>, split: &Split) -> Option<&'a OrderSide> {
    if split.candidate.is_whole() { order.to.as_ref() } else { order.from.as_ref() }
}
