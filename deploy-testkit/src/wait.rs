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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_true_is_waited_for() {
        let mut looks = 0;
        let waited = wait_until("the third look", Duration::from_secs(30), async || {
            looks += 1;
            looks == 3
        });
        assert!(waited.await.is_ok());
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn what_never_comes_true_is_told_with_the_time_waited() {
        let error = wait_until("pigs fly", Duration::from_millis(20), async || false).await.err();
        let error = error.map(|error| (error.kind(), error.message().to_owned()));
        assert!(error.is_some_and(|(kind, message)| kind == Kind::Timeout
            && message.starts_with("waited ")
            && message.ends_with("until pigs fly")));
    }
}
