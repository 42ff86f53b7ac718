//! Leases and time.

use super::{Store, TIME, Told, at, pending, request};
use crate::conformance::dropped;
use crate::conformance::failure::Guarantee;
use crate::conformance::report::{Held, Report};
use deploy_core::Kind;
use std::time::Duration;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) async fn steps<S: deploy_core::Store + 'static, K: 'static>(suite: &Store<S, K>, report: &Report) -> Held {
    report.step(Guarantee::G7, "a lease is held by one, until it ends");
    held(&suite.fresh(report).await?).await?;
    report.step(Guarantee::G7, "who lost a lease cannot renew it, and gives nothing back");
    lost(&suite.fresh(report).await?).await?;
    report.step(Guarantee::G7, "an epoch is at least what is asked for, and each scope has its own");
    epochs(&suite.fresh(report).await?).await?;
    report.step(Guarantee::G6, "a claim that was dropped is found by the next");
    drops(suite, report).await?;
    report.step(TIME, "time stands still while the clock runs backward");
    time(&suite.fresh(report).await?).await?;
    report.step(TIME, "time is not behind the date of an event that was written");
    dated(&suite.fresh(report).await?).await
}

async fn held<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let report = told.report;
    let first = told.claim("one", seconds(10)).await?;
    report.equal(&(first.until, first.renewed_before), &(at(1010), None))?;
    report.holds(first.epoch >= 1, first.epoch, "an epoch of at least 1")?;
    let busy = report.refused(told.claimed("two", seconds(10), 0).await?, &[Kind::Busy])?;
    report.equal(&busy.context("holder"), &Some("one"))?;
    told.at(1005);
    let same = told.claim("one", seconds(10)).await?;
    report.equal(&(same.epoch, same.until), &(first.epoch, at(1015)))?;
    told.at(1008);
    report.equal(&report.done(told.renew(&first, seconds(20)).await?)?.until, &at(1028))?;
    told.at(1027);
    report.refused(told.claimed("two", seconds(10), 0).await?, &[Kind::Busy])?;
    told.at(1028);
    let taken = told.claim("two", seconds(10)).await?;
    report.equal(&(taken.epoch, taken.until), &(first.epoch + 1, at(1038)))?;
    report.equal(&taken.renewed_before, &Some(at(1008)))
}

async fn lost<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let report = told.report;
    let first = told.claim("one", seconds(10)).await?;
    told.at(1010);
    let second = told.claim("two", seconds(10)).await?;
    report.refused(told.renew(&first, seconds(10)).await?, &[Kind::Fenced])?;
    told.release(&first).await?;
    report.refused(told.claimed("three", seconds(10), 0).await?, &[Kind::Busy])?;
    told.at(1012);
    told.release(&second).await?;
    report.refused(told.renew(&second, seconds(10)).await?, &[Kind::Fenced])?;
    let third = told.claim("three", seconds(10)).await?;
    report.holds(third.epoch > second.epoch, third.epoch, format_args!("an epoch above {}", second.epoch))
}

async fn epochs<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let report = told.report;
    let first = report.done(told.claimed("one", seconds(10), 5).await?)?;
    report.equal(&first.epoch, &5)?;
    told.release(&first).await?;
    report.equal(&report.done(told.claimed("one", seconds(10), 9).await?)?.epoch, &9)?;
    let other = request("shop", "staging", "1").scope();
    let elsewhere = report.call("claim(two, shop/staging)", told.store.claim(&other, "two", seconds(10), 0)).await?;
    report.holds(report.done(elsewhere)?.holder == "two", "another holder", "two")
}

async fn drops<S: deploy_core::Store + 'static, K: 'static>(suite: &Store<S, K>, report: &Report) -> Held {
    for polls in 1..=dropped::POLLS {
        let told = suite.fresh(report).await?;
        let scope = super::scope();
        let ended = dropped::after(polls, told.store.claim(&scope, "one", seconds(10), 0)).await.is_some();
        report.note(format!("claim(one) dropped after {polls} polls, ended: {ended}"));
        let lease = told.claim("one", seconds(10)).await?;
        report.refused(told.claimed("two", seconds(10), 0).await?, &[Kind::Busy])?;
        report.equal(&report.done(told.renew(&lease, seconds(10)).await?)?.epoch, &lease.epoch)?;
        if ended {
            return Ok(());
        }
    }
    report.left_out("drops of a claim after more polls", format!("it took more than {} polls", dropped::POLLS));
    Ok(())
}

async fn time<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let report = told.report;
    for (set, shown) in [(1000, 1000), (900, 1000), (1100, 1100)] {
        told.at(set);
        let now = report.call("now()", told.store.now()).await?;
        report.equal(&report.done(now)?, &at(shown))?;
    }
    told.at(1000);
    report.equal(&told.made("d1").await?.created, &at(1100))
}

/// A writer counts on from what it was told last, while the store's clock may stand still.
async fn dated<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let report = told.report;
    told.made("d1").await?;
    let epoch = told.claim("one", seconds(10)).await?.epoch;
    let written = told.append("d1", 1, epoch, vec![pending(2000)]).await?;
    let now = report.call("now()", told.store.now()).await?;
    report.equal(&Some(report.done(now)?), &written.first().map(|event| event.at))
}
