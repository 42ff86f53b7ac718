//! What every source of figures does, wherever it has them from.

use super::dropped;
use super::failure::{Failure, Guarantee};
use super::programs::{LOOKS, PACE};
use super::report::{Held, Passed, Report};
use deploy_core::time::after;
use deploy_core::{Disposition, Figures, Name, Result, Side, Timestamp, TrackRef};
use futures::future::LocalBoxFuture;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const COUNTED: Guarantee = Guarantee::Contract("the figures of one side from a time until now");
const AGAIN: Guarantee = Guarantee::Contract("asking again gives the same figures or later, more complete ones");
const UNKNOWN: Guarantee = Guarantee::G9;
const HOUR: Duration = Duration::from_secs(3600);

/// A source that measured something, and what that was.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The source.
    pub source: Arc<dyn deploy_core::MetricSource>,
    /// The workload.
    pub track: TrackRef,
    /// The side that got the requests.
    pub side: Side,
    /// A time before the first of them.
    pub since: Timestamp,
    /// How many there were.
    pub requests: u64,
    /// How many of them failed.
    pub errors: u64,
}

type Case = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(Measured, Box<dyn Any>)>>>;

/// Holds a source of figures to the contract of [`deploy_core::MetricSource`].
#[derive(Default)]
pub struct MetricSource {
    measured: Option<Case>,
    unreachable: Option<Case>,
}

impl fmt::Debug for MetricSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricSource").finish_non_exhaustive()
    }
}

fn case<F, K>(make: impl Fn() -> F + 'static) -> Option<Case>
where
    F: Future<Output = Result<(Measured, K)>> + 'static,
    K: 'static,
{
    Some(Box::new(move || {
        let made = make();
        Box::pin(async move { made.await.map(|(measured, keep)| (measured, Box::new(keep) as Box<dyn Any>)) })
    }))
}

impl MetricSource {
    /// Sources made anew for each step, each with what it measured, at least one request, and with what has to live as
    /// long as it. Nothing more is measured while they are asked.
    pub fn new<F, K>(measured: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Measured, K)>> + 'static,
        K: 'static,
    {
        Self { measured: case(measured), unreachable: None }
    }

    /// Declares a source that cannot be asked: who has the figures is not there. What was measured does not matter.
    #[must_use]
    pub fn unreachable<F, K>(mut self, make: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Measured, K)>> + 'static,
        K: 'static,
    {
        self.unreachable = case(make);
        self
    }

    /// Takes every step.
    ///
    /// # Errors
    /// The first step that does not hold.
    pub async fn run(self) -> std::result::Result<Passed, Failure> {
        let report = Report::of("MetricSource");
        report.step(COUNTED, "what was measured is told in the end, and never more");
        counts(&self.fresh(&report).await?.0).await?;
        report.step(AGAIN, "asking changes nothing, and nothing is told that was not before");
        again(&self.fresh(&report).await?.0).await?;
        report
            .step(COUNTED, "a longer interval holds what a shorter one does, and one that has not begun holds nothing");
        since(&self.fresh(&report).await?.0).await?;
        report.step(UNKNOWN, "of who was not measured there are no figures, and not zeros");
        nobody(&self.fresh(&report).await?.0).await?;
        report.step(Guarantee::G6, "a question that was dropped can be asked again");
        drops(&self.fresh(&report).await?.0).await?;
        report.step(UNKNOWN, "a source that cannot be asked is an error that may pass, never figures");
        self.cannot_be_asked(&report).await?;
        Ok(report.passed())
    }

    async fn fresh<'r>(&self, report: &'r Report) -> Held<(Told<'r>, Box<dyn Any>)> {
        let Some(make) = &self.measured else { return Err(report.broken("no source", "one to be held")) };
        let (measured, keep) = report.done(make().await)?;
        Ok((Told { report, measured }, keep))
    }

    async fn cannot_be_asked(&self, report: &Report) -> Held {
        let Some(make) = &self.unreachable else {
            report.leave_out("no such source was declared (`unreachable`)");
            return Ok(());
        };
        let (measured, _keep) = report.done(make().await)?;
        let told = Told { report, measured }.asked().await?;
        let holds = matches!(&told, Err(error) if error.disposition() == Disposition::Retry);
        report.holds(holds, format_args!("{told:?}"), "an error that may pass: Unavailable")
    }
}

/// A source under a step.
struct Told<'r> {
    report: &'r Report,
    measured: Measured,
}

impl Told<'_> {
    async fn of(&self, track: &TrackRef, side: &Side, since: Timestamp) -> Held<Result<Option<Figures>>> {
        let what = format!("figures({track}, {side}, since {since})");
        self.report.call(what, self.measured.source.figures(track, side, since)).await
    }

    async fn asked(&self) -> Held<Result<Option<Figures>>> {
        self.of(&self.measured.track, &self.measured.side, self.measured.since).await
    }

    async fn since(&self, since: Timestamp) -> Held<Figures> {
        let told = self.of(&self.measured.track, &self.measured.side, since).await?;
        Ok(self.report.done(told)?.unwrap_or_default())
    }

    /// Asks until all that was measured is told.
    async fn whole(&self) -> Held<Figures> {
        let Measured { requests, errors, since, .. } = self.measured;
        let mut figures = Figures::default();
        for _ in 0..LOOKS {
            let before = figures.requests;
            figures = self.since(since).await?;
            let grows = (before..=requests).contains(&figures.requests);
            let told = format!("{} requests", figures.requests);
            self.report.holds(grows, told, format_args!("{before} to {requests}"))?;
            if (figures.requests, figures.errors) == (requests, errors) {
                self.sane(&figures)?;
                return Ok(figures);
            }
            tokio::time::sleep(PACE).await;
        }
        let told = format!("{} failed of {}", figures.errors, figures.requests);
        Err(self.report.broken(told, format_args!("{errors} failed of {requests}")))
    }

    fn sane(&self, figures: &Figures) -> Held {
        let Figures { requests, errors, p50, p95, p99, .. } = figures;
        self.report.holds(
            errors <= requests,
            format_args!("{errors} failed of {requests}"),
            "no more than there were",
        )?;
        let known: Vec<_> = [p50, p95, p99].into_iter().flatten().collect();
        self.report.holds(known.is_sorted(), format_args!("{known:?}"), "p50, p95 and p99 in order")
    }
}

async fn counts(told: &Told<'_>) -> Held {
    let some = told.measured.requests > 0;
    told.report.holds(some, "a source that measured nothing", "one request at least, or nothing is shown")?;
    told.whole().await.map(drop)
}

async fn again(told: &Told<'_>) -> Held {
    let whole = told.whole().await?;
    for _ in 0..3 {
        let figures = told.since(told.measured.since).await?;
        let same = (figures.requests, figures.errors);
        told.report.equal(&same, &(whole.requests, whole.errors))?;
    }
    Ok(())
}

async fn since(told: &Told<'_>) -> Held {
    let (report, whole) = (told.report, told.whole().await?);
    let long_ago = told.since(before(told.measured.since, HOUR)).await?;
    report.holds(long_ago.requests >= whole.requests, long_ago.requests, format_args!("{} or more", whole.requests))?;
    let ahead = told.since(after(told.measured.since, HOUR * 24)).await?;
    report.equal(&(ahead.requests, ahead.errors), &(0, 0))
}

async fn nobody(told: &Told<'_>) -> Held {
    told.whole().await?;
    let Measured { track, side, since, .. } = &told.measured;
    let other = Side::home(format!("{}-not", side.revision).as_str().into());
    let elsewhere = TrackRef { workload: unknown(), ..track.clone() };
    for (track, side) in [(track, &other), (&elsewhere, side)] {
        let figures = told.of(track, side, *since).await?;
        told.report.equal(&told.report.done(figures)?, &None)?;
    }
    Ok(())
}

async fn drops(told: &Told<'_>) -> Held {
    let Measured { source, track, side, since, .. } = &told.measured;
    for polls in 1..=dropped::POLLS {
        let ended = dropped::after(polls, source.figures(track, side, *since)).await.is_some();
        told.report.note(format!("figures dropped after {polls} polls, ended: {ended}"));
        if ended {
            break;
        }
    }
    told.whole().await.map(drop)
}

fn before(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[allow(clippy::expect_used, reason = "a name that is written here is one")]
fn unknown() -> Name {
    Name::new("nobody-knows-it").expect("a name")
}
