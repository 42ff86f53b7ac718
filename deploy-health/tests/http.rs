//! The HTTP check against real sockets.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod common;

use common::{ask, http, listen, nobody, probe, serve, target};
use deploy_core::{Health, HttpCheck, Kind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfine!";

async fn against(answer: &'static str, change: impl FnOnce(&mut HttpCheck)) -> Health {
    let server = serve(move |_| answer.to_owned()).await;
    ask(http(change), &target(&server)).await.unwrap()
}

#[tokio::test]
async fn a_status_in_the_range_is_healthy_and_another_is_not() {
    let teapot = "HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(against(OK, |_| {}).await, Health::Healthy);
    assert_eq!(against(teapot, |_| {}).await, Health::Unhealthy);
    assert_eq!(against(teapot, |check| check.status = (418, 418)).await, Health::Healthy);
    assert_eq!(against("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", |_| {}).await, Health::Unhealthy);
}

#[tokio::test]
async fn the_request_bears_path_method_and_headers() {
    let server = serve(|head| {
        let head = head.to_ascii_lowercase();
        let asked = head.starts_with("post /ready?deep=1 http/1.1\r\n")
            && head.contains("\r\nx-key: open\r\n")
            && head.contains("\r\nhost: shop.example\r\n");
        if asked { OK.to_owned() } else { "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n".to_owned() }
    })
    .await;
    let check = http(|check| {
        (check.method, check.path) = ("POST".into(), "/ready?deep=1".into());
        check.headers =
            [("X-Key".to_owned(), "open".to_owned()), ("Host".to_owned(), "shop.example".to_owned())].into();
    });
    assert_eq!(ask(check, &target(&server)).await.unwrap(), Health::Healthy);
}

#[tokio::test]
async fn the_body_has_to_contain_what_is_asked_within_the_first_64_kib() {
    assert_eq!(against(OK, |check| check.body = Some("fine".into())).await, Health::Healthy);
    assert_eq!(against(OK, |check| check.body = Some("well".into())).await, Health::Unhealthy);
    let padded = |padding: usize| format!("HTTP/1.1 200 OK\r\n\r\n{}needle", "x".repeat(padding));
    for (padding, expected) in [(64 * 1024 - 6, Health::Healthy), (64 * 1024, Health::Unhealthy)] {
        let server = serve(move |_| padded(padding)).await;
        let check = http(|check| check.body = Some("needle".into()));
        assert_eq!(ask(check, &target(&server)).await.unwrap(), expected, "{padding}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_unhealthy() {
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nfine";
    assert_eq!(against(short, |check| check.body = Some("fine".into())).await, Health::Unhealthy);
}

#[tokio::test]
async fn the_right_version_has_to_answer() {
    let asks = |check: &mut HttpCheck| check.version_header = Some("x-version".into());
    let bears = "HTTP/1.1 200 OK\r\nX-Version: 2.0.0\r\ncontent-length: 0\r\n\r\n";
    let other = "HTTP/1.1 200 OK\r\nX-Version: 1.9.0\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(against(bears, asks).await, Health::Healthy);
    assert_eq!(against(other, asks).await, Health::Unhealthy);
    assert_eq!(against(OK, asks).await, Health::Unhealthy);
}

#[tokio::test]
async fn a_redirect_is_followed_to_the_same_host_only_when_asked() {
    let server = serve(|head| {
        if head.starts_with("GET /there ") {
            return "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_owned();
        }
        "HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n".to_owned()
    })
    .await;
    assert_eq!(ask(http(|_| {}), &target(&server)).await.unwrap(), Health::Healthy);
    let follows = http(|check| check.follow_redirects = true);
    assert_eq!(ask(follows, &target(&server)).await.unwrap(), Health::Unhealthy);
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(against(elsewhere, |check| check.follow_redirects = true).await, Health::Healthy);
}

#[tokio::test]
async fn redirects_without_end_are_given_up_after_five() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let server = serve(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".to_owned()
    })
    .await;
    let follows = http(|check| check.follow_redirects = true);
    assert_eq!(ask(follows, &target(&server)).await.unwrap(), Health::Unhealthy);
    assert_eq!(asked.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn refused_closed_and_garbled_are_unhealthy() {
    assert_eq!(ask(http(|_| {}), &target(&nobody())).await.unwrap(), Health::Unhealthy);
    assert_eq!(against("", |_| {}).await, Health::Unhealthy);
    assert_eq!(against("SSH-2.0-OpenSSH_9.6\r\n\r\n", |_| {}).await, Health::Unhealthy);
}

#[tokio::test]
async fn no_answer_in_time_is_unhealthy() {
    let (silent, address) = listen().await;
    let mut slow = probe(http(|_| {}));
    slow.timing.timeout = Duration::from_millis(50);
    let health = deploy_health::check(&slow).unwrap().probe(&target(&address)).await.unwrap();
    assert_eq!(health, Health::Unhealthy);
    drop(silent);
}

#[tokio::test]
async fn an_answer_that_trickles_past_the_timeout_is_unhealthy() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut slow = probe(http(|_| {}));
    slow.timing.timeout = Duration::from_millis(200);
    let health = deploy_health::check(&slow).unwrap().probe(&target(&address)).await.unwrap();
    assert_eq!(health, Health::Unhealthy);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_or_a_port_that_is_not_there_is_our_own_failure() {
    let unresolved = ask(http(|_| {}), &target(&"no-such-host.invalid:80")).await.unwrap_err();
    assert!(matches!(unresolved.kind(), Kind::Unavailable | Kind::Timeout), "{unresolved}");
    let named = http(|check| check.port = Some("metrics".into()));
    let missing = ask(named, &target(&"127.0.0.1:1")).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(missing.message().contains("no port `metrics`"), "{missing}");
}

#[tokio::test]
async fn a_named_port_is_asked() {
    let server = serve(|_| OK.to_owned()).await;
    let mut target = target(&server);
    target.address = None;
    let check = http(|check| check.port = Some("admin".into()));
    assert_eq!(ask(check, &target).await.unwrap(), Health::Healthy);
}

#[test]
fn what_cannot_be_asked_is_refused_when_the_check_is_made() {
    let changes: [fn(&mut HttpCheck); 6] = [
        |check| check.path = "health".into(),
        |check| check.path = "/a b".into(),
        |check| check.method = "G T".into(),
        |check| check.status = (400, 200),
        |check| check.version_header = Some("x version".into()),
        |check| check.headers = [("x-key".to_owned(), "a\nb".to_owned())].into(),
    ];
    for change in changes {
        let error = deploy_health::check(&probe(http(change))).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.context("at").unwrap().starts_with("health.http."), "{error}");
    }
}

#[test]
fn debug_shows_no_header_value() {
    let check = http(|check| check.headers = [("authorization".to_owned(), "hush".to_owned())].into());
    assert!(!format!("{:?}", deploy_health::check(&probe(check)).unwrap()).contains("hush"));
}
