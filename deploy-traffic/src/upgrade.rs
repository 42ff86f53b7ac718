//! Connections that become something else: WebSocket and the like.

use crate::body::{Answer, Lease};
use crate::listen::Client;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;

/// Passes an upgrade on, and then bytes both ways until one side ends. It counts as in flight until then.
pub(crate) fn pass(
    client: &Client,
    mut response: Response<Incoming>,
    ours: OnUpgrade,
    lease: Lease,
) -> Response<Answer> {
    let theirs = hyper::upgrade::on(&mut response);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    client.tasks.spawn(async move {
        if let Err(error) = tunnel(ours, theirs).await {
            tracing::debug!(%error, "an upgraded connection broke");
        }
        drop(lease);
    });
    response.map(|_| Answer::Text(Bytes::new()))
}

async fn tunnel(ours: OnUpgrade, theirs: OnUpgrade) -> io::Result<()> {
    let upgraded = |end: Result<Upgraded, hyper::Error>| end.map(TokioIo::new).map_err(io::Error::other);
    let (mut ours, mut theirs) = (upgraded(ours.await)?, upgraded(theirs.await)?);
    tokio::io::copy_bidirectional(&mut ours, &mut theirs).await.map(|_| ())
}
