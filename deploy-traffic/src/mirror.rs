//! Copies of requests for the candidate; nobody waits for them.

use crate::body::{Outgoing, Tee};
use crate::config::Config;
use crate::metrics::Outcome;
use crate::pool;
use crate::track::Track;
use crate::upstream::Upstream;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};

/// Marks a copy, so that an instance can tell.
static MIRROR: HeaderName = HeaderName::from_static("x-deploy-mirror");

/// A queue of copies. What does not fit is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    queue: mpsc::Sender<Copied>,
    most: usize,
}

#[derive(Debug)]
struct Copied {
    track: Arc<Track>,
    request: Request<Bytes>,
}

impl Mirror {
    /// Begins to send copies, until the queue is dropped.
    pub(crate) fn start(config: &Config) -> Self {
        let (queue, copies) = mpsc::channel(config.mirror_queue.max(1));
        tokio::spawn(send_all(copies, config.clone()));
        Self { queue, most: config.mirror_body }
    }

    /// Copies a request that has no body.
    pub(crate) fn offer(&self, track: &Arc<Track>, request: &Request<impl Sized>) {
        let _ = self.queue.try_send(Copied { track: Arc::clone(track), request: copy(request) });
    }

    /// Copies a request when its body has passed; none where its length is known to be above the bound.
    pub(crate) fn tee(&self, track: &Arc<Track>, request: &Request<impl Sized>) -> Option<Tee> {
        let length =
            request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > self.most) {
            return None;
        }
        let (queue, track, head) = (self.queue.clone(), Arc::clone(track), copy(request));
        Some(Tee::new(self.most, move |body| {
            let request = head.map(|_| body);
            let _ = queue.try_send(Copied { track, request });
        }))
    }
}

fn copy(request: &Request<impl Sized>) -> Request<Bytes> {
    let mut copy = Request::new(Bytes::new());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy.headers_mut().insert(&MIRROR, HeaderValue::from_static("true"));
    copy
}

async fn send_all(mut copies: mpsc::Receiver<Copied>, config: Config) {
    let room = Arc::new(Semaphore::new(config.mirror_at_once.max(1)));
    let (connect, whole) = (config.connect_timeout, config.mirror_timeout);
    while let Some(copied) = copies.recv().await {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        tokio::spawn(async move {
            send(copied, connect, whole).await;
            drop(permit);
        });
    }
}

async fn send(copied: Copied, connect: Duration, whole: Duration) {
    let Some(upstream) = copied.track.pick_mirror() else { return };
    let begun = Instant::now();
    let answer = tokio::time::timeout(whole, ask(&upstream, copied.request, connect)).await.ok().flatten();
    let latency = answer.is_some().then(|| begun.elapsed());
    let failed = answer.as_ref().is_none_or(|answer| answer.status().is_server_error());
    upstream.meter.record(Outcome { latency, failed, mirrored: true });
    if let Some(answer) = answer {
        let mut body = answer.into_body();
        let _ = tokio::time::timeout(whole, async { while let Some(Ok(_)) = body.frame().await {} }).await;
    }
}

async fn ask(upstream: &Upstream, request: Request<Bytes>, connect: Duration) -> Option<Response<Incoming>> {
    let mut sender = pool::connect(&upstream.address, connect).await.ok()?;
    let body = |body: Bytes| if body.is_empty() { Outgoing::Empty } else { Outgoing::Whole(body) };
    sender.send_request(request.map(body)).await.ok()
}
