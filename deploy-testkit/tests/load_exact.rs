//! What the load reports of a proxy that goes wrong exactly so many times: exactly that, over each kind of client.
#![allow(clippy::unwrap_used, reason = "a test may end so")]

mod common;

use common::{
    SocketFault, faulty_socket,
    wrong::{Wrong, wrong_proxy},
};
use deploy_testkit::{
    app::{App, Settings},
    load::{ClientKind, Load, Report},
    wait::wait_until,
};
use std::sync::atomic::Ordering;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);
const KINDS: [ClientKind; 3] = [ClientKind::KeepAlive, ClientKind::Closing, ClientKind::Http2];

fn only(kind: ClientKind, load: Load) -> Load {
    let clients = |of| if kind == of { 3 } else { 0 };
    load.keep_alive(clients(ClientKind::KeepAlive))
        .closing(clients(ClientKind::Closing))
        .http2(clients(ClientKind::Http2))
}

async fn app(version: &str, side: &str) -> App {
    App::start(Settings { side: Some(side.into()), ..Settings::new(version) }).await.unwrap()
}

/// What is reported of a proxy that goes wrong `times` times, by one kind of client.
async fn suffer(kind: ClientKind, wrong: Wrong, times: u64) -> Report {
    let app = app("v1", "home").await;
    let (address, taken) = wrong_proxy(app.address(), wrong, 20, times).await;
    let load = Load::to(address.to_string()).sockets(0).slow_percent(0.0).rate(250);
    // A machine that stands still for a while loses nothing, but for what the five seconds are the subject of.
    let load = if wrong == Wrong::Stalls { load } else { load.timeout(LONG) };
    let running = only(kind, load).start().unwrap();
    wait_until("enough is sent", LONG, async || running.now().sent >= 120).await.unwrap();
    wait_until("all went wrong", LONG, async || taken.load(Ordering::Relaxed) >= 20 + times).await.unwrap();
    running.stop().await
}

async fn exactly(wrong: Wrong, times: u64) {
    for kind in KINDS {
        let report = suffer(kind, wrong, times).await;
        let total = report.total();
        assert_eq!((total.lost, total.reused_closed, total.own_errors), (times, 0, 0), "{kind}: {report}");
        assert_eq!(total.sent, total.ok + times, "{kind}: {report}");
        assert_eq!(total.clients.keys().collect::<Vec<_>>(), [&kind]);
        assert_eq!((total.clients[&kind].sent, total.clients[&kind].lost), (total.sent, times), "{kind}");
    }
}

#[tokio::test]
async fn what_is_dropped_is_lost_exactly() {
    exactly(Wrong::Drops, 7).await;
    exactly(Wrong::Drops, 1).await;
}

#[tokio::test]
async fn what_the_proxy_answers_with_a_5xx_of_its_own_is_lost_exactly() {
    exactly(Wrong::Foreign5xx, 11).await;
}

#[tokio::test]
async fn what_stalls_beyond_five_seconds_is_lost_exactly() {
    exactly(Wrong::Stalls, 5).await;
}

#[tokio::test]
async fn websockets_that_are_closed_without_a_close_frame_are_lost_exactly() {
    for times in [1, 4] {
        let address = faulty_socket(SocketFault::Drop, times).await;
        let running = Load::to(address.to_string()).rate(0).start().unwrap();
        wait_until("it is connected again", LONG, async || running.now().sockets.reconnected == times).await.unwrap();
        let total = running.stop().await.total();
        assert_eq!((total.lost, total.sockets.lost), (times, times), "{total}");
        assert_eq!(total.clients[&ClientKind::WebSocket].lost, times);
    }
}

#[tokio::test]
async fn answers_are_counted_by_version_and_side() {
    let bad = Settings { error_percent: 50.0, side: Some("aside".into()), ..Settings::new("v2") };
    let (good, bad) = (app("v1", "home").await, App::start(bad).await.unwrap());
    let (address, switch) = common::forwarder(good.address()).await;
    let load = Load::to(address.to_string()).sockets(0).keep_alive(0).closing(4).rate(200).timeout(LONG);
    let running = load.start().unwrap();
    wait_until("the first has answered", LONG, async || running.now().sent >= 60).await.unwrap();
    switch.send_replace(bad.address());
    wait_until("the second has answered", LONG, async || running.now().own_errors >= 20).await.unwrap();
    let report = running.stop().await;
    let total = report.total();
    assert_eq!(total.versions["v1"], total.sides["home"], "{report}");
    assert_eq!(total.versions["v2"], total.sides["aside"], "{report}");
    assert_eq!(total.versions["v1"] + total.versions["v2"], total.sent, "{report}");
    assert_eq!(total.own_errors_of.keys().collect::<Vec<_>>(), ["v2"]);
    assert_eq!((total.own_errors_of["v2"], total.lost), (total.own_errors, 0), "{report}");
}

#[tokio::test]
async fn calls_between_services_are_counted_apart_and_lost_when_the_called_one_is() {
    let (caller, called) = (app("v1", "home").await, app("v9", "home").await);
    let path = format!("/call?port={}", called.address().port());
    let load =
        Load::to(caller.address().to_string()).sockets(0).rate(200).slow_percent(0.0).timeout(LONG).calls(path, 20.0);
    let running = load.start().unwrap();
    wait_until("calls are answered", LONG, async || running.now().sent >= 100).await.unwrap();
    running.mark_gap("nobody is called");
    wait_until("no call is under way", LONG, async || running.now().outstanding == 0).await.unwrap();
    called.stop().await.unwrap();
    let before = running.now();
    wait_until("calls are lost", LONG, async || running.now().lost >= before.lost + 10).await.unwrap();
    let report = running.stop().await;
    let (whole, gap) = (report.section("start").unwrap(), report.section("nobody is called").unwrap());
    assert_eq!((whole.calls.ok, whole.calls.lost), (whole.calls.sent, 0), "{report}");
    assert_eq!(whole.calls.versions.keys().collect::<Vec<_>>(), ["v9"]);
    assert!((whole.calls.sent as i64 - whole.sent as i64 / 5).abs() <= 1, "{report}");
    assert_eq!((gap.lost, gap.own_errors), (gap.calls.lost, 0), "{report}");
    assert!(gap.calls.lost >= 10, "{report}");
}
