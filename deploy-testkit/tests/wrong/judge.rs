//! Judges that are wrong.

use super::{begins, broken};
use deploy_core::{Judge, JudgeState, Sample, Verdict};
use deploy_testkit::conformance;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
struct NoDataFails;

impl Judge for NoDataFails {
    fn fold(&self, _state: &mut JudgeState, sample: &Sample) -> Verdict {
        if sample.candidate.is_some() { Verdict::Pass } else { Verdict::Fail("no data".into()) }
    }
}

#[derive(Debug)]
struct NoDataPasses;

impl Judge for NoDataPasses {
    fn fold(&self, _state: &mut JudgeState, _sample: &Sample) -> Verdict {
        Verdict::Pass
    }
}

/// Remembers beside its state, so another engine would judge otherwise.
#[derive(Debug, Default)]
struct Remembers(AtomicU64);

impl Judge for Remembers {
    fn fold(&self, _state: &mut JudgeState, sample: &Sample) -> Verdict {
        let Some(figures) = sample.candidate.as_ref().filter(|figures| figures.requests > 0) else {
            return Verdict::Unproven("no figures".into());
        };
        let all = self.0.fetch_add(figures.requests, Ordering::SeqCst);
        if all.is_multiple_of(2) { Verdict::Pass } else { Verdict::Fail("odd".into()) }
    }
}

#[tokio::test]
async fn a_judge_that_takes_no_data_for_failure() {
    assert_eq!(
        broken(conformance::Judge::new(|| Arc::new(NoDataFails)).run().await),
        "G9 is broken in step \"without figures nothing is proven\": told Fail(\"no data\"), expected unproven"
    );
}

#[tokio::test]
async fn a_judge_that_takes_no_data_for_success() {
    begins(
        &broken(conformance::Judge::new(|| Arc::new(NoDataPasses)).run().await),
        "G9 is broken in step \"without figures nothing is proven\": told Pass",
    );
}

#[tokio::test]
async fn a_judge_that_remembers_beside_its_state() {
    let shared = Arc::new(Remembers::default());
    let ran = conformance::Judge::new(move || Arc::clone(&shared) as Arc<dyn Judge>).run().await;
    assert_eq!(ran.as_ref().unwrap_err().seed, Some(ran.as_ref().unwrap_err().seed.unwrap()), "it is told the seed");
    begins(&broken(ran), "the contract (the same state and sample give the same state and verdict) is broken");
}
