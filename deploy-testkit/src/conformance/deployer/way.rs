//! From one revision to another, order by order.

use super::Deployer;
use super::told::{LOOKS, Line, Told, ready, stand};
use crate::conformance::failure::Guarantee;
use crate::conformance::report::{Held, Report};
use deploy_core::{Capabilities, InstanceState, Observed, OrderKind, Running, Share, Split, Spread, Traffic};

pub(super) async fn steps<D, K>(suite: &Deployer<D, K>, report: &Report) -> Held
where
    D: deploy_core::Deployer + 'static,
    K: 'static,
{
    report.step(
        Guarantee::G3,
        "a grow does not shift, a shift does not scale, a shrink does neither more than it is told",
    );
    let told = suite.fresh(report).await?;
    let able = told.can.routes && told.can.slots.is_none_or(|slots| slots >= 5);
    let why = "it does not route, or has room for fewer than five instances";
    if !halves(&told.can) {
        report.left_out("a shift by half, before the whole", "it does not divide by share, or not so finely");
    }
    if able {
        whole(told, None).await?;
    } else {
        report.leave_out(why);
    }
    report.step(Guarantee::G6, "turns that were dropped can be taken again, to the same end");
    if !able {
        report.leave_out(why);
        return Ok(());
    }
    for polls in 1..=3 {
        whole(suite.fresh(report).await?, Some(polls)).await?;
    }
    Ok(())
}

const fn halves(can: &Capabilities) -> bool {
    let finest = can.finest.points();
    can.split && (finest == 0 || Share::percent(50).points().is_multiple_of(finest))
}

/// Both at full count, traffic in two moves, then the first one goes.
async fn whole<D: deploy_core::Deployer, K>(mut told: Told<'_, D, K>, polls: Option<u32>) -> Held {
    told.bring_up(2).await?;
    let line = |kind, from, to, split: Split| Line {
        kind,
        from: Some((0, from)),
        to: (1, to),
        traffic: Traffic::Split(split),
        paused: false,
    };
    let mut way = vec![
        line(OrderKind::Grow, 2, 1, Split::stable()),
        line(OrderKind::Grow, 2, 2, Split::stable()),
        line(OrderKind::Shift, 2, 2, Split::percent(50)),
        line(OrderKind::Shift, 2, 2, Split::candidate()),
        line(OrderKind::Shrink, 0, 2, Split::candidate()),
    ];
    if !halves(&told.can) {
        way.remove(2);
    }
    for line in &way {
        watched(&mut told, line, polls).await?;
    }
    Ok(())
}

/// Takes an order to its end, and some turns beyond it; looks after each.
async fn watched<D: deploy_core::Deployer, K>(told: &mut Told<'_, D, K>, line: &Line, polls: Option<u32>) -> Held {
    let before = told.observe().await?;
    told.token.generation += 1;
    let mut beyond = 0;
    for _ in 0..LOOKS {
        told.turn(line, polls).await?;
        beyond += u32::from(is_kept(told, line, &before).await?);
        if beyond > 3 {
            break;
        }
        told.wait().await;
    }
    told.token.generation -= 1;
    told.reach(line).await
}

/// Whether nothing is left to be moved; on the way limits and traffic are kept.
async fn is_kept<D: deploy_core::Deployer, K>(told: &Told<'_, D, K>, line: &Line, was: &Observed) -> Held<bool> {
    let (report, seen, wanted) = (told.report, told.observe().await?, told.spread(line));
    let (from, to) = told.sides(line);
    let sides: Vec<_> = from.iter().chain(&to).collect();
    let (before, spread) = (spread_of(was), spread_of(&seen));
    let kept = spread == before || *spread == wanted;
    report.holds(kept, format_args!("requests by {spread:?}"), format_args!("{before:?}, then {wanted:?}"))?;
    let left = seen.instances().find(|it| it.state == InstanceState::Terminating && it.admitted);
    if let Some(left) = left {
        report.then(Guarantee::G2, "who is told to stop is out of the router before");
        return Err(report.broken(format_args!("{} is terminating and admitted", left.id), "it was taken out before"));
    }
    let (standing, limits) = (standing(&seen), told.bounds(line));
    // Who stood before a shrink may stand until told to go.
    let most = limits.ceiling.max(self::standing(was));
    if line.kind == OrderKind::Shift {
        let off = sides.iter().find(|side| stand(&seen, side) != side.count);
        let told_of = off.map(|side| format!("{} of {}", stand(&seen, side), side.side)).unwrap_or_default();
        report.holds(off.is_none(), told_of, "the counts of the order: a shift does not scale")?;
    }
    if standing > most || sides.iter().map(|side| ready(&seen, side, true)).sum::<u32>() < limits.floor {
        report.then(Guarantee::G1, "ready instances stay above the floor, standing ones below the ceiling");
        let told_of = format!("{standing} stand");
        return Err(report.broken(told_of, format_args!("{} to {most}", limits.floor)));
    }
    let counts = sides.iter().all(|side| stand(&seen, side) == side.count);
    Ok(counts && *spread == wanted)
}

fn spread_of(seen: &Observed) -> &Spread {
    seen.traffic.as_ref().map_or(&Spread::None, |traffic| &traffic.spread)
}

fn standing(seen: &Observed) -> u32 {
    seen.sides.values().map(Running::total).sum()
}
