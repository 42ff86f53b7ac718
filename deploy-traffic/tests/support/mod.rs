//! Instances to send requests to, and clients that send them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // Each test file uses a part; a helper that fails fails its test.

use bytes::Bytes;
use deploy_core::{Member, Routes, Side, Split, Spread, Timestamp, Token, TrackRef};
use futures::future::BoxFuture;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

pub fn track() -> TrackRef {
    "shop/production/web@here".parse().unwrap()
}

pub fn side(revision: &str) -> Side {
    Side::home(revision.into())
}

pub fn split(split: Split) -> Spread {
    Spread::Split { from: Some(side("v1")), to: Some(side("v2")), split }
}

pub fn routes(generation: u64, spread: Spread, members: &[Member]) -> Routes {
    Routes { track: track(), ports: vec![], token: Token::new(1, generation), spread, members: members.to_vec() }
}

pub fn draining(mut member: Member) -> Member {
    member.draining = Some(Timestamp::UNIX_EPOCH);
    member
}

/// Waits, at most 20 s, until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An instance: answers with its revision, and counts what it gets.
pub struct App {
    pub revision: String,
    pub address: SocketAddr,
    pub hits: Arc<AtomicU64>,
    pub connections: Arc<AtomicU64>,
    /// What `/held` waits for.
    pub gate: Arc<Semaphore>,
    stop: CancellationToken,
    seen: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl App {
    pub async fn start(revision: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = Self {
            revision: revision.into(),
            address: listener.local_addr().unwrap(),
            hits: Arc::default(),
            connections: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            stop: CancellationToken::new(),
            seen: Arc::default(),
        };
        let handler = app.handler();
        let (stop, connections) = (app.stop.clone(), app.connections.clone());
        tokio::spawn(async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (handler, stop) = (handler.clone(), stop.clone());
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| handler(request));
                    let talk =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    let _ = stop.run_until_cancelled(talk).await;
                });
            }
        });
        app
    }

    #[allow(clippy::type_complexity)]
    fn handler(
        &self,
    ) -> Arc<
        dyn Fn(Request<Incoming>) -> BoxFuture<'static, Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible>>
            + Send
            + Sync,
    > {
        let (revision, hits) = (self.revision.clone(), Arc::clone(&self.hits));
        let (gate, seen) = (Arc::clone(&self.gate), Arc::clone(&self.seen));
        Arc::new(move |request| {
            hits.fetch_add(1, Ordering::SeqCst);
            let (revision, gate, seen) = (revision.clone(), Arc::clone(&gate), Arc::clone(&seen));
            Box::pin(async move {
                let path = request.uri().path().to_owned();
                let headers = request.headers().clone();
                let status = if path == "/500" { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
                let response = Response::builder().status(status).header("x-revision", &revision);
                if path == "/echo" {
                    return Ok(response.body(request.into_body().boxed()).unwrap());
                }
                let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
                seen.lock().await.push((headers, body));
                if path == "/held" {
                    gate.acquire().await.unwrap().forget();
                }
                let whole = |text: String| Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
                Ok(response.body(whole(revision)).unwrap())
            })
        })
    }

    pub fn member(&self, instance: &str) -> Member {
        Member {
            instance: instance.into(),
            side: side(&self.revision),
            address: self.address.to_string(),
            draining: None,
        }
    }

    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    pub async fn seen(&self) -> Vec<(HeaderMap, Bytes)> {
        self.seen.lock().await.clone()
    }

    /// Stops at once, with all its connections.
    pub fn kill(&self) {
        self.stop.cancel();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An answer.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Got {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn reason(&self) -> &str {
        self.headers.get("x-deploy-proxy").map_or("", |reason| reason.to_str().unwrap())
    }
}

/// A client that keeps its connection.
pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Self(sender)
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Got> {
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Got { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    pub async fn get(&mut self, path: &str) -> Got {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Got {
        self.send(get(path, headers)).await.unwrap()
    }
}

pub fn get(path: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let request = Request::get(path).header("host", "shop.example");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Full::default()).unwrap()
}
