//! What every health check does, whatever it asks.

use super::dropped;
use super::failure::{Failure, Guarantee};
use super::report::{BOUND, Held, Passed, Report};
use deploy_core::{Health, ProbeTarget, Result};
use futures::future::LocalBoxFuture;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

const TOLD: Guarantee = Guarantee::Contract("is it well?");
const UNKNOWN: Guarantee = Guarantee::G9;

type Check = Arc<dyn deploy_core::HealthCheck>;
type Case = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(Check, ProbeTarget, Box<dyn Any>)>>>;

/// Holds a health check to the contract of [`deploy_core::HealthCheck`].
///
/// Each situation makes the check, whom it is asked about, and what has to live as long as both (a server, `()`).
#[derive(Default)]
pub struct HealthCheck {
    well: Option<Case>,
    ill: Option<Case>,
    refusing: Option<Case>,
    silent: Option<Case>,
    broken: Option<Case>,
}

impl fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthCheck").finish_non_exhaustive()
    }
}

fn case<F, K>(make: impl Fn() -> F + 'static) -> Option<Case>
where
    F: Future<Output = Result<(Check, ProbeTarget, K)>> + 'static,
    K: 'static,
{
    Some(Box::new(move || {
        let made = make();
        Box::pin(async move { made.await.map(|(check, target, keep)| (check, target, Box::new(keep) as Box<dyn Any>)) })
    }))
}

impl HealthCheck {
    /// An instance that says it is well.
    pub fn new<F, K>(well: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Check, ProbeTarget, K)>> + 'static,
        K: 'static,
    {
        Self { well: case(well), ..Self::default() }
    }

    /// Declares an instance that says it is not well.
    #[must_use]
    pub fn ill<F, K>(mut self, make: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Check, ProbeTarget, K)>> + 'static,
        K: 'static,
    {
        self.ill = case(make);
        self
    }

    /// Declares an instance that refuses to be asked: nobody listens there.
    #[must_use]
    pub fn refusing<F, K>(mut self, make: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Check, ProbeTarget, K)>> + 'static,
        K: 'static,
    {
        self.refusing = case(make);
        self
    }

    /// Declares an instance that takes the question and never answers.
    #[must_use]
    pub fn silent<F, K>(mut self, make: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Check, ProbeTarget, K)>> + 'static,
        K: 'static,
    {
        self.silent = case(make);
        self
    }

    /// Declares a check that itself breaks: its program is not there, the instance's name cannot be resolved in time.
    #[must_use]
    pub fn broken<F, K>(mut self, make: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Check, ProbeTarget, K)>> + 'static,
        K: 'static,
    {
        self.broken = case(make);
        self
    }

    /// Takes every step.
    ///
    /// # Errors
    /// The first step that does not hold.
    pub async fn run(self) -> std::result::Result<Passed, Failure> {
        let report = Report::of("HealthCheck");
        let only = |health| move |told: &Result<Health>| matches!(told, Ok(told) if *told == health);
        report.step(TOLD, "who is well is healthy, asked twice");
        asked(&report, self.well.as_ref(), "new", "healthy", only(Health::Healthy)).await?;
        report.step(TOLD, "who answers wrongly is unhealthy");
        asked(&report, self.ill.as_ref(), "ill", "unhealthy", only(Health::Unhealthy)).await?;
        report.step(TOLD, "who refuses is unhealthy");
        asked(&report, self.refusing.as_ref(), "refusing", "unhealthy", only(Health::Unhealthy)).await?;
        report.step(TOLD, "who does not answer is unhealthy in the end, never healthy");
        silent(&report, self.silent.as_ref()).await?;
        report.step(UNKNOWN, "a check that broke is an error or unknown, never good or bad");
        let unknown = |told: &Result<Health>| matches!(told, Err(_) | Ok(Health::Unknown));
        asked(&report, self.broken.as_ref(), "broken", "an error, or unknown", unknown).await?;
        report.step(Guarantee::G6, "a question that was dropped can be asked again");
        drops(&report, self.well.as_ref()).await?;
        Ok(report.passed())
    }
}

async fn asked(
    report: &Report,
    case: Option<&Case>,
    word: &str,
    expected: &str,
    is: impl Fn(&Result<Health>) -> bool,
) -> Held {
    let Some(make) = case else {
        report.leave_out(format!("no such instance was declared (`{word}`)"));
        return Ok(());
    };
    let (check, target, _keep) = report.done(make().await)?;
    for _ in 0..2 {
        let told = report.call(shown(&target), check.probe(&target)).await?;
        report.holds(is(&told), in_words(&told), expected)?;
    }
    Ok(())
}

/// The caller bounds the time: a question that is still open at the bound is dropped.
async fn silent(report: &Report, case: Option<&Case>) -> Held {
    let Some(make) = case else {
        report.leave_out("no such instance was declared (`silent`)");
        return Ok(());
    };
    let (check, target, _keep) = report.done(make().await)?;
    let told = tokio::time::timeout(BOUND, check.probe(&target)).await;
    report.note(format!("{} -> {told:?}", shown(&target)));
    match told {
        Err(_) | Ok(Ok(Health::Unhealthy)) => Ok(()),
        Ok(told) => Err(report.broken(in_words(&told), "unhealthy, or no answer until it is dropped")),
    }
}

async fn drops(report: &Report, case: Option<&Case>) -> Held {
    let Some(make) = case else { return Ok(()) };
    let (check, target, _keep) = report.done(make().await)?;
    for polls in 1..=dropped::POLLS {
        let ended = dropped::after(polls, check.probe(&target)).await.is_some();
        report.note(format!("{} dropped after {polls} polls, ended: {ended}", shown(&target)));
        if ended {
            break;
        }
    }
    let told = report.call(shown(&target), check.probe(&target)).await?;
    report.holds(matches!(told, Ok(Health::Healthy)), in_words(&told), "healthy")
}

fn shown(target: &ProbeTarget) -> String {
    format!("probe({} at {})", target.instance, target.address.as_deref().unwrap_or("no address"))
}

fn in_words(told: &Result<Health>) -> String {
    match told {
        Ok(health) => health.to_string(),
        Err(error) => format!("the error {:?} ({error})", error.kind()),
    }
}
