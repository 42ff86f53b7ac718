//! What becomes of requests and answers on their way through.
#![allow(clippy::unwrap_used)] // A helper that fails fails its test.

mod support;

use bytes::Bytes;
use deploy_core::{Member, MetricSource, Router, Split, Spread, Timestamp};
use deploy_traffic::{Config, EmbeddedProxy};
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Request;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

async fn pooled(config: Config, members: &[Member]) -> (EmbeddedProxy, SocketAddr) {
    let proxy = EmbeddedProxy::start(config).unwrap();
    proxy.apply(&routes(1, Spread::Pooled, members)).await.unwrap();
    let address = proxy.addresses(&track())[0];
    (proxy, address)
}

fn member(instance: &str, address: SocketAddr) -> Member {
    Member { instance: instance.into(), side: side("v1"), address: address.to_string(), draining: None }
}

/// An address that nobody listens on.
async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Sends bytes as they are and reads until the other side closes.
async fn raw(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn an_instance_sees_who_asked_and_nothing_hop_by_hop() {
    let app = App::start("v1").await;
    let (_proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    let mut client = Client::connect(address).await;
    client.get_with("/x", &[("connection", "x-own"), ("x-own", "1"), ("te", "gzip"), ("x-kept", "2")]).await;
    let (headers, _) = app.seen().await.remove(0);
    assert_eq!(headers["host"], "shop.example");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-host"], "shop.example");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-kept"], "2");
    for gone in ["x-own", "te", "connection"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn bodies_of_any_size_go_both_ways_as_streams() {
    let app = App::start("v1").await;
    let (_proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (send, parts) = tokio::sync::mpsc::channel::<Bytes>(1);
    let parts = futures::stream::unfold(parts, |mut parts| async {
        parts.recv().await.map(|part| (Ok::<_, std::convert::Infallible>(Frame::data(part)), parts))
    });
    let request = Request::post("/echo").header("host", "a").body(StreamBody::new(Box::pin(parts))).unwrap();
    let mut answer = sender.send_request(request).await.unwrap().into_body();
    // Each part comes back before the next is sent: nothing waits for the end.
    for part in 0..64u8 {
        send.send(Bytes::from(vec![part; 64 * 1024])).await.unwrap();
        let mut back = 0;
        while back < 64 * 1024 {
            let data = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(data.iter().all(|byte| *byte == part));
            back += data.len();
        }
    }
    drop(send);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn connections_to_instances_are_used_again_after_bodies_of_every_kind() {
    let app = App::start("v1").await;
    let (_proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    let mut client = Client::connect(address).await;
    for _ in 0..10 {
        client.get("/").await;
        let post = Request::post("/echo").header("host", "a").body(Full::new(Bytes::from("hello"))).unwrap();
        assert_eq!(client.send(post).await.unwrap().text(), "hello");
        let head = Request::head("/").header("host", "a").body(Full::default()).unwrap();
        let got = client.send(head).await.unwrap();
        assert_eq!((got.headers["content-length"].to_str().unwrap(), got.body.len()), ("2", 0));
    }
    let connections = app.connections.load(std::sync::atomic::Ordering::SeqCst);
    assert!(connections <= 3, "{connections} connections for 30 requests in a row");
}

#[tokio::test]
async fn http_1_0_clients_are_answered_and_their_connection_is_closed() {
    let app = App::start("v1").await;
    let (_proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    let answer = raw(address, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nv1"), "{answer}");
    assert_eq!(app.seen().await[0].0["host"], app.address.to_string().as_str());
}

#[tokio::test]
async fn a_client_that_expects_to_be_told_to_continue_is() {
    let app = App::start("v1").await;
    let (_proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("hello"), "{answer}");
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_are_refused() {
    let app = App::start("v1").await;
    let (_proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    for wrong in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
    ] {
        let answer = raw(address, wrong).await;
        assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400"), "{wrong:?}: {answer}");
    }
    assert_eq!(app.hits(), 0);
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_reach_the_instance() {
    let app = App::start("v1").await;
    let (_proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    let both = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
                3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    raw(address, both).await;
    let seen = app.seen().await;
    assert_eq!(seen.len(), 1);
    assert_eq!(&seen[0].1[..], b"abc");
    assert!(!seen[0].0.contains_key("content-length"));
}

#[tokio::test]
async fn clients_of_http_2_are_served() {
    let app = App::start("v1").await;
    let (_proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let ask = |path: &'static str| {
        let mut sender = sender.clone();
        async move {
            let request = Request::get(format!("http://shop.example{path}"))
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .body(Full::<Bytes>::default())
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        }
    };
    let answers = futures::future::join_all((0..20).map(|_| ask("/"))).await;
    assert!(answers.iter().all(|answer| &answer[..] == b"v1"));
    let (headers, _) = app.seen().await.remove(0);
    assert_eq!((headers["host"].to_str().unwrap(), headers["cookie"].to_str().unwrap()), ("shop.example", "a=1; b=2"));
}

#[tokio::test]
async fn an_instance_that_cannot_be_connected_to_is_passed_over() {
    let app = App::start("v1").await;
    let config = Config::default();
    let (_proxy, address) = pooled(config, &[member("dead", dead().await), app.member("a")]).await;
    let mut client = Client::connect(address).await;
    for _ in 0..20 {
        let post = Request::post("/echo").header("host", "a").body(Full::new(Bytes::from("hello"))).unwrap();
        let got = client.send(post).await.unwrap();
        assert_eq!((got.status, got.text()), (200, "hello"));
    }
}

#[tokio::test]
async fn without_anybody_the_proxy_says_so() {
    let (proxy, address) = pooled(Config::default(), &[]).await;
    let mut client = Client::connect(address).await;
    let got = client.get("/").await;
    assert_eq!((got.status, got.reason()), (503, "no-instance"));
    proxy.apply(&routes(2, Spread::Pooled, &[member("a", dead().await)])).await.unwrap();
    let got = client.get("/").await;
    assert_eq!((got.status, got.reason()), (503, "unreachable"));
    let got = client.get("/").await;
    assert_eq!((got.status, got.reason()), (503, "no-instance"), "it is out of use now");
}

#[tokio::test]
async fn an_instance_that_comes_back_is_used_again() {
    let gone = dead().await;
    let config = {
        let mut config = Config::default();
        config.out_of_use = Duration::from_millis(50);
        config
    };
    let (_proxy, address) = pooled(config, &[member("a", gone)]).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/").await.status, 503);
    let back = TcpListener::bind(gone).await.unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = back.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    until("it is used again", async || client.get("/").await.status == 204).await;
}

/// Answers the first request of each connection, and closes it when a second one has come.
async fn closes_after_one() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = [0; 4096];
                let _ = stream.read(&mut read).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                let _ = stream.read(&mut read).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_request_that_met_a_closing_connection_goes_out_again_only_if_that_is_safe() {
    let (_proxy, address) = pooled(Config::default(), &[member("a", closes_after_one().await)]).await;
    let mut client = Client::connect(address).await;
    for _ in 0..6 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let post = Request::post("/").header("host", "a").body(Full::new(Bytes::from("once"))).unwrap();
    let got = client.send(post).await.unwrap();
    assert_eq!((got.status, got.reason()), (502, "no-answer"));
}

#[tokio::test]
async fn an_instance_that_does_not_answer_in_time_is_a_504() {
    let app = App::start("v1").await;
    let config = {
        let mut config = Config::default();
        config.response_timeout = Duration::from_millis(100);
        config
    };
    let (proxy, address) = pooled(config, &[app.member("a")]).await;
    let got = Client::connect(address).await.get("/held").await;
    assert_eq!((got.status, got.reason()), (504, "timeout"));
    let since = Timestamp::now() - jiff::SignedDuration::from_secs(5);
    let figures = proxy.figures(&track(), &side("v1"), since).await.unwrap().unwrap();
    assert_eq!((figures.requests, figures.errors, figures.p50), (1, 1, None));
}

#[tokio::test]
async fn copies_reach_the_candidate_and_cannot_slow_or_fail_the_caller() {
    let (stable, candidate) = (App::start("v1").await, App::start("v2").await);
    let config = {
        let mut config = Config::default();
        config.mirror_body = 1_000;
        config
    };
    let proxy = EmbeddedProxy::start(config).unwrap();
    let whole = split(Split::percent(0).mirror(deploy_core::Share::WHOLE));
    proxy.apply(&routes(1, whole.clone(), &[stable.member("a"), candidate.member("b")])).await.unwrap();
    let mut client = Client::connect(proxy.addresses(&track())[0]).await;
    for size in [0, 10, 2_000] {
        let post = Request::post("/").header("host", "a").body(Full::new(Bytes::from(vec![7; size]))).unwrap();
        assert_eq!(client.send(post).await.unwrap().text(), "v1");
    }
    until("two copies have come", async || candidate.seen().await.len() == 2).await;
    let mut sizes: Vec<_> = candidate.seen().await.iter().map(|(_, body)| body.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 10], "what is larger than the bound is not copied");
    assert!(candidate.seen().await.iter().all(|(headers, _)| headers["x-deploy-mirror"] == "true"));

    let begun = Instant::now();
    for _ in 0..1_000 {
        stable.gate.add_permits(1);
        assert_eq!(client.get("/held").await.text(), "v1");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "the candidate holds every copy, nobody waits for it");
    assert_eq!(proxy.observe(&track()).await.unwrap().members[1].in_flight, Some(0));
    candidate.kill();
    assert_eq!(client.get("/").await.status, 200);
}

/// Sends every WebSocket message back.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() {
                        socket.send(message).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_websocket_passes_counts_and_outlives_the_draining_of_its_instance() {
    let instance = member("a", echo().await);
    let (proxy, address) = pooled(Config::default(), std::slice::from_ref(&instance)).await;
    let (mut socket, response) = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.unwrap();
    assert_eq!(response.status(), 101);
    let in_flight = async || proxy.observe(&track()).await.unwrap().members[0].in_flight;
    for draining_now in [false, true] {
        if draining_now {
            proxy.apply(&routes(2, Spread::Pooled, &[draining(instance.clone())])).await.unwrap();
        }
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
        assert_eq!(in_flight().await, Some(1));
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    until("it is not counted any more", async || in_flight().await == Some(0)).await;
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_an_ordinary_answer() {
    let app = App::start("v1").await;
    let (_proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    let mut client = Client::connect(address).await;
    let asked = [("connection", "Upgrade"), ("upgrade", "websocket")];
    assert_eq!(client.get_with("/", &asked).await.text(), "v1");
    assert_eq!(app.seen().await[0].0["upgrade"], "websocket");
    assert_eq!(client.get("/").await.text(), "v1");
}

#[tokio::test]
async fn a_proxy_that_stops_says_goodbye_to_clients_of_http_2() {
    let app = App::start("v1").await;
    let (proxy, address) = pooled(Config::default(), &[app.member("a")]).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let ask = |path: &str| Request::get(format!("http://a{path}")).body(Full::<Bytes>::default()).unwrap();
    sender.send_request(ask("/")).await.unwrap();
    let held = tokio::spawn(sender.send_request(ask("/held")));
    until("it is held", async || app.hits() == 2).await;
    let stopped = tokio::spawn(proxy.stop());
    until("the port is closed", async || TcpStream::connect(address).await.is_err()).await;
    app.gate.add_permits(1);
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
    stopped.await.unwrap();
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_passed_on_as_broken_and_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let instance = member("a", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    });
    let (proxy, address) = pooled(Config::default(), &[instance]).await;
    let since = Timestamp::now() - jiff::SignedDuration::from_secs(5);
    assert!(Client::connect(address).await.send(get("/", &[])).await.is_err());
    let figures = proxy.figures(&track(), &side("v1"), since).await.unwrap().unwrap();
    assert_eq!((figures.requests, figures.errors), (1, 1));
    assert_eq!(proxy.observe(&track()).await.unwrap().members[0].in_flight, Some(0));
}
