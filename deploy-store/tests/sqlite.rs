//! The SQLite store: what it says, and what a file can suffer.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub, reason = "tests")]

mod support;

use deploy_core::{Exit, Filter, Folded, Health, InstanceId, Kind, RevisionId, Side, Store, TrackRef, What};
use deploy_store::{Options, Sqlite};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use support::{adds, at, made, pending, request, scope};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn refusals_say_what_and_who() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::default().clock(|| at(1000)).open(folder.path().join("deploy.db")).await.unwrap();
    made(&store, "d1").await;
    store.claim(&scope(), "one", HOUR, 0).await.unwrap();
    let (id, other) = ("d1".into(), request("shop", "production", "2"));
    let conflict = store.create(&id, &other, &"ann".into()).await.unwrap_err();
    assert_eq!(conflict.message(), "deployment d1 is there already with other content; use another id");
    assert!(conflict.context("has").unwrap().ends_with(" to production"), "{conflict}");
    let late = store.append(&id, 0, 1, at(1), vec![pending(1)]).await.unwrap_err();
    assert_eq!(late.message(), "deployment d1 has moved on to event 1, the write expected 0");
    let fenced = store.append(&id, 1, 2, at(1), vec![pending(1)]).await.unwrap_err();
    assert_eq!(fenced.message(), "the lease of shop/production has epoch 1, the write came under 2");
    let busy = store.claim(&scope(), "two", HOUR, 0).await.unwrap_err();
    assert_eq!(busy.message(), "shop/production is in the hands of engine one until 1970-01-01T01:16:40Z");
    assert_eq!(store.load(&"d9".into()).await.unwrap_err().message(), "there is no deployment d9");
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart_and_time_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deploy.db");
    let (early, late) = (at(500), at(1000));
    let store = Options::default().clock(move || late).open(&path).await.unwrap();
    made(&store, "d1").await;
    let epoch = store.claim(&scope(), "one", HOUR, 0).await.unwrap().epoch;
    store.append(&"d1".into(), 1, epoch, at(1200), vec![pending(2000)]).await.unwrap();
    let record = store.load(&"d1".into()).await.unwrap();
    store.close().await;
    assert_eq!(store.now().await.unwrap_err().kind(), Kind::Unavailable);

    let store = Options::default().clock(move || early).open(&path).await.unwrap();
    assert_eq!(store.load(&"d1".into()).await.unwrap(), record);
    assert_eq!(store.now().await.unwrap(), at(1200));
    assert_eq!(store.list(&Filter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_openings_of_one_file_see_each_other_and_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deploy.db");
    let (one, other) = tokio::join!(Sqlite::open(&path), Sqlite::open(&path));
    let (one, other) = (Arc::new(one.unwrap()), Arc::new(other.unwrap()));
    made(&*one, "d1").await;
    let epoch = one.claim(&scope(), "one", HOUR, 0).await.unwrap().epoch;
    let writers = [one.clone(), other.clone()].map(|store| tokio::spawn(adds(store, epoch, 20)));
    for writer in writers {
        writer.await.unwrap();
    }
    let records = (one.load(&"d1".into()).await.unwrap(), other.load(&"d1".into()).await.unwrap());
    assert_eq!(records.0, records.1);
    assert_eq!(records.0.version, 41);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "the file, its -wal and its -shm");
}

#[tokio::test]
async fn a_write_that_is_dropped_midway_leaves_the_store_usable() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("deploy.db")).await.unwrap();
    let (id, request, actor) = ("d1".into(), request("shop", "production", "1"), "ann".into());
    for tries in 0..40 {
        let write = store.create(&id, &request, &actor);
        let _dropped = tokio::time::timeout(Duration::from_micros(50 * tries), write).await;
    }
    store.create(&id, &request, &actor).await.unwrap();
    assert_eq!(store.events(&"d1".into(), 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn instances_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("deploy.db")).await.unwrap();
    made(&store, "d1").await;
    let epoch = store.claim(&scope(), "one", HOUR, 0).await.unwrap().epoch;
    let track: TrackRef = "shop/production/web@here".parse().unwrap();
    let side = Side::home(RevisionId::new("r1"));
    let health = |instance: &str, folded| What::HealthChanged {
        track: track.clone(),
        instance: InstanceId::new(instance),
        side: Some(side.clone()),
        folded,
    };
    let healthy = Some(Folded { health: Health::Healthy, since: at(1), fresh: true });
    let ended = What::InstanceEnded {
        track: track.clone(),
        instance: InstanceId::new("b"),
        side: side.clone(),
        slot: "s".into(),
        exit: Exit { code: Some(3), signal: None },
        log: Vec::new(),
    };
    let events = vec![health("a", None), health("b", healthy), ended, health("a", healthy)];
    store.append(&"d1".into(), 1, epoch, at(9), events).await.unwrap();
    let rows = store.instances_of(&"d1".into()).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].instance.as_str(), rows[0].health, rows[0].since), ("a", Some(Health::Healthy), Some(at(1))));
    assert_eq!((rows[1].health, rows[1].ended.as_deref()), (None, Some("exit status 3")));
    assert_eq!(store.instances_of(&"d9".into()).await.unwrap_err().kind(), Kind::NotFound);
}

async fn refused(path: &Path, words: &str) {
    let before = fs::read(path).unwrap();
    let error = Sqlite::open(path).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error:?}");
    assert!(error.message().contains(words) && error.message().contains("restore it from a backup"), "{error}");
    assert!(fs::read(path).unwrap() == before, "{} was written to", path.display());
}

#[tokio::test]
async fn a_file_that_is_not_ours_or_not_whole_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deploy.db");
    let store = Sqlite::open(&path).await.unwrap();
    made(&store, "d1").await;
    store.close().await;
    let whole = fs::read(&path).unwrap();

    let mut damaged = whole.clone();
    damaged[4096..8192].fill(0xa5);
    let mut foreign = whole.clone();
    foreign[68..72].fill(0);
    let cases: [(&[u8], &str); 6] = [
        (b"", "is empty"),
        (b"hello, I am a diary", "is no SQLite file"),
        (&whole[..60], "is no SQLite file"),
        (&whole[..whole.len() / 2], "damaged or cut short"),
        (&damaged, "damaged or cut short"),
        (&foreign, "of another program"),
    ];
    for (content, words) in cases {
        fs::write(&path, content).unwrap();
        refused(&path, words).await;
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(Sqlite::open(&path).await.unwrap().load(&"d1".into()).await.unwrap().version, 1);
}

#[tokio::test]
async fn a_newer_schema_and_a_log_without_its_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deploy.db");
    Sqlite::open(&path).await.unwrap().close().await;
    let mut newer = fs::read(&path).unwrap();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&path, &newer).unwrap();
    let error = Sqlite::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.message().contains("has schema 99"), "{error}");

    let alone = folder.path().join("lost.db");
    fs::write(folder.path().join("lost.db-wal"), "what was written last").unwrap();
    assert_eq!(Sqlite::open(&alone).await.unwrap_err().kind(), Kind::Corrupt);
    let nowhere = Sqlite::open(folder.path().join("no/such/deploy.db")).await.unwrap_err();
    assert!(nowhere.message().contains("no/such/deploy.db"), "{nowhere}");
}

/// Fills a store until it is full; the number of the newest acknowledged event.
async fn fill(store: &Sqlite, epoch: u64) -> u64 {
    let mut newest = store.load(&"d1".into()).await.unwrap().version;
    loop {
        let long = What::Warned { track: "shop/production/web@here".parse().unwrap(), words: "x".repeat(20_000) };
        match store.append(&"d1".into(), newest, epoch, at(2), vec![long]).await {
            Ok(_) => newest += 1,
            Err(error) => {
                assert_eq!(error.kind(), Kind::Full, "{error:?}");
                return newest;
            }
        }
        assert!(newest < 1000, "it never was full");
    }
}

#[tokio::test]
async fn a_full_store_says_so_loses_nothing_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deploy.db");
    let small = Options::default().at_most(512 * 1024).open(&path).await.unwrap();
    made(&small, "d1").await;
    let epoch = small.claim(&scope(), "one", HOUR, 0).await.unwrap().epoch;
    let newest = fill(&small, epoch).await;
    assert_eq!(fill(&small, epoch).await, newest, "full twice is full still");
    let roomy = Sqlite::open(&path).await.unwrap();
    for store in [&small, &roomy] {
        assert_eq!(store.load(&"d1".into()).await.unwrap().version, newest);
        assert_eq!(store.events(&"d1".into(), 0).await.unwrap().len() as u64, newest);
    }
    roomy.append(&"d1".into(), newest, epoch, at(3), vec![pending(9)]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs root (mounts a 1 MiB tmpfs)"]
async fn a_full_disk_says_so_loses_nothing_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
    assert!(Command::new("mount").args(mount).arg(folder.path()).status().unwrap().success());
    let ballast = folder.path().join("ballast");
    fs::write(&ballast, vec![1; 256 * 1024]).unwrap();
    let store = Sqlite::open(folder.path().join("deploy.db")).await.unwrap();
    made(&store, "d1").await;
    let epoch = store.claim(&scope(), "one", HOUR, 0).await.unwrap().epoch;
    let newest = fill(&store, epoch).await;
    assert_eq!(store.load(&"d1".into()).await.unwrap().version, newest);
    fs::remove_file(&ballast).unwrap();
    store.append(&"d1".into(), newest, epoch, at(3), vec![pending(9)]).await.unwrap();
    assert_eq!(store.events(&"d1".into(), 0).await.unwrap().len() as u64, newest + 1);
    store.close().await;
    assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
}

const CHILD: &str = "DEPLOY_STORE_TEST_FILE";

#[tokio::test]
#[ignore = "needs a parent (it is the writer that a test kills)"]
async fn a_writer_until_it_is_killed() {
    // Not a test of its own: without its parent there is nothing to write to.
    let Ok(path) = std::env::var(CHILD) else { return };
    let store = Sqlite::open(path).await.unwrap();
    let epoch = store.claim(&scope(), "child", HOUR, 0).await.unwrap().epoch;
    let mut version = store.load(&"d1".into()).await.unwrap().version;
    loop {
        let events = vec![pending(1), pending(2)];
        version = store.append(&"d1".into(), version, epoch, at(2), events).await.unwrap().last().unwrap().number;
        println!("\nacknowledged {version}");
    }
}

#[tokio::test]
async fn a_killed_writer_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deploy.db");
    made(&Sqlite::open(&path).await.unwrap(), "d1").await;
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_writer_until_it_is_killed", "--ignored", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = 0;
        let mut newest = 0;
        for line in lines {
            let Some(number) = line.strip_prefix("acknowledged ") else { continue };
            newest = number.parse::<u64>().unwrap_or(newest);
            seen += 1;
            if seen == 10 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= 10 * round, "the child ended by itself");
        let store = Sqlite::open(&path).await.unwrap();
        let events = store.events(&"d1".into(), 0).await.unwrap();
        assert!(events.len() as u64 >= newest, "{} kept, {newest} acknowledged", events.len());
        assert!(events.iter().map(|event| event.number).eq(1..=events.len() as u64));
        assert_eq!(events.len() % 2, 1, "a write is there whole or not at all");
        assert_eq!(store.load(&"d1".into()).await.unwrap().version, events.len() as u64);
    }
}

#[test]
fn a_store_can_be_held_as_a_trait_object() {
    fn held(store: Sqlite) -> Arc<dyn Store> {
        Arc::new(store)
    }
    let _: fn(Sqlite) -> Arc<dyn Store> = held;
}
