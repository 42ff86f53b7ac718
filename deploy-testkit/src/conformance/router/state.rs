//! What a router says of what it was told.

use super::{
    FENCED, KEPT, LISTENS, Router, SAME, SHOWN, Told, WHOLE, draining, member, routes, split, spread_in_words, track,
    who,
};
use crate::conformance::dropped;
use crate::conformance::failure::Guarantee;
use crate::conformance::report::{Held, Report};
use deploy_core::{Fence, Kind, Match, Member, Routes, Share, Split, Spread, Sticky, Token};
use std::net::TcpListener;
use std::time::Duration;

pub(super) async fn steps<R, K>(suite: &Router<R, K>, report: &Report) -> Held
where
    R: deploy_core::Router + 'static,
    K: 'static,
{
    report.step(SHOWN, "a workload that it was never told of is empty");
    let told = suite.fresh(report).await?;
    let state = told.observe(&track("web")).await?;
    report.holds(state.members.is_empty() && state.spread == Spread::None, format_args!("{state:?}"), "nothing")?;
    report.equal(&state.token, &Token::default())?;
    report.step(FENCED, "an older token is refused, and nothing has changed");
    fences(&suite.fresh(report).await?).await?;
    report.step(SHOWN, "what was told is what it says it does");
    shows(&suite.fresh(report).await?).await?;
    report.step(Guarantee::G2, "a member that drains stays in the set until it is no longer listed");
    drains(&suite.fresh(report).await?).await?;
    report.step(SAME, "the same state again changes nothing");
    again(&suite.fresh(report).await?).await?;
    report.step(SHOWN, "what one workload is told changes no other");
    apart(&suite.fresh(report).await?).await?;
    report.step(WHOLE, "a change that was dropped is made whole or not at all, and again it is made");
    drops(suite, report).await?;
    report.step(SHOWN, "a workload that was removed is forgotten, once and again");
    removes(&suite.fresh(report).await?).await?;
    report.step(FENCED, "after a workload was removed an older token is refused still");
    stays_fenced(&suite.fresh(report).await?).await?;
    report.step(LISTENS, "a port that is taken is told before it is tried, and nothing has changed");
    can_listen(&suite.fresh(report).await?).await?;
    refuses(suite, report).await?;
    report.step(KEPT, "what was told is there after a restart, and so is the fence");
    restarts(suite, report).await
}

fn two() -> [Member; 2] {
    [member("web-1", "v1", 9), member("web-2", "v2", 19)]
}

async fn fences<R: deploy_core::Router, K>(told: &Told<'_, R, K>) -> Held {
    let report = told.report;
    if told.router.capabilities().fence == Fence::None {
        report.leave_out("the router refuses no token (`fence` is none)");
        return Ok(());
    }
    let (newest, older) = (Token::new(2, 1), Token::new(1, 9));
    report.equal(&told.fence(newest).await?, &newest)?;
    report.equal(&told.fence(older).await?, &newest)?;
    let current = routes(1, Spread::Pooled, &two());
    report.refused(told.applied(&Routes { token: older, ..current.clone() }).await?, &[Kind::Fenced])?;
    report.holds(told.observe(&current.track).await?.members.is_empty(), "members", "none: it was refused")?;
    told.apply(&current).await?;
    let next = routes(2, split(Split::stable()), &two());
    told.apply(&next).await?;
    for wrong in [&current, &Routes { token: older, members: Vec::new(), ..current.clone() }] {
        report.refused(told.applied(wrong).await?, &[Kind::Fenced])?;
    }
    report.refused(told.removed(older).await?, &[Kind::Fenced])?;
    told.does(&next).await?;
    report.equal(&told.fence(Token::new(3, 0)).await?, &Token::new(3, 0))?;
    told.does(&Routes { token: Token::new(3, 0), ..next.clone() }).await?;
    report.refused(told.applied(&next).await?, &[Kind::Fenced]).map(drop)
}

async fn shows<R: deploy_core::Router, K>(told: &Told<'_, R, K>) -> Held {
    let can = told.router.capabilities();
    let [one, other] = two();
    let more = member("web-3", "v2", 29);
    let mut states = vec![
        (split(Split::stable()), vec![one.clone()]),
        (Spread::Pooled, vec![one.clone(), other.clone()]),
        (split(Split::candidate()), vec![other.clone(), more.clone()]),
        (Spread::None, vec![one.clone()]),
    ];
    if can.split {
        let coarse = if can.finest.is_none() { Share::percent(1) } else { can.finest };
        let fine =
            if Share::percent(25).points().is_multiple_of(coarse.points()) { Share::percent(25) } else { coarse };
        states.push((split(Split::share(fine)), vec![one.clone(), other.clone()]));
        states.push((split(Split::share(coarse)), vec![one.clone(), other, more]));
    }
    states.push((Spread::None, Vec::new()));
    for (generation, (spread, members)) in (1..).zip(states) {
        let wanted = routes(generation, spread, &members);
        told.apply(&wanted).await?;
        told.does(&wanted).await?;
    }
    Ok(())
}

async fn drains<R: deploy_core::Router, K>(told: &Told<'_, R, K>) -> Held {
    let [one, other] = two();
    told.apply(&routes(1, split(Split::stable()), &[one.clone(), other.clone()])).await?;
    let leaving = routes(2, split(Split::candidate()), &[draining(&one), other.clone()]);
    told.apply(&leaving).await?;
    told.does(&leaving).await?;
    let left = routes(3, split(Split::candidate()), &[other]);
    told.apply(&left).await?;
    told.does(&left).await
}

async fn again<R: deploy_core::Router, K>(told: &Told<'_, R, K>) -> Held {
    let [one, other] = two();
    let wanted = routes(1, Spread::Pooled, &[draining(&one), other]);
    told.apply(&wanted).await?;
    let before = told.observe(&wanted.track).await?;
    for _ in 0..2 {
        told.apply(&wanted).await?;
        told.report.equal(&told.observe(&wanted.track).await?, &before)?;
    }
    Ok(())
}

async fn apart<R: deploy_core::Router, K>(told: &Told<'_, R, K>) -> Held {
    let web = routes(1, Spread::Pooled, &two());
    told.apply(&web).await?;
    let api = Routes { track: track("api"), ..routes(7, split(Split::stable()), &[member("api-1", "v1", 39)]) };
    told.apply(&api).await?;
    told.does(&web).await?;
    told.does(&api).await
}

async fn drops<R, K>(suite: &Router<R, K>, report: &Report) -> Held
where
    R: deploy_core::Router + 'static,
    K: 'static,
{
    for polls in 1..=dropped::POLLS {
        let told = suite.fresh(report).await?;
        let [one, other] = two();
        let before = routes(1, split(Split::stable()), std::slice::from_ref(&one));
        let after = routes(2, split(Split::candidate()), &[draining(&one), other]);
        told.apply(&before).await?;
        let ended = dropped::after(polls, told.router.apply(&after)).await.is_some();
        report.note(format!("apply({}) dropped after {polls} polls, ended: {ended}", after.token));
        let state = told.observe(&before.track).await?;
        let members: Vec<_> = state.members.iter().map(|routed| routed.member.clone()).collect();
        let whole =
            [&before, &after].iter().any(|one| state.spread == one.spread && members.len() == one.members.len());
        let told_now = format!("{} to {}", spread_in_words(&state.spread), who(&members));
        report.holds(whole, told_now, "the state before or the one after")?;
        told.apply(&after).await?;
        told.does(&after).await?;
        if ended {
            return Ok(());
        }
    }
    report.left_out("drops after more polls", format!("`apply` took more than {} polls", dropped::POLLS));
    Ok(())
}

async fn removes<R: deploy_core::Router, K>(told: &Told<'_, R, K>) -> Held {
    let wanted = routes(1, Spread::Pooled, &two());
    told.report.done(told.removed(Token::new(2, 1)).await?)?;
    told.apply(&wanted).await?;
    for _ in 0..2 {
        told.report.done(told.removed(Token::new(2, 2)).await?)?;
        let state = told.observe(&wanted.track).await?;
        let gone = state.members.is_empty() && state.spread == Spread::None;
        told.report.holds(gone, format_args!("{state:?}"), "no members and no spread")?;
    }
    let back = routes(3, Spread::Pooled, &two());
    told.apply(&back).await?;
    told.does(&back).await
}

async fn stays_fenced<R: deploy_core::Router, K>(told: &Told<'_, R, K>) -> Held {
    let report = told.report;
    if told.router.capabilities().fence == Fence::None {
        report.leave_out("the router refuses no token (`fence` is none)");
        return Ok(());
    }
    told.apply(&routes(1, Spread::Pooled, &two())).await?;
    report.done(told.removed(Token::new(2, 2)).await?)?;
    let late = routes(1, Spread::Pooled, &two());
    report.refused(told.applied(&late).await?, &[Kind::Fenced])?;
    report.holds(told.observe(&late.track).await?.members.is_empty(), "members", "none: it was refused")
}

async fn can_listen<R: deploy_core::Router, K>(told: &Told<'_, R, K>) -> Held {
    let (report, track) = (told.report, track("web"));
    let own = |error: std::io::Error| report.broken(error, "a port for the suite");
    let held = TcpListener::bind("127.0.0.1:0").map_err(own)?;
    let port = held.local_addr().map_err(own)?.port();
    let ports = [port];
    let taken = report.call(format!("can_listen({port}, which is taken)"), told.router.can_listen(&track, &ports));
    match taken.await? {
        Ok(()) => {
            report.leave_out("it does not know before it is tried, or listens elsewhere");
            return Ok(());
        }
        taken => report.refused(taken, &[Kind::Invalid, Kind::Denied])?,
    };
    drop(held);
    for _ in 0..2 {
        let free = report.call(format!("can_listen({port}, which is free)"), told.router.can_listen(&track, &ports));
        report.done(free.await?)?;
    }
    drop(TcpListener::bind(("127.0.0.1", port)).map_err(|error| report.broken(error, "a port that is free still"))?);
    let state = told.observe(&track).await?;
    report.holds(state.members.is_empty() && state.spread == Spread::None, format_args!("{state:?}"), "nothing")
}

/// G13: what it does not declare is refused, never silently done otherwise.
async fn refuses<R, K>(suite: &Router<R, K>, report: &Report) -> Held
where
    R: deploy_core::Router + 'static,
    K: 'static,
{
    let can = suite.fresh(report).await?.router.capabilities();
    let half = || Split::percent(50);
    let matched = Split::matching([Match::Header { name: "x-beta".into(), value: "1".into() }]);
    let cookie = Sticky { cookie: "side".into(), max_age: Duration::from_secs(60) };
    let finer = Share::basis_points(can.finest.points() / 2 + can.finest.points());
    let cases = [
        ("a share", can.split, half()),
        ("a match by header", can.matches, matched),
        ("stickiness", can.sticky, half().sticky(cookie)),
        ("a mirror", can.mirror, Split::stable().mirror(Share::percent(50))),
        ("a share finer than its finest", !can.split || can.finest.points() < 2, Split::share(finer)),
    ];
    for (what, able, wanted) in cases {
        report.step(Guarantee::G13, format!("{what} that it cannot do is refused, and nothing has changed"));
        if able {
            report.leave_out("it declares that it can, or there is none");
            continue;
        }
        let told = suite.fresh(report).await?;
        let before = routes(1, split(Split::stable()), &two());
        told.apply(&before).await?;
        let refused = told.applied(&routes(1, split(wanted), &two())).await?;
        report.refused(refused, &[Kind::Invalid, Kind::Unsupported])?;
        told.does(&before).await?;
    }
    Ok(())
}

async fn restarts<R, K>(suite: &Router<R, K>, report: &Report) -> Held
where
    R: deploy_core::Router + 'static,
    K: 'static,
{
    let Some(restart) = &suite.restart else {
        report.leave_out("no way to restart it was declared (`restarted`)");
        return Ok(());
    };
    let told = suite.fresh(report).await?;
    let [one, other] = two();
    let wanted = routes(4, split(Split::candidate()), &[draining(&one), other]);
    told.apply(&wanted).await?;
    let Told { router, keep, .. } = told;
    drop(router);
    report.note("dropped, and started again");
    let (router, keep) = report.done(restart(keep).await)?;
    let told = Told { router, keep, report };
    told.does(&wanted).await?;
    report.refused(told.applied(&routes(3, Spread::None, &[])).await?, &[Kind::Fenced]).map(drop)
}
