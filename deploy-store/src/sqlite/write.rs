//! One write: a transaction that holds the only writing connection.

use super::read::{signed, unsigned};
use super::{Sqlite, file};
use deploy_core::{DeploymentId, Error, Event, Record, Result, Scope, Summary, Timestamp};
use serde::Serialize;
use sqlx::sqlite::SqliteArguments;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::MutexGuard;

/// A transaction from `BEGIN IMMEDIATE` on. Dropped before its commit it takes its connection along, which undoes it:
/// what SQLite rolled back by itself, as on a full disk, is never mistaken for a transaction that is still open.
pub(super) struct Write<'a> {
    pub(super) store: &'a Sqlite,
    pub(super) connection: SqliteConnection,
    pub(super) now: Timestamp,
    slot: MutexGuard<'a, Option<SqliteConnection>>,
}

/// What a write to a record has to agree with.
pub(super) struct Head {
    pub(super) scope: Scope,
    pub(super) version: u64,
    pub(super) epoch: u64,
}

impl Sqlite {
    pub(super) async fn begin(&self) -> Result<Write<'_>> {
        let mut slot = self.0.writer.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.writing().await?,
        };
        let failed = |error| self.failed(error);
        // Each question is a way to the connection's thread and back, which costs more than the question.
        let latest: String = sqlx::query_scalar("BEGIN IMMEDIATE; SELECT latest FROM meta")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        let now = self.at_least(self.time(&latest)?);
        Ok(Write { store: self, connection, now, slot })
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

    pub(super) async fn run(&mut self, query: sqlx::query::Query<'_, sqlx::Sqlite, SqliteArguments>) -> Result<()> {
        query.execute(&mut self.connection).await.map(drop).map_err(|error| self.store.failed(error))
    }

    pub(super) async fn head(&mut self, id: &DeploymentId) -> Result<Head> {
        const SQL: &str = "SELECT application, environment, events, coalesce((SELECT epoch FROM leases l
            WHERE l.application = d.application AND l.environment = d.environment), 0)
            FROM deployments d WHERE id = ?";
        let row: Option<(String, String, i64, i64)> = sqlx::query_as(SQL)
            .bind(id.as_str())
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|error| self.store.failed(error))?;
        let (application, environment, version, epoch) = row.ok_or_else(|| super::read::unknown(id))?;
        let scope = self.store.scope(&application, &environment)?;
        Ok(Head { scope, version: unsigned(version), epoch: unsigned(epoch) })
    }

    pub(super) async fn add_event(&mut self, id: &DeploymentId, event: &Event) -> Result<()> {
        const SQL: &str = "INSERT INTO deployment_events (deployment, number, at, name, body) VALUES (?, ?, ?, ?, ?)";
        self.now = self.now.max(event.at);
        let query = sqlx::query(SQL)
            .bind(id.as_str())
            .bind(signed(event.number))
            .bind(event.at.to_string())
            .bind(event.what.name())
            .bind(json(&event.what)?);
        self.run(query).await?;
        self.note_instance(id, event).await
    }

    /// Makes the line about a deployment what its record says.
    pub(super) async fn line(&mut self, record: &Record) -> Result<()> {
        const SQL: &str = "INSERT INTO deployments
            (id, application, environment, version, status, active, progress, created, ended, actor, events)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET status = excluded.status, active = excluded.active,
            progress = excluded.progress, ended = excluded.ended, events = excluded.events";
        let line = Summary::of(record);
        let query = sqlx::query(SQL)
            .bind(line.id.as_str())
            .bind(line.scope.application.as_str())
            .bind(line.scope.environment.as_str())
            .bind(line.version)
            .bind(line.status.to_string())
            .bind(!line.status.is_final())
            .bind(i64::from(line.progress))
            .bind(line.created.to_string())
            .bind(line.ended.map(|ended| ended.to_string()))
            .bind(json(&line.actor)?)
            .bind(signed(record.version));
        self.run(query).await
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::invalid("this cannot be written as JSON, so it cannot be kept").from_source(error))
}
