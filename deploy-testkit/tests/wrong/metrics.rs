//! Sources of figures that are wrong.

use super::{begins, broken};
use async_trait::async_trait;
use deploy_core::{Error, Figures, Kind, MetricSource, Result, Side, Timestamp, TrackRef};
use deploy_testkit::conformance::{self, Measured, Passed};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    CountsTwice,
    ForgetsWhatWasRead,
    CountsWhatWasBefore,
    ZerosForNobody,
    CountsAllSides,
    PercentilesOutOfOrder,
    LosesTheLast,
    ZerosWhenCutOff,
}

/// Ten requests of which one failed, told from the third question on.
#[derive(Debug)]
struct Plain {
    fault: Option<Fault>,
    asked: AtomicU64,
    cut_off: bool,
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn track() -> TrackRef {
    "shop/production/web@here".parse().unwrap()
}

fn side() -> Side {
    Side::home("v2".into())
}

fn figures(requests: u64, errors: u64) -> Figures {
    let at = |millis| Some(Duration::from_millis(millis));
    Figures { requests, errors, p50: at(10), p95: at(20), p99: at(30), ..Figures::default() }
}

#[async_trait]
impl MetricSource for Plain {
    async fn figures(&self, of: &TrackRef, of_side: &Side, since: Timestamp) -> Result<Option<Figures>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.cut_off {
            let zeros = self.fault == Some(Fault::ZerosWhenCutOff);
            let unavailable = Error::new(Kind::Unavailable, "nobody has the figures");
            return if zeros { Ok(Some(figures(0, 0))) } else { Err(unavailable) };
        }
        let known = *of == track() && (*of_side == side() || self.fault == Some(Fault::CountsAllSides));
        if !known {
            return Ok((self.fault == Some(Fault::ZerosForNobody)).then(|| figures(0, 0)));
        }
        if since > second(1000) && self.fault != Some(Fault::CountsWhatWasBefore) {
            return Ok(Some(figures(0, 0)));
        }
        Ok(Some(match self.fault {
            Some(Fault::CountsTwice) if asked == 3 => figures(20, 2),
            Some(Fault::ForgetsWhatWasRead) if asked > 2 => figures(0, 0),
            Some(Fault::LosesTheLast) => figures(9, 1),
            Some(Fault::PercentilesOutOfOrder) => Figures { p50: Some(Duration::from_secs(1)), ..figures(10, 1) },
            _ if asked < 2 => figures(asked, 0),
            _ => figures(10, 1),
        }))
    }
}

pub async fn held(fault: Option<Fault>) -> std::result::Result<Passed, conformance::Failure> {
    let of = move |cut_off| {
        let source = Arc::new(Plain { fault, asked: AtomicU64::new(0), cut_off });
        let measured = Measured { source, track: track(), side: side(), since: second(1000), requests: 10, errors: 1 };
        std::future::ready(Ok((measured, ())))
    };
    conformance::MetricSource::new(move || of(false)).unreachable(move || of(true)).run().await
}

async fn told(fault: Fault) -> String {
    broken(held(Some(fault)).await)
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_what_every_source_does() {
    let passed = held(None).await.unwrap();
    assert_eq!(passed.left_out, [], "{passed}");
}

const COUNTED: &str = "the contract (the figures of one side from a time until now) is broken in step";
const AGAIN: &str = "the contract (asking again gives the same figures or later, more complete ones) is broken in step \"asking changes nothing, and nothing is told that was not before\": told";

#[tokio::test(start_paused = true)]
async fn a_source_that_loses_requests() {
    assert_eq!(
        told(Fault::LosesTheLast).await,
        format!(
            "{COUNTED} \"what was measured is told in the end, and never more\": told 1 failed of 9, expected 1 failed of 10"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_counts_twice() {
    begins(&told(Fault::CountsTwice).await, &format!("{AGAIN} (20, 2), expected (10, 1)"));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_forgets_what_was_read() {
    begins(&told(Fault::ForgetsWhatWasRead).await, &format!("{AGAIN} (0, 0), expected (10, 1)"));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_counts_what_was_before_its_interval() {
    begins(
        &told(Fault::CountsWhatWasBefore).await,
        &format!(
            "{COUNTED} \"a longer interval holds what a shorter one does, and one that has not begun holds nothing\": told (10, 1), expected (0, 0)"
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_percentiles_are_out_of_order() {
    let line = told(Fault::PercentilesOutOfOrder).await;
    assert!(line.ends_with("told [1s, 20ms, 30ms], expected p50, p95 and p99 in order"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_tells_of_who_was_not_measured() {
    let nobody = "G9 is broken in step \"of who was not measured there are no figures, and not zeros\": told Some(";
    begins(&told(Fault::ZerosForNobody).await, nobody);
    begins(&told(Fault::CountsAllSides).await, nobody);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_takes_not_being_there_for_zeros() {
    begins(
        &told(Fault::ZerosWhenCutOff).await,
        "G9 is broken in step \"a source that cannot be asked is an error that may pass, never figures\": told Ok(Some(",
    );
}
