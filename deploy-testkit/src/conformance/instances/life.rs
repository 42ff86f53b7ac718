//! From a program's first word to its end.

use super::told::Told;
use super::{Instances, TOKEN};
use crate::conformance::failure::Guarantee;
use crate::conformance::programs::{LOOKS, PACE};
use crate::conformance::report::{Held, Report};
use deploy_core::{Exit, Instance, InstanceSpec, InstanceState, Kind, Revision};
use std::time::Duration;
use tokio::time::Instant;

const ENDED: Guarantee = Guarantee::Contract("only one that ended by itself is listed as ended");
const KILLED: Guarantee = Guarantee::Contract("`stop` asks it to end and kills it when the grace period is over");
const SAID: Guarantee = Guarantee::Contract("the last lines of what an instance said, oldest first");
const INVALID: Guarantee = Guarantee::Contract("`Invalid` for bits that are not what they should be");

pub(super) async fn steps<I, K>(suite: &Instances<I, K>, report: &Report) -> Held
where
    I: deploy_core::Instances + 'static,
    K: 'static,
{
    let programs = &suite.programs;
    report.step(ENDED, "who ended by itself is listed as ended until it is removed, never as running");
    match &programs.ends {
        Some((spec, status)) => ends(&suite.fresh(report).await?, spec, *status).await?,
        None => report.leave_out("no program that ends by itself was declared (`Programs::ends`)"),
    }
    report.step(KILLED, "who does not end when it is told to is killed when its grace period is over, and not before");
    match &programs.stubborn {
        Some(spec) => kills(&suite.fresh(report).await?, spec).await?,
        None => report.leave_out("no program that has to be killed was declared (`Programs::stubborn`)"),
    }
    report.step(SAID, "the last lines of a log are what its program said last");
    match &programs.says {
        Some((spec, lines)) => says(&suite.fresh(report).await?, spec, lines).await?,
        None => report.leave_out("no program that says something was declared (`Programs::says`)"),
    }
    report.step(Guarantee::G14, "what can never run is refused as the candidate's fault, and nobody runs");
    match programs.refused(Kind::Candidate) {
        Some(spec) => refuses(&suite.fresh(report).await?, spec, Kind::Candidate).await?,
        None => report.leave_out("no program that can never run was declared (`Programs::never_runs`)"),
    }
    report.step(INVALID, "bits that are not what they should be are refused, and nobody runs");
    match programs.refused(Kind::Invalid) {
        Some(spec) => refuses(&suite.fresh(report).await?, spec, Kind::Invalid).await?,
        None => report.leave_out("no bits that are wrong were declared (`Programs::invalid`)"),
    }
    Ok(())
}

async fn ends<I: deploy_core::Instances, K>(told: &Told<'_, I, K>, spec: &InstanceSpec, status: i32) -> Held {
    let report = told.report;
    let first = told.runs(spec).await?;
    let exit = ended(told).await?;
    if exit.code.is_none() && exit.signal.is_none() {
        report.left_out("the exit status of who ended by itself", "it tells none");
    } else {
        report.equal(&exit, &Exit { code: Some(status), signal: None })?;
    }
    report.equal(&told.only().await?.state, &InstanceState::Exited(exit))?;
    removed(told, &first).await?;
    let second = told.first().await?;
    report.holds(second.id != first.id, "the id of who was there before", "an id of its own")
}

/// Looks until the one instance has ended; nobody told it to.
async fn ended<I: deploy_core::Instances, K>(told: &Told<'_, I, K>) -> Held<Exit> {
    for _ in 0..LOOKS {
        match told.only().await?.state {
            InstanceState::Exited(exit) => return Ok(exit),
            InstanceState::Running => tokio::time::sleep(PACE).await,
            state => return Err(told.report.broken(format_args!("{state:?}"), "Exited: nobody told it to stop")),
        }
    }
    Err(told.report.broken(format_args!("after {LOOKS} looks it is Running"), "Exited: its program has ended"))
}

/// Stops who has ended until nothing is left of it.
async fn removed<I: deploy_core::Instances, K>(told: &Told<'_, I, K>, instance: &Instance) -> Held {
    for _ in 0..LOOKS {
        told.report.done(told.stop(&instance.id, TOKEN).await?)?;
        let list = told.list().await?;
        let Some(seen) = list.iter().find(|seen| seen.id == instance.id) else { return Ok(()) };
        let state = &seen.state;
        told.report.holds(*state != InstanceState::Running, format_args!("{state:?}"), "it has ended")?;
        tokio::time::sleep(PACE).await;
    }
    Err(told.report.broken(format_args!("after {LOOKS} calls of `stop` it is still listed"), "nothing is left of it"))
}

async fn kills<I: deploy_core::Instances, K>(told: &Told<'_, I, K>, spec: &InstanceSpec) -> Held {
    let (report, grace) = (told.report, Duration::from_millis(500));
    let instance = told.runs(spec).await?;
    let asked = Instant::now();
    for _ in 0..LOOKS {
        report.done(told.stop_within(&instance.id, grace, TOKEN).await?)?;
        let list = told.list().await?;
        let Some(seen) = list.iter().find(|seen| seen.id == instance.id) else {
            let lived = asked.elapsed();
            let gone = format!("it is gone after {} ms", lived.as_millis());
            return report.holds(lived >= grace, gone, "not before its grace period of 500 ms is over");
        };
        let state = &seen.state;
        report.holds(*state == InstanceState::Terminating, format_args!("{state:?}"), "Terminating")?;
        tokio::time::sleep(PACE).await;
    }
    Err(report.broken(format_args!("it is still listed after {LOOKS} looks"), "it was killed"))
}

async fn says<I: deploy_core::Instances, K>(told: &Told<'_, I, K>, spec: &InstanceSpec, lines: &[String]) -> Held {
    let report = told.report;
    let instance = told.runs(spec).await?;
    let mut last = Vec::new();
    for _ in 0..LOOKS {
        let said = report.call("logs(10)", told.it.logs(&told.track, &instance.id, 10)).await?;
        if matches!(&said, Err(error) if error.kind() == Kind::NotFound) {
            report.leave_out("it keeps no log of who runs");
            return Ok(());
        }
        last = report.done(said)?;
        if last.len() >= lines.len() {
            break;
        }
        tokio::time::sleep(PACE).await;
    }
    report.equal(&last.as_slice(), &lines)?;
    let one = report.call("logs(1)", told.it.logs(&told.track, &instance.id, 1)).await?;
    report.equal(&report.done(one)?.as_slice(), &lines.get(lines.len().saturating_sub(1)..).unwrap_or_default())
}

/// By `prepare` or, at the latest, by `launch`.
async fn refuses<I: deploy_core::Instances, K>(told: &Told<'_, I, K>, spec: &InstanceSpec, kind: Kind) -> Held {
    let report = told.report;
    let revision = report.done(Revision::of(spec.clone()))?;
    let shipped = told.it.prepare(&told.track, std::slice::from_ref(&revision), TOKEN);
    match report.call(format!("prepare({})", revision.id), shipped).await? {
        Err(error) => report.refused::<()>(Err(error), &[kind])?,
        Ok(()) => {
            let slot = told.slot(0).await?;
            report.refused(told.launched(&slot, &revision, TOKEN).await?, &[kind])?
        }
    };
    let listed = told.list().await?;
    report.holds(listed.iter().all(|it| !it.stands()), format_args!("{} instances", listed.len()), "nobody runs")
}
