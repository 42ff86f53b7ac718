//! What one engine leaves, another one that lives takes over.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::{Tiny, blue_green, builder, memory, name, release, revision, rolling, until};
use deploy_core::{DeploymentId, Kind, Release, Status};
use deploy_engine::Engine;
use futures::StreamExt as _;
use std::time::Duration;
use tokio::time::Instant;

/// A deployment in its bake.
async fn begun(engine: &Engine, tiny: &Tiny) -> DeploymentId {
    engine.wait(&engine.deploy(("production", &blue_green("1"))).await.unwrap()).await.unwrap();
    let id = engine.deploy(("production", &blue_green("2"))).await.unwrap();
    until(async || tiny.standing("web").len() == 2).await;
    id
}

#[tokio::test(start_paused = true)]
async fn a_living_engine_takes_over_what_another_leaves_later() {
    let (store, tiny) = (memory(), Tiny::new());
    let heir = builder(&store, &tiny).name("heir").build().await.unwrap();
    let engine = builder(&store, &tiny).build().await.unwrap();
    let id = begun(&engine, &tiny).await;
    let epoch = heir.get(&id).await.unwrap().epoch;
    drop(engine);

    let left = Instant::now();
    until(async || heir.get(&id).await.unwrap().epoch > epoch).await;
    let took = left.elapsed();
    assert!(took < Duration::from_secs(23), "the rest of a lease of 15 s and half of one; it took {took:?}");
    let end = heir.wait(&id).await.unwrap();
    assert_eq!((end.status(), end.epoch), (Status::Completed, epoch + 1), "{:?}", end.reason());
    assert_eq!(tiny.standing("web"), [(revision(&blue_green("2")), 3)].into());
}

#[tokio::test(start_paused = true)]
async fn what_another_engine_is_at_work_on_is_left_to_it() {
    let (store, tiny) = (memory(), Tiny::new());
    let other = builder(&store, &tiny).name("other").build().await.unwrap();
    let engine = builder(&store, &tiny).build().await.unwrap();
    let long = |version: &str| release(version, serde_json::json!({ "blue_green": { "bake": "2m" } }));
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let id = engine.deploy(("production", &long("1"))).await.unwrap();
    let end = engine.wait(&id).await.unwrap();
    let events = engine.events(&id, 0).await.unwrap();
    let claims = events.iter().filter(|event| matches!(event.what, deploy_core::What::Claimed { .. })).count();
    assert_eq!((end.status(), claims), (Status::Completed, 1), "{:?}", end.reason());
    assert_eq!(other.wake_ups(&id).all(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_targets_of_other_engines_is_left_alone() {
    let (store, tiny) = (memory(), Tiny::new());
    let stranger = Engine::builder().store(store.clone()).target("moon", tiny.clone()).build().await.unwrap();
    let engine = builder(&store, &tiny).build().await.unwrap();
    let id = begun(&engine, &tiny).await;
    let version = engine.get(&id).await.unwrap().version;
    drop(engine);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stranger.get(&id).await.unwrap().version, version);
    let heir = builder(&store, &tiny).build().await.unwrap();
    assert_eq!(heir.wait(&id).await.unwrap().status(), Status::Completed);
}

#[tokio::test(start_paused = true)]
async fn it_looks_for_work_as_often_as_it_was_told_and_a_shut_down_one_never() {
    let (store, tiny) = (memory(), Tiny::new());
    let heir = builder(&store, &tiny).take_over(Duration::from_secs(1)).build().await.unwrap();
    let ended = builder(&store, &tiny).take_over(Duration::from_secs(1)).build().await.unwrap();
    ended.shutdown().await;
    let engine = builder(&store, &tiny).lease(Duration::from_secs(3)).build().await.unwrap();
    let id = begun(&engine, &tiny).await;
    let (epoch, left) = (engine.get(&id).await.unwrap().epoch, Instant::now());
    drop(engine);
    until(async || heir.get(&id).await.unwrap().epoch > epoch).await;
    assert!(left.elapsed() < Duration::from_millis(4_100), "it took {:?}", left.elapsed());
    assert_eq!(heir.wait(&id).await.unwrap().status(), Status::Completed);
    assert_eq!(ended.wake_ups(&id).all(), 0);
}

#[tokio::test(start_paused = true)]
async fn so_short_that_it_would_never_rest_is_refused() {
    let (store, tiny) = (memory(), Tiny::new());
    let refused = builder(&store, &tiny).take_over(Duration::from_millis(1)).build().await.unwrap_err();
    assert_eq!((refused.kind(), refused.context("at")), (Kind::Invalid, Some("take_over")));
}

#[tokio::test(start_paused = true)]
async fn watching_an_unknown_id_names_the_nearest() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let release: Release = rolling("1");
    engine.wait(&engine.deploy((&name("production"), &release)).id("shop-1").await.unwrap()).await.unwrap();
    let seen: Vec<_> = engine.watch(&"shop-2".into(), 0).collect().await;
    let [Err(unknown)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((unknown.kind(), unknown.context("nearest")), (Kind::NotFound, Some("shop-1")));
}
