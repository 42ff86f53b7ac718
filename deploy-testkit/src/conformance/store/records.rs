//! Deployments, their events, and what is asked of them.

use super::{ASKED, BUSY, COMPARED, HINTED, HOUR, LISTED, Store, Told, ann, at, id, numbers, pending, queued, request};
use crate::conformance::dropped;
use crate::conformance::failure::Guarantee;
use crate::conformance::report::{Held, Report};
use deploy_core::{Ask, Creation, Filter, Kind, Record, Status, What};
use futures::StreamExt as _;
use std::sync::Arc;

pub(super) async fn steps<S: deploy_core::Store + 'static, K: 'static>(suite: &Store<S, K>, report: &Report) -> Held {
    report.step(BUSY, "a deployment is made once, and one is active at a time");
    creates(&suite.fresh(report).await?).await?;
    report.step(Guarantee::G10, "events are gapless, and the record equals their fold");
    folds(&suite.fresh(report).await?).await?;
    report.step(COMPARED, "events are added after the newest one, under the newest epoch, or not at all");
    appends(&suite.fresh(report).await?).await?;
    report.step(Guarantee::G10, "two who write at once leave no gap and lose nothing");
    writes_at_once(suite.fresh(report).await?).await?;
    report.step(Guarantee::G6, "a write that was dropped was made whole or not at all");
    drops(suite, report).await?;
    report.step(LISTED, "what fits every field of a filter is listed, the newest first");
    lists(&suite.fresh(report).await?).await?;
    report.step(ASKED, "signals are numbered from one, and none is lost");
    signals(&suite.fresh(report).await?).await?;
    report.step(HINTED, "whoever watches is told of a deployment that was written");
    watches(&suite.fresh(report).await?).await
}

async fn creates<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let (report, first, other) = (told.report, request("shop", "production", "1"), request("shop", "production", "2"));
    let record = told.made("d1").await?;
    report.equal(&(record.version, record.created, record.status()), &(1, told.clock.read(), Status::Pending))?;
    report.equal(&told.load("d1").await?, &record)?;
    let again = report.done(told.create("d1", &first).await?)?;
    report.equal(&again, &Creation::Existing(Box::new(record)))?;
    report.refused(told.create("d1", &other).await?, &[Kind::Conflict])?;
    let busy = report.refused(told.create("d2", &other).await?, &[Kind::Busy])?;
    report.equal(&busy.context("holder"), &Some("d1"))?;
    report.refused(told.store.load(&id("d2")).await, &[Kind::NotFound])?;
    report.done(told.create("d3", &queued(other.clone())).await?)?;
    report.done(told.create("d4", &request("shop", "staging", "2")).await?)?;
    report.done(told.create("d5", &request("blog", "production", "2")).await?)?;
    let lease = told.claim("one", HOUR).await?;
    for ended in ["d1", "d3"] {
        told.append(ended, 1, lease.epoch, vec![What::Cancelled { reason: "not now".into() }]).await?;
    }
    report.done(told.create("d2", &other).await?)?;
    report.refused(told.store.load(&id("d9")).await, &[Kind::NotFound])?;
    report.refused(told.store.events(&id("d9"), 0).await, &[Kind::NotFound])?;
    Ok(())
}

async fn appends<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let report = told.report;
    told.made("d1").await?;
    let epoch = told.claim("one", HOUR).await?.epoch;
    report.equal(&numbers(&told.append("d1", 1, epoch, vec![pending(2000), pending(2001)]).await?), &vec![2, 3])?;
    for version in [1, 2, 4] {
        report.refused(told.appended("d1", version, epoch, vec![pending(1)]).await?, &[Kind::Conflict])?;
    }
    report.refused(told.appended("d9", 1, epoch, Vec::new()).await?, &[Kind::NotFound])?;
    report.equal(&told.append("d1", 3, epoch, Vec::new()).await?, &Vec::new())?;
    report.equal(&numbers(&told.events("d1", 0).await?), &vec![1, 2, 3])?;

    report.then(Guarantee::G7, "an append under an epoch that is not the newest is refused");
    for wrong in [epoch + 1, epoch.saturating_sub(1)] {
        report.refused(told.appended("d1", 3, wrong, vec![pending(1)]).await?, &[Kind::Fenced])?;
    }
    told.at(1000 + 3601);
    let newer = told.claim("two", HOUR).await?.epoch;
    report.refused(told.appended("d1", 3, epoch, vec![pending(1)]).await?, &[Kind::Fenced])?;
    report.equal(&numbers(&told.append("d1", 3, newer, vec![pending(2)]).await?), &vec![4])?;
    report.equal(&numbers(&told.events("d1", 0).await?), &vec![1, 2, 3, 4])
}

async fn folds<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let report = told.report;
    told.made("d1").await?;
    let epoch = told.claim("one", HOUR).await?.epoch;
    let paused = What::Paused { reason: "wait".into(), deadline: at(3000) };
    let added = told.append("d1", 1, epoch, vec![pending(2000), paused.clone(), pending(2001)]).await?;
    report.equal(&added.iter().map(|event| event.at).collect::<Vec<_>>(), &vec![at(1001); 3])?;
    let all = told.events("d1", 0).await?;
    report.equal(&numbers(&all), &vec![1, 2, 3, 4])?;
    report.holds(all.ends_with(&added), format_args!("{all:?}"), format_args!("{added:?} at its end"))?;
    report.equal(&told.events("d1", 2).await?, &all.get(2..).unwrap_or_default().to_vec())?;
    report.equal(&told.events("d1", 4).await?, &Vec::new())?;
    let record = told.load("d1").await?;
    report.equal(&record, &report.done(Record::fold(&id("d1"), all))?)?;
    report.equal(&(record.version, record.status()), &(4, Status::Paused))
}

async fn writes_at_once<S: deploy_core::Store + 'static, K>(told: Told<'_, S, K>) -> Held {
    told.made("d1").await?;
    let epoch = told.claim("one", HOUR).await?.epoch;
    told.report.note("two tasks load and append one event, 20 times each; after a conflict again");
    let writers = [1, 2].map(|_| tokio::spawn(adds(Arc::clone(&told.store), epoch)));
    for writer in writers {
        let ended = writer.await.map_err(|error| told.report.broken(error, "both to end"))?;
        told.report.done(ended)?;
    }
    told.report.equal(&numbers(&told.events("d1", 0).await?), &(1..=41).collect())?;
    told.report.equal(&told.load("d1").await?.version, &41)
}

/// Adds 20 events; where another was faster, after its.
async fn adds<S: deploy_core::Store>(store: Arc<S>, epoch: u64) -> deploy_core::Result<()> {
    let mut added = 0;
    while added < 20 {
        let version = store.load(&id("d1")).await?.version;
        match store.append(&id("d1"), version, epoch, at(1001), vec![pending(2000)]).await {
            Ok(_) => added += 1,
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn drops<S: deploy_core::Store + 'static, K: 'static>(suite: &Store<S, K>, report: &Report) -> Held {
    for polls in 1..=dropped::POLLS {
        let told = suite.fresh(report).await?;
        let wanted = request("shop", "production", "1");
        let made = dropped::after(polls, told.store.create(&id("d1"), &wanted, &ann())).await.is_some();
        report.note(format!("create(d1) dropped after {polls} polls, ended: {made}"));
        report.done(told.create("d1", &wanted).await?)?;
        let epoch = told.claim("one", HOUR).await?.epoch;
        let two = vec![pending(2000), pending(2001)];
        let deployment = id("d1");
        let append = told.store.append(&deployment, 1, epoch, at(1001), two.clone());
        let ended = dropped::after(polls, append).await.is_some();
        report.note(format!("append(d1, after 1, 2 events) dropped after {polls} polls, ended: {ended}"));
        match told.appended("d1", 1, epoch, two).await? {
            Err(error) if error.kind() == Kind::Conflict => {}
            again => report.equal(&numbers(&report.done(again)?), &vec![2, 3])?,
        }
        report.equal(&numbers(&told.events("d1", 0).await?), &vec![1, 2, 3])?;
        if made && ended {
            return Ok(());
        }
    }
    report.left_out("drops after more polls", format!("a write took more than {} polls", dropped::POLLS));
    Ok(())
}

async fn lists<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    told.made("d1").await?;
    let epoch = told.claim("one", HOUR).await?.epoch;
    told.append("d1", 1, epoch, vec![What::Cancelled { reason: "not now".into() }]).await?;
    told.made("a2").await?;
    for (name, application, environment) in [("d3", "shop", "staging"), ("d4", "blog", "production")] {
        told.report.done(told.create(name, &request(application, environment, "1")).await?)?;
    }
    let (shop, staging) = ("shop".parse().ok(), "staging".parse().ok());
    let all = Filter::default;
    let cases = [
        (all(), vec!["d4", "d3", "a2", "d1"]),
        (Filter { limit: Some(2), ..all() }, vec!["d4", "d3"]),
        (Filter { limit: Some(0), ..all() }, vec![]),
        (Filter { application: shop.clone(), ..all() }, vec!["d3", "a2", "d1"]),
        (Filter { environment: staging, ..all() }, vec!["d3"]),
        (Filter { active: Some(false), ..all() }, vec!["d1"]),
        (Filter { application: shop, active: Some(true), limit: Some(1), ..all() }, vec!["d3"]),
    ];
    for (filter, expected) in cases {
        let listed = told.report.call(format!("list({filter:?})"), told.store.list(&filter)).await?;
        let listed = told.report.done(listed)?;
        let ids: Vec<&str> = listed.iter().map(|line| line.id.as_str()).collect();
        told.report.equal(&ids, &expected)?;
        if let [ended] = listed.as_slice()
            && expected == ["d1"]
        {
            told.report.equal(&(ended.status, ended.ended), &(Status::Cancelled, Some(at(1001))))?;
            told.report.equal(&(ended.version.as_str(), &ended.actor), &("1", &ann()))?;
        }
    }
    Ok(())
}

async fn signals<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let report = told.report;
    told.made("d1").await?;
    let mut given = Vec::new();
    for ask in [Ask::Pause, Ask::Approve { gate: "go".into() }] {
        let signal = report.call(format!("signal(d1, {ask:?})"), told.store.signal(&id("d1"), &ask, &ann())).await?;
        given.push(report.done(signal)?);
    }
    let told_of: Vec<_> = given.iter().map(|signal| (signal.number, signal.at)).collect();
    report.equal(&told_of, &vec![(1, at(1000)), (2, at(1000))])?;
    for after in 0..=2 {
        let listed = report.call(format!("signals(d1, {after})"), told.store.signals(&id("d1"), after as u64)).await?;
        report.equal(&report.done(listed)?, &given.get(after..).unwrap_or_default().to_vec())?;
    }
    report.refused(told.store.signal(&id("d9"), &Ask::Pause, &ann()).await, &[Kind::NotFound])?;
    report.refused(told.store.signals(&id("d9"), 0).await, &[Kind::NotFound])?;
    Ok(())
}

async fn watches<S: deploy_core::Store + 'static, K>(told: &Told<'_, S, K>) -> Held {
    let Some(mut hints) = told.store.watch() else {
        told.report.leave_out("the store gives no hints (`watch` is none)");
        return Ok(());
    };
    told.made("d1").await?;
    told.report.equal(&told.report.call("next hint", hints.next()).await?, &Some(id("d1")))?;
    let epoch = told.claim("one", HOUR).await?.epoch;
    told.append("d1", 1, epoch, vec![pending(2000)]).await?;
    told.report.equal(&told.report.call("next hint", hints.next()).await?, &Some(id("d1")))
}
