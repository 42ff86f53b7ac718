//! Calls that are dropped on their way.

use std::pin::{Pin, pin};
use std::task::Poll;

/// More polls than this are not tried one by one. A call that is told by another thread takes as many as it is woken
/// in between: some 12 on one day and 17 on another, and what is left out must not depend on that.
pub(super) const POLLS: u32 = 64;

/// The same where each try starts and stops something on a platform, which takes seconds.
pub(super) const POLLS_OF_PLATFORM: u32 = 16;

/// Polls a call so often and drops it. What came of it, where it ended by then.
pub(super) async fn after<T>(polls: u32, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut left = polls;
    std::future::poll_fn(|context| {
        left -= 1;
        match Pin::as_mut(&mut call).poll(context) {
            Poll::Ready(told) => Poll::Ready(Some(told)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
