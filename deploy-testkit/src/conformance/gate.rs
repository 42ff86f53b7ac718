//! What every gate does, whoever decides.

use super::dropped;
use super::failure::{Failure, Guarantee};
use super::report::{BOUND, Held, Passed, Report};
use deploy_core::{Decision, Disposition, GateAsk, GateSpec, Name, Result, TrackRef};
use futures::future::LocalBoxFuture;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

const STAYS: Guarantee = Guarantee::Contract("a decision, once given, stays");
const WAITS: Guarantee = Guarantee::Contract("asked again and again with the same key until it decides");
const UNKNOWN: Guarantee = Guarantee::G9;

type Subject = Arc<dyn deploy_core::Gate>;
type Decide = LocalBoxFuture<'static, Box<dyn Any>>;
type Case<K> = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(Subject, GateSpec, K)>>>;

/// Holds a gate to the contract of [`deploy_core::Gate`].
///
/// Each situation makes the gate, what a spec says of it, and what has to live as long as it (a server, `()`).
#[derive(Default)]
pub struct Gate {
    open: Option<Case<Box<dyn Any>>>,
    closed: Option<Case<Box<dyn Any>>>,
    decides: Option<Case<Decide>>,
    unreachable: Option<Case<Box<dyn Any>>>,
    silent: Option<Case<Box<dyn Any>>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

fn case<F, K>(make: impl Fn() -> F + 'static) -> Option<Case<Box<dyn Any>>>
where
    F: Future<Output = Result<(Subject, GateSpec, K)>> + 'static,
    K: 'static,
{
    Some(Box::new(move || {
        let made = make();
        Box::pin(async move { made.await.map(|(gate, spec, keep)| (gate, spec, Box::new(keep) as Box<dyn Any>)) })
    }))
}

impl Gate {
    /// A gate that lets everybody through.
    pub fn new<F, K>(open: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Arc<dyn deploy_core::Gate>, GateSpec, K)>> + 'static,
        K: 'static,
    {
        Self { open: case(open), ..Self::default() }
    }

    /// Declares a gate that lets nobody through.
    #[must_use]
    pub fn closed<F, K>(mut self, make: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Arc<dyn deploy_core::Gate>, GateSpec, K)>> + 'static,
        K: 'static,
    {
        self.closed = case(make);
        self
    }

    /// Declares a gate that waits. What comes with it opens the gate when it is awaited, and gives what has to live on.
    #[must_use]
    pub fn decides<F, D>(mut self, make: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Arc<dyn deploy_core::Gate>, GateSpec, D)>> + 'static,
        D: Future<Output: 'static> + 'static,
    {
        self.decides = Some(Box::new(move || {
            let made = make();
            Box::pin(async move {
                let (gate, spec, decide) = made.await?;
                let decide: Decide = Box::pin(async move { Box::new(decide.await) as Box<dyn Any> });
                Ok((gate, spec, decide))
            })
        }));
        self
    }

    /// Declares a gate that cannot be asked: whoever decides is not there, or makes no sense.
    #[must_use]
    pub fn unreachable<F, K>(mut self, make: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Arc<dyn deploy_core::Gate>, GateSpec, K)>> + 'static,
        K: 'static,
    {
        self.unreachable = case(make);
        self
    }

    /// Declares a gate whose question is taken and never answered.
    #[must_use]
    pub fn silent<F, K>(mut self, make: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<(Arc<dyn deploy_core::Gate>, GateSpec, K)>> + 'static,
        K: 'static,
    {
        self.silent = case(make);
        self
    }

    /// Takes every step.
    ///
    /// # Errors
    /// The first step that does not hold.
    pub async fn run(self) -> std::result::Result<Passed, Failure> {
        let report = Report::of("Gate");
        report.step(STAYS, "what is open stays open, for a track and for the whole deployment");
        stays(&report, self.open.as_ref(), "new", "open", |told| *told == Decision::Open).await?;
        report.step(STAYS, "what is closed stays closed, with a reason");
        let closed = |told: &Decision| matches!(told, Decision::Closed(why) if !why.is_empty());
        stays(&report, self.closed.as_ref(), "closed", "closed, with a reason", closed).await?;
        report.step(WAITS, "who waits is waited for, and the decision is given to who asks again");
        decides(&report, self.decides.as_ref()).await?;
        report.step(UNKNOWN, "a gate that cannot be asked is an error that may pass, or waiting: never a decision");
        unreachable(&report, self.unreachable.as_ref()).await?;
        report.step(UNKNOWN, "a question without an answer is never a decision");
        silent(&report, self.silent.as_ref()).await?;
        report.step(Guarantee::G6, "a question that was dropped can be asked again");
        drops(&report, self.open.as_ref()).await?;
        Ok(report.passed())
    }
}

/// A gate under a step.
struct Asked<'a> {
    report: &'a Report,
    gate: Subject,
    spec: GateSpec,
}

impl Asked<'_> {
    fn question(&self, of_a_track: bool) -> GateAsk {
        let step = if of_a_track { "shop/production/web@here/1" } else { "before" };
        GateAsk {
            key: format!("d1/{step}/{}", self.spec.name),
            deployment: "d1".into(),
            track: of_a_track.then(track),
            gate: self.spec.clone(),
        }
    }

    async fn ask(&self, question: &GateAsk) -> Held<Result<Decision>> {
        self.report.call(format!("ask({})", question.key), self.gate.ask(question)).await
    }

    async fn decided(&self, question: &GateAsk) -> Held<Decision> {
        let told = self.ask(question).await?;
        self.report.done(told)
    }
}

async fn made<'a, K>(report: &'a Report, case: Option<&Case<K>>, word: &str) -> Held<Option<(Asked<'a>, K)>> {
    let Some(make) = case else {
        report.leave_out(format!("no such gate was declared (`{word}`)"));
        return Ok(None);
    };
    let (gate, spec, keep) = report.done(make().await)?;
    Ok(Some((Asked { report, gate, spec }, keep)))
}

async fn stays(
    report: &Report,
    case: Option<&Case<Box<dyn Any>>>,
    word: &str,
    expected: &str,
    is: impl Fn(&Decision) -> bool,
) -> Held {
    let Some((asked, _keep)) = made(report, case, word).await? else { return Ok(()) };
    for of_a_track in [true, false] {
        for _ in 0..3 {
            let told = asked.decided(&asked.question(of_a_track)).await?;
            report.holds(is(&told), format_args!("{told:?}"), expected)?;
        }
    }
    Ok(())
}

async fn decides(report: &Report, case: Option<&Case<Decide>>) -> Held {
    let Some((asked, decide)) = made(report, case, "decides").await? else { return Ok(()) };
    let question = asked.question(true);
    for _ in 0..3 {
        report.equal(&asked.decided(&question).await?, &Decision::Waiting)?;
    }
    let _keep = decide.await;
    report.note("now it is decided: open");
    for _ in 0..3 {
        report.equal(&asked.decided(&question).await?, &Decision::Open)?;
    }
    Ok(())
}

async fn unreachable(report: &Report, case: Option<&Case<Box<dyn Any>>>) -> Held {
    let Some((asked, _keep)) = made(report, case, "unreachable").await? else { return Ok(()) };
    for _ in 0..2 {
        let told = asked.ask(&asked.question(true)).await?;
        no_decision(report, &told)?;
    }
    Ok(())
}

/// The caller bounds the time: a question that is still open at the bound is dropped.
async fn silent(report: &Report, case: Option<&Case<Box<dyn Any>>>) -> Held {
    let Some((asked, _keep)) = made(report, case, "silent").await? else { return Ok(()) };
    let question = asked.question(true);
    let told = tokio::time::timeout(BOUND, asked.gate.ask(&question)).await;
    report.note(format!("ask({}) -> {told:?}", question.key));
    told.map_or(Ok(()), |told| no_decision(report, &told))
}

fn no_decision(report: &Report, told: &Result<Decision>) -> Held {
    let holds = match told {
        Ok(decision) => *decision == Decision::Waiting,
        Err(error) => error.disposition() == Disposition::Retry,
    };
    report.holds(holds, format_args!("{told:?}"), "Waiting, or an error that may pass: Unavailable")
}

async fn drops(report: &Report, case: Option<&Case<Box<dyn Any>>>) -> Held {
    let Some((asked, _keep)) = made(report, case, "new").await? else { return Ok(()) };
    let question = asked.question(true);
    for polls in 1..=dropped::POLLS {
        let ended = dropped::after(polls, asked.gate.ask(&question)).await.is_some();
        report.note(format!("ask({}) dropped after {polls} polls, ended: {ended}", question.key));
        if ended {
            break;
        }
    }
    report.equal(&asked.decided(&question).await?, &Decision::Open)
}

#[allow(clippy::expect_used, reason = "a name that is written here is one")]
fn track() -> TrackRef {
    let [application, environment, workload, target] =
        ["shop", "production", "web", "here"].map(|name| Name::new(name).expect("a name"));
    TrackRef { application, environment, workload, target }
}
