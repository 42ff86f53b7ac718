//! Who is drained or dropped gets nothing new, and finishes what it has.
#![allow(clippy::unwrap_used)] // A helper that fails fails its test.

mod support;

use deploy_core::{Member, Router, Split, Spread};
use deploy_traffic::{Config, EmbeddedProxy};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::*;
use tokio::task::JoinSet;

/// Clients that ask without a pause until told to stop; any other answer than 200 is a failure.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(address: SocketAddr, number: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..number {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            clients.spawn(async move {
                let mut client = Client::connect(address).await;
                while !stop.load(Ordering::SeqCst) {
                    let got = client.get("/").await;
                    assert_eq!(got.status, 200, "{}", got.reason());
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { stop, answered, clients }
    }

    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.answered.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_switch_no_request_newly_reaches_who_was_switched_off() {
    let apps = [App::start("v1").await, App::start("v1").await, App::start("v1").await];
    let members: Vec<Member> = apps.iter().zip(["a", "b", "c"]).map(|(app, instance)| app.member(instance)).collect();
    let proxy = EmbeddedProxy::start(Config::default()).unwrap();
    proxy.apply(&routes(1, Spread::Pooled, &members)).await.unwrap();
    let load = Load::start(proxy.addresses(&track())[0], 12);
    let begun = Instant::now();
    let (mut generation, mut rounds) = (1, 0);
    while begun.elapsed() < Duration::from_secs(2) {
        let off = rounds % apps.len();
        let mut now = members.clone();
        now[off] = draining(now[off].clone());
        generation += 1;
        proxy.apply(&routes(generation, Spread::Pooled, &now)).await.unwrap();
        let id = now[off].instance.clone();
        until("it has nothing in flight", async || {
            proxy.observe(&track()).await.unwrap().member(&id).unwrap().in_flight == Some(0)
        })
        .await;
        let hits = apps[off].hits();
        let before = load.answered.load(Ordering::SeqCst);
        until("others answer", async || load.answered.load(Ordering::SeqCst) > before + 20).await;
        assert_eq!(apps[off].hits(), hits, "a drained instance got a request");
        generation += 1;
        proxy.apply(&routes(generation, Spread::Pooled, &members)).await.unwrap();
        rounds += 1;
    }
    let answered = load.end().await;
    assert!(rounds > 3 && answered > 100, "{rounds} rounds, {answered} answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_are_killed_once_drained_cost_no_request() {
    let proxy = EmbeddedProxy::start(Config::default()).unwrap();
    let mut old = App::start("v1").await;
    proxy.apply(&routes(1, Spread::Pooled, &[old.member("0")])).await.unwrap();
    let load = Load::start(proxy.addresses(&track())[0], 8);
    for round in 1..=20u64 {
        let new = App::start("v1").await;
        let (before, after) = (old.member(&(round - 1).to_string()), new.member(&round.to_string()));
        let both = [draining(before), after.clone()];
        proxy.apply(&routes(round * 2, Spread::Pooled, &both)).await.unwrap();
        until("it is drained", async || proxy.observe(&track()).await.unwrap().members[0].in_flight == Some(0)).await;
        old.kill();
        proxy.apply(&routes(round * 2 + 1, Spread::Pooled, &[after])).await.unwrap();
        old = new;
    }
    load.end().await;
}

#[tokio::test]
async fn what_is_in_flight_is_counted_and_ends_even_on_who_was_dropped() {
    let (old, new) = (App::start("v1").await, App::start("v2").await);
    let proxy = EmbeddedProxy::start(Config::default()).unwrap();
    proxy.apply(&routes(1, Spread::Pooled, &[old.member("a")])).await.unwrap();
    let address = proxy.addresses(&track())[0];
    let mut held = JoinSet::new();
    for _ in 0..3 {
        held.spawn(async move { Client::connect(address).await.get("/held").await.text().to_owned() });
    }
    until("three are held", async || old.hits() == 3).await;
    proxy.apply(&routes(2, Spread::Pooled, &[draining(old.member("a")), new.member("b")])).await.unwrap();
    let state = proxy.observe(&track()).await.unwrap();
    assert_eq!(state.members.iter().map(|routed| routed.in_flight).collect::<Vec<_>>(), [Some(3), Some(0)]);
    assert_eq!(Client::connect(address).await.get("/").await.text(), "v2");
    proxy.apply(&routes(3, Spread::Pooled, &[new.member("b")])).await.unwrap();
    old.gate.add_permits(3);
    while let Some(answer) = held.join_next().await {
        assert_eq!(answer.unwrap(), "v1");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_not_counted_any_more() {
    let app = App::start("v1").await;
    let proxy = EmbeddedProxy::start(Config::default()).unwrap();
    proxy.apply(&routes(1, Spread::Pooled, &[app.member("a")])).await.unwrap();
    let address = proxy.addresses(&track())[0];
    let asking = tokio::spawn(async move { Client::connect(address).await.get("/held").await });
    until("it is held", async || app.hits() == 1).await;
    asking.abort();
    until("it is not counted", async || proxy.observe(&track()).await.unwrap().members[0].in_flight == Some(0)).await;
}

#[tokio::test]
async fn clients_keep_their_connection_over_a_switch() {
    let (old, new) = (App::start("v1").await, App::start("v2").await);
    let proxy = EmbeddedProxy::start(Config::default()).unwrap();
    let members = [old.member("a"), new.member("b")];
    proxy.apply(&routes(1, split(Split::stable()), &members)).await.unwrap();
    let mut client = Client::connect(proxy.addresses(&track())[0]).await;
    assert_eq!(client.get("/").await.text(), "v1");
    proxy.apply(&routes(2, split(Split::candidate()), &members)).await.unwrap();
    let got = client.get("/").await;
    assert_eq!(got.text(), "v2");
    assert!(!got.headers.contains_key("connection"));
}
