//! From the request to the end, on a platform in memory and in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use async_trait::async_trait;
use common::{Lossy, Sick, Tiny, blue_green, builder, memory, release, release_of, revision, rolling, until};
use deploy_core::{
    Capabilities, Decision, Deployer, Event, Figures, Gate, GateAsk, GateSpec, Kind, MetricSource, Notifier, Observed,
    OnBusy, Order, Probe, Record, Release, Result, Side, Source, Status, Store as _, Timestamp, Token, TrackRef, Turn,
    Workload,
};
use deploy_engine::Wake;
use futures::StreamExt as _;
use serde_json::json;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

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
    let kept = tiny.lock().kept.clone();
    assert_eq!(kept, [vec![revision(&one)], vec![revision(&one), revision(&two)]]);
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

#[tokio::test(start_paused = true)]
async fn a_second_deployment_of_the_same_place_is_refused_with_the_holder() {
    let (store, tiny) = (memory(), Tiny::new());
    tiny.lock().slow = Duration::from_secs(1);
    let engine = builder(&store, &tiny).build().await.unwrap();
    let first = engine.deploy(("production", &blue_green("1"))).await.unwrap();
    let busy = engine.deploy(("production", &blue_green("2"))).await.unwrap_err();
    assert_eq!((busy.kind(), busy.context("holder")), (Kind::Busy, Some(first.as_str())));
    assert!(engine.deploy(("staging", &blue_green("2"))).await.is_ok(), "another environment is another place");
}

#[tokio::test(start_paused = true)]
async fn queued_deployments_come_first_come_first_served() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let mut ids = Vec::new();
    for version in ["1", "2", "3", "4"] {
        let release = blue_green(version);
        ids.push(engine.deploy(("production", &release)).on_busy(OnBusy::Queue).await.unwrap());
    }
    let mut began = Vec::new();
    for id in &ids {
        assert_eq!(engine.wait(id).await.unwrap().status(), Status::Completed);
        let events = engine.events(id, 0).await.unwrap();
        let at = |name: &str| events.iter().find(|event| event.what.name() == name).unwrap().at;
        began.push((at("deployment_started"), at("deployment_completed")));
    }
    assert!(began.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{began:?}");
    assert_eq!(tiny.standing("web"), [(revision(&blue_green("4")), 3)].into());
}

#[tokio::test(start_paused = true)]
async fn a_queued_deployment_fails_at_its_deadline_and_can_be_cancelled() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let long = release("1", serde_json::json!({ "blue_green": { "bake": "30m" } }));
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let first = engine.deploy(("production", &long)).await.unwrap();
    let queue = |version| engine.deploy(("production", &rolling(version))).on_busy(OnBusy::Queue);
    let late = queue("2").pending(Duration::from_secs(60)).await.unwrap();
    let unwanted = queue("3").await.unwrap();
    engine.cancel(&unwanted).by("ann").await.unwrap();

    assert_eq!(engine.wait(&unwanted).await.unwrap().status(), Status::Cancelled);
    let late = engine.wait(&late).await.unwrap();
    assert_eq!(late.status(), Status::Failed);
    assert!(late.reason().unwrap().contains("did not begin within 1m"), "{:?}", late.reason());
    assert_eq!(engine.get(&first).await.unwrap().status(), Status::InProgress);
}

#[tokio::test(start_paused = true)]
async fn a_superseding_deployment_takes_the_running_one_back_first() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let long = release("1", serde_json::json!({ "blue_green": { "bake": "30m" } }));
    let first = engine.deploy(("production", &long)).await.unwrap();
    until(async || tiny.standing("web").len() == 2).await;

    let second = engine.deploy(("production", &rolling("2"))).on_busy(OnBusy::Supersede).await.unwrap();
    assert_eq!(engine.wait(&first).await.unwrap().status(), Status::RolledBack);
    assert_eq!(engine.wait(&second).await.unwrap().status(), Status::Completed);
    assert_eq!(tiny.standing("web"), [(revision(&rolling("2")), 3)].into());
}

#[tokio::test(start_paused = true)]
async fn only_so_many_run_at_once_and_the_others_are_pending_in_order() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).at_once(1).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let one = engine.deploy(("production", &blue_green("1"))).await.unwrap();
    let two = engine.deploy(("staging", &blue_green("1"))).await.unwrap();
    until(async || engine.get(&one).await.unwrap().plan.is_some()).await;
    assert_eq!(engine.get(&two).await.unwrap().status(), Status::Pending);
    let (one, two) = (engine.wait(&one).await.unwrap(), engine.wait(&two).await.unwrap());
    assert_eq!((one.status(), two.status()), (Status::Completed, Status::Completed));
    assert!(one.ended() <= two.ended(), "{one:?} {two:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_engine_left_is_taken_over_when_its_lease_has_ended() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &blue_green("1"))).await.unwrap()).await.unwrap();
    let two = blue_green("2");
    let id = engine.deploy(("production", &two)).await.unwrap();
    until(async || tiny.standing("web").len() == 2).await;
    let epoch = engine.get(&id).await.unwrap().epoch;
    drop(engine);

    let engine = builder(&store, &tiny).name("heir").build().await.unwrap();
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::Completed, "{:?}", end.reason());
    assert!(end.epoch > epoch);
    assert_eq!(tiny.standing("web"), [(revision(&two), 3)].into());
    let writes = &tiny.lock().writes;
    assert!(writes.windows(2).all(|pair| pair[0].2 <= pair[1].2), "no older token after a newer: {writes:?}");
}

#[tokio::test(start_paused = true)]
async fn killed_anywhere_it_still_ends_right() {
    for kill in 0..16 {
        let (store, tiny, sick) = (memory(), Tiny::new(), Sick::default());
        tiny.lock().slow = Duration::from_millis(7);
        let build = || builder(&store, &tiny).health_check(sick.make()).build();
        let mut engine = build().await.unwrap();
        engine.wait(&engine.deploy(("production", &blue_green("0"))).await.unwrap()).await.unwrap();
        let (candidate, sound) = (blue_green("1"), kill % 2 == 0);
        if !sound {
            sick.add(&candidate);
        }
        let id = engine.deploy(("production", &candidate)).await.unwrap();
        for after in [kill * 11, kill * 7, 400] {
            tokio::time::sleep(Duration::from_millis(after)).await;
            drop(engine);
            engine = build().await.unwrap();
        }
        let end = engine.wait(&id).await.unwrap();
        let (status, serves) = if sound { (Status::Completed, "1") } else { (Status::RolledBack, "0") };
        assert_eq!(end.status(), status, "killed at {kill}: {:?}", end.reason());
        assert_eq!(tiny.standing("web"), [(revision(&blue_green(serves)), 3)].into(), "killed at {kill}");
        let events = engine.events(&id, 0).await.unwrap();
        assert_eq!(Record::fold(&id, events).unwrap(), end, "killed at {kill}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_of_the_store_loses_nothing() {
    let (store, tiny) = (Lossy::new(3), Tiny::new());
    let engine = builder(&store.store, &tiny).store(store.clone()).build().await.unwrap();
    let id = engine.deploy(("production", &blue_green("1"))).await.unwrap();
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::Completed, "{:?}", end.reason());
    assert!(store.appends.load(Ordering::SeqCst) > 3);
    assert_eq!(Record::fold(&id, engine.events(&id, 0).await.unwrap()).unwrap(), end);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_not_renewed_in_its_life_is_lost_and_claimed_anew_above_it() {
    let (store, tiny) = (Lossy::new(1_000_000), Tiny::new());
    let engine = builder(&store.store, &tiny).store(store.clone()).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let long = release("1", json!({ "blue_green": { "bake": "5m" } }));
    let id = engine.deploy(("production", &long)).await.unwrap();
    until(async || tiny.standing("web").len() == 2).await;
    let epoch = engine.get(&id).await.unwrap().epoch;
    store.deaf.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(17)).await;
    store.deaf.store(false, Ordering::SeqCst);
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::Completed, "{:?}", end.reason());
    assert_eq!(end.epoch, epoch + 1);
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_another_release_and_one_that_is_stale_are_refused() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let planned = engine.plan("shop", "production", &rolling("1")).await.unwrap();
    let other = engine.deploy((planned.plan.clone(), &rolling("2"))).await.unwrap_err();
    assert_eq!(other.kind(), Kind::Invalid, "{other}");
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let stale = engine.deploy(planned.clone()).await.unwrap();
    let end = engine.wait(&stale).await.unwrap();
    assert_eq!(end.status(), Status::Failed);
    assert!(end.reason().unwrap().contains("what runs has changed since the plan was approved"), "{:?}", end.reason());
    let again = engine.deploy(planned).replan(true).await.unwrap();
    assert_eq!(engine.wait(&again).await.unwrap().status(), Status::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_gives_no_answer_does_not_hold_up_the_others_and_is_seen_again() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &with_two("1"))).await.unwrap()).await.unwrap();
    let id = engine.deploy(("production", &with_two("2"))).await.unwrap();
    until(async || tiny.standing("web").len() == 2 && tiny.standing("api").len() == 2).await;

    tiny.lock().hangs = Some("api".into());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = Instant::now();
    engine.pause(&id).await.unwrap();
    until(async || engine.get(&id).await.unwrap().status() == Status::Paused).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "it took {:?}", asked.elapsed());
    engine.resume(&id).await.unwrap();
    tiny.lock().hangs = None;
    assert_eq!(engine.wait(&id).await.unwrap().status(), Status::Completed);
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_that_does_not_come_holds_up_one_look_for_a_second() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &with_two("1"))).await.unwrap()).await.unwrap();
    let id = engine.deploy(("production", &with_two("2"))).await.unwrap();
    until(async || tiny.standing("web").len() == 2 && tiny.standing("api").len() == 2).await;

    tiny.lock().hangs = Some("api".into());
    let asked = Instant::now();
    engine.pause(&id).await.unwrap();
    until(async || engine.get(&id).await.unwrap().status() == Status::Paused).await;
    assert!(asked.elapsed() < Duration::from_millis(1_500), "it took {:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn platforms_that_answer_slowly_are_waited_for() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    tiny.lock().far = Duration::from_millis(4_500);
    for version in ["1", "2"] {
        let id = engine.deploy(("production", &with_two(version))).await.unwrap();
        let end = engine.wait(&id).await.unwrap();
        assert_eq!(end.status(), Status::Completed, "{:?}", end.reason());
    }
}

/// `web` and `api`, with a bake of five minutes.
fn with_two(version: &str) -> Release {
    let base = release(version, json!({ "blue_green": { "bake": "5m" } }));
    let mut spec = (*base.spec).clone();
    let mut api = spec.workloads.values().next().unwrap().clone();
    api.ports.insert(common::name("http"), 8081);
    spec = spec.workload(common::name("api"), api);
    Release::new(spec).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_platform_whose_calls_panic_is_told_and_harms_nobody_else() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).target("there", Panics).build().await.unwrap();
    let spec = (*rolling("1").spec).clone().environment(common::name("moon"), common::name("there"));
    let moon = Release::new(spec).unwrap();
    let bad = engine.deploy(("moon", &moon)).pending(Duration::from_secs(60)).await.unwrap();
    let good = engine.deploy(("production", &moon)).await.unwrap();
    assert_eq!(engine.wait(&good).await.unwrap().status(), Status::Completed);
    let bad = engine.wait(&bad).await.unwrap();
    assert_eq!(bad.status(), Status::Failed);
    assert!(bad.reason().unwrap().contains("a call panicked"), "{:?}", bad.reason());
}

#[tokio::test(start_paused = true)]
async fn a_shut_down_engine_gives_its_lease_back() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let id = engine.deploy(("production", &blue_green("1"))).await.unwrap();
    until(async || engine.get(&id).await.unwrap().plan.is_some()).await;
    engine.shutdown().await;
    let scope = engine.get(&id).await.unwrap().scope;
    assert!(store.claim(&scope, "somebody", Duration::from_secs(1), 0).await.is_ok());
    assert_eq!(engine.deploy(("staging", &rolling("1"))).await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_lost_its_lease_writes_nothing_more() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let long = release("1", serde_json::json!({ "blue_green": { "bake": "30m" } }));
    let id = engine.deploy(("production", &long)).await.unwrap();
    until(async || tiny.standing("web").len() == 2).await;

    // Somebody else takes the lease, as after a partition in which it ended.
    let record = engine.get(&id).await.unwrap();
    let own = store.claim(&record.scope, "nobody", Duration::from_secs(1), 0).await.unwrap_err();
    let holder = own.context("holder").unwrap().to_owned();
    let lease = store.claim(&record.scope, &holder, Duration::from_secs(15), 0).await.unwrap();
    store.release(&lease).await.unwrap();
    store.claim(&record.scope, "other", Duration::from_secs(100_000), 0).await.unwrap();
    let (version, writes) = (engine.get(&id).await.unwrap().version, tiny.lock().writes.len());
    tiny.hint();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(engine.get(&id).await.unwrap().version, version);
    let after: Vec<_> = tiny.lock().writes[writes..].to_vec();
    assert!(after.len() <= 1, "at most the call in hand: {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_knows_nothing_starts_above_what_the_platform_knows() {
    let tiny = Tiny::new();
    let track: TrackRef = "shop/production/web@here".parse().unwrap();
    tiny.lock().tracks.entry(track.clone()).or_default().token = Token::new(7, 3);
    let store = memory();
    let engine = builder(&store, &tiny).build().await.unwrap();
    let id = engine.deploy(("production", &rolling("1"))).await.unwrap();
    let end = engine.wait(&id).await.unwrap();
    assert_eq!((end.status(), end.epoch), (Status::Completed, 8), "{:?}", end.reason());
}

#[tokio::test(start_paused = true)]
async fn nothing_but_its_causes_wakes_it() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let long = release("1", serde_json::json!({ "blue_green": { "bake": "30m" } }));
    let id = engine.deploy(("production", &long)).await.unwrap();
    until(async || tiny.standing("web").len() == 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;

    let before = engine.wake_ups(&id);
    tokio::time::sleep(Duration::from_secs(300)).await;
    let quiet = engine.wake_ups(&id);
    assert_eq!(quiet.by(Wake::Periodic) - before.by(Wake::Periodic), 10, "every 30 s: {quiet:?}");
    assert_eq!(quiet.all() - before.all(), 10, "and never else: {quiet:?}");
    tiny.hint();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(engine.wake_ups(&id).by(Wake::Hint), quiet.by(Wake::Hint) + 1);
    engine.pause(&id).by("ann").await.unwrap();
    until(async || engine.get(&id).await.unwrap().status() == Status::Paused).await;
    assert_eq!(engine.wake_ups(&id).by(Wake::Signal), quiet.by(Wake::Signal) + 1);
}

#[tokio::test(start_paused = true)]
async fn answers_that_come_together_are_taken_in_by_one_look() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let mut web = Workload::new(Source::Image("shop/web:1".into()));
    (web.replicas, web.health) = (10, Some(Probe::http("/healthz")));
    web.ports.insert("http".parse().unwrap(), 8080);
    let id = engine.deploy(("production", &release_of("1", "rolling".into(), web))).await.unwrap();
    assert_eq!(engine.wait(&id).await.unwrap().status(), Status::Completed);
    let woken = engine.wake_ups(&id);
    assert!(woken.by(Wake::Probe) <= 3, "ten instances, all asked at the same moment: {woken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_platform_without_hints_is_looked_at_every_two_seconds() {
    let (store, tiny) = (memory(), Tiny::without_hints());
    let engine = builder(&store, &tiny).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let long = release("1", serde_json::json!({ "blue_green": { "bake": "30m" } }));
    let id = engine.deploy(("production", &long)).await.unwrap();
    until(async || tiny.standing("web").len() == 2).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = engine.wake_ups(&id).by(Wake::Periodic);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(engine.wake_ups(&id).by(Wake::Periodic) - before, 50);
}

#[tokio::test(start_paused = true)]
async fn operations_say_at_once_why_they_are_refused() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let id = engine.deploy(("production", &rolling("1"))).id("shop-1").await.unwrap();
    engine.wait(&id).await.unwrap();
    let refused = engine.pause(&id).await.unwrap_err();
    assert_eq!(refused.to_string(), "deployment shop-1 is completed: it has ended");
    let unknown = engine.get(&"shop-2".into()).await.unwrap_err();
    assert_eq!(unknown.context("nearest"), Some("shop-1"));
    let nothing = engine.rollback(&id).await.unwrap_err();
    assert_eq!(nothing.kind(), Kind::NotFound, "{nothing}");
    let elsewhere = release_of("1", "rolling".into(), Workload::new(Source::Image("x".into())));
    let mut spec = (*elsewhere.spec).clone();
    spec = spec.environment(common::name("moon"), common::name("moon"));
    let elsewhere = Release::new(spec).unwrap();
    let refused = engine.deploy(("moon", &elsewhere)).await.unwrap_err();
    assert!(refused.to_string().ends_with("which this engine does not have; it has: here"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn rolling_back_a_finished_deployment_deploys_the_release_before_it() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    let mut ids = Vec::new();
    for version in ["1", "2", "3"] {
        let id = engine.deploy(("production", &rolling(version))).await.unwrap();
        assert_eq!(engine.wait(&id).await.unwrap().status(), Status::Completed);
        ids.push(id);
    }
    let back = engine.rollback(&ids[2]).by("ann").await.unwrap();
    assert_eq!(engine.wait(&back).await.unwrap().status(), Status::Completed);
    assert_eq!(tiny.standing("web"), [(revision(&rolling("2")), 3)].into());
    let named = engine.rollback(&back).to(&ids[0]).await.unwrap();
    assert_eq!(engine.wait(&named).await.unwrap().status(), Status::Completed);
    assert_eq!(tiny.standing("web"), [(revision(&rolling("1")), 3)].into());
}

#[tokio::test(start_paused = true)]
async fn rolling_back_a_running_deployment_takes_it_back() {
    let (store, tiny) = (memory(), Tiny::new());
    let engine = builder(&store, &tiny).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let long = release("1", serde_json::json!({ "blue_green": { "bake": "30m" } }));
    let id = engine.deploy(("production", &long)).await.unwrap();
    until(async || tiny.standing("web").len() == 2).await;
    assert_eq!(engine.rollback(&id).by("ann").await.unwrap(), id);
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::RolledBack);
    assert!(end.reason().unwrap().contains("ann"));
    assert_eq!(tiny.standing("web"), [(revision(&rolling("0")), 3)].into());
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_cannot_be_reached_fails_the_start_at_its_deadline() {
    let (store, tiny) = (memory(), Tiny::new());
    tiny.lock().dark = true;
    let engine = builder(&store, &tiny).build().await.unwrap();
    let id = engine.deploy(("production", &rolling("1"))).pending(Duration::from_secs(120)).await.unwrap();
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::Failed);
    assert!(end.reason().unwrap().contains("the platform is dark"), "{:?}", end.reason());
    assert!(tiny.lock().writes.is_empty());
    assert!(tiny.lock().observed < 120, "it was asked {} times in 2 min", tiny.lock().observed);
}

#[tokio::test(start_paused = true)]
async fn what_is_seen_of_a_deployment_is_there_for_people() {
    let (store, tiny, told) = (memory(), Tiny::new(), Heard::default());
    let engine = builder(&store, &tiny).notifier(told.clone()).build().await.unwrap();
    let id = engine.deploy(("production", &rolling("1"))).await.unwrap();
    let events: Vec<_> = engine.watch(&id, 0).map(|event| event.unwrap().number).collect().await;
    let record = engine.wait(&id).await.unwrap();
    assert_eq!(events, (1..=record.version).collect::<Vec<_>>());
    let instances: Vec<_> = engine.instances(&id).await.unwrap().into_values().flatten().collect();
    assert_eq!(instances.len(), 3);
    assert_eq!(engine.health(&id).await.unwrap().into_values().next().unwrap().len(), 3);
    let log = engine.logs(&id, &instances[0].id, 10).await.unwrap();
    assert_eq!(log, [format!("{} says hello", instances[0].id)]);
    until(async || told.0.lock().unwrap().last() == Some(&record.version)).await;
    assert_eq!(*told.0.lock().unwrap(), (1..=record.version).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_asked_until_it_decides_and_people_decide_approvals() {
    let (store, tiny, gate) = (memory(), Tiny::new(), Slow::default());
    let engine = builder(&store, &tiny).gate("freeze", gate.clone()).build().await.unwrap();
    let mut spec = (*rolling("1").spec).clone();
    let kind = |name: &str, kind: &str| GateSpec { kind: kind.into(), ..GateSpec::approval(common::name(name)) };
    let production = spec.environments.get_mut("production").unwrap();
    production.gates = vec![kind("window", "freeze"), kind("go", "approval")];
    let id = engine.deploy(("production", &Release::new(spec).unwrap())).await.unwrap();
    until(async || engine.approve(&id, "go").by("ann").await.is_ok()).await;
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::Completed, "{:?}", end.reason());
    assert_eq!(*gate.0.lock().unwrap(), 3, "asked until it decided");
}

#[tokio::test(start_paused = true)]
async fn a_judge_that_fails_the_candidate_takes_it_back_and_figures_are_needed() {
    let (store, tiny) = (memory(), Tiny::new());
    let settings = json!({ "max_error_rate": "5%", "min_requests": 5 });
    let judge = json!({ "interval": "1s", "settings": settings });
    let canary =
        |version: &str| release(version, json!({ "canary": { "steps": ["50%"], "bake": "10s", "judge": judge } }));
    let engine = builder(&store, &tiny).build().await.unwrap();
    engine.wait(&engine.deploy(("production", &rolling("0"))).await.unwrap()).await.unwrap();
    let id = engine.deploy(("production", &canary("1"))).await.unwrap();
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::Failed, "{:?}", end.reason());
    assert!(end.reason().unwrap().contains("has no figures"), "{:?}", end.reason());
    engine.shutdown().await;

    let engine = builder(&store, &tiny).metrics("here", Errors(10)).build().await.unwrap();
    let id = engine.deploy(("production", &canary("1"))).await.unwrap();
    let end = engine.wait(&id).await.unwrap();
    assert_eq!(end.status(), Status::RolledBack, "{:?}", end.reason());
    assert!(end.reason().unwrap().contains("10 of 100 requests failed"), "{:?}", end.reason());
    engine.shutdown().await;

    let engine = builder(&store, &tiny).metrics("here", Errors(0)).build().await.unwrap();
    let id = engine.deploy(("production", &canary("2"))).await.unwrap();
    assert_eq!(engine.wait(&id).await.unwrap().status(), Status::Completed);
}

/// Nothing of it works.
#[derive(Debug)]
struct Panics;

#[async_trait]
impl Deployer for Panics {
    async fn capabilities(&self, _track: &TrackRef) -> Result<Capabilities> {
        panic!("capabilities")
    }

    async fn observe(&self, _track: &TrackRef) -> Result<Observed> {
        panic!("observe")
    }

    async fn converge(&self, _order: &Order<'_>) -> Result<Turn> {
        panic!("converge")
    }
}

/// Numbers of the events that were told.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<u64>>>);

#[async_trait]
impl Notifier for Heard {
    async fn notify(&self, record: &Record, event: &Event) -> Result<()> {
        assert_eq!(record.version, event.number);
        self.0.lock().unwrap().push(event.number);
        Ok(())
    }
}

/// Decides at the third question.
#[derive(Debug, Clone, Default)]
struct Slow(Arc<Mutex<u32>>);

#[async_trait]
impl Gate for Slow {
    async fn ask(&self, _ask: &GateAsk) -> Result<Decision> {
        let mut asked = self.0.lock().unwrap();
        *asked += 1;
        Ok(if *asked < 3 { Decision::Waiting } else { Decision::Open })
    }
}

/// So many of 100 requests fail.
#[derive(Debug)]
struct Errors(u64);

#[async_trait]
impl MetricSource for Errors {
    async fn figures(&self, _track: &TrackRef, _side: &Side, _since: Timestamp) -> Result<Option<Figures>> {
        Ok(Some(Figures { requests: 100, errors: self.0, ..Figures::default() }))
    }
}
