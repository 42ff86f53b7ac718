//! Whether a client that is connected asks anything, and when it has been silent for too long.

use crate::config::Config;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What a connection of a client does. Times are in milliseconds after its beginning.
#[derive(Debug)]
pub(crate) struct Presence {
    begun: Instant,
    /// Requests that are under way, to the last byte of their answers.
    busy: AtomicUsize,
    /// Since when none is.
    quiet: AtomicU64,
    /// When the first byte of the next request came; 0 while none has.
    head: AtomicU64,
    http2: AtomicBool,
}

/// A request that is under way. Counted until dropped.
#[derive(Debug)]
pub(crate) struct Asking(Arc<Presence>);

impl Presence {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            busy: AtomicUsize::new(0),
            quiet: AtomicU64::new(0),
            head: AtomicU64::new(0),
            http2: AtomicBool::new(false),
        }
    }

    /// Counts a request, whose head is complete.
    pub(crate) fn ask(self: &Arc<Self>) -> Asking {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.head.store(0, Ordering::Relaxed);
        Asking(Arc::clone(self))
    }

    pub(crate) fn set_http2(&self) {
        self.http2.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    /// When the client has been silent, or has taken over its head, for as long as allowed; none while it is served.
    pub(crate) fn due(&self, config: &Config) -> Option<Instant> {
        if self.busy.load(Ordering::Relaxed) > 0 {
            return None;
        }
        // With HTTP/2, bytes between requests need not be the beginning of one.
        let (since, limit) = match self.head.load(Ordering::Relaxed) {
            head if head > 0 && !self.is_http2() => (head, config.header_timeout),
            _ => (self.quiet.load(Ordering::Relaxed), config.client_idle),
        };
        Some(self.begun + Duration::from_millis(since) + limit)
    }

    fn heard(&self) {
        if self.busy.load(Ordering::Relaxed) == 0 && self.head.load(Ordering::Relaxed) == 0 {
            self.heard_at(self.now());
        }
    }

    fn heard_at(&self, now: u64) {
        let _ = self.head.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn answered_at(&self, now: u64) {
        self.quiet.store(now, Ordering::Relaxed);
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        (self.begun.elapsed().as_millis() as u64).max(1)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.answered_at(self.0.now());
    }
}

/// The stream of a client, which tells what is heard.
#[derive(Debug)]
pub(crate) struct Heard {
    stream: TcpStream,
    presence: Arc<Presence>,
}

impl Heard {
    pub(crate) fn new(stream: TcpStream, presence: Arc<Presence>) -> Self {
        Self { stream, presence }
    }
}

impl AsyncRead for Heard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.presence.heard();
        }
        polled
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config { header_timeout: Duration::from_secs(10), client_idle: Duration::from_secs(60), ..Config::default() }
    }

    /// When it is due, in seconds after the beginning.
    fn due(presence: &Presence) -> Option<u64> {
        presence.due(&config()).map(|due| due.duration_since(presence.begun).as_secs())
    }

    fn answered(asking: Asking, seconds: u64) {
        asking.0.answered_at(seconds * 1_000);
        // Dropped, it would be counted out a second time.
        std::mem::forget(asking);
    }

    #[test]
    fn who_says_nothing_has_the_idle_time_from_its_last_answer() {
        let presence = Arc::new(Presence::new());
        assert_eq!(due(&presence), Some(60));
        let asking = (presence.ask(), presence.ask());
        answered(asking.0, 100);
        assert_eq!(due(&presence), None, "one is under way");
        answered(asking.1, 200);
        assert_eq!(due(&presence), Some(260));
    }

    #[test]
    fn who_has_begun_a_request_has_the_time_for_a_head_however_many_bytes_follow() {
        let presence = Arc::new(Presence::new());
        presence.heard_at(50_000);
        presence.heard_at(54_000);
        assert_eq!(due(&presence), Some(60), "10 s after the first byte");
        answered(presence.ask(), 55);
        assert_eq!(due(&presence), Some(115));
    }

    #[test]
    fn bytes_between_requests_of_http_2_begin_none() {
        let presence = Arc::new(Presence::new());
        presence.set_http2();
        presence.heard_at(30_000);
        assert_eq!(due(&presence), Some(60));
    }
}
