//! Files of earlier schemas.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::panic, dead_code, unreachable_pub, reason = "tests")]

mod support;

use deploy_core::{Exit, Filter, Folded, Health, InstanceId, Record, Side, Store, TrackRef, What};
use deploy_store::{Options, Sqlite};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::path::Path;
use std::time::Duration;
use support::{at, made, pending, scope};

/// What the program of schema 1 kept beside the events.
const AS_BEFORE: &str = "INSERT INTO deployments
    SELECT seq, id, application, environment, version, status, active, progress, created, ended, actor,
    (SELECT count(*) FROM now.deployment_events e WHERE e.deployment = d.id) FROM now.deployments d;
    INSERT INTO deployment_events SELECT * FROM now.deployment_events;
    INSERT INTO service_instances (deployment, track, instance, side, at)
    SELECT deployment, track, instance, side, at FROM now.service_instances;
    INSERT INTO leases SELECT * FROM now.leases;
    UPDATE meta SET latest = '1970-01-01T00:20:00Z';
    PRAGMA application_id = 0x64706c79; PRAGMA user_version = 1";

fn seen(instance: &str, ended: Option<Exit>) -> What {
    let track: TrackRef = "shop/production/web@here".parse().unwrap();
    let (instance, side) = (InstanceId::new(instance), Side::home(deploy_core::RevisionId::new("r1")));
    match ended {
        Some(exit) => What::InstanceEnded { track, instance, side, slot: "s".into(), exit, log: Vec::new() },
        None => {
            let folded = Some(Folded { health: Health::Healthy, since: at(1), fresh: true });
            What::HealthChanged { track, instance, side: Some(side), folded }
        }
    }
}

async fn written(path: &Path) -> (Record, u64) {
    let store = Options::default().clock(|| at(1000)).open(path).await.unwrap();
    made(&store, "d1").await;
    let epoch = store.claim(&scope(), "one", Duration::from_secs(3600), 0).await.unwrap().epoch;
    let killed = Exit { code: None, signal: Some(9) };
    let events = vec![pending(2000), seen("a", None), seen("b", None), seen("b", Some(killed))];
    store.append(&"d1".into(), 1, epoch, at(1100), events).await.unwrap();
    let record = store.load(&"d1".into()).await.unwrap();
    store.close().await;
    (record, epoch)
}

async fn opened(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.journal_mode(SqliteJournalMode::Wal).connect().await.unwrap()
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date_with_all_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (now, before) = (folder.path().join("now.db"), folder.path().join("before.db"));
    let (record, epoch) = written(&now).await;
    let mut old = opened(&before).await;
    sqlx::raw_sql(include_str!("../migrations/1.sql")).execute(&mut old).await.unwrap();
    sqlx::query("ATTACH ? AS now").bind(now.to_str().unwrap()).execute(&mut old).await.unwrap();
    sqlx::raw_sql(AS_BEFORE).execute(&mut old).await.unwrap();
    old.close().await.unwrap();

    for _again in 0..2 {
        let store = Options::default().clock(|| at(500)).open(&before).await.unwrap();
        assert_eq!(store.load(&"d1".into()).await.unwrap(), record);
        assert_eq!(store.list(&Filter::default()).await.unwrap().len(), 1);
        assert_eq!(store.now().await.unwrap(), at(1200));
        let rows = store.instances_of(&"d1".into()).await.unwrap();
        assert_eq!((rows[0].instance.as_str(), rows[0].health), ("a", Some(Health::Healthy)));
        assert_eq!((rows[1].health, rows[1].ended.as_deref()), (None, Some("ended by signal 9")));
        store.close().await;
    }
    let store = Sqlite::open(&before).await.unwrap();
    store.append(&"d1".into(), record.version, epoch, at(1300), vec![pending(3000)]).await.unwrap();
    assert_eq!(store.load(&"d1".into()).await.unwrap().version, record.version + 1);
}
