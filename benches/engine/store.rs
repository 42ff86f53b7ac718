//! Appends to SQLite beside bare commits of one row, on the same file system with the same settings.

use crate::PAIRS;
use deploy_benches::{Goal, Row, Scene, Table, median};
use deploy_core::{Actor, DeploymentId, Folded, Health, Request, Store, What, time};
use deploy_store::Sqlite;
use futures::future::join_all;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use std::path::Path;
use std::time::{Duration, Instant};

/// So many are made in a turn.
const COMMITS: usize = 400;

/// So many callers append at the same time, each to a deployment of its own.
const CALLERS: usize = 16;

pub(crate) async fn rows() -> Table {
    let folder = tempfile::tempdir().unwrap();
    let mut bare = bare(folder.path()).await;
    let store = Sqlite::open(folder.path().join("deploy.db")).await.unwrap();
    let mut ours = Vec::new();
    for number in 0..CALLERS {
        ours.push(Ours::begin(&store, number).await);
    }
    let body = ours[0].body.clone();
    // A log that still grows is slower to flush than one that is begun again.
    for _ in 0..4 {
        ours[0].turn(COMMITS).await;
        turn_of_bare(&mut bare, &body).await;
    }
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let own = ours[0].turn(COMMITS).await;
        alone.push((own, turn_of_bare(&mut bare, &body).await));
        let all = turn_of_all(&mut ours).await;
        together.push((all, turn_of_bare(&mut bare, &body).await));
    }
    let mut table = Table::default();
    let of_one = "store: appends to bare commits of one row";
    table.push(row(of_one.into(), Goal::AtLeast(0.8), &alone));
    table.push(row(format!("{of_one}, {CALLERS} callers at once"), Goal::AtLeast(0.8), &together));
    table
}

fn row(what: String, goal: Goal, turns: &[(f64, f64)]) -> Row {
    let ratio = median(turns.iter().map(|(ours, bare)| ours / bare).collect());
    let of = |pick: fn(&(f64, f64)) -> f64| median(turns.iter().map(pick).collect());
    let note = format!("{:.0}/s, bare {:.0}/s; medians of {PAIRS} pairs", of(|turn| turn.0), of(|turn| turn.1));
    Row::new(what, goal, ratio, "x").note(note)
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
    rate(COMMITS, began.elapsed())
}

/// As many appends in all, of all callers at once.
async fn turn_of_all(ours: &mut [Ours]) -> f64 {
    let began = Instant::now();
    join_all(ours.iter_mut().map(|one| one.turn(COMMITS / CALLERS))).await;
    rate(COMMITS, began.elapsed())
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
    async fn begin(store: &Sqlite, number: usize) -> Self {
        let (store, scene) = (store.clone(), Scene::rolling(10).unwrap());
        let (id, mut scope) = (DeploymentId::from(format!("bench-{number}").as_str()), scene.record.scope.clone());
        let mut request = Request::clone(&scene.record.request);
        request.environment = format!("bench-{number}").parse().unwrap();
        scope.environment = request.environment.clone();
        store.create(&id, &request, &Actor::new("bench")).await.unwrap();
        let lease = store.claim(&scope, "bench", Duration::from_secs(3_600), 0).await.unwrap();
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
        let (instance, side) = (instance.id.clone(), Some(instance.side.clone()));
        What::HealthChanged { track: self.scene.track.clone(), instance, side, folded }
    }

    async fn turn(&mut self, count: usize) -> f64 {
        let began = Instant::now();
        for number in 0..count {
            let what = vec![self.event(number)];
            self.store.append(&self.id, self.version, self.epoch, self.scene.now, what).await.unwrap();
            self.version += 1;
        }
        rate(count, began.elapsed())
    }
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
