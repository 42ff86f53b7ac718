//! The load against servers that go wrong a known number of times: it must count exactly that.
#![allow(clippy::unwrap_used, reason = "a test may end so")]

mod common;

use common::{Fault, SocketFault, cuttable, faulty, faulty_socket, forwarder, restless};
use deploy_core::Result;
use deploy_testkit::{
    app::{App, Settings},
    load::{Load, Report, Running},
    wait::wait_until,
};
use std::sync::atomic::Ordering;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

async fn sent(running: &Running, requests: u64) {
    wait_until("enough is sent", LONG, async || running.now().sent >= requests).await.unwrap();
}

/// Requests until well after the faults, of which the server has done the last. A machine that stands still for a while
/// loses none.
async fn suffer(fault: Fault, times: u64, load: impl Fn(Load) -> Load) -> Report {
    let (address, taken) = faulty(fault, 20, times).await;
    let running = load(Load::to(address.to_string()).sockets(0).rate(250).timeout(LONG)).start().unwrap();
    sent(&running, 200).await;
    wait_until("all went wrong", LONG, async || taken.load(Ordering::Relaxed) >= 20 + times).await.unwrap();
    running.stop().await
}

fn closing(load: Load) -> Load {
    load.keep_alive(0)
}

fn keep_alive(load: Load) -> Load {
    load.closing(0)
}

fn counts(report: &Report, lost: u64) {
    let total = report.total();
    assert_eq!(total.lost, lost, "{report}");
    assert_eq!(total.sent, total.ok + total.lost + total.own_errors, "{report}");
    assert_eq!(report.none_lost().is_err(), lost > 0, "{report}");
}

#[tokio::test]
async fn nothing_is_lost_when_nothing_goes_wrong() {
    let report = suffer(Fault::Close, 0, |load| load).await;
    counts(&report, 0);
    assert_eq!(report.total().reused_closed, 0);
    assert_eq!(report.total().versions.keys().collect::<Vec<_>>(), ["v1"]);
}

#[tokio::test]
async fn a_reset_is_a_loss() {
    let report = suffer(Fault::Reset, 7, closing).await;
    counts(&report, 7);
    assert!(report.sections[0].losses[0].what.contains("reset"), "{report}");
}

#[tokio::test]
async fn a_close_without_a_response_is_a_loss() {
    counts(&suffer(Fault::Close, 25, closing).await, 25);
}

#[tokio::test]
async fn only_the_first_twenty_losses_are_described() {
    let report = suffer(Fault::Close, 25, closing).await;
    assert_eq!(report.sections[0].losses.len(), 20);
}

#[tokio::test]
async fn a_truncated_body_is_a_loss() {
    counts(&suffer(Fault::Truncate, 5, |load| load).await, 5);
    counts(&suffer(Fault::TruncateChunked, 5, |load| load).await, 5);
}

#[tokio::test]
async fn no_answer_within_the_timeout_is_a_loss() {
    let report = suffer(Fault::Silence, 4, |load| load.timeout(Duration::from_secs(3))).await;
    counts(&report, 4);
    assert!(report.sections[0].losses[0].what.contains("within 3s"), "{report}");
}

#[tokio::test]
async fn a_5xx_without_the_version_is_a_loss() {
    let report = suffer(Fault::Foreign5xx, 6, |load| load).await;
    counts(&report, 6);
    assert_eq!(report.total().statuses[&502], 6);
}

#[tokio::test]
async fn a_5xx_with_the_version_is_the_release_s_own() {
    let report = suffer(Fault::Own5xx, 6, |load| load).await;
    counts(&report, 0);
    assert_eq!(report.total().own_errors, 6);
}

#[tokio::test]
async fn a_reused_idle_connection_that_closes_is_counted_apart() {
    let report = suffer(Fault::CloseReused, 6, keep_alive).await;
    counts(&report, 0);
    assert_eq!(report.total().reused_closed, 6, "{report}");
}

#[tokio::test]
async fn a_reused_connection_that_is_cut_at_work_is_a_loss() {
    let report = suffer(Fault::CloseReusedLate, 6, keep_alive).await;
    counts(&report, 6);
    assert_eq!(report.total().reused_closed, 0, "{report}");
}

#[tokio::test]
async fn a_close_without_a_response_is_counted_on_one_side_or_the_other() {
    let total = suffer(Fault::Close, 7, keep_alive).await.total();
    assert_eq!(total.lost + total.reused_closed, 7, "{total}");
}

#[tokio::test]
async fn http2_connections_that_go_away_under_open_streams_lose_nothing() {
    let address = restless().await;
    let load = Load::to(address.to_string()).sockets(0).keep_alive(0).closing(0).http2(2).rate(300);
    let running = load.start().unwrap();
    sent(&running, 300).await;
    counts(&running.stop().await, 0);
}

#[tokio::test]
async fn an_http2_connection_that_is_cut_loses_its_requests() {
    let app = App::start(Settings::new("v1")).await.unwrap();
    let (address, cut) = cuttable(app.address()).await;
    let load = Load::to(address.to_string()).sockets(0).keep_alive(0).closing(0).http2(1).rate(100).slow_percent(50.0);
    let running = load.start().unwrap();
    wait_until("slow ones are under way", LONG, async || running.now().outstanding >= 5).await.unwrap();
    cut.send_replace(true);
    wait_until("they are lost", LONG, async || running.now().lost >= 5).await.unwrap();
    let total = running.stop().await.total();
    assert_eq!(total.reused_closed, 0, "{total}");
}

#[tokio::test]
async fn nobody_listening_is_a_loss() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let running = Load::to(address.to_string()).sockets(0).rate(100).start().unwrap();
    sent(&running, 10).await;
    let total = running.stop().await.total();
    assert_eq!(total.lost, total.sent);
    assert!(total.losses[0].what.contains("could not connect"));
}

#[tokio::test]
async fn too_many_outstanding_are_told_and_not_sent() {
    let (address, _) = faulty(Fault::Silence, 0, u64::MAX).await;
    let load = Load::to(address.to_string()).sockets(0).rate(200).outstanding(10).timeout(Duration::from_secs(2));
    let running = load.start().unwrap();
    wait_until("it overruns", LONG, async || running.now().overrun > 5).await.unwrap();
    assert!(running.now().outstanding <= 10);
    let report = running.stop().await;
    assert!(report.total().overrun > 5 && report.none_lost().is_err());
}

#[tokio::test]
async fn a_section_has_the_requests_that_were_sent_in_it() {
    let (address, _) = faulty(Fault::Foreign5xx, 0, 50).await;
    let running = Load::to(address.to_string()).sockets(0).rate(400).start().unwrap();
    running.mark_gap("gap");
    sent(&running, 100).await;
    let before = running.now().sent;
    running.mark("after");
    sent(&running, before + 100).await;
    let report = running.stop().await;
    assert_eq!(report.section("gap").unwrap().lost, 50);
    assert_eq!(report.section("after").unwrap().lost, 0);
    assert_eq!(report.section("gap").unwrap().sent, before, "{report}");
    assert!(report.section("after").unwrap().sent >= 100, "{report}");
    report.none_lost().unwrap();
    assert!(report.section("gap").unwrap().none_lost().is_err());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["sections"][1]["losses"].as_array().unwrap().len(), 20);
    assert!(json["sections"][2]["latency"]["p99_ms"].is_number());
}

/// A WebSocket alone, until it has been through all faults and goes on.
async fn talk(fault: SocketFault, times: u64, timeout: Duration) -> Report {
    let address = faulty_socket(fault, times).await;
    let running = Load::to(address.to_string()).rate(0).timeout(timeout).start().unwrap();
    wait_until("it is connected again", LONG, async || running.now().sockets.reconnected == times).await.unwrap();
    let before = running.now().sockets.answered;
    wait_until("it goes on", LONG, async || running.now().sockets.answered >= before + 3).await.unwrap();
    running.stop().await
}

#[tokio::test]
async fn a_websocket_that_drops_is_lost_once() {
    let report = talk(SocketFault::Drop, 3, Duration::from_secs(5)).await;
    assert_eq!((report.total().lost, report.total().sockets.lost), (3, 3), "{report}");
    assert_eq!(report.total().sockets.reconnected, 3);
}

#[tokio::test]
async fn an_unanswered_message_is_lost_once() {
    let report = talk(SocketFault::Swallow, 1, Duration::from_secs(2)).await;
    assert_eq!(report.total().lost, 1, "{report}");
}

#[tokio::test]
async fn an_instance_that_says_goodbye_loses_nothing() {
    let report = talk(SocketFault::Away, 3, Duration::from_secs(5)).await;
    let sockets = report.total().sockets;
    report.none_lost().unwrap();
    assert_eq!((sockets.reconnected, sockets.messages), (3, sockets.answered), "{report}");
    assert!(sockets.resent >= 3, "{report}");
}

#[tokio::test]
async fn a_close_for_a_failure_is_a_loss() {
    let report = talk(SocketFault::Failure, 1, Duration::from_secs(5)).await;
    assert_eq!(report.total().lost, 1, "{report}");
}

#[tokio::test]
async fn a_proper_switch_between_two_applications_loses_nothing() -> Result<()> {
    let old = App::start(Settings::new("v1")).await?;
    let new = App::start(Settings::new("v2")).await?;
    let (address, switch) = forwarder(old.address()).await;
    let running = Load::to(address.to_string()).rate(100).start()?;
    sent(&running, 80).await;
    running.mark("switch");
    switch.send_replace(new.address());
    tokio::time::sleep(Duration::from_millis(200)).await;
    old.stop().await?;
    running.mark("new");
    let before = running.now().sent;
    sent(&running, before + 80).await;
    let report = running.stop().await;
    report.none_lost()?;
    assert_eq!(report.section("new").unwrap().versions.keys().collect::<Vec<_>>(), ["v2"], "{report}");
    assert!(report.total().versions.contains_key("v1"));
    assert_eq!(report.total().sockets.reconnected, 1, "{report}");
    Ok(())
}

#[tokio::test]
async fn http2_clients_lose_nothing_to_connections_that_end_properly() -> Result<()> {
    let apps = [App::start(Settings::new("v1")).await?, App::start(Settings::new("v2")).await?];
    let (address, switch) = forwarder(apps[0].address()).await;
    let running = Load::to(address.to_string())
        .sockets(0)
        .keep_alive(0)
        .closing(0)
        .http2(5)
        .slow_percent(0.0)
        .rate(200)
        .start()?;
    sent(&running, 100).await;
    switch.send_replace(apps[1].address());
    let [old, _new] = apps;
    old.stop().await?;
    let before = running.now().sent;
    sent(&running, before + 100).await;
    let report = running.stop().await;
    counts(&report, 0);
    assert_eq!(report.total().versions.len(), 2, "{report}");
    Ok(())
}

#[tokio::test]
async fn a_load_that_cannot_be_says_so() {
    assert!(Load::to("nowhere").start().is_err());
    assert!(Load::to("127.0.0.1:1").keep_alive(0).closing(0).start().is_err());
    assert!(Load::to("127.0.0.1:1").slow_percent(101.0).start().is_err());
    assert!(Load::to("127.0.0.1:1").header("no name", "x").start().is_err());
}
