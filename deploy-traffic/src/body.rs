//! Bodies on their way through.

use crate::pool::Sender;
use crate::presence::Asking;
use crate::upstream::Flight;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

/// The body of a request to an instance.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Empty,
    Whole(Bytes),
    Client(Box<Upload>),
}

/// A body that a client sends, passed on as it comes.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Incoming,
    progress: Progress,
    copy: Option<Tee>,
}

/// How far an upload has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

/// Collects a body up to a bound and hands it on when it is whole.
pub(crate) struct Tee {
    collected: BytesMut,
    most: usize,
    done: Box<dyn FnOnce(Bytes) + Send + Sync>,
}

impl Progress {
    /// How many frames have passed.
    pub(crate) fn frames(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tee {
    pub(crate) fn new(most: usize, done: impl FnOnce(Bytes) + Send + Sync + 'static) -> Self {
        Self { collected: BytesMut::new(), most, done: Box::new(done) }
    }

    fn take(&mut self, data: &Bytes) -> bool {
        let fits = self.collected.len() + data.len() <= self.most;
        if fits {
            self.collected.extend_from_slice(data);
        }
        fits
    }
}

impl std::fmt::Debug for Tee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tee").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Upload {
    pub(crate) fn new(body: Incoming, copy: Option<Tee>) -> Self {
        Self { body, progress: Progress::default(), copy }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.progress.0.fetch_add(1, Ordering::Relaxed);
        if let Some(Ok(frame)) = &frame {
            self.tee(frame);
        }
        let over = frame.is_none() || self.body.is_end_stream();
        if over && let Some(copy) = self.copy.take() {
            (copy.done)(copy.collected.freeze());
        }
        Poll::Ready(frame)
    }

    fn tee(&mut self, frame: &Frame<Bytes>) {
        let fits = match (&mut self.copy, frame.data_ref()) {
            (Some(copy), Some(data)) => copy.take(data),
            _ => true,
        };
        if !fits {
            self.copy = None;
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Client(upload) => upload.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Client(upload) => upload.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Client(upload) => upload.body.size_hint(),
        }
    }
}

/// The body of an answer to a client.
#[derive(Debug)]
pub(crate) enum Answer {
    Text(Bytes),
    Instance(Download),
}

/// A body that an instance sends, passed on as it comes. Its connection goes back to the pool at its end.
#[derive(Debug)]
pub(crate) struct Download {
    body: Incoming,
    lease: Option<Lease>,
    asking: Option<Asking>,
}

/// A connection in use, and the request it is used for.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) flight: Flight,
    pub(crate) sender: Sender,
    /// Whether the request had no body, so that nothing of it can still be on its way.
    pub(crate) sent: bool,
}

impl Lease {
    fn end(self) {
        if self.sent || self.sender.is_ready() {
            self.flight.upstream().pool.put(self.sender);
        }
    }
}

impl Download {
    pub(crate) fn new(body: Incoming, lease: Lease) -> Self {
        let mut download = Self { body, lease: Some(lease), asking: None };
        download.end_if_over();
        download
    }

    /// Keeps the request counted until the answer is over.
    pub(crate) fn keep(&mut self, asking: Asking) {
        self.asking = Some(asking);
    }

    fn end_if_over(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.end();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.end(),
            Some(Ok(_)) => self.end_if_over(),
            Some(Err(_)) => {
                if let Some(lease) = self.lease.take() {
                    lease.flight.upstream().meter.broke();
                }
            }
        }
        Poll::Ready(frame)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Instance(download) => download.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Instance(download) => download.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.len() as u64),
            Self::Instance(download) => download.body.size_hint(),
        }
    }
}
