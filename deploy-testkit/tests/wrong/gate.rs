//! Gates that are wrong.

use super::{begins, broken};
use async_trait::async_trait;
use deploy_core::{Decision, Error, Gate, GateAsk, GateSpec, Kind, Result};
use deploy_testkit::conformance::{self, Passed};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    DecidesAnew,
    ClosesWithoutReason,
    ForgetsWhoAsked,
    DecidesAloneWhenCutOff,
    RefusesForGoodWhenCutOff,
    OpensWhenNobodyAnswers,
}

/// Whoever decides, as a gate finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Opens,
    Closes,
    Later,
    CutOff,
    Silent,
}

#[derive(Debug)]
struct Plain {
    who: Who,
    decided: Arc<AtomicBool>,
    asked: AtomicU32,
    fault: Option<Fault>,
}

impl Plain {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

#[async_trait]
impl Gate for Plain {
    async fn ask(&self, _ask: &GateAsk) -> Result<Decision> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let why = if self.has(Fault::ClosesWithoutReason) { "" } else { "a freeze" };
        match self.who {
            Who::Opens if self.has(Fault::DecidesAnew) && asked == 2 => Ok(Decision::Waiting),
            Who::Opens => Ok(Decision::Open),
            Who::Closes => Ok(Decision::Closed(why.into())),
            Who::Later if self.decided.load(Ordering::SeqCst) && !self.has(Fault::ForgetsWhoAsked) => {
                Ok(Decision::Open)
            }
            Who::Later => Ok(Decision::Waiting),
            Who::CutOff if self.has(Fault::DecidesAloneWhenCutOff) => Ok(Decision::Closed("nobody is there".into())),
            Who::CutOff if self.has(Fault::RefusesForGoodWhenCutOff) => Err(Error::invalid("nobody is there")),
            Who::CutOff => Err(Error::new(Kind::Unavailable, "nobody is there")),
            Who::Silent if self.has(Fault::OpensWhenNobodyAnswers) => Ok(Decision::Open),
            Who::Silent => std::future::pending().await,
        }
    }
}

pub async fn held(fault: Option<Fault>) -> std::result::Result<Passed, conformance::Failure> {
    let of = move |who| {
        let decided = Arc::new(AtomicBool::new(false));
        let gate: Arc<dyn Gate> = Arc::new(Plain { who, decided: decided.clone(), asked: AtomicU32::new(0), fault });
        (gate, GateSpec::approval("window".parse().unwrap()), decided)
    };
    let is = move |who| move || std::future::ready(Ok(of(who)));
    let decides = move || async move {
        let (gate, spec, decided) = of(Who::Later);
        Ok((gate, spec, async move { decided.store(true, Ordering::SeqCst) }))
    };
    let suite = conformance::Gate::new(is(Who::Opens)).closed(is(Who::Closes)).decides(decides);
    suite.unreachable(is(Who::CutOff)).silent(is(Who::Silent)).run().await
}

async fn told(fault: Fault) -> String {
    broken(held(Some(fault)).await)
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_does_what_every_gate_does() {
    let passed = held(None).await.unwrap();
    assert_eq!(passed.left_out, [], "{passed}");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_decides_anew() {
    assert_eq!(
        told(Fault::DecidesAnew).await,
        "the contract (a decision, once given, stays) is broken in step \"what is open stays open, for a track and for the whole deployment\": told Waiting, expected open"
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_closes_without_a_reason() {
    begins(
        &told(Fault::ClosesWithoutReason).await,
        "the contract (a decision, once given, stays) is broken in step \"what is closed stays closed, with a reason\": told Closed(\"\")",
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_never_tells_its_decision() {
    begins(
        &told(Fault::ForgetsWhoAsked).await,
        "the contract (asked again and again with the same key until it decides) is broken in step \"who waits is waited for, and the decision is given to who asks again\": told Waiting, expected Open",
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_takes_not_being_there_for_a_decision() {
    let cut_off = "G9 is broken in step \"a gate that cannot be asked is an error that may pass, or waiting: never a decision\": told";
    begins(&told(Fault::DecidesAloneWhenCutOff).await, &format!("{cut_off} Ok(Closed(\"nobody is there\"))"));
    begins(&told(Fault::RefusesForGoodWhenCutOff).await, &format!("{cut_off} Err(Invalid"));
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_takes_silence_for_consent() {
    begins(
        &told(Fault::OpensWhenNobodyAnswers).await,
        "G9 is broken in step \"a question without an answer is never a decision\": told Ok(Open)",
    );
}
