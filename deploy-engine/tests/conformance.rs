//! The judge by thresholds, held to the contract of judges.

use deploy_core::{Figures, Sample, Share};
use deploy_engine::ThresholdJudge;
use deploy_testkit::conformance::{self, Failure};
use std::sync::Arc;
use std::time::Duration;

fn sample(requests: u64, errors: u64, p99: u64) -> Sample {
    let p99 = Some(Duration::from_millis(p99));
    let figures = |errors| Some(Figures { requests, errors, p99, ..Figures::default() });
    Sample { stable: figures(0), candidate: figures(errors) }
}

#[tokio::test]
async fn the_judge_by_thresholds_does_what_every_judge_does() -> Result<(), Failure> {
    let all = ThresholdJudge {
        max_error_rate_increase: Some(Share::percent(1)),
        max_p99: Some(Duration::from_millis(500)),
        ..ThresholdJudge::default()
    };
    for judge in [ThresholdJudge::default(), all] {
        let suite = conformance::Judge::new(move || Arc::new(judge.clone()));
        let passed = suite.passes(sample(50, 0, 100)).fails(sample(50, 10, 100)).run().await?;
        assert_eq!(passed.left_out, [], "{passed}");
    }
    Ok(())
}
