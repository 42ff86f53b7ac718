//! Bounded waiting for a condition, for tests that would otherwise sleep.

use deploy_core::{Error, Kind, Result, time};
use std::time::{Duration, Instant};

/// How often [`wait_until`] looks.
pub const POLL: Duration = Duration::from_millis(10);

/// Waits until a condition holds and returns how long that took; looks every [`POLL`], and once more at the end.
///
/// # Errors
/// [`Kind::Timeout`] with `what` and the time waited, when the condition still does not hold `within` that span.
///
/// ```
/// # use deploy_testkit::wait::wait_until;
/// # use std::time::Duration;
/// # async fn example(router: std::sync::Arc<std::sync::atomic::AtomicBool>) -> deploy_core::Result<()> {
/// wait_until("the router is up", Duration::from_secs(5), async || router.load(std::sync::atomic::Ordering::Relaxed)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn wait_until(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let last = began.elapsed() >= within;
        if holds().await {
            return Ok(began.elapsed());
        }
        if last {
            let waited = time::show(began.elapsed());
            return Err(Error::new(Kind::Timeout, format!("waited {waited} in vain until {what}")));
        }
        tokio::time::sleep(POLL).await;
    }
}
