//! The proxy as a process of its own: restarts, replacement, and what is refused.
#![allow(clippy::unwrap_used)] // A helper that fails fails its test.

mod support;

use deploy_core::{Kind, MetricSource, Router, Split, Spread, Timestamp, Token};
use deploy_traffic::{ProxyClient, ProxyProcess, ProxySettings};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use support::*;
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("proxy.sock")
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state.json")
    }

    fn process(&self) -> ProxyProcess {
        let settings = ProxySettings::new(self.socket(), self.state());
        ProxyProcess::new(Path::new(env!("CARGO_BIN_EXE_deploy-proxy")), settings)
    }

    fn client(&self) -> ProxyClient {
        ProxyClient::new(self.socket())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let socket = self.socket();
        // A runtime of its own: the test's may be inside a panic.
        let stop = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            if socket.exists() {
                let _ = runtime.block_on(ProxyClient::new(socket).stop());
            }
        };
        let _ = std::thread::spawn(stop).join();
    }
}

fn signal(pid: u32, name: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, name).unwrap();
}

fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn gone(pid: u32) {
    until("the process has ended", async || !runs(pid)).await;
}

#[tokio::test]
async fn it_answers_as_the_embedded_one_does() {
    let (place, app) = (Place::new(), App::start("v1").await);
    let router = place.process().ensure().await.unwrap();
    assert!(router.capabilities().survives_engine);
    let since = Timestamp::now() - jiff::SignedDuration::from_secs(5);
    router.apply(&routes(3, Spread::Pooled, &[app.member("a")])).await.unwrap();
    let mut client = Client::connect(router.addresses(&track()).await.unwrap()[0]).await;
    assert_eq!(client.get("/").await.text(), "v1");
    let state = router.observe(&track()).await.unwrap();
    assert_eq!((state.token, state.spread, state.members[0].in_flight), (Token::new(1, 3), Spread::Pooled, Some(0)));
    assert_eq!(router.apply(&routes(2, Spread::None, &[])).await.unwrap_err().kind(), Kind::Fenced);
    assert_eq!(router.fence(&track(), Token::new(1, 4)).await.unwrap(), Token::new(1, 4));
    assert_eq!(router.figures(&track(), &side("v1"), since).await.unwrap().unwrap().requests, 1);
    assert_eq!(router.figures(&track(), &side("v2"), since).await.unwrap(), None);
    router.remove(&track(), Token::new(1, 5)).await.unwrap();
    assert!(router.addresses(&track()).await.unwrap().is_empty());
}

#[tokio::test]
async fn ensuring_twice_starts_one() {
    let place = Place::new();
    let process = place.process();
    let (one, other) = tokio::join!(process.ensure(), process.ensure());
    assert_eq!(one.unwrap().process().await.unwrap(), other.unwrap().process().await.unwrap());
}

#[tokio::test]
async fn what_was_told_is_done_again_after_a_kill() {
    let (place, app, dead) = (Place::new(), App::start("v1").await, App::start("v1").await);
    let router = place.process().ensure().await.unwrap();
    router.apply(&routes(1, Spread::Pooled, &[app.member("a"), dead.member("b")])).await.unwrap();
    let address = router.addresses(&track()).await.unwrap()[0];
    let pid = router.process().await.unwrap();
    signal(pid, rustix::process::Signal::KILL);
    gone(pid).await;
    dead.kill();
    place.process().ensure().await.unwrap();
    assert_ne!(router.process().await.unwrap(), pid, "the same client reaches the new process");
    let state = router.observe(&track()).await.unwrap();
    assert_eq!((state.token, state.members.len()), (Token::new(1, 1), 2));
    let mut client = Client::connect(address).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "v1");
    }
}

#[tokio::test]
async fn sticky_clients_stay_where_they_are_over_a_restart() {
    let (place, stable, candidate) = (Place::new(), App::start("v1").await, App::start("v2").await);
    let router = place.process().ensure().await.unwrap();
    let sticky = deploy_core::Sticky { cookie: "side".into(), max_age: Duration::from_secs(60) };
    let told = routes(1, split(Split::percent(50).sticky(sticky)), &[stable.member("a"), candidate.member("b")]);
    router.apply(&told).await.unwrap();
    let address = router.addresses(&track()).await.unwrap()[0];
    let mut client = Client::connect(address).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let got = client.get("/").await;
        let cookie = got.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        clients.push((cookie, got.text().to_owned()));
    }
    let pid = router.process().await.unwrap();
    signal(pid, rustix::process::Signal::KILL);
    gone(pid).await;
    place.process().ensure().await.unwrap();
    let mut client = Client::connect(address).await;
    for (cookie, side) in clients {
        assert_eq!(client.get_with("/", &[("cookie", &cookie)]).await.text(), side);
    }
}

#[tokio::test]
async fn a_corrupt_state_file_is_told_and_left_as_it_is() {
    let place = Place::new();
    std::fs::write(place.state(), "{\"version\":1,").unwrap();
    let error = place.process().ensure().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.message().contains("exit status: 1"), "{error}");
    assert!(error.message().contains("It was left as it is; move it away to start without routes"), "{error}");
    assert_eq!(std::fs::read_to_string(place.state()).unwrap(), "{\"version\":1,");
}

#[tokio::test]
async fn a_missing_program_and_unknown_arguments_are_told() {
    let place = Place::new();
    let missing = ProxyProcess::new("/nowhere/deploy-proxy", ProxySettings::new(place.socket(), place.state()));
    assert_eq!(missing.ensure().await.unwrap_err().kind(), Kind::NotFound);
    let error = place.process().arg("--sokcet").ensure().await.unwrap_err();
    assert!(error.message().contains("--sokcet is not known here; use --socket PATH"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let place = Place::new();
    assert_eq!(place.client().observe(&track()).await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn sigterm_lets_the_request_under_way_end() {
    let (place, app) = (Place::new(), App::start("v1").await);
    let router = place.process().ensure().await.unwrap();
    router.apply(&routes(1, Spread::Pooled, &[app.member("a")])).await.unwrap();
    let address = router.addresses(&track()).await.unwrap()[0];
    let held = tokio::spawn(async move { Client::connect(address).await.get("/held").await });
    until("it is held", async || app.hits() == 1).await;
    let pid = router.process().await.unwrap();
    signal(pid, rustix::process::Signal::TERM);
    until("the port is closed", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    assert!(!place.socket().exists());
    app.gate.add_permits(1);
    let got = held.await.unwrap();
    assert_eq!((got.status, got.text()), (200, "v1"));
    assert_eq!(got.headers["connection"], "close");
    gone(pid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_under_load_loses_no_request() {
    let (place, app) = (Place::new(), App::start("v1").await);
    let router = place.process().ensure().await.unwrap();
    router.apply(&routes(1, Spread::Pooled, &[app.member("a")])).await.unwrap();
    let address = router.addresses(&track()).await.unwrap()[0];
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for keep in [true, true, true, true, false, false] {
        let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
        clients.spawn(async move {
            let mut client = Client::connect(address).await;
            while !stop.load(Ordering::SeqCst) {
                let got = client.get("/").await;
                assert_eq!((got.status, got.text()), (200, "v1"));
                answered.fetch_add(1, Ordering::SeqCst);
                if !keep || got.headers.get("connection").is_some_and(|connection| connection == "close") {
                    client = Client::connect(address).await;
                }
            }
        });
    }
    let mut pid = router.process().await.unwrap();
    for _ in 0..3 {
        let before = answered.load(Ordering::SeqCst);
        until("requests are answered", async || answered.load(Ordering::SeqCst) > before + 200).await;
        place.process().replace().await.unwrap();
        let new = router.process().await.unwrap();
        assert_ne!(new, pid);
        gone(pid).await;
        pid = new;
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    assert_eq!(router.observe(&track()).await.unwrap().token, Token::new(1, 1));
}

#[tokio::test]
async fn a_replaced_proxy_counts_and_follows_until_its_last_request_is_answered() {
    let (place, old, new) = (Place::new(), App::start("v1").await, App::start("v2").await);
    let router = place.process().ensure().await.unwrap();
    router.apply(&routes(1, Spread::Pooled, &[old.member("a")])).await.unwrap();
    let address = router.addresses(&track()).await.unwrap()[0];
    let first = router.process().await.unwrap();
    let (mut busy, mut idle) = (Client::connect(address).await, Client::connect(address).await);
    idle.get("/").await;
    let held = tokio::spawn(async move { busy.get("/held").await });
    until("it is held", async || old.hits() == 2).await;

    place.process().replace().await.unwrap();
    let state = router.observe(&track()).await.unwrap();
    assert_eq!(state.members[0].in_flight, Some(1), "what the old process has in flight is counted");
    let members = [draining(old.member("a")), new.member("b")];
    router.apply(&routes(2, Spread::Pooled, &members)).await.unwrap();
    let got = idle.get("/").await;
    assert_eq!(got.text(), "v2", "the old process follows");
    assert_eq!(got.headers["connection"], "close");

    old.gate.add_permits(1);
    assert_eq!(held.await.unwrap().text(), "v1");
    gone(first).await;
    let state = router.observe(&track()).await.unwrap();
    assert_eq!(state.members[0].in_flight, Some(0));
}

#[tokio::test]
async fn a_successor_that_dies_half_way_changes_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (place, app) = (Place::new(), App::start("v1").await);
    let router = place.process().ensure().await.unwrap();
    router.apply(&routes(1, Spread::Pooled, &[app.member("a")])).await.unwrap();
    let pid = router.process().await.unwrap();
    let mut half = tokio::net::UnixStream::connect(place.socket()).await.unwrap();
    half.write_all(b"{\"v\":1,\"ask\":{\"do\":\"takeover\"}}\n").await.unwrap();
    half.read_u8().await.unwrap();
    drop(half);
    router.apply(&routes(2, Spread::None, &[])).await.unwrap();
    assert_eq!(router.process().await.unwrap(), pid);
}

#[tokio::test]
async fn starting_beside_one_that_runs_is_refused() {
    let place = Place::new();
    place.process().ensure().await.unwrap();
    let run = tokio::process::Command::new(env!("CARGO_BIN_EXE_deploy-proxy"))
        .args(["--socket".as_ref(), place.socket().as_os_str(), "--state".as_ref(), place.state().as_os_str()])
        .output();
    let output = run.await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("deploy-proxy: a proxy answers on"), "{said}");
    assert!(said.trim_end().ends_with("already: replace it with --takeover"), "{said}");
}

#[tokio::test]
async fn a_websocket_outlives_the_replacement_of_its_proxy() {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let place = Place::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { continue };
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    socket.send(message).await.unwrap();
                }
            }
        }
    });
    let member = deploy_core::Member { instance: "a".into(), side: side("v1"), address, draining: None };
    let router = place.process().ensure().await.unwrap();
    router.apply(&routes(1, Spread::Pooled, &[member])).await.unwrap();
    let old = router.process().await.unwrap();
    let url = format!("ws://{}/", router.addresses(&track()).await.unwrap()[0]);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    place.process().replace().await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(router.observe(&track()).await.unwrap().members[0].in_flight, Some(1));
    assert!(runs(old));
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    drop(socket);
    gone(old).await;
    assert_eq!(router.observe(&track()).await.unwrap().members[0].in_flight, Some(0));
}

#[tokio::test]
async fn a_restarted_proxy_listens_though_no_instance_answers() {
    let (place, app) = (Place::new(), App::start("v1").await);
    let router = place.process().ensure().await.unwrap();
    router.apply(&routes(1, Spread::Pooled, &[app.member("a")])).await.unwrap();
    let address = router.addresses(&track()).await.unwrap()[0];
    router.stop().await.unwrap();
    app.kill();
    until("the port is closed", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    place.process().ensure().await.unwrap();
    let got = Client::connect(address).await.get("/").await;
    assert_eq!(got.status, 503);
}

#[tokio::test]
async fn a_process_that_still_answers_its_last_request_does_not_keep_the_next_from_starting() {
    let (place, app) = (Place::new(), App::start("v1").await);
    let router = place.process().ensure().await.unwrap();
    router.apply(&routes(1, Spread::Pooled, &[app.member("a")])).await.unwrap();
    let address = router.addresses(&track()).await.unwrap()[0];
    let held = tokio::spawn(async move { Client::connect(address).await.get("/held").await });
    until("it is held", async || app.hits() == 1).await;
    let old = router.process().await.unwrap();
    router.stop().await.unwrap();
    until("the port is closed", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    place.process().ensure().await.unwrap();
    assert_eq!(Client::connect(address).await.get("/").await.text(), "v1");
    assert!(runs(old));
    app.gate.add_permits(1);
    assert_eq!(held.await.unwrap().text(), "v1");
}
