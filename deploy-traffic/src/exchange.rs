//! One request with one instance: sent at most once, but for what the rules of replaying allow.

use crate::body::{Lease, Outgoing, Progress};
use crate::config::Config;
use crate::pool::{self, Sender};
use crate::upstream::{Flight, Upstream};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use std::pin::pin;
use std::time::Duration;

/// How it ended.
#[derive(Debug)]
pub(crate) enum Exchange {
    Answered(Box<(Response<Incoming>, Lease)>),
    /// No byte of it was sent; it may go to another instance.
    Unsent(Box<Request<Outgoing>>, Flight),
    /// It was sent, and there is no answer.
    Failed(Flight),
    /// It was sent, and the answer takes too long.
    TooLate(Flight),
}

enum Sent {
    Answered(Response<Incoming>),
    Unsent(Box<Request<Outgoing>>),
    /// The connection ended before the answer.
    Closed,
    Failed,
    TooLate,
}

/// Sends a request to an instance.
///
/// A connection that was idle may turn out to be closed. The request goes out again, on a connection of its own, if no
/// byte of it was sent, or if it has no body and its method is idempotent and no answer to it was read.
pub(crate) async fn send(config: &Config, flight: Flight, mut request: Box<Request<Outgoing>>) -> Exchange {
    let mut reuse = true;
    loop {
        let idle = if reuse { take_idle(config, flight.upstream()).await } else { None };
        let reused = idle.is_some();
        let mut sender = match idle {
            Some(sender) => sender,
            None => match Box::pin(open(config, flight.upstream())).await {
                Some(sender) => sender,
                None => return Exchange::Unsent(request, flight),
            },
        };
        let spare = if reused { replayable(&request) } else { None };
        let sent = matches!(request.body(), Outgoing::Empty);
        request = match send_on(&mut sender, request, config.response_timeout).await {
            Sent::Answered(response) => {
                flight.upstream().set_up();
                return Exchange::Answered(Box::new((response, Lease { flight, sender, sent })));
            }
            Sent::Unsent(request) if reused => request,
            Sent::Unsent(request) => return Exchange::Unsent(request, flight),
            Sent::Closed => match spare {
                Some(spare) => spare,
                None => return Exchange::Failed(flight),
            },
            Sent::Failed => return Exchange::Failed(flight),
            Sent::TooLate => return Exchange::TooLate(flight),
        };
        reuse = false;
    }
}

async fn take_idle(config: &Config, upstream: &Upstream) -> Option<Sender> {
    loop {
        let mut sender = upstream.pool.take(config.upstream_idle)?;
        if sender.is_ready() || sender.ready().await.is_ok() {
            return Some(sender);
        }
    }
}

async fn open(config: &Config, upstream: &Upstream) -> Option<Sender> {
    match pool::connect(&upstream.address, config.connect_timeout).await {
        Ok(sender) => {
            upstream.set_up();
            Some(sender)
        }
        Err(error) => {
            tracing::debug!(%error, address = upstream.address, "an instance cannot be connected to");
            if !pool::is_local(&error) {
                upstream.set_down(config.out_of_use);
            }
            None
        }
    }
}

fn replayable(request: &Request<Outgoing>) -> Option<Box<Request<Outgoing>>> {
    let is_idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS | Method::TRACE
    );
    if !is_idempotent
        || !matches!(request.body(), Outgoing::Empty)
        || request.headers().contains_key(http::header::UPGRADE)
    {
        return None;
    }
    let mut spare = Box::new(Request::new(Outgoing::Empty));
    *spare.method_mut() = request.method().clone();
    *spare.uri_mut() = request.uri().clone();
    *spare.headers_mut() = request.headers().clone();
    Some(spare)
}

async fn send_on(sender: &mut Sender, request: Box<Request<Outgoing>>, limit: Duration) -> Sent {
    let progress = match request.body() {
        Outgoing::Client(upload) => Some(upload.progress()),
        _ => None,
    };
    let mut response = pin!(sender.try_send_request(*request));
    let mut seen = 0;
    loop {
        match tokio::time::timeout(limit, &mut response).await {
            Ok(Ok(response)) => return Sent::Answered(response),
            Ok(Err(mut error)) => {
                return error
                    .take_message()
                    .map_or_else(|| ended(error.error()), |request| Sent::Unsent(Box::new(request)));
            }
            Err(_) if moved(progress.as_ref(), &mut seen) => {}
            Err(_) => return Sent::TooLate,
        }
    }
}

fn ended(error: &hyper::Error) -> Sent {
    tracing::debug!(%error, "an instance gave no answer");
    if error.is_parse() || error.is_user() { Sent::Failed } else { Sent::Closed }
}

/// Whether an upload has come further since it was last asked for.
fn moved(progress: Option<&Progress>, seen: &mut u64) -> bool {
    let frames = progress.map_or(0, Progress::frames);
    std::mem::replace(seen, frames) != frames
}
