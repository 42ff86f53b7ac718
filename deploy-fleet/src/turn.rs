//! One pass toward an order: sees, decides, and carries out.

use crate::fleet::{Fleet, fenced};
use crate::sight::Sight;
use crate::{Moves, Stop, Wait};
use deploy_core::{Instances, Kind, Launch, Order, Result, Router, Routes, SlotId, Token, Trouble, Turn, time};
use futures::StreamExt as _;
use futures::future::join4;
use futures::stream::iter;
use std::collections::BTreeSet;
use std::time::Duration;

/// So many launches and stops run beside each other.
const ABREAST: usize = 16;

/// What goes through the router is out of it, then gone, then followed by others: so many passes make a turn at most.
const PASSES: usize = 3;

/// What was just taken out is looked at again so soon, and then ever later, at most ...
const SOONEST: Duration = Duration::from_millis(10);
/// ... so late.
const LATEST: Duration = Duration::from_millis(100);

/// Takes passes toward an order while one makes room for the next. Each decides from what it reads itself.
pub(crate) async fn take<I: Instances, R: Router>(fleet: &Fleet<I, R>, order: &Order<'_>) -> Result<Turn> {
    let mut turn = Turn::default();
    for _ in 0..PASSES {
        let before = std::mem::take(&mut turn.moved);
        turn.troubles.clear();
        let made_room = match pass(fleet, order, &mut turn).await {
            // What was done stays done: the next turn meets the same.
            Err(error) if before && error.kind() != Kind::Fenced => false,
            made_room => made_room?,
        };
        let goes_on = made_room && turn.moved && turn.troubles.is_empty();
        turn.moved |= before;
        if !goes_on {
            break;
        }
    }
    Ok(turn)
}

/// Takes one pass; whether it made room for what another one does.
async fn pass<I: Instances, R: Router>(fleet: &Fleet<I, R>, order: &Order<'_>, turn: &mut Turn) -> Result<bool> {
    let mut sight = look(fleet, order, turn).await?;
    let next = route(fleet, order, &mut sight, turn).await?;
    let next = second_look(fleet, order, next).await?;
    if let Some(side) = sight.serving(order, &next) {
        let marked = fleet.instances.serving(order.track, side, order.token).await;
        note(turn, "the stable name", marked)?;
    }
    carry_out(fleet, order, &next, turn).await?;
    let finishing = sight
        .finishing_since()
        .map(|since| time::after(order.now, time::between(since, order.now).clamp(SOONEST, LATEST)));
    turn.again_at = next.again_at.into_iter().chain(finishing).min();
    let taken_out = next.routes.iter().flat_map(|routes| &routes.members).any(|member| member.draining.is_some());
    let stopped = next.stop.iter().any(|stop| !stop.again);
    let awaited = next.waits.iter().any(|wait| matches!(wait, Wait::Ceiling { .. }));
    Ok(next.launch.is_empty() && (taken_out || (stopped && awaited)))
}

/// Reads everything and raises the token where it is older. What was read under an earlier engine's token is read again:
/// a late write of it may have landed in between.
async fn look<I: Instances, R: Router>(fleet: &Fleet<I, R>, order: &Order<'_>, turn: &mut Turn) -> Result<Sight> {
    let (sight, tokens) = read(fleet, order, turn).await?;
    raise(fleet, order, tokens).await?;
    if tokens.iter().all(|token| token.epoch == order.token.epoch) {
        return Ok(sight);
    }
    turn.troubles.clear();
    read(fleet, order, turn).await.map(|(sight, _)| sight)
}

/// Reads everything; with the tokens of the instances and of the router, the order's own for one that is not there.
async fn read<I: Instances, R: Router>(
    fleet: &Fleet<I, R>,
    order: &Order<'_>,
    turn: &mut Turn,
) -> Result<(Sight, [Token; 2])> {
    let (own, track) = (&fleet.instances, order.track);
    let (token, instances, slots, routes) =
        join4(own.token(track), own.list(track), own.slots(track), fleet.routes(track)).await;
    let (token, mut instances) = (token?, instances?);
    let slots = note(turn, "slots", slots)?.unwrap_or_default();
    let routes = note(turn, "router", routes)?;
    let blind = routes.is_none();
    let routes = routes.flatten();
    if Sight::lacks_a_member(&instances, routes.as_ref()) {
        let again = own.list(track).await?;
        let listed: BTreeSet<_> = again.iter().map(|instance| instance.id.clone()).collect();
        instances.retain(|instance| !listed.contains(&instance.id));
        instances.extend(again);
    }
    let told = routes.as_ref().map_or(order.token, |routes| routes.token);
    Ok((Sight { instances, slots, routes, blind }, [token, told]))
}

/// Writes the token where an older one stands.
async fn raise<I: Instances, R: Router>(fleet: &Fleet<I, R>, order: &Order<'_>, tokens: [Token; 2]) -> Result<()> {
    let [own, router] = tokens;
    let mut newest = own.max(router);
    if newest <= order.token && own.min(router) < order.token {
        newest = fleet.raise(order.track, own, router, order.token).await?;
    }
    if newest > order.token { Err(fenced(order, newest)) } else { Ok(()) }
}

/// Tells the router, and decides again from what it then does; what it has drained meanwhile can go at once.
async fn route<I: Instances, R: Router>(
    fleet: &Fleet<I, R>,
    order: &Order<'_>,
    sight: &mut Sight,
    turn: &mut Turn,
) -> Result<Moves> {
    let next = sight.moves(order);
    let Some(routes) = &next.routes else { return Ok(next) };
    if !apply(fleet, routes, turn).await? {
        return Ok(next);
    }
    let Some(Some(seen)) = note(turn, "router", fleet.routes(order.track).await)? else { return Ok(next) };
    sight.routes = Some(seen);
    let next = sight.moves(order);
    if let Some(routes) = &next.routes {
        apply(fleet, routes, turn).await?;
    }
    Ok(next)
}

/// Tells the router and says whether it took it.
async fn apply<I: Instances, R: Router>(fleet: &Fleet<I, R>, routes: &Routes, turn: &mut Turn) -> Result<bool> {
    let Some(router) = &fleet.router else { return Ok(false) };
    let done = note(turn, "router", router.apply(routes).await)?.is_some();
    turn.moved |= done;
    Ok(done)
}

/// A second writer is worse than a late one: nothing is launched that a second list does not allow as well.
async fn second_look<I: Instances, R: Router>(
    fleet: &Fleet<I, R>,
    order: &Order<'_>,
    mut next: Moves,
) -> Result<Moves> {
    if order.exclusive && !next.launch.is_empty() && !fleet.instances.list(order.track).await?.is_empty() {
        next.launch.clear();
    }
    Ok(next)
}

#[derive(Debug, Clone, Copy)]
enum Act<'a> {
    Stop(&'a Stop),
    Launch(&'a SlotId, &'a Launch),
}

/// Stops and launches, some beside each other. What goes wrong at one place holds nothing up elsewhere.
async fn carry_out<I: Instances, R: Router>(
    fleet: &Fleet<I, R>,
    order: &Order<'_>,
    next: &Moves,
    turn: &mut Turn,
) -> Result<()> {
    let stops = next.stop.iter().map(Act::Stop);
    let launches = next.launch.iter().map(|(slot, launch)| Act::Launch(slot, launch));
    let acts: Vec<_> = stops.chain(launches).map(|act| perform(fleet, order, act)).collect();
    let mut done = iter(acts).buffer_unordered(ABREAST);
    while let Some((act, result)) = done.next().await {
        let moved = note(turn, act.at(), result)?.is_some();
        turn.moved |= moved && act.is_news();
    }
    turn.troubles.sort_by(|one, other| one.at.cmp(&other.at));
    Ok(())
}

async fn perform<'a, I: Instances, R: Router>(
    fleet: &'a Fleet<I, R>,
    order: &'a Order<'a>,
    act: Act<'a>,
) -> (Act<'a>, Result<()>) {
    let own = &fleet.instances;
    let result = match act {
        Act::Stop(stop) => own.stop(order.track, &stop.instance, stop.grace, order.token).await,
        Act::Launch(slot, launch) => own.launch(slot, launch, order.token).await,
    };
    (act, result)
}

impl Act<'_> {
    fn at(&self) -> &str {
        match self {
            Self::Stop(stop) => stop.instance.as_str(),
            Self::Launch(slot, _) => slot.as_str(),
        }
    }

    const fn is_news(&self) -> bool {
        !matches!(self, Self::Stop(Stop { again: true, .. }))
    }
}

/// Takes what goes wrong at one place as a trouble; an older token ends the turn.
fn note<T>(turn: &mut Turn, at: &str, result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == Kind::Fenced => Err(error),
        Err(error) => {
            turn.troubles.push(Trouble::new(at, &error));
            Ok(None)
        }
    }
}
