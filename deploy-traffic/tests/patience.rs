//! Clients that ask nothing, ask slowly, or are too many.
#![allow(clippy::unwrap_used)] // A helper that fails fails its test.

mod support;

use bytes::Bytes;
use deploy_core::{Router, Spread};
use deploy_traffic::{Config, EmbeddedProxy};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

async fn proxy(app: &App, change: impl FnOnce(&mut Config)) -> (EmbeddedProxy, SocketAddr) {
    let mut config = Config::default();
    change(&mut config);
    let proxy = EmbeddedProxy::start(config).unwrap();
    proxy.apply(&routes(1, Spread::Pooled, &[app.member("a")])).await.unwrap();
    let address = proxy.addresses(&track())[0];
    (proxy, address)
}

/// When the other side hangs up, without a word.
async fn hung_up(stream: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    let read = tokio::time::timeout(LONG, stream.read(&mut [0; 1_024])).await.unwrap();
    assert_eq!(read.unwrap_or(0), 0);
    begun.elapsed()
}

#[tokio::test]
async fn a_client_that_never_asks_is_hung_up_on() {
    let app = App::start("v1").await;
    let (_proxy, address) = proxy(&app, |config| config.client_idle = SHORT).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(hung_up(&mut stream).await >= SHORT - Duration::from_millis(50));
}

#[tokio::test]
async fn a_client_that_asks_no_more_is_hung_up_on_and_one_that_asks_is_not() {
    let app = App::start("v1").await;
    let (_proxy, address) = proxy(&app, |config| config.client_idle = SHORT).await;
    let mut client = Client::connect(address).await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.text(), "v1");
        tokio::time::sleep(SHORT / 2).await;
    }
    tokio::time::sleep(SHORT * 2).await;
    assert!(client.send(get("/", &[])).await.is_err());
}

#[tokio::test]
async fn a_request_that_takes_long_is_not_silence() {
    let app = App::start("v1").await;
    let (_proxy, address) = proxy(&app, |config| config.client_idle = SHORT).await;
    let mut client = Client::connect(address).await;
    let gate = app.gate.clone();
    tokio::spawn(async move {
        tokio::time::sleep(SHORT * 3).await;
        gate.add_permits(1);
    });
    assert_eq!(client.get("/held").await.text(), "v1");
    assert_eq!(client.get("/").await.text(), "v1");
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let app = App::start("v1").await;
    let (_proxy, address) = proxy(&app, |config| config.header_timeout = SHORT).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begun = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: ".iter().cycle() {
        assert!(begun.elapsed() < LONG, "still served");
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() >= SHORT - Duration::from_millis(50));
    assert_eq!(app.hits(), 0);
}

#[tokio::test]
async fn who_comes_when_there_is_no_room_is_served_when_somebody_leaves() {
    let app = App::start("v1").await;
    let (_proxy, address) = proxy(&app, |config| config.max_clients = 2).await;
    let mut first = Client::connect(address).await;
    let mut second = Client::connect(address).await;
    assert_eq!((first.get("/").await.status, second.get("/").await.status), (200, 200));
    let mut third = Client::connect(address).await;
    let waiting = tokio::spawn(async move { third.get("/").await.status });
    tokio::time::sleep(SHORT).await;
    assert_eq!((app.hits(), waiting.is_finished()), (2, false));
    drop(first);
    assert_eq!(tokio::time::timeout(LONG, waiting).await.unwrap().unwrap(), 200);
    assert_eq!(second.get("/").await.status, 200);
}

#[tokio::test]
async fn an_http_2_client_that_asks_no_more_is_told_to_go_away() {
    let app = App::start("v1").await;
    let (_proxy, address) = proxy(&app, |config| config.client_idle = SHORT).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let ended = tokio::spawn(connection);
    for _ in 0..3 {
        let request = hyper::Request::get("http://shop.example/").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
        tokio::time::sleep(SHORT / 2).await;
    }
    let ended = tokio::time::timeout(LONG, ended).await.unwrap().unwrap();
    assert!(ended.is_ok(), "no goodbye: {ended:?}");
    assert!(sender.is_closed());
}
