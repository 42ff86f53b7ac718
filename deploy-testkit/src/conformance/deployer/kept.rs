//! What belongs to neither side of an order, and what is left in the end.

use super::Deployer;
use super::told::{LOOKS, Line, Told};
use crate::conformance::failure::Guarantee;
use crate::conformance::report::{Held, Report};
use deploy_core::{Fence, Kind, OrderKind, Running, Token, Traffic};

const STRAYS: Guarantee = Guarantee::Contract("what belongs to neither side of the order goes too");
const PRUNED: Guarantee = Guarantee::Contract("`prune` removes what is neither running nor named");
const REMOVED: Guarantee = Guarantee::Contract("`remove` forgets a workload");
const LISTED: Guarantee = Guarantee::Contract("the instances, for people");
const OLDER: Token = Token::new(1, 9);

pub(super) async fn steps<D, K>(suite: &Deployer<D, K>, report: &Report) -> Held
where
    D: deploy_core::Deployer + 'static,
    K: 'static,
{
    report.step(STRAYS, "a revision of neither side goes when one is brought in in place");
    strays(suite.fresh(report).await?).await?;
    report.step(LISTED, "the instances that people are shown are those that are observed");
    instances(suite.fresh(report).await?).await?;
    report.step(PRUNED, "who runs is not touched when the rest is pruned");
    prunes(suite.fresh(report).await?).await?;
    report.step(REMOVED, "of a workload that was removed nothing is left, and it may come again");
    removes(suite.fresh(report).await?).await?;
    report.step(Guarantee::G7, "after a workload was removed an older token is refused still");
    stays_fenced(suite.fresh(report).await?).await
}

async fn strays<D: deploy_core::Deployer, K>(mut told: Told<'_, D, K>) -> Held {
    let first = told.bring_up(1).await?;
    let line = Line { kind: OrderKind::InPlace, from: None, to: (1, 1), traffic: Traffic::Pooled, paused: false };
    told.token.generation += 1;
    for _ in 0..LOOKS {
        told.turn(&line, None).await?;
        if told.standing(&first).await? == 0 {
            return told.settle(&line).await;
        }
        told.wait().await;
    }
    Err(told.report.broken(format_args!("after {LOOKS} turns it stands"), "it goes: it is of neither side"))
}

async fn instances<D: deploy_core::Deployer, K>(mut told: Told<'_, D, K>) -> Held {
    told.bring_up(2).await?;
    let seen = told.observe().await?;
    let mut observed: Vec<_> = seen.instances().map(|instance| instance.id.clone()).collect();
    if observed.is_empty() {
        told.report.leave_out("it tells numbers, no instances");
        return Ok(());
    }
    let listed = told.report.call("instances()", told.it.instances(&told.track)).await?;
    let mut listed: Vec<_> = told.report.done(listed)?.into_iter().map(|instance| instance.id).collect();
    listed.sort_unstable();
    observed.sort_unstable();
    told.report.equal(&listed, &observed)
}

async fn prunes<D: deploy_core::Deployer, K>(mut told: Told<'_, D, K>) -> Held {
    let line = told.bring_up(2).await?;
    let before = told.observe().await?;
    for keep in [vec![told.revisions[1].id.clone()], Vec::new()] {
        let pruned = told.report.call(format!("prune(but {keep:?})"), told.it.prune(&told.track, &keep)).await?;
        told.report.done(pruned)?;
        let after = told.observe().await?;
        let ids = |seen: &deploy_core::Observed| seen.instances().map(|it| it.id.clone()).collect::<Vec<_>>();
        told.report.equal(&ids(&after), &ids(&before))?;
        told.settle(&line).await?;
    }
    Ok(())
}

/// Nobody is left of the first revision.
async fn ended<D: deploy_core::Deployer, K>(told: &mut Told<'_, D, K>) -> Held {
    let none = Line { kind: OrderKind::InPlace, from: None, to: (0, 0), traffic: Traffic::None, paused: false };
    told.reach(&none).await
}

async fn removes<D: deploy_core::Deployer, K>(mut told: Told<'_, D, K>) -> Held {
    let line = told.bring_up(1).await?;
    ended(&mut told).await?;
    for _ in 0..2 {
        let removed = told.remove(told.token).await?;
        told.report.done(removed)?;
        let seen = told.observe().await?;
        told.report.equal(&seen.sides.values().map(Running::total).sum::<u32>(), &0)?;
        let spread = seen.traffic.map(|traffic| traffic.spread).unwrap_or_default();
        told.report.equal(&spread, &deploy_core::Spread::None)?;
    }
    told.token.generation += 1;
    told.reach(&line).await
}

async fn stays_fenced<D: deploy_core::Deployer, K>(mut told: Told<'_, D, K>) -> Held {
    if told.can.fence == Fence::None {
        told.report.leave_out("the platform refuses no token (`fence` is none)");
        return Ok(());
    }
    told.bring_up(1).await?;
    ended(&mut told).await?;
    match told.remove(OLDER).await? {
        Ok(()) => told.report.left_out("`remove` under an older token", "it was taken: by default nothing is written"),
        removed => drop(told.report.refused(removed, &[Kind::Fenced])?),
    }
    let removed = told.remove(told.token).await?;
    told.report.done(removed)?;
    let late = told.converge(&told.first(1), OLDER, None).await?;
    told.report.refused(late, &[Kind::Fenced])?;
    let seen = told.observe().await?;
    told.report.equal(&seen.sides.values().map(Running::total).sum::<u32>(), &0)
}
