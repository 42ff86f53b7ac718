//! A proxy that goes wrong in a known way, a known number of times, over HTTP/1.1 and HTTP/2.

use super::Taken;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Frame, body::Incoming, client::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use std::{convert::Infallible, io, net::SocketAddr, sync::atomic::Ordering, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time,
};

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// What it does to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Begins the answer and drops it: the connection with HTTP/1.1, the stream with HTTP/2.
    Drops,
    /// Answers 503 itself.
    Foreign5xx,
    /// Answers nothing, ever.
    Stalls,
}

/// Passes requests on to `to`, but for `times` of them after the first `after`.
pub async fn wrong_proxy(to: SocketAddr, wrong: Wrong, after: u64, times: u64) -> (SocketAddr, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Taken::default();
    let all = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = all.clone();
            let service = service_fn(move |request| {
                let nth = seen.fetch_add(1, Ordering::Relaxed);
                answer(to, request, (after..after + times).contains(&nth).then_some(wrong))
            });
            tokio::spawn(async move {
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    (address, taken)
}

async fn answer(to: SocketAddr, request: Request<Incoming>, wrong: Option<Wrong>) -> Result<Answer, Infallible> {
    if wrong == Some(Wrong::Stalls) {
        time::sleep(Duration::from_secs(3_600)).await;
    }
    let mut answer = pass(to, request.uri().path()).await;
    match wrong {
        Some(Wrong::Drops) => *answer.body_mut() = broken_off(),
        Some(Wrong::Foreign5xx) => {
            answer = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        _ => {}
    }
    Ok(answer)
}

async fn pass(to: SocketAddr, path: &str) -> Answer {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "app").header("connection", "close").body(Empty::<Bytes>::new());
    let mut answer = sender.send_request(request.unwrap()).await.unwrap();
    answer.headers_mut().remove("connection");
    answer.map(|body| body.map_err(io::Error::other).boxed_unsync())
}

/// Breaks off when what was said is on its way.
fn broken_off() -> UnsyncBoxBody<Bytes, io::Error> {
    let said = stream::once(async { Ok(Frame::data(Bytes::from_static(b"ver"))) });
    let broken = stream::once(async {
        time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("on purpose"))
    });
    StreamBody::new(said.chain(broken)).boxed_unsync()
}
