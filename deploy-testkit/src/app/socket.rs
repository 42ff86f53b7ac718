//! The WebSocket that echoes.

use super::{answer::text, server::told};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::{sync::watch, time};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

/// How long the other side may take to answer the close frame.
const GOODBYE: Duration = Duration::from_secs(1);

/// Answers the handshake; what follows runs on its own and holds `stop` while it lives.
pub(super) fn upgrade(mut request: Request<Incoming>, stop: watch::Receiver<bool>) -> Response<Full<Bytes>> {
    let Some(accept) = accept_key(&request) else {
        return text(StatusCode::BAD_REQUEST, "this is a WebSocket (HTTP/1.1, version 13)");
    };
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            let io = TokioIo::new(upgraded);
            echo(WebSocketStream::from_raw_socket(io, Role::Server, None).await, stop).await;
        }
    });
    let mut answer = text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

fn accept_key(request: &Request<Incoming>) -> Option<HeaderValue> {
    let headers = request.headers();
    let asked = headers.get(header::UPGRADE)?.as_bytes().eq_ignore_ascii_case(b"websocket");
    let version = headers.get(header::SEC_WEBSOCKET_VERSION)?.as_bytes() == b"13";
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    (asked && version).then(|| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok())?
}

async fn echo(mut stream: WebSocketStream<TokioIo<Upgraded>>, mut stop: watch::Receiver<bool>) {
    loop {
        let received = tokio::select! {
            biased;
            () = told(&mut stop) => break,
            received = stream.next() => received,
        };
        match received {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if stream.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            _ => return,
        }
    }
    let away = CloseFrame { code: CloseCode::Away, reason: "the instance goes away".into() };
    let goodbye = async {
        if stream.close(Some(away)).await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
    };
    let _ = time::timeout(GOODBYE, goodbye).await;
}
