//! The judge by thresholds.

use deploy_core::{Error, Figures, Judge, JudgeState, Result, Sample, Share, Verdict, time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

/// Fails a candidate whose figures pass a limit. Registered as `threshold`.
///
/// All samples of a stage are added up. Below `min_requests` nothing is proven; from there on every limit that is given
/// is held, and the candidate passes when it keeps all of them. A figure that a limit needs and nobody measured is unproven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThresholdJudge {
    /// The greatest share of failed requests. Default 1 %.
    pub max_error_rate: Option<Share>,
    /// The candidate's share of failed requests may be so much above stable's. Default: not asked.
    pub max_error_rate_increase: Option<Share>,
    /// The longest 95th percentile of the latency. Default: not asked.
    #[serde(with = "time::human::optional")]
    pub max_p95: Option<Duration>,
    /// The longest 99th percentile of the latency. Default: not asked.
    #[serde(with = "time::human::optional")]
    pub max_p99: Option<Duration>,
    /// So many requests of the candidate have to be counted first. Default 20, at least 1.
    pub min_requests: u64,
}

impl Default for ThresholdJudge {
    fn default() -> Self {
        Self {
            max_error_rate: Some(Share::percent(1)),
            max_error_rate_increase: None,
            max_p95: None,
            max_p99: None,
            min_requests: 20,
        }
    }
}

/// What it remembers: the sums of both sides.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sums {
    candidate: Sum,
    stable: Sum,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Sum {
    requests: u64,
    errors: u64,
}

impl Sum {
    fn add(&mut self, figures: Option<&Figures>) {
        if let Some(figures) = figures {
            self.requests += figures.requests;
            self.errors += figures.errors;
        }
    }

    fn rate(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors as f64 / self.requests as f64 }
    }
}

impl ThresholdJudge {
    /// Reads it from a judge's settings.
    ///
    /// # Errors
    /// `Invalid` for an unknown key or a value that is none.
    pub fn from_settings(settings: &Map<String, Value>) -> Result<Self> {
        serde_json::from_value(Value::Object(settings.clone())).map_err(|error| {
            Error::at("judge.settings", format!("the threshold judge does not take these settings: {error}"))
        })
    }

    fn judge(&self, sums: &Sums, candidate: &Figures) -> Verdict {
        let least = self.min_requests.max(1);
        if sums.candidate.requests < least {
            return Verdict::Unproven(format!("{} of {least} requests of the candidate", sums.candidate.requests));
        }
        let verdicts = [
            self.error_rate(sums),
            self.increase(sums, least),
            latency("95th", candidate.p95, self.max_p95),
            latency("99th", candidate.p99, self.max_p99),
        ];
        let mut missing = Verdict::Pass;
        for verdict in verdicts.into_iter().flatten() {
            match verdict {
                Verdict::Fail(_) => return verdict,
                Verdict::Unproven(_) => missing = verdict,
                Verdict::Pass => {}
            }
        }
        missing
    }

    fn error_rate(&self, sums: &Sums) -> Option<Verdict> {
        let (most, rate) = (as_rate(self.max_error_rate?), sums.candidate.rate());
        let Sum { requests, errors } = sums.candidate;
        let words = || format!("{errors} of {requests} requests failed ({}), at most {}", percent(rate), percent(most));
        (rate > most).then(|| Verdict::Fail(words()))
    }

    fn increase(&self, sums: &Sums, least: u64) -> Option<Verdict> {
        let most = as_rate(self.max_error_rate_increase?);
        if sums.stable.requests < least {
            return Some(Verdict::Unproven(format!("{} of {least} requests of stable", sums.stable.requests)));
        }
        let (candidate, stable) = (sums.candidate.rate(), sums.stable.rate());
        let words = || {
            let (candidate, stable, most) = (percent(candidate), percent(stable), percent(most));
            format!("{candidate} of the candidate's requests failed, {stable} of stable's; at most {most} more")
        };
        (candidate - stable > most).then(|| Verdict::Fail(words()))
    }
}

fn latency(which: &str, measured: Option<Duration>, most: Option<Duration>) -> Option<Verdict> {
    let most = most?;
    let Some(measured) = measured else {
        return Some(Verdict::Unproven(format!("nobody measured the {which} percentile of the latency")));
    };
    let words = || format!("the {which} percentile is {}, at most {}", time::show(measured), time::show(most));
    (measured > most).then(|| Verdict::Fail(words()))
}

fn as_rate(share: Share) -> f64 {
    f64::from(share.points()) / 10_000.0
}

fn percent(rate: f64) -> String {
    format!("{:.2} %", rate * 100.0)
}

impl Judge for ThresholdJudge {
    fn fold(&self, state: &mut JudgeState, sample: &Sample) -> Verdict {
        let Some(candidate) = &sample.candidate else {
            return Verdict::Unproven("there are no figures of the candidate".into());
        };
        let mut sums: Sums = serde_json::from_value(state.take()).unwrap_or_default();
        sums.candidate.add(Some(candidate));
        sums.stable.add(sample.stable.as_ref());
        let verdict = self.judge(&sums, candidate);
        *state = serde_json::to_value(sums).unwrap_or_default();
        verdict
    }
}
