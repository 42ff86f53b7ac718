//! From the request to the end, on a platform in memory and in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::{Sick, Tiny, blue_green, builder, memory, revision, rolling};
use deploy_core::{Kind, Status};

#[tokio::test(start_paused = true)]
async fn a_first_deployment_and_a_rolling_update_complete() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let (one, two) = (rolling("1"), rolling("2"));

    let planned = engine.plan("shop", "production", &one).await.unwrap();
    assert!(tiny.lock().writes.is_empty(), "a plan touches nothing");
    assert!(planned.to_string().contains("web on here"), "{planned}");
    let id = engine.deploy(planned).by("ann").await.unwrap();
    let first = engine.wait(&id).await.unwrap();
    assert_eq!((first.status(), first.actor.name.as_str()), (Status::Completed, "ann"), "{:?}", first.reason());

    let id = engine.deploy(("production", &two)).await.unwrap();
    let second = engine.wait(&id).await.unwrap();
    assert_eq!(second.status(), Status::Completed, "{:?}", second.reason());
    assert_eq!(tiny.standing("web"), [(revision(&two), 3)].into());
    let numbers: Vec<_> = engine.events(&id, 0).await.unwrap().iter().map(|event| event.number).collect();
    assert_eq!(numbers, (1..=second.version).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_not_well_goes_back() {
    let (store, tiny, sick) = (memory(), Tiny::new(), Sick::default());
    let engine = builder(&store, &tiny).health_check(sick.make()).build().await.unwrap();
    let (one, two) = (blue_green("1"), blue_green("2"));
    let id = engine.deploy(("production", &one)).await.unwrap();
    assert_eq!(engine.wait(&id).await.unwrap().status(), Status::Completed);

    sick.add(&two);
    let id = engine.deploy(("production", &two)).await.unwrap();
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::RolledBack, "{:?}", end.reason());
    assert_eq!(tiny.standing("web"), [(revision(&one), 3)].into());
}

#[tokio::test(start_paused = true)]
async fn the_same_id_with_the_same_content_is_the_same_deployment() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let one = rolling("1");
    let id = engine.deploy(("production", &one)).id("mine").await.unwrap();
    assert_eq!(engine.deploy(("production", &one)).id("mine").await.unwrap(), id);
    let other = engine.deploy(("production", &rolling("2"))).id("mine").await.unwrap_err();
    assert_eq!(other.kind(), Kind::Conflict);
    engine.wait(&id).await.unwrap();
    assert_eq!(engine.deploy(("production", &one)).id("mine").await.unwrap(), id);
    assert_eq!(engine.list(Default::default()).await.unwrap().len(), 1);
}
