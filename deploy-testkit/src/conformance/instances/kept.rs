//! What is kept beside the instances, and what is left in the end.

use super::told::{Told, of};
use super::{Instances, TOKEN};
use crate::conformance::failure::Guarantee;
use crate::conformance::programs::{LOOKS, PACE};
use crate::conformance::report::{Held, Report};
use crate::conformance::{Read, dropped};
use deploy_core::{Fence, InstanceState, Kind, Revision, RevisionId, Token};

const MARKED: Guarantee = Guarantee::Contract("`serving` marks which revision serves at the stable name");
const PRUNED: Guarantee = Guarantee::Contract("`prune` removes what is neither running nor named");
const REMOVED: Guarantee = Guarantee::Contract("`remove` forgets a workload");
const OLDER: Token = Token::new(1, 9);
const NEWER: Token = Token::new(2, 2);

pub(super) async fn steps<I, K>(suite: &Instances<I, K>, report: &Report) -> Held
where
    I: deploy_core::Instances + 'static,
    K: 'static,
{
    report.step(MARKED, "the stable name is of the revision that was marked last");
    match &suite.serves {
        Some(serves) => marks(&suite.fresh(report).await?, serves).await?,
        None => report.leave_out("no way to read the stable name was declared (`serves`)"),
    }
    report.step(PRUNED, "who runs is not touched when the rest is pruned, and what is named stays");
    prunes(&suite.fresh(report).await?, suite.kept.as_ref()).await?;
    report.step(REMOVED, "of a workload that was removed nothing is left, and others stay");
    removes(suite.fresh(report).await?, suite.kept.as_ref()).await?;
    report.step(Guarantee::G7, "after a workload was removed an older token is refused still");
    stays_fenced(&suite.fresh(report).await?).await?;
    report.step(Guarantee::G6, "the next engine finds what runs, and goes on with it");
    finds(suite, report).await?;
    report.step(Guarantee::G6, "what a task came to is known to the next engine, and it is not run again");
    knows(suite, report).await
}

async fn marks<I: deploy_core::Instances, K>(told: &Told<'_, I, K>, serves: &Read<K, Option<RevisionId>>) -> Held {
    let (report, track) = (told.report, &told.track);
    let [one, other] = [told.side(0), told.side(1)];
    for _ in 0..2 {
        let marked = told.it.serving(track, &one, TOKEN);
        let marked = report.call(format!("serving({}, {TOKEN})", one.revision), marked).await?;
        report.done(marked)?;
        report.equal(&report.done(serves(&told.keep).await)?.as_ref(), &Some(&one.revision))?;
    }
    if told.it.capabilities().fence != Fence::None {
        let late = report.call(format!("serving({}, {OLDER})", other.revision), told.it.serving(track, &other, OLDER));
        report.refused(late.await?, &[Kind::Fenced])?;
        report.equal(&report.done(serves(&told.keep).await)?.as_ref(), &Some(&one.revision))?;
    }
    for polls in 1..=dropped::POLLS_OF_PLATFORM {
        let side = if polls % 2 == 0 { &one } else { &other };
        let ended = dropped::after(polls, told.it.serving(track, side, TOKEN)).await.is_some();
        report.note(format!("serving({}) dropped after {polls} polls, ended: {ended}", side.revision));
        report.done(told.it.serving(track, side, TOKEN).await)?;
        report.equal(&report.done(serves(&told.keep).await)?.as_ref(), &Some(&side.revision))?;
        if ended {
            break;
        }
    }
    Ok(())
}

impl<I: deploy_core::Instances, K> Told<'_, I, K> {
    /// Prunes twice, the first time dropped on its way.
    async fn prune(&self, keep: &[RevisionId]) -> Held {
        for polls in 1..=dropped::POLLS_OF_PLATFORM {
            let ended = dropped::after(polls, self.it.prune(&self.track, keep)).await.is_some();
            self.report.note(format!("prune dropped after {polls} polls, ended: {ended}"));
            if ended {
                break;
            }
        }
        let pruned = self.report.call(format!("prune(but {keep:?})"), self.it.prune(&self.track, keep)).await?;
        self.report.done(pruned)
    }

    async fn keeps(&self, kept: Option<&Read<K, Vec<RevisionId>>>, expected: &[&Revision]) -> Held {
        let Some(kept) = kept else { return Ok(()) };
        let mut kept = self.report.done(kept(&self.keep).await)?;
        let mut expected: Vec<_> = expected.iter().map(|revision| revision.id.clone()).collect();
        kept.sort_unstable();
        expected.sort_unstable();
        self.report.note(format!("kept: {kept:?}"));
        self.report.equal(&kept, &expected)
    }
}

async fn prunes<I: deploy_core::Instances, K>(told: &Told<'_, I, K>, kept: Option<&Read<K, Vec<RevisionId>>>) -> Held {
    let (report, [one, other]) = (told.report, &told.revisions);
    if kept.is_none() {
        report.left_out(
            "what is kept of revisions after `prune` and `remove`",
            "no way to read it was declared (`kept`)",
        );
    }
    let first = told.first().await?;
    told.keeps(kept, &[one, other]).await?;
    told.prune(std::slice::from_ref(&other.id)).await?;
    told.keeps(kept, &[one, other]).await?;
    let slot = told.slots().await?.into_iter().find(|slot| *slot != first.slot);
    let slot = slot.ok_or_else(|| report.broken("no other open slot", "two open slots"))?;
    report.done(told.launch(&slot, 1, TOKEN).await?)?;
    let listed = told.list().await?;
    let second = listed.iter().find(|it| it.id != first.id);
    let second = second.ok_or_else(|| report.broken(format_args!("{} instances", listed.len()), "both"))?;
    told.gone(second).await?;
    told.prune(&[]).await?;
    told.keeps(kept, &[one]).await?;
    let still = told.only().await?;
    report.equal(&(still.id, still.state), &(first.id, InstanceState::Running))
}

async fn removes<I: deploy_core::Instances, K>(
    mut told: Told<'_, I, K>,
    kept: Option<&Read<K, Vec<RevisionId>>>,
) -> Held {
    let (report, track) = (told.report, told.track.clone());
    let slots = told.slots().await?.len();
    told.track = of("api");
    report.note("of another workload:");
    let shipped = told.it.prepare(&told.track, &told.revisions, TOKEN).await;
    report.done(shipped)?;
    let neighbour = told.first().await?;
    told.track = track;
    report.note("of this one:");
    let first = told.first().await?;
    told.gone(&first).await?;
    for polls in 1..=dropped::POLLS_OF_PLATFORM {
        let ended = dropped::after(polls, told.it.remove(&told.track, NEWER)).await.is_some();
        report.note(format!("remove dropped after {polls} polls, ended: {ended}"));
        if ended {
            break;
        }
    }
    for _ in 0..2 {
        report.done(told.remove(NEWER).await?)?;
        report.holds(told.list().await?.is_empty(), "instances", "none")?;
    }
    report.equal(&told.slots().await?.len(), &slots)?;
    report.refused(told.it.logs(&told.track, &first.id, 10).await, &[Kind::NotFound])?;
    told.keeps(kept, &[]).await?;
    told.track = of("api");
    report.note("of the other:");
    let still = told.only().await?;
    report.equal(&(&still.id, &still.state), &(&neighbour.id, &InstanceState::Running))?;
    told.gone(&neighbour).await
}

async fn stays_fenced<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held {
    let report = told.report;
    if told.it.capabilities().fence == Fence::None {
        report.leave_out("the platform refuses no token (`fence` is none)");
        return Ok(());
    }
    told.fence(NEWER).await?;
    match told.remove(TOKEN).await? {
        Ok(()) => report.left_out("`remove` under an older token", "it was taken: by default nothing is written"),
        told => drop(report.refused(told, &[Kind::Fenced])?),
    }
    report.done(told.remove(NEWER).await?)?;
    let slot = told.slot(0).await?;
    report.refused(told.launch(&slot, 0, TOKEN).await?, &[Kind::Fenced])?;
    report.holds(told.list().await?.is_empty(), "instances", "none: it was refused")
}

impl<I: deploy_core::Instances + 'static, K: 'static> Instances<I, K> {
    /// The same platform by another handle; the one before was dropped.
    async fn next<'r>(&self, told: Told<'r, I, K>) -> Held<Told<'r, I, K>> {
        let Some(reopen) = &self.reopen else { return Ok(told) };
        let Told { it, keep, report, revisions, track } = told;
        drop(it);
        let (it, keep) = report.done(reopen(keep).await)?;
        report.note("dropped, and another engine's handle made");
        Ok(Told { it, keep, report, revisions, track })
    }
}

async fn finds<I, K>(suite: &Instances<I, K>, report: &Report) -> Held
where
    I: deploy_core::Instances + 'static,
    K: 'static,
{
    if suite.reopen.is_none() {
        report.leave_out("no way to make another handle was declared (`reopened`)");
        return Ok(());
    }
    let told = suite.fresh(report).await?;
    if !told.it.capabilities().survives_engine {
        report.leave_out("it declares that it ends with the engine (`survives_engine`)");
        return Ok(());
    }
    let first = told.first().await?;
    told.fence(NEWER).await?;
    let told = suite.next(told).await?;
    let found = told.only().await?;
    let of = |it: &deploy_core::Instance| (it.id.clone(), it.side.clone(), it.slot.clone(), it.state.clone());
    report.equal(&of(&found), &of(&first))?;
    report.equal(&told.token().await?, &NEWER)?;
    if told.it.capabilities().fence != Fence::None {
        report.refused(told.stop(&found.id, TOKEN).await?, &[Kind::Fenced])?;
    }
    report.done(told.launch(&found.slot, 0, NEWER).await?)?;
    report.equal(&told.only().await?.id, &first.id)?;
    for _ in 0..LOOKS {
        report.done(told.stop(&found.id, NEWER).await?)?;
        if told.list().await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(PACE).await;
    }
    Err(report.broken(format_args!("it is still listed after {LOOKS} looks"), "it is gone"))
}

async fn knows<I, K>(suite: &Instances<I, K>, report: &Report) -> Held
where
    I: deploy_core::Instances + 'static,
    K: 'static,
{
    let (Some(tasks), true) = (&suite.tasks, suite.reopen.is_some()) else {
        report.leave_out("no program for tasks or no other handle was declared (`tasks`, `reopened`)");
        return Ok(());
    };
    let told = suite.fresh(report).await?;
    let can = told.it.capabilities();
    if !can.tasks || !can.survives_engine {
        report.leave_out("it runs no tasks, or ends with the engine");
        return Ok(());
    }
    told.work().done(tasks).await?;
    suite.next(told).await?.work().stays_done(tasks).await
}
