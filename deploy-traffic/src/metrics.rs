//! What was measured of a side, in slots of time.

use deploy_core::{Error, Figures, Kind, Result, Side, TrackRef};
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one slot is.
pub(crate) const SLOT: Duration = Duration::from_millis(250);
/// How long slots are kept.
pub(crate) const KEPT: Duration = Duration::from_secs(600);

const SLOWEST_MICROS: u64 = 100_000_000;

/// The figures of one side of one workload: the slot that runs as a histogram, those before as what was seen in them.
#[derive(Debug)]
pub(crate) struct Meter {
    epoch: Instant,
    window: Mutex<Window>,
    requests: metrics::Counter,
    errors: metrics::Counter,
}

#[derive(Debug)]
struct Window {
    running: Counts,
    latency: Histogram<u32>,
    past: VecDeque<Past>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    slot: u64,
    requests: u64,
    errors: u64,
    mirrored: u64,
}

#[derive(Debug)]
struct Past {
    counts: Counts,
    micros: Box<[(u32, u32)]>,
}

/// How one request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Until the head of the answer; none where there was no answer.
    pub(crate) latency: Option<Duration>,
    /// No answer, or a 5xx.
    pub(crate) failed: bool,
    /// It was a copy.
    pub(crate) mirrored: bool,
}

fn histogram() -> Result<Histogram<u32>> {
    Histogram::new_with_bounds(1, SLOWEST_MICROS, 2)
        .map_err(|error| Error::new(Kind::Unclassified, "a histogram of latencies cannot be made").from_source(error))
}

impl Meter {
    pub(crate) fn new(track: &TrackRef, side: &Side) -> Result<Self> {
        let labels = [("track", track.to_string()), ("side", side.to_string())];
        Ok(Self {
            epoch: Instant::now(),
            window: Mutex::new(Window { running: Counts::default(), latency: histogram()?, past: VecDeque::new() }),
            requests: metrics::counter!("deploy_proxy_requests_total", &labels),
            errors: metrics::counter!("deploy_proxy_errors_total", &labels),
        })
    }

    pub(crate) fn record(&self, outcome: Outcome) {
        self.record_at(outcome, self.epoch.elapsed());
    }

    /// Counts an answer that broke off after its request was recorded.
    pub(crate) fn broke(&self) {
        self.errors.increment(1);
        self.window(self.epoch.elapsed(), |window| window.running.errors += 1);
    }

    /// Whether anything that was recorded is still kept.
    pub(crate) fn is_recent(&self) -> bool {
        self.window(self.epoch.elapsed(), |window| !window.past.is_empty() || window.running.requests > 0)
    }

    fn record_at(&self, outcome: Outcome, at: Duration) {
        self.requests.increment(1);
        self.errors.increment(u64::from(outcome.failed));
        self.window(at, |window| window.record(outcome));
    }

    fn window<T>(&self, at: Duration, act: impl FnOnce(&mut Window) -> T) -> T {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.turn(slot(at));
        act(&mut window)
    }

    /// The figures of the last span, from the first slot that lies in it whole.
    pub(crate) fn figures(&self, span: Duration) -> Result<Figures> {
        self.figures_at(span, self.epoch.elapsed())
    }

    fn figures_at(&self, span: Duration, at: Duration) -> Result<Figures> {
        let first = at.checked_sub(span).map_or(0, |from| slot(from + SLOT - Duration::from_nanos(1)));
        self.window(at, |window| window.figures(first))
    }
}

fn slot(at: Duration) -> u64 {
    (at.as_nanos() / SLOT.as_nanos()) as u64
}

impl Window {
    fn turn(&mut self, now: u64) {
        if self.running.slot >= now {
            return;
        }
        if self.running.requests + self.running.errors > 0 {
            let seen = |value: hdrhistogram::iterators::IterationValue<u32>| {
                (value.value_iterated_to() as u32, value.count_at_value())
            };
            let micros = self.latency.iter_recorded().map(seen).collect();
            self.past.push_back(Past { counts: self.running, micros });
            self.latency.reset();
        }
        self.running = Counts { slot: now, ..Counts::default() };
        let oldest = now.saturating_sub(slot(KEPT));
        while self.past.front().is_some_and(|past| past.counts.slot < oldest) {
            self.past.pop_front();
        }
    }

    fn record(&mut self, outcome: Outcome) {
        self.running.requests += 1;
        self.running.errors += u64::from(outcome.failed);
        self.running.mirrored += u64::from(outcome.mirrored);
        if let Some(latency) = outcome.latency {
            self.latency.saturating_record((latency.as_micros() as u64).clamp(1, SLOWEST_MICROS));
        }
    }

    fn figures(&self, first: u64) -> Result<Figures> {
        let mut sum = Counts::default();
        let mut latency = histogram()?;
        for past in self.past.iter().filter(|past| past.counts.slot >= first) {
            sum.add(past.counts);
            for (micros, count) in &past.micros {
                latency.saturating_record_n(u64::from(*micros), *count);
            }
        }
        if self.running.slot >= first {
            sum.add(self.running);
            latency.add(&self.latency).map_err(|error| {
                Error::new(Kind::Unclassified, "histograms of latencies cannot be added").from_source(error)
            })?;
        }
        Ok(sum.figures(&latency))
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.mirrored += other.mirrored;
    }

    fn figures(self, latency: &Histogram<u32>) -> Figures {
        let at = |quantile| (!latency.is_empty()).then(|| Duration::from_micros(latency.value_at_quantile(quantile)));
        let mut figures = Figures {
            requests: self.requests,
            errors: self.errors.min(self.requests),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            ..Figures::default()
        };
        if self.mirrored > 0 {
            figures.other.insert("mirrored".into(), self.mirrored as f64);
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> Meter {
        let track = "shop/production/web@here".parse().unwrap();
        Meter::new(&track, &Side::home("a".into())).unwrap()
    }

    fn answered(millis: u64, failed: bool) -> Outcome {
        Outcome { latency: Some(Duration::from_millis(millis)), failed, mirrored: false }
    }

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn requests_errors_and_latencies_are_those_of_the_span() {
        let meter = meter();
        meter.record_at(answered(900, true), at(100));
        for millis in 1..=100 {
            meter.record_at(answered(millis, millis > 90), at(1_000 + millis * 10));
        }
        let figures = meter.figures_at(at(2_000), at(2_500)).unwrap();
        assert_eq!((figures.requests, figures.errors), (100, 10));
        let p50 = figures.p50.unwrap().as_millis();
        assert!((49..=51).contains(&p50), "p50 {p50}");
        assert_eq!(meter.figures_at(at(10_000), at(2_500)).unwrap().requests, 101);
    }

    #[test]
    fn a_slot_that_began_before_the_span_is_not_of_it() {
        let meter = meter();
        meter.record_at(answered(1, true), at(1_010));
        assert_eq!(meter.figures_at(at(1_000), at(2_100)).unwrap().requests, 0);
        assert_eq!(meter.figures_at(at(1_100), at(2_100)).unwrap().requests, 1);
    }

    #[test]
    fn what_is_older_than_kept_is_forgotten() {
        let meter = meter();
        meter.record_at(answered(1, false), at(0));
        meter.record_at(answered(1, false), KEPT + at(1_000));
        assert_eq!(meter.figures_at(KEPT * 2, KEPT + at(1_500)).unwrap().requests, 1);
        assert!(meter.window.lock().unwrap().past.len() <= 1);
    }

    #[test]
    fn no_answer_is_an_error_without_a_latency() {
        let meter = meter();
        meter.record_at(Outcome { latency: None, failed: true, mirrored: true }, at(10));
        let figures = meter.figures_at(at(100), at(20)).unwrap();
        assert_eq!((figures.requests, figures.errors, figures.p50), (1, 1, None));
        assert_eq!(figures.other["mirrored"], 1.0);
    }
}
