//! Appends to SQLite beside bare commits of one row, on the same file system with the same settings.

use crate::PAIRS;
use deploy_benches::{Goal, Row, Scene, Table, median};
use deploy_core::{Actor, DeploymentId, Folded, Health, Store, What, time};
use deploy_store::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use std::path::Path;
use std::time::{Duration, Instant};

/// So many are made in a turn.
const COMMITS: usize = 400;

pub(crate) async fn rows() -> Table {
    let folder = tempfile::tempdir().unwrap();
    let mut bare = bare(folder.path()).await;
    let mut ours = Ours::open(folder.path()).await;
    // A log that still grows is slower to flush than one that is begun again.
    for _ in 0..4 {
        ours.turn().await;
        turn_of_bare(&mut bare, ours.body.as_str()).await;
    }
    let mut turns = Vec::new();
    for _ in 0..PAIRS {
        let own = ours.turn().await;
        turns.push((own, turn_of_bare(&mut bare, ours.body.as_str()).await));
    }
    let ratio = median(turns.iter().map(|(ours, bare)| ours / bare).collect());
    let of = |pick: fn(&(f64, f64)) -> f64| median(turns.iter().map(pick).collect());
    let note = format!("{:.0}/s, bare {:.0}/s; medians of {PAIRS} pairs", of(|turn| turn.0), of(|turn| turn.1));
    let mut table = Table::default();
    table.push(Row::new("store: appends to bare commits of one row", Goal::AtLeast(0.8), ratio, "x").note(note));
    table
}

/// A file with a table of one row for each event, and nothing else.
async fn bare(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.join("bare.db")).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let mut connection = options.disable_statement_logging().connect().await.unwrap();
    let table = "CREATE TABLE events (number INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT";
    sqlx::raw_sql(table).execute(&mut connection).await.unwrap();
    connection
}

async fn turn_of_bare(connection: &mut SqliteConnection, body: &str) -> f64 {
    let began = Instant::now();
    for _ in 0..COMMITS {
        let insert = sqlx::query("INSERT INTO events (body) VALUES (?)").bind(body);
        insert.execute(&mut *connection).await.unwrap();
    }
    rate(began.elapsed())
}

/// A rolling update of ten whose instances change their health, one event at a time.
struct Ours {
    store: Sqlite,
    scene: Scene,
    id: DeploymentId,
    version: u64,
    epoch: u64,
    body: String,
}

impl Ours {
    async fn open(folder: &Path) -> Self {
        let store = Sqlite::open(folder.join("deploy.db")).await.unwrap();
        let scene = Scene::rolling(10).unwrap();
        let id = DeploymentId::from("bench");
        store.create(&id, &scene.record.request, &Actor::new("bench")).await.unwrap();
        let lease = store.claim(&scene.record.scope, "bench", Duration::from_secs(3_600), 0).await.unwrap();
        let history = scene.history[1..].to_vec();
        store.append(&id, 1, lease.epoch, scene.now, history).await.unwrap();
        let version = scene.history.len() as u64;
        let mut ours = Self { store, scene, id, version, epoch: lease.epoch, body: String::new() };
        ours.body = serde_json::to_string(&ours.event(0)).unwrap();
        ours
    }

    fn event(&self, number: usize) -> What {
        let instance = &self.scene.instances[number % self.scene.instances.len()];
        let since = time::after(self.scene.now, Duration::from_millis(number as u64));
        let folded = Some(Folded { health: Health::Healthy, since, fresh: true });
        let (instance, side) = (instance.id.clone(), instance.side.clone());
        What::HealthChanged { track: self.scene.track.clone(), instance, side, folded }
    }

    async fn turn(&mut self) -> f64 {
        let began = Instant::now();
        for number in 0..COMMITS {
            let what = vec![self.event(number)];
            self.store.append(&self.id, self.version, self.epoch, self.scene.now, what).await.unwrap();
            self.version += 1;
        }
        rate(began.elapsed())
    }
}

fn rate(took: Duration) -> f64 {
    COMMITS as f64 / took.as_secs_f64()
}
