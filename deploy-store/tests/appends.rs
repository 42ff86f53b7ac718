//! Appends that come at the same time, and what each is told.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

mod support;

use deploy_core::{DeploymentId, Filter, Kind, Scope, Store, What};
use deploy_store::{Options, Sqlite};
use futures::future::join_all;
use std::time::Duration;
use support::{adds, at, made, pending, request, scope};

const HOUR: Duration = Duration::from_secs(3600);

/// So many deployments, each of an application of its own; with its scope's epoch.
async fn several(store: &Sqlite, count: usize) -> Vec<(DeploymentId, u64)> {
    let mut all = Vec::new();
    for number in 0..count {
        let (id, request) =
            (DeploymentId::from(format!("s{number}").as_str()), request(&format!("shop-{number}"), "production", "1"));
        store.create(&id, &request, &"ann".into()).await.unwrap();
        let scope: Scope = request.scope();
        all.push((id, store.claim(&scope, "one", HOUR, 0).await.unwrap().epoch));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_each_is_written_or_refused_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("deploy.db")).await.unwrap();
    let all = several(&store, 16).await;
    for round in 1..=20_u64 {
        let appends = all.iter().enumerate().map(|(number, (id, epoch))| {
            let store = &store;
            async move {
                let (version, epoch) = match number % 4 {
                    1 => (round + 7, *epoch),
                    2 => (round, epoch + 1),
                    _ => (round, *epoch),
                };
                (number, store.append(id, version, epoch, at(1), vec![pending(9)]).await)
            }
        });
        for (number, answer) in join_all(appends).await {
            match number % 4 {
                1 => assert_eq!(answer.unwrap_err().kind(), Kind::Conflict),
                2 => assert_eq!(answer.unwrap_err().kind(), Kind::Fenced),
                _ => assert_eq!(answer.unwrap()[0].number, round + 1),
            }
        }
        for (number, (id, epoch)) in all.iter().enumerate().filter(|(number, _)| matches!(number % 4, 1 | 2)) {
            let events = store.append(id, round, *epoch, at(1), vec![pending(9)]).await.unwrap();
            assert_eq!(events[0].number, round + 1, "{number}");
        }
    }
    for (id, _) in &all {
        assert_eq!(store.load(id).await.unwrap().version, 21);
        assert!(store.events(id, 0).await.unwrap().iter().map(|event| event.number).eq(1..=21));
    }
}

#[tokio::test]
async fn of_two_at_once_after_the_same_event_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("deploy.db")).await.unwrap();
    made(&store, "d1").await;
    let epoch = store.claim(&scope(), "one", HOUR, 0).await.unwrap().epoch;
    let id = DeploymentId::from("d1");
    for version in 1..=20 {
        let append = |second| store.append(&id, version, epoch, at(1), vec![pending(second)]);
        let answers = tokio::join!(append(1), append(2), append(3));
        let answers = [answers.0, answers.1, answers.2];
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
        assert!(refused.into_iter().all(|error| error.kind() == Kind::Conflict), "{answers:?}");
        assert_eq!(store.load(&"d1".into()).await.unwrap().version, version + 1);
    }
}

#[tokio::test]
async fn one_that_finds_no_room_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::default().at_most(512 * 1024).open(folder.path().join("deploy.db")).await.unwrap();
    let all = several(&store, 8).await;
    let appends = all.iter().enumerate().map(|(number, (id, epoch))| {
        let track = "shop/production/web@here".parse().unwrap();
        let words = "x".repeat(if number == 3 { 1_000_000 } else { 10 });
        store.append(id, 1, *epoch, at(2), vec![What::Warned { track, words }])
    });
    for (number, answer) in join_all(appends).await.into_iter().enumerate() {
        match number {
            3 => assert_eq!(answer.unwrap_err().kind(), Kind::Full),
            _ => drop(answer.unwrap()),
        }
    }
    assert_eq!(store.list(&Filter::default()).await.unwrap().len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_dropped_while_it_waits_holds_up_and_undoes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(Sqlite::open(folder.path().join("deploy.db")).await.unwrap());
    made(&*store, "d1").await;
    let epoch = store.claim(&scope(), "one", HOUR, 0).await.unwrap().epoch;
    let all = several(&store, 4).await;
    let others = tokio::spawn(adds(store.clone(), epoch, 40));
    for tries in 0..40 {
        let appends = join_all(all.iter().map(|(id, epoch)| async {
            let version = store.load(id).await.unwrap().version;
            store.append(id, version, *epoch, at(1), vec![pending(9), pending(10)]).await
        }));
        let _dropped = tokio::time::timeout(Duration::from_micros(50 * tries), appends).await;
    }
    others.await.unwrap();
    // What was under way when it was dropped is over once another write is.
    store.claim(&scope(), "one", HOUR, 0).await.unwrap();
    assert_eq!(store.load(&"d1".into()).await.unwrap().version, 41);
    for (id, epoch) in &all {
        let events = store.events(id, 0).await.unwrap();
        assert!(events.iter().map(|event| event.number).eq(1..=events.len() as u64));
        assert_eq!(events.len() % 2, 1, "an append is there whole or not at all");
        store.append(id, events.len() as u64, *epoch, at(1), vec![pending(9)]).await.unwrap();
    }
}

#[tokio::test]
async fn time_does_not_fall_behind_an_event_that_a_later_one_is_dated_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deploy.db");
    let store = Options::default().clock(|| at(1000)).open(&path).await.unwrap();
    made(&store, "d1").await;
    let epoch = store.claim(&scope(), "one", HOUR, 0).await.unwrap().epoch;
    let late = at(1500) + Duration::from_millis(250);
    for (version, at) in [(1, at(1500)), (2, late), (3, at(1100)), (4, at(1500))] {
        store.append(&"d1".into(), version, epoch, at, vec![pending(9)]).await.unwrap();
    }
    store.close().await;
    let store = Options::default().clock(|| at(500)).open(&path).await.unwrap();
    assert_eq!(store.now().await.unwrap(), late);
}
