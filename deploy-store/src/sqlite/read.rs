//! Reading rows.

use super::write::Head;
use super::{Sqlite, error::corrupt, locked};
use deploy_core::{DeploymentId, Error, Event, Kind, Name, Record, Result, Scope, Signal, Summary, Timestamp, What};
use serde::de::DeserializeOwned;
use sqlx::{Executor, Sqlite as Db};

pub(super) type EventRow = (i64, String, String);
pub(super) type SignalRow = (i64, String, String, String);
pub(super) type SummaryRow = (String, String, String, String, String, i64, String, Option<String>, String);

/// The newest time that was written: kept beside the events, or the newest event's.
macro_rules! latest {
    () => {
        "SELECT kept, newest FROM latest"
    };
}
pub(super) use latest;

impl Sqlite {
    /// Now, as every process that writes here has it.
    pub(super) async fn tick(&self) -> Result<Timestamp> {
        self.time_by(&self.0.readers, latest!()).await
    }

    /// Now, by a question that ends with `latest!`.
    pub(super) async fn time_by<'c>(
        &self,
        by: impl Executor<'c, Database = Db>,
        sql: &'static str,
    ) -> Result<Timestamp> {
        let (kept, newest): (String, Option<String>) =
            sqlx::query_as(sql).fetch_one(by).await.map_err(|error| self.failed(error))?;
        let newest = newest.map(|newest| self.time(&newest)).transpose()?;
        Ok(self.at_least(newest.unwrap_or_default().max(self.time(&kept)?)))
    }

    /// What a write to a record has to agree with.
    pub(super) async fn head<'c>(&self, by: impl Executor<'c, Database = Db>, id: &DeploymentId) -> Result<Head> {
        const SQL: &str = "SELECT application, environment,
            (SELECT max(key) & 0xffffffff FROM events WHERE key > d.seq << 32 AND key < (d.seq + 1) << 32),
            coalesce((SELECT epoch FROM leases l
            WHERE l.application = d.application AND l.environment = d.environment), 0)
            FROM deployments d WHERE id = ?";
        let row: Option<(String, String, i64, i64)> =
            sqlx::query_as(SQL).bind(id.as_str()).fetch_optional(by).await.map_err(|error| self.failed(error))?;
        let (application, environment, version, epoch) = row.ok_or_else(|| unknown(id))?;
        let scope = self.scope(&application, &environment)?;
        Ok(Head { scope, version: unsigned(version), epoch: unsigned(epoch) })
    }

    /// The events after a number.
    pub(super) async fn events_by<'c>(
        &self,
        by: impl Executor<'c, Database = Db>,
        id: &DeploymentId,
        after: u64,
    ) -> Result<Vec<Event>> {
        const SQL: &str = "SELECT e.key & 0xffffffff, e.at, e.body FROM deployments d
            JOIN events e ON e.key > d.seq << 32 | min(?, 0xffffffff) AND e.key < (d.seq + 1) << 32
            WHERE d.id = ? ORDER BY e.key";
        let rows: Vec<EventRow> = sqlx::query_as(SQL)
            .bind(signed(after))
            .bind(id.as_str())
            .fetch_all(by)
            .await
            .map_err(|error| self.failed(error))?;
        rows.into_iter().map(|row| self.event(id, row)).collect()
    }

    /// The record: what is cached, with what came after it.
    pub(super) async fn record_by<'c>(
        &self,
        by: impl Executor<'c, Database = Db>,
        id: &DeploymentId,
    ) -> Result<Record> {
        let cached = self.cached(id);
        let after = cached.as_ref().map_or(0, |record| record.version);
        let events = self.events_by(by, id, after).await?;
        let record = match cached {
            Some(record) => self.continued(record, &events)?,
            None if events.is_empty() => return Err(unknown(id)),
            None => Record::fold(id, events)?,
        };
        locked(&self.0.cache).put(record.clone());
        Ok(record)
    }

    /// The record as it was used last; it may be behind the file.
    pub(super) fn cached(&self, id: &DeploymentId) -> Option<Record> {
        locked(&self.0.cache).get(id)
    }

    fn continued(&self, mut record: Record, events: &[Event]) -> Result<Record> {
        for event in events {
            if event.number != record.version + 1 {
                let what = format!("has a gap in the events of {} after number {}", record.id, record.version);
                return Err(corrupt(&self.0.path, &what));
            }
            record.apply(event);
        }
        Ok(record)
    }

    /// `NotFound` if there is no such deployment.
    pub(super) async fn known<'c>(&self, by: impl Executor<'c, Database = Db>, id: &DeploymentId) -> Result<()> {
        let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM deployments WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(by)
            .await
            .map_err(|error| self.failed(error))?;
        found.map(drop).ok_or_else(|| unknown(id))
    }

    fn event(&self, id: &DeploymentId, (number, at, body): EventRow) -> Result<Event> {
        let what: What = self.json(&body, || format!("event {number} of deployment {id}"))?;
        Ok(Event { number: unsigned(number), at: self.time(&at)?, what })
    }

    pub(super) fn signal_of(&self, id: &DeploymentId, (number, at, actor, ask): SignalRow) -> Result<Signal> {
        let what = || format!("signal {number} of deployment {id}");
        Ok(Signal {
            number: unsigned(number),
            at: self.time(&at)?,
            actor: self.json(&actor, what)?,
            ask: self.json(&ask, what)?,
        })
    }

    pub(super) fn summary(&self, row: SummaryRow) -> Result<Summary> {
        let (id, application, environment, version, status, progress, created, ended, actor) = row;
        let what = || format!("the line about deployment {id}");
        let status = serde_json::Value::from(status);
        Ok(Summary {
            scope: self.scope(&application, &environment)?,
            version,
            status: serde_json::from_value(status).map_err(|error| self.unreadable(&what(), error))?,
            progress: u8::try_from(progress).unwrap_or(100),
            created: self.time(&created)?,
            ended: ended.map(|ended| self.time(&ended)).transpose()?,
            actor: self.json(&actor, what)?,
            id: id.as_str().into(),
        })
    }

    pub(super) fn scope(&self, application: &str, environment: &str) -> Result<Scope> {
        let name = |name: &str| name.parse::<Name>().map_err(|error| self.unreadable("the name of a scope", error));
        Ok(Scope { application: name(application)?, environment: name(environment)? })
    }

    pub(super) fn time(&self, text: &str) -> Result<Timestamp> {
        text.parse().map_err(|error: <Timestamp as std::str::FromStr>::Err| self.unreadable("a time", error))
    }

    pub(super) fn json<T: DeserializeOwned>(&self, text: &str, what: impl Fn() -> String) -> Result<T> {
        serde_json::from_str(text).map_err(|error| self.unreadable(&what(), error))
    }

    pub(super) fn unreadable(&self, what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        let path = self.0.path.display();
        let message = format!("the store {path} has something unreadable: {what}; restore it from a backup");
        Error::new(Kind::Corrupt, message).from_source(error)
    }
}

pub(super) fn unknown(id: &DeploymentId) -> Error {
    Error::new(Kind::NotFound, format!("there is no deployment {id}"))
}

/// SQLite has no unsigned numbers; ours never come near the end of its own.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
