//! One write: a transaction that holds the only writing connection.

use super::read::signed;
use super::{Sqlite, file};
use deploy_core::{DeploymentId, Error, Event, Record, Result, Scope, Status, Summary, Timestamp};
use serde::Serialize;
use sqlx::sqlite::SqliteArguments;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::OwnedMutexGuard;

/// The place of the writing connection: none while a write has it, or after one that failed.
pub(super) type Slot = OwnedMutexGuard<Option<SqliteConnection>>;

/// A transaction from `BEGIN IMMEDIATE` on. Dropped before its commit it takes its connection along, which undoes it:
/// what SQLite rolled back by itself, as on a full disk, is never mistaken for a transaction that is still open.
pub(super) struct Write<'a> {
    pub(super) store: &'a Sqlite,
    pub(super) connection: SqliteConnection,
    pub(super) now: Timestamp,
    slot: Slot,
}

/// What a write to a record has to agree with.
pub(super) struct Head {
    pub(super) scope: Scope,
    pub(super) version: u64,
    pub(super) epoch: u64,
}

impl Head {
    /// `Fenced` under another epoch than the newest, `Conflict` where the record is not at this version.
    pub(super) fn check(&self, id: &DeploymentId, version: u64, epoch: u64) -> Result<()> {
        if self.epoch != epoch {
            return Err(Error::fenced_epoch(&self.scope, epoch, self.epoch));
        }
        if self.version != version {
            return Err(Error::moved_on(id, version, self.version));
        }
        Ok(())
    }
}

/// What the line about a deployment says that changes.
#[derive(PartialEq)]
pub(super) struct Line {
    status: Status,
    progress: u8,
    ended: Option<Timestamp>,
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

impl Line {
    pub(super) fn of(record: &Record) -> Self {
        Self { status: record.status(), progress: record.progress, ended: record.ended() }
    }

    /// Binds `status`, `active`, `progress` and `ended`.
    pub(super) fn bound<'q>(&self, query: Query<'q>) -> Query<'q> {
        let query = query.bind(self.status.to_string()).bind(!self.status.is_final());
        query.bind(i64::from(self.progress)).bind(self.ended.map(|ended| ended.to_string()))
    }
}

impl Sqlite {
    pub(super) async fn begin(&self) -> Result<Write<'_>> {
        const SQL: &str = concat!("BEGIN IMMEDIATE; ", super::read::latest!());
        let mut slot = self.0.writer.clone().lock_owned().await;
        let mut connection = self.connection(&mut slot).await?;
        // Each question is a way to the connection's thread and back, which costs more than the question.
        let now = self.time_by(&mut connection, SQL).await?;
        Ok(Write { store: self, connection, now, slot })
    }

    pub(super) async fn connection(&self, slot: &mut Slot) -> Result<SqliteConnection> {
        match slot.take() {
            Some(connection) => Ok(connection),
            None => self.writing().await,
        }
    }

    async fn writing(&self) -> Result<SqliteConnection> {
        let mut options = file::connecting(&self.0.path);
        if let Some(pages) = self.0.pages {
            options = options.pragma("max_page_count", pages.to_string());
        }
        options.connect().await.map_err(|error| self.failed(error))
    }
}

impl Write<'_> {
    pub(super) async fn commit(mut self) -> Result<()> {
        let now = self.now.to_string();
        self.run(sqlx::query("UPDATE meta SET latest = ?; COMMIT").bind(now)).await?;
        *self.slot = Some(self.connection);
        Ok(())
    }

    pub(super) async fn run(&mut self, query: Query<'_>) -> Result<()> {
        query.execute(&mut self.connection).await.map(drop).map_err(|error| self.store.failed(error))
    }

    /// Writes the first event of a deployment whose line is there.
    pub(super) async fn first_event(&mut self, id: &DeploymentId, event: &Event) -> Result<()> {
        const SQL: &str = "INSERT INTO events (key, at, name, body)
            SELECT seq << 32 | ?, ?, ?, ? FROM deployments WHERE id = ?";
        let query = sqlx::query(SQL)
            .bind(signed(event.number))
            .bind(event.at.to_string())
            .bind(event.what.name())
            .bind(json(&event.what)?)
            .bind(id.as_str());
        self.run(query).await
    }

    /// Writes the line about a new deployment.
    pub(super) async fn line(&mut self, record: &Record) -> Result<()> {
        const SQL: &str = "INSERT INTO deployments
            (id, application, environment, version, created, actor, status, active, progress, ended)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let summary = Summary::of(record);
        let query = sqlx::query(SQL)
            .bind(summary.id.as_str())
            .bind(summary.scope.application.as_str())
            .bind(summary.scope.environment.as_str())
            .bind(summary.version)
            .bind(summary.created.to_string())
            .bind(json(&summary.actor)?);
        self.run(Line::of(record).bound(query)).await
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::invalid("this cannot be written as JSON, so it cannot be kept").from_source(error))
}
