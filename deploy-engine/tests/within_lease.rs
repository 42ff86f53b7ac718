//! Where a platform only checks tokens before it writes, no write outlives the lease.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::{Lossy, Tiny, builder, release, rolling, until};
use deploy_core::{DeploymentId, Fence, Status, What};
use deploy_engine::Engine;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Just after a renewal, in a bake of half an hour.
async fn baking(fence: Fence) -> (Lossy, Tiny, Engine, DeploymentId) {
    let (store, tiny) = (Lossy::new(1_000_000), Tiny::new());
    tiny.lock().fence = Some(fence);
    let engine = builder(&store.store, &tiny).store(store.clone()).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let long = release("1", serde_json::json!({ "blue_green": { "bake": "30m" } }));
    let id = engine.deploy(("production", &long)).await.unwrap();
    until(async || tiny.standing("web").len() == 2).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let renewals = store.renewals.load(Ordering::SeqCst);
    until(async || store.renewals.load(Ordering::SeqCst) > renewals).await;
    (store, tiny, engine, id)
}

/// An instance goes by itself: somebody has to start another.
fn one_goes(tiny: &Tiny) {
    let mut world = tiny.lock();
    let ran = world.tracks.values_mut().next().unwrap();
    ran.instances.pop();
    drop(world);
    tiny.hint();
}

#[tokio::test(start_paused = true)]
async fn with_too_little_left_of_the_lease_nothing_is_begun() {
    let (store, tiny, engine, id) = baking(Fence::Checked).await;
    store.deaf.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(8_500)).await;
    let writes = tiny.lock().writes.len();
    one_goes(&tiny);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(tiny.lock().writes[writes..], [], "a call may take 7.5 s, and 6.5 s were left of the lease");
    let events = engine.events(&id, 0).await.unwrap();
    let told = events.iter().find_map(|event| match &event.what {
        What::TroubleBegan { trouble, .. } => Some(trouble.message.clone()),
        _ => None,
    });
    assert!(told.as_ref().is_some_and(|told| told.contains("left of the lease of")), "{told:?}");

    store.deaf.store(false, Ordering::SeqCst);
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::Completed, "{:?}", end.reason());
    let old = tiny.lock().writes[writes..].iter().filter(|(_, _, token)| token.epoch < end.epoch).count();
    assert_eq!(old, 0, "the lease was lost: what is done is done under the next");
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_renewed_first() {
    let (store, tiny, _engine, _) = baking(Fence::Checked).await;
    store.deaf.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(7_800)).await;
    store.deaf.store(false, Ordering::SeqCst);
    let (writes, renewals) = (tiny.lock().writes.len(), store.renewals.load(Ordering::SeqCst));
    one_goes(&tiny);
    until(async || tiny.lock().writes.len() > writes).await;
    assert_eq!(store.renewals.load(Ordering::SeqCst), renewals + 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_at_most_half_a_lease() {
    let (_store, tiny, engine, id) = baking(Fence::Checked).await;
    tiny.lock().slow = Duration::from_secs(9);
    let writes = tiny.lock().writes.len();
    one_goes(&tiny);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(tiny.lock().writes[writes..], []);
    let events = engine.events(&id, 0).await.unwrap();
    let told = events.iter().any(|event| match &event.what {
        What::TroubleBegan { trouble, .. } => trouble.message.contains("took longer than 7s 500ms, which is what"),
        _ => false,
    });
    assert!(told, "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn where_the_fence_is_atomic_a_call_may_be_begun_at_any_time_of_a_lease() {
    let (store, tiny, _engine, _) = baking(Fence::Atomic).await;
    store.deaf.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(8_500)).await;
    tiny.lock().slow = Duration::from_secs(5);
    let writes = tiny.lock().writes.len();
    one_goes(&tiny);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(tiny.lock().writes.len(), writes + 1);
}
