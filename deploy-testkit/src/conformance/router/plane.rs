//! Where requests go in truth.

use super::backend::{Answer, Backend, ask};
use super::{PORT, Router, Told, draining, routes, side, split};
use crate::conformance::failure::Guarantee;
use crate::conformance::report::{Held, Report};
use deploy_core::{Kind, Match, Member, Routes, Share, Split, Spread, Sticky};
use std::fmt::Display;
use std::net::TcpListener;
use std::time::Duration;

const DIVIDED: Guarantee = Guarantee::Contract("how the requests are spread over the members");

/// A router with an instance of each side, and the port that clients use.
struct Plane<'r, R, K> {
    told: Told<'r, R, K>,
    one: Backend,
    other: Backend,
    port: u16,
    address: String,
}

pub(super) async fn steps<R, K>(suite: &Router<R, K>, report: &Report) -> Held
where
    R: deploy_core::Router + 'static,
    K: 'static,
{
    let can = suite.fresh(report).await?.router.capabilities();
    let begin = |guarantee, step: &str| {
        report.step(guarantee, step);
        if suite.through.is_none() {
            report.leave_out("no address for clients was declared (`through`)");
        }
        suite.through.is_some()
    };
    if begin(DIVIDED, "each side gets its share, and who is not to be served is told so") {
        suite.plane(report).await?.divides(can.split, suite.exact).await?;
    }
    if begin(DIVIDED, "a side without members is answered for by nobody else than a member") {
        suite.plane(report).await?.lacks_a_side(can.split).await?;
    }
    if begin(DIVIDED, "what matches goes to the candidate, and nothing else") {
        suite.plane(report).await?.matches(can.matches).await?;
    }
    if begin(DIVIDED, "a client stays on its side") {
        suite.plane(report).await?.sticks(can.sticky).await?;
    }
    if begin(DIVIDED, "copies reach the candidate, answers come from stable") {
        suite.plane(report).await?.mirrors(can.mirror).await?;
    }
    if begin(Guarantee::G2, "who drains gets no new request, and the one in flight is answered") {
        suite.plane(report).await?.drains().await?;
    }
    if begin(Guarantee::G2, "once it was removed no request reaches its members") {
        suite.plane(report).await?.removes().await?;
    }
    if begin(PORT, "a port that is taken is refused, and nothing has changed") {
        suite.plane(report).await?.taken().await?;
    }
    Ok(())
}

impl<R: deploy_core::Router + 'static, K: 'static> Router<R, K> {
    async fn plane<'r>(&self, report: &'r Report) -> Held<Plane<'r, R, K>> {
        let own = |error: std::io::Error| report.broken(format_args!("the suite's own server: {error}"), "a server");
        let (one, other) = (Backend::start("v1").await.map_err(own)?, Backend::start("v2").await.map_err(own)?);
        let port = free().map_err(own)?;
        let address = self.through.as_ref().map(|address| address(port)).unwrap_or_default();
        Ok(Plane { told: self.fresh(report).await?, one, other, port, address })
    }
}

/// A port that nobody listens on now.
fn free() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl<R: deploy_core::Router, K> Plane<'_, R, K> {
    fn members(&self) -> [Member; 2] {
        let of = |name: &str, backend: &Backend| Member {
            instance: format!("web-{name}").into(),
            side: side(name),
            address: backend.address.to_string(),
            draining: None,
        };
        [of("v1", &self.one), of("v2", &self.other)]
    }

    fn routes(&self, generation: u64, spread: Spread, members: &[Member]) -> Routes {
        Routes { ports: vec![self.port], ..routes(generation, spread, members) }
    }

    async fn apply(&self, generation: u64, spread: Spread) -> Held {
        self.told.apply(&self.routes(generation, spread, &self.members())).await
    }

    async fn ask(&self, header: Option<&str>) -> Held<Answer> {
        ask(&self.address, "/", header).await.map_err(|error| self.told.report.broken(error, "a whole answer"))
    }

    /// How many of so many requests were answered by the candidate; all by one of both.
    async fn candidates(&self, requests: u32, header: Option<&str>) -> Held<u32> {
        let mut candidate = 0;
        for _ in 0..requests {
            let answer = self.ask(header).await?;
            let known = answer.status == 200 && ["v1", "v2"].contains(&answer.body.as_str());
            self.told.report.holds(known, format_args!("{answer:?}"), "an answer of v1 or v2")?;
            candidate += u32::from(answer.body == "v2");
        }
        let with = header.map(|header| format!(" with `{header}`")).unwrap_or_default();
        self.told.report.note(format!("{requests} requests{with}: {candidate} answered by v2"));
        Ok(candidate)
    }

    fn between(&self, told: u32, least: u32, most: u32, of: impl Display) -> Held {
        let held = (least..=most).contains(&told);
        let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
        self.told.report.holds(held, format_args!("{told} of {of} answered by the candidate"), expected)
    }

    async fn divides(&self, split_at_all: bool, exact: bool) -> Held {
        for (generation, spread, share) in [(1, Split::stable(), 0), (2, Split::candidate(), 20)] {
            self.apply(generation, split(spread)).await?;
            self.between(self.candidates(20, None).await?, share, share, 20)?;
        }
        self.apply(3, Spread::Pooled).await?;
        self.between(self.candidates(100, None).await?, 1, 99, "100 pooled")?;
        if split_at_all {
            self.apply(4, split(Split::percent(25))).await?;
            // Six standard deviations of 400 draws of one in four are 52.
            let (least, most) = if exact { (99, 101) } else { (48, 152) };
            self.between(self.candidates(400, None).await?, least, most, 400)?;
        }
        self.apply(5, Spread::None).await?;
        let (before, answer) = (self.one.hits() + self.other.hits(), self.ask(None).await?);
        self.told.report.equal(&answer.status, &503)?;
        self.told.report.equal(&(self.one.hits() + self.other.hits()), &before)
    }

    async fn lacks_a_side(&self, able: bool) -> Held {
        if !able {
            self.told.report.leave_out("it does not divide by share");
            return Ok(());
        }
        let [one, _] = self.members();
        self.told.apply(&self.routes(1, split(Split::percent(50)), &[one])).await?;
        for _ in 0..20 {
            let answer = self.ask(None).await?;
            let right = (answer.status == 200 && answer.body == "v1") || answer.status == 503;
            self.told.report.holds(right, format_args!("{answer:?}"), "an answer of v1, or 503")?;
        }
        self.told.report.equal(&self.other.hits(), &0)
    }

    async fn matches(&self, able: bool) -> Held {
        if !able {
            self.told.report.leave_out("it does not route by header and cookie");
            return Ok(());
        }
        let header = Match::Header { name: "x-beta".into(), value: "yes".into() };
        let cookie = Match::Cookie { name: "beta".into(), value: "yes".into() };
        self.apply(1, split(Split::matching([header, cookie]))).await?;
        let met = ["x-beta: yes", "cookie: beta=yes", "cookie: a=b; beta=yes"];
        for header in met {
            self.between(self.candidates(5, Some(header)).await?, 5, 5, header)?;
        }
        for header in [None, Some("x-beta: no"), Some("cookie: beta=no"), Some("x-other: yes")] {
            self.between(self.candidates(5, header).await?, 0, 0, format_args!("{header:?}"))?;
        }
        Ok(())
    }

    async fn sticks(&self, able: bool) -> Held {
        if !able {
            self.told.report.leave_out("it does not keep clients on their side");
            return Ok(());
        }
        let sticky = Sticky { cookie: "side".into(), max_age: Duration::from_secs(600) };
        self.apply(1, split(Split::percent(50).sticky(sticky))).await?;
        for _ in 0..8 {
            let first = self.ask(None).await?;
            let Some(cookie) = first.cookie else {
                return Err(self.told.report.broken(format_args!("{first:?}"), "a cookie for the client"));
            };
            for _ in 0..5 {
                let again = self.ask(Some(&format!("cookie: {cookie}"))).await?;
                self.told.report.equal(&again.body, &first.body)?;
            }
        }
        Ok(())
    }

    async fn mirrors(&self, able: bool) -> Held {
        if !able {
            self.told.report.leave_out("it does not mirror");
            return Ok(());
        }
        self.apply(1, split(Split::stable().mirror(Share::WHOLE))).await?;
        self.between(self.candidates(10, None).await?, 0, 0, "10 mirrored")?;
        self.until("copies reached the candidate", || self.other.hits() > 0).await
    }

    async fn drains(&self) -> Held {
        let [one, other] = self.members();
        self.apply(1, split(Split::stable())).await?;
        let address = self.address.clone();
        let held = tokio::spawn(async move { ask(&address, "/held", None).await });
        self.until("a request is held by v1", || self.one.hits() == 1).await?;
        let leaving = self.routes(2, split(Split::candidate()), &[draining(&one), other]);
        self.told.apply(&leaving).await?;
        self.between(self.candidates(50, None).await?, 50, 50, 50)?;
        self.told.report.equal(&self.one.hits(), &1)?;
        let state = self.told.observe(&leaving.track).await?;
        match state.member(&one.instance).map(|routed| routed.in_flight) {
            Some(Some(in_flight)) => self.told.report.equal(&in_flight, &1)?,
            Some(None) => self.told.report.left_out("requests in flight", "it does not tell them"),
            None => return Err(self.told.report.broken("the draining member is not listed", "it is")),
        }
        self.one.let_go();
        let answer = held.await.map_err(|error| self.told.report.broken(error, "an answer"))?;
        let body = answer.map(|answer| answer.body).map_err(|error| error.to_string());
        self.told.report.equal(&body, &Ok("v1".to_owned()))
    }

    async fn removes(&self) -> Held {
        self.apply(1, Spread::Pooled).await?;
        self.candidates(5, None).await?;
        let before = self.one.hits() + self.other.hits();
        self.told.report.done(self.told.removed(deploy_core::Token::new(2, 2)).await?)?;
        for _ in 0..5 {
            let after = ask(&self.address, "/", None).await;
            let told = format!("{after:?}");
            self.told.report.holds(after.is_err() || told.contains("status: 50"), told, "no answer, or 50x")?;
        }
        self.told.report.equal(&(self.one.hits() + self.other.hits()), &before)
    }

    async fn taken(&self) -> Held {
        let report = self.told.report;
        let taken = TcpListener::bind("127.0.0.1:0").and_then(|held| Ok((held.local_addr()?.port(), held)));
        let (port, _held) = taken.map_err(|error| report.broken(error, "a port for the suite"))?;
        self.apply(1, split(Split::candidate())).await?;
        let wanted = Routes { ports: vec![port], ..self.routes(2, split(Split::stable()), &self.members()) };
        let refused = self.told.applied(&wanted).await?;
        report.refused(refused, &[Kind::Invalid, Kind::Denied, Kind::Unavailable, Kind::Full])?;
        self.between(self.candidates(5, None).await?, 5, 5, 5)?;
        let spread = self.told.observe(&wanted.track).await?.spread;
        report.equal(&spread, &split(Split::candidate()))
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) -> Held {
        for _ in 0..2_000 {
            if holds() {
                self.told.report.note(format!("{what}: seen"));
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(self.told.report.broken(format_args!("never within 10 s: {what}"), "it"))
    }
}
