//! Connections that become something else: WebSocket and the like.

use crate::body::{Answer, Lease};
use crate::listen::Client;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink, split};
use tokio::time::timeout;

/// How long the end of one direction waits for the other, where nothing more can come of it.
const LINGER: Duration = Duration::from_secs(5);

/// Passes an upgrade on, and then bytes both ways until the instance ends. It counts as in flight until then.
pub(crate) fn pass(
    client: &Client,
    mut response: Response<Incoming>,
    ours: OnUpgrade,
    lease: Lease,
) -> Response<Answer> {
    let theirs = hyper::upgrade::on(&mut response);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    client.tasks.spawn(async move {
        if let Err(error) = tunnel(ours, theirs, lease).await {
            tracing::debug!(%error, "an upgraded connection broke");
        }
    });
    response.map(|_| Answer::Text(Bytes::new()))
}

async fn tunnel(ours: OnUpgrade, theirs: OnUpgrade, lease: Lease) -> io::Result<()> {
    let upgraded = |end: Result<Upgraded, hyper::Error>| end.map(TokioIo::new).map_err(io::Error::other);
    let (mut from_client, mut to_client) = split(upgraded(ours.await)?);
    let (mut from_instance, mut to_instance) = split(upgraded(theirs.await)?);
    {
        let mut up = pin!(flow(&mut from_client, &mut to_instance));
        let mut down = pin!(flow(&mut from_instance, &mut to_client));
        tokio::select! {
            _ = &mut down => {}
            sent = &mut up => match sent {
                Ok(()) => drop(down.await),
                Err(_) => drop(timeout(LINGER, down).await),
            },
        }
    }
    drop(lease);
    // Closed with bytes unread, the connection would be reset, and the client lose the instance's last words.
    let _ = timeout(LINGER, copy(&mut from_client, &mut sink())).await;
    Ok(())
}

/// Copies until the end, and passes the end on.
async fn flow(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let copied = copy(from, to).await;
    let _ = to.shutdown().await;
    copied.map(|_| ())
}
