//! Points in time and spans of it.

/// A point in time, UTC, by the store's clock wherever a deadline is meant.
pub use jiff::Timestamp;
use std::time::Duration;

/// Durations as people write them: `500ms`, `1m 30s`, `5m`.
pub mod human {
    pub use jiff::fmt::serde::unsigned_duration::friendly::compact::required::{deserialize, serialize};

    /// The same for a duration that may be absent.
    pub mod optional {
        pub use jiff::fmt::serde::unsigned_duration::friendly::compact::optional::{deserialize, serialize};
    }
}

/// A time plus a span; the greatest time where it would overflow.
pub fn after(time: Timestamp, span: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(span).ok().and_then(|span| time.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

/// A time less a span; the least time where it would overflow.
pub fn before(time: Timestamp, span: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(span).ok().and_then(|span| time.checked_sub(span).ok()).unwrap_or(Timestamp::MIN)
}

/// The span from one time to a later one; zero where it is not later.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// A span for people: `1m 40s`.
pub fn show(span: Duration) -> String {
    let rounded = if span >= Duration::from_secs(10) { Duration::from_secs(span.as_secs()) } else { span };
    jiff::fmt::friendly::SpanPrinter::new().unsigned_duration_to_string(&rounded)
}
