//! What is seen, as an order looks at it.

use deploy_core::time::after;
use deploy_core::{
    Evidence, Folded, Health, InOrder, Instance, InstanceId, InstanceState, Order, OrderSide, RouteState, Routed, Side,
    Spread, Timestamp,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Of what ran before we came and of strays, whose spec is not known.
const DRAIN: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(10);

/// What an instance is to the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    From,
    To,
    Stray,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::From, Self::To, Self::Stray];
}

/// One instance with all that is known of it.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub instance: &'a Instance,
    pub role: Role,
    /// Neither ended nor on its way out.
    pub stands: bool,
    pub folded: Option<Folded>,
    /// Healthy for the min ready time.
    pub lasts: bool,
    pub member: Option<&'a Routed>,
    pub written_off: bool,
}

/// All instances, and the router, as an order looks at them.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub order: &'a Order<'a>,
    pub seen: Vec<Seen<'a>>,
    /// The places of those that could be members.
    index: BTreeMap<&'a InstanceId, usize>,
    /// Where something is, or still has to be taken out of, the router.
    pub routes: Option<&'a RouteState>,
    /// The router serves nobody although it did: it lost its state, or all of its members.
    pub lost: bool,
    /// Nobody who could serve is in the router's set.
    pub dark: bool,
    /// Fewer are known to be ready than the floor asks for.
    pub short: bool,
}

impl<'a> Seen<'a> {
    fn new(order: &Order<'_>, instance: &'a Instance, folded: Option<Folded>, member: Option<&'a Routed>) -> Self {
        let is = |ordered: &Option<OrderSide>| ordered.as_ref().is_some_and(|ordered| ordered.side == instance.side);
        let role = match () {
            () if is(&order.from) => Role::From,
            () if is(&order.to) => Role::To,
            () => Role::Stray,
        };
        let written_off = order.written_off.contains(&instance.id);
        let lasts = folded.is_some_and(|folded| order.lasts(&folded));
        Self { instance, role, stands: instance.stands(), folded, lasts, member, written_off }
    }

    /// Last folded as not healthy.
    pub(super) fn is_bad(&self) -> bool {
        self.folded.is_some_and(|folded| folded.health == Health::Unhealthy)
    }

    /// Seen by this engine to be not healthy.
    pub(super) fn is_known_bad(&self) -> bool {
        self.is_bad() && self.folded.is_some_and(|folded| folded.fresh)
    }

    /// Runs, and was seen by this engine to be healthy.
    pub(super) fn is_well(&self) -> bool {
        let well = |folded: Folded| folded.health == Health::Healthy && folded.fresh;
        self.instance.runs() && self.folded.is_some_and(well)
    }

    /// In the router's set.
    pub(super) fn is_admitted(&self) -> bool {
        self.member.is_some_and(|routed| routed.member.draining.is_none())
    }

    /// In the router's set, and not known to be bad: requests may reach it.
    pub(super) fn may_serve(&self) -> bool {
        self.is_admitted() && !self.is_bad()
    }

    /// Gets no new request but is still in the router's list.
    pub(super) fn draining(&self) -> Option<Timestamp> {
        self.member.and_then(|routed| routed.member.draining)
    }

    pub(super) fn is_ending(&self) -> bool {
        self.instance.state == InstanceState::Terminating
    }
}

impl<'a> View<'a> {
    pub(super) fn new(order: &'a Order<'a>, instances: &'a [Instance], routes: Option<&'a RouteState>) -> Self {
        let routed = |routes: &&RouteState| !order.traffic.is_worker() || !routes.members.is_empty();
        let routes = routes.filter(routed);
        let members: BTreeMap<&InstanceId, &Routed> =
            routes.iter().flat_map(|routes| &routes.members).map(|routed| (&routed.member.instance, routed)).collect();
        let (mut health, mut members) = (InOrder::new(order.health), InOrder::new(&members));
        let seen = instances.iter().map(|instance| {
            let (folded, member) = (health.get(&instance.id).copied(), members.get(&&instance.id).copied());
            Seen::new(order, instance, folded, member)
        });
        let seen: Vec<_> = seen.collect();
        let serves = |seen: &Seen<'_>| seen.stands && seen.may_serve();
        let dark = routes.is_some() && !seen.iter().any(serves);
        let lost = dark && order.traffic_before.serves() && order.traffic.serves();
        let could_be_members = instances.iter().enumerate().filter(|_| routes.is_some());
        let index = could_be_members.map(|(index, instance)| (&instance.id, index)).collect();
        let mut view = Self { order, seen, index, routes, lost, dark, short: false };
        let ready = view.standing().filter(|seen| view.is_ready(seen)).count();
        view.short = ready < order.floor as usize;
        view
    }

    /// An instance by its id, with its place in the list.
    pub(super) fn of(&self, instance: &InstanceId) -> Option<(usize, &Seen<'a>)> {
        let index = *self.index.get(instance)?;
        Some((index, self.seen.get(index)?))
    }

    /// The order's word on a role; none for strays.
    pub(super) fn ordered(&self, role: Role) -> Option<&'a OrderSide> {
        match role {
            Role::From => self.order.from.as_ref(),
            Role::To => self.order.to.as_ref(),
            Role::Stray => None,
        }
    }

    /// How many of a role there are to be.
    pub(super) fn count(&self, role: Role) -> u32 {
        self.ordered(role).map_or(0, |ordered| ordered.count)
    }

    /// All that are neither ended nor on their way out.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.seen.iter().filter(|seen| seen.stands)
    }

    /// Those of a role that are neither ended nor on their way out.
    pub(super) fn standing_of(&self, role: Role) -> impl Iterator<Item = &Seen<'a>> {
        self.standing().filter(move |seen| seen.role == role)
    }

    /// Whether anything of a side stands, or gets requests.
    pub(super) fn is_there(&self, side: &Side) -> bool {
        let member = |routed: &Routed| routed.member.side == *side && routed.member.draining.is_none();
        let mut members = self.routes.into_iter().flat_map(|routes| &routes.members);
        self.standing().any(|seen| seen.instance.side == *side) || members.any(member)
    }

    /// Whether it is known to be ready: what retirement and a gain of traffic may rest on.
    pub(super) fn is_ready(&self, seen: &Seen<'_>) -> bool {
        let in_set = self.routes.is_none() || !self.order.traffic.serves() || seen.is_admitted();
        seen.is_well() && seen.lasts && in_set
    }

    /// Whether it could take its part of a traffic that nobody has yet.
    pub(super) fn could_serve(&self, seen: &Seen<'_>) -> bool {
        let untold = self.lost || self.routes.is_some_and(|routes| routes.spread == Spread::None);
        self.is_ready(seen) || (untold && seen.is_well() && seen.lasts && seen.instance.address.is_some())
    }

    /// How long a member may finish what it has in flight.
    pub(super) fn drain(&self, side: &Side) -> Duration {
        self.spec(side, |ordered| ordered.spec.as_ref().map(|spec| spec.drain)).unwrap_or(DRAIN)
    }

    /// How long an instance may take to end by itself.
    pub(super) fn grace(&self, side: &Side) -> Duration {
        self.spec(side, |ordered| ordered.spec.as_ref().map(|spec| spec.grace)).unwrap_or(GRACE)
    }

    /// When the drain time of a member is over; none where it is not draining.
    pub(super) fn drained_at(&self, routed: &Routed) -> Option<Timestamp> {
        routed.member.draining.map(|since| after(since, self.drain(&routed.member.side)))
    }

    /// Seen to be out of the set, with nothing in flight or its time over. Nothing in flight proves nothing where new
    /// requests may still arrive unseen.
    pub(super) fn is_drained(&self, routed: &Routed) -> bool {
        let proven = self.routes.is_some_and(|routes| routes.evidence == Evidence::DataPlane);
        let idle = proven && routed.in_flight == Some(0);
        self.drained_at(routed).is_some_and(|end| idle || end <= self.order.now)
    }

    /// Whether the router has nothing of it any more that could be lost.
    pub(super) fn is_out(&self, seen: &Seen<'_>) -> bool {
        seen.member.is_none_or(|routed| self.is_drained(routed))
    }

    /// By the side's own spec, else the longest of the order's.
    fn spec(&self, side: &Side, pick: impl Fn(&OrderSide) -> Option<Duration>) -> Option<Duration> {
        let own = self.order.side(side).and_then(&pick);
        own.or_else(|| self.order.sides().filter_map(&pick).max())
    }
}
