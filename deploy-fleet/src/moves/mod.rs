//! What to do next toward an order, as a pure function of what is seen.

mod admit;
mod again;
mod launch;
mod retire;
mod traffic;
mod view;
mod wait;

pub use wait::Wait;

use deploy_core::{Instance, InstanceId, Launch, Order, RouteState, Routes, Slot, SlotId, Timestamp};
use std::time::Duration;
use view::View;

/// What to do next; empty where the order is settled or nothing can be done yet.
///
/// To be carried out in this order: routes, then stops and launches, these two in any order and beside each other.
/// Nothing in it rests on the routes having been applied: what is stopped was seen to be out before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves {
    /// The whole wanted state of the router, only where it differs from what it does.
    pub routes: Option<Routes>,
    /// What to start, and where.
    pub launch: Vec<(SlotId, Launch)>,
    /// What to stop, to stop again, or, where it has ended, to clear away.
    pub stop: Vec<Stop>,
    /// When it is worth while to look again although no probe and no hint may tell.
    pub again_at: Option<Timestamp>,
    /// What is waited for, for people.
    pub waits: Vec<Wait>,
}

/// One instance to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The instance.
    pub instance: InstanceId,
    /// How long it may take to end by itself.
    pub grace: Duration,
    /// It was told before and still ends; nothing new happens.
    pub again: bool,
}

impl Moves {
    /// Whether there is nothing to change; something may still be waited for.
    pub fn is_empty(&self) -> bool {
        self.routes.is_none() && self.launch.is_empty() && self.stop.is_empty()
    }
}

/// What to do next toward an order. Pure; in time linear in instances and slots but for sorting.
///
/// `routes` is what the router does now, none where there is no router. An instance is *ready* when it runs, was seen by
/// this engine to be healthy for the min ready time and, where requests are routed, is in the router's set.
///
/// # Guarantees
/// On any observation:
/// * What is ready is not taken below the order's floor, what is not terminating not above its ceiling. Of a side with a
///   share of the traffic as many stay ready as that needs.
/// * Nobody is stopped who was seen in the router's set, or with requests in flight before the drain time is over. A
///   router that cannot prove that nothing new arrives is given the whole drain time.
/// * Who was last folded as not healthy leaves the set at once, and comes back when it is well, in every kind of order
///   and in a pause.
/// * A share grows only while enough of its side are ready; one that falls is never held back, but both move together.
///   What nobody else of the router's pair stands for is `from`'s already: a sick release must be replaceable.
/// * Nothing of an exclusive workload is launched while any other instance of it is seen, in whatever state.
/// * Who cannot be told stays as it was: it fills the ceiling and not the floor, and goes only when it is in excess and
///   the others are enough.
pub fn moves(order: &Order<'_>, instances: &[Instance], slots: &[Slot], routes: Option<&RouteState>) -> Moves {
    let view = View::new(order, instances, routes);
    let wanted = traffic::wanted(&view);
    let retiring = retire::choose(&view, &wanted);
    let routes = admit::routes(&view, &wanted, &retiring);
    let launch = launch::fill(&view, slots);
    let stop = retire::stops(&view, &retiring);
    let again_at = again::at(&view, &retiring, routes.as_ref(), &stop);
    let mut waits = launch.waits;
    waits.extend(wanted.held);
    waits.extend(retire::waits(&view, &retiring));
    Moves { routes, launch: launch.launch, stop, again_at, waits }
}
