//! One request's way through the proxy.

use crate::body::{Answer, Download, Lease, Outgoing, Upload};
use crate::exchange::{self, Exchange};
use crate::headers::{self, Refused};
use crate::listen::Client;
use crate::metrics::Outcome;
use crate::table::{Decided, Nobody, Unserved};
use crate::upgrade;
use crate::upstream::{Flight, Upstream};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

/// Why the proxy answered by itself.
static REASON: HeaderName = HeaderName::from_static("x-deploy-proxy");

/// Answers a request of a client.
pub(crate) async fn answer(client: Arc<Client>, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    let version = request.version();
    if version == Version::HTTP_2 {
        client.connection.presence.set_http2();
    }
    let asking = client.connection.presence.ask();
    let mut response = serve(&client, request).await;
    if version != Version::HTTP_2 && client.connection.is_leaving() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Answer::Instance(download) = response.body_mut() {
        download.keep(asking);
    }
    Ok(response)
}

async fn serve(client: &Client, mut request: Request<Incoming>) -> Response<Answer> {
    let begun = Instant::now();
    let upgrade = headers::wants_upgrade(&request).then(|| hyper::upgrade::on(&mut request));
    if let Err(Refused(status, reason)) = headers::forward(&mut request, &client.peer, upgrade.is_some()) {
        return refusal(status, reason);
    }
    let (picked, cookie) = match client.track.pick(request.headers()) {
        Ok(picked) => picked,
        Err(unserved) => return nobody_answers(&unserved),
    };
    let mirror = picked.mirror && upgrade.is_none();
    let request = outgoing(client, request, mirror, picked.flight.upstream());
    let mut response = match exchange(client, request, picked.flight, picked.decided).await {
        Ended::Answered(response, lease) => finish(client, response, lease, upgrade, begun),
        Ended::Failed(response) => response,
    };
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The request as an instance gets it.
fn outgoing(client: &Client, request: Request<Incoming>, mirror: bool, upstream: &Upstream) -> Box<Request<Outgoing>> {
    let (parts, body) = request.into_parts();
    let mut request = Box::new(Request::from_parts(parts, Outgoing::Empty));
    if !request.headers().contains_key(header::HOST) {
        request.headers_mut().insert(header::HOST, upstream.host.clone());
    }
    if !body.is_end_stream() {
        let tee = if mirror { client.mirror.tee(&client.track, &*request) } else { None };
        *request.body_mut() = Outgoing::Client(Box::new(Upload::new(body, tee)));
    } else if mirror {
        client.mirror.offer(&client.track, &*request);
    }
    request
}

enum Ended {
    Answered(Response<Incoming>, Lease),
    Failed(Response<Answer>),
}

/// Sends a request to one instance after the other until it was sent to one.
async fn exchange(
    client: &Client,
    mut request: Box<Request<Outgoing>>,
    mut flight: Flight,
    mut decided: Decided,
) -> Ended {
    let mut tried = Vec::new();
    loop {
        match exchange::send(&client.config, flight, request).await {
            Exchange::Answered(answered) => return Ended::Answered(answered.0, answered.1),
            Exchange::Failed(flight) => return failed(&flight, StatusCode::BAD_GATEWAY, "no-answer"),
            Exchange::TooLate(flight) => return failed(&flight, StatusCode::GATEWAY_TIMEOUT, "timeout"),
            Exchange::Unsent(unsent, last) => {
                request = unsent;
                tried.push(Arc::clone(last.upstream()));
                flight = match client.track.pick_again(&mut decided, &tried) {
                    Ok(flight) => flight,
                    Err(_) => return failed(&last, StatusCode::SERVICE_UNAVAILABLE, "unreachable"),
                };
            }
        }
    }
}

fn failed(flight: &Flight, status: StatusCode, reason: &'static str) -> Ended {
    flight.upstream().meter.record(Outcome { latency: None, failed: true, mirrored: false });
    Ended::Failed(refusal(status, reason))
}

fn nobody_answers(unserved: &Unserved) -> Response<Answer> {
    if let Some(upstream) = &unserved.missed {
        upstream.meter.record(Outcome { latency: None, failed: true, mirrored: false });
    }
    let reason = match unserved.nobody {
        Nobody::Closed => "closed",
        Nobody::Empty => "no-instance",
    };
    refusal(StatusCode::SERVICE_UNAVAILABLE, reason)
}

/// The answer of an instance as its client gets it.
fn finish(
    client: &Client,
    mut response: Response<Incoming>,
    lease: Lease,
    upgrade: Option<OnUpgrade>,
    begun: Instant,
) -> Response<Answer> {
    let failed = response.status().is_server_error();
    lease.flight.upstream().meter.record(Outcome { latency: Some(begun.elapsed()), failed, mirrored: false });
    *response.version_mut() = Version::HTTP_11;
    match (response.status(), upgrade) {
        (StatusCode::SWITCHING_PROTOCOLS, Some(ours)) => upgrade::pass(client, response, ours, lease),
        (StatusCode::SWITCHING_PROTOCOLS, None) => refusal(StatusCode::BAD_GATEWAY, "upgrade"),
        _ => {
            headers::strip(response.headers_mut());
            response.map(|body| Answer::Instance(Download::new(body, lease)))
        }
    }
}

/// An answer of the proxy's own.
fn refusal(status: StatusCode, reason: &'static str) -> Response<Answer> {
    let text = Bytes::from_static(status.canonical_reason().unwrap_or_default().as_bytes());
    let mut response = Response::new(Answer::Text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(&REASON, HeaderValue::from_static(reason));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
