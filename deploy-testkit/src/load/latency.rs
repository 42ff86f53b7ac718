//! How long the quick requests took.

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::time::Duration;

/// Latencies from the scheduled instant to the last byte, of the complete responses to the quick requests.
///
/// Kept in microseconds with three significant digits, up to one minute.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latency(Option<Histogram<u64>>);

const LONGEST: u64 = 60_000_000;
/// In microseconds.
const FIRST_BOUND: u64 = 125;

impl Latency {
    pub(super) fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
        if self.0.is_none() {
            self.0 = Histogram::new_with_bounds(1, LONGEST, 3).ok();
        }
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(micros);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (Some(mine), Some(theirs)) => mine.add(theirs).unwrap_or_default(),
            (mine @ None, theirs) => mine.clone_from(theirs),
            (Some(_), None) => {}
        }
    }

    /// The number of requests measured.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The latency that this share (0.0 to 1.0) of the requests did not exceed; zero when none was measured.
    pub fn at(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile)))
    }

    /// The median.
    pub fn p50(&self) -> Duration {
        self.at(0.50)
    }

    /// The 95th percentile.
    pub fn p95(&self) -> Duration {
        self.at(0.95)
    }

    /// The 99th percentile.
    pub fn p99(&self) -> Duration {
        self.at(0.99)
    }

    /// The greatest.
    pub fn max(&self) -> Duration {
        self.at(1.0)
    }
}

impl Latency {
    /// The histogram: upper bounds, each twice the one before from 125 us on, with the number of requests up to it and
    /// above the bound before. Bounds beyond the greatest latency are left out.
    pub fn buckets(&self) -> Vec<(Duration, u64)> {
        let Some(histogram) = &self.0 else { return Vec::new() };
        let step = |value: hdrhistogram::iterators::IterationValue<u64>| {
            (Duration::from_micros(value.value_iterated_to() + 1), value.count_since_last_iteration())
        };
        histogram.iter_log(FIRST_BOUND, 2.0).map(step).collect()
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let buckets: Vec<_> = self.buckets().into_iter().map(|(bound, count)| (millis(bound), count)).collect();
        let mut fields = serializer.serialize_struct("Latency", 6)?;
        fields.serialize_field("count", &self.count())?;
        fields.serialize_field("p50_ms", &millis(self.p50()))?;
        fields.serialize_field("p95_ms", &millis(self.p95()))?;
        fields.serialize_field("p99_ms", &millis(self.p99()))?;
        fields.serialize_field("max_ms", &millis(self.max()))?;
        fields.serialize_field("buckets_ms", &buckets)?;
        fields.end()
    }
}

pub(super) fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

pub(super) fn as_millis<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(millis(*span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_in_one_bucket() {
        let mut latency = Latency::default();
        assert!(latency.buckets().is_empty());
        for micros in [1, 124, 126, 240, 900, 70_000] {
            latency.record(Duration::from_micros(micros));
        }
        let buckets = latency.buckets();
        assert_eq!(buckets[0], (Duration::from_micros(125), 2));
        assert_eq!(buckets[1], (Duration::from_micros(250), 2));
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 6);
        assert!(buckets.last().is_some_and(|(bound, count)| *count == 1 && *bound >= Duration::from_millis(70)));
    }

    #[test]
    fn sections_add_up() {
        let (mut one, mut other) = (Latency::default(), Latency::default());
        one.record(Duration::from_millis(1));
        other.record(Duration::from_millis(9));
        let mut sum = Latency::default();
        sum.add(&one);
        sum.add(&other);
        sum.add(&Latency::default());
        assert_eq!((sum.count(), sum.max().as_millis()), (2, 9));
    }
}
