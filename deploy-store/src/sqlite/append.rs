//! Appends. Those that wait for the file at the same time share one commit; each is taken or refused by itself.

use super::read::signed;
use super::write::{Line, Slot, json};
use super::{Sqlite, locked};
use deploy_core::{Error, Event, Kind, Record, Result, Timestamp};
use futures::channel::oneshot;
use sqlx::{AssertSqlSafe, SqliteConnection};

/// Events to be written, and what their record is after them.
pub(super) struct Append {
    version: u64,
    epoch: u64,
    at: Timestamp,
    /// Name and body of each.
    events: Vec<(&'static str, String)>,
    record: Record,
    /// What is said about the deployment, where that changes.
    line: Option<Line>,
}

/// An append that waits for its turn.
pub(super) struct Waiting {
    append: Append,
    answer: oneshot::Sender<Result<()>>,
}

impl Append {
    /// What adding events to a record writes.
    pub(super) fn new(mut record: Record, epoch: u64, at: Timestamp, events: &[Event]) -> Result<Self> {
        let (version, before) = (record.version, Line::of(&record));
        events.iter().for_each(|event| record.apply(event));
        let line = Some(Line::of(&record)).filter(|line| *line != before);
        let events = events.iter().map(|event| Ok((event.what.name(), json(&event.what)?)));
        let events = events.collect::<Result<_>>()?;
        Ok(Self { version, epoch, at, events, record, line })
    }

    /// One statement, which is all of it or nothing; alone it is a transaction too.
    async fn write(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        let at = self.at.to_string();
        let mut query = sqlx::query(AssertSqlSafe(sql(self.events.len()))).persistent(self.events.len() <= PREPARED);
        for (version, (name, body)) in (self.version..).zip(&self.events) {
            query = query.bind(self.record.id.as_str()).bind(signed(version)).bind(signed(self.epoch));
            query = query.bind(at.as_str()).bind(*name).bind(body.as_str());
        }
        // What is not bound is NULL: the line stays as it is.
        if let Some(line) = &self.line {
            query = line.bound(query);
        }
        query.execute(connection).await.map(drop)
    }
}

/// Statements for so many events are kept prepared.
const PREPARED: usize = 16;

/// Adds so many events; the last says what changes in the line.
fn sql(events: usize) -> String {
    let rows = "(?, ?, ?, ?, ?, ?, NULL, NULL, NULL, NULL), ".repeat(events.saturating_sub(1));
    format!(
        "INSERT INTO appends (deployment, version, epoch, at, name, body, status, active, progress, ended)
        VALUES {rows}(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
}

impl Sqlite {
    /// Writes an append, with those that wait beside it.
    pub(super) async fn add(&self, append: Append) -> Result<()> {
        let (answer, mut told) = oneshot::channel();
        locked(&self.0.waiting).push(Waiting { append, answer });
        let unanswered = |_| Err(self.unanswered());
        let slot = tokio::select! {
            biased;
            answer = &mut told => return answer.unwrap_or_else(unanswered),
            slot = self.0.writer.clone().lock_owned() => slot,
        };
        match told.try_recv() {
            Ok(None) => self.lead(slot).await,
            Ok(Some(answer)) => return answer,
            Err(_) => return Err(self.unanswered()),
        }
        told.await.unwrap_or_else(unanswered)
    }

    /// Writes all that wait. Of several, no one's end is to end the others: they are a task's.
    async fn lead(&self, mut slot: Slot) {
        let mut waiting = std::mem::take(&mut *locked(&self.0.waiting));
        // Who waits no more asks for nothing.
        waiting.retain(|one| !one.answer.is_canceled());
        if waiting.len() < 2 {
            self.each(&mut slot, waiting).await;
            return;
        }
        let store = self.clone();
        tokio::spawn(async move {
            match store.together(&mut slot, &waiting).await {
                Ok(answers) => waiting.into_iter().zip(answers).for_each(|(one, answer)| store.answer(one, answer)),
                // That one finds no room says nothing of the others.
                Err(error) if error.kind() == Kind::Full => store.each(&mut slot, waiting).await,
                Err(error) => waiting.into_iter().for_each(|one| {
                    let again = Error::new(error.kind(), error.message());
                    store.answer(one, Err(again));
                }),
            }
        });
    }

    async fn each(&self, slot: &mut Slot, waiting: Vec<Waiting>) {
        for one in waiting {
            let answer = self.alone(slot, &one.append).await;
            self.answer(one, answer);
        }
    }

    fn answer(&self, Waiting { append, answer }: Waiting, what: Result<()>) {
        if what.is_ok() {
            self.written(append.record);
        }
        let _waits_no_more = answer.send(what);
    }

    async fn alone(&self, slot: &mut Slot, append: &Append) -> Result<()> {
        let mut connection = self.connection(slot).await?;
        let answer = match append.write(&mut connection).await {
            Err(error) if is_refused(&error) => Err(self.refusal(&mut connection, append).await?),
            done => Ok(done.map_err(|error| self.failed(error))?),
        };
        **slot = Some(connection);
        answer
    }

    /// One transaction for all; what came of each.
    async fn together(&self, slot: &mut Slot, waiting: &[Waiting]) -> Result<Vec<Result<()>>> {
        let failed = |error| self.failed(error);
        let mut connection = self.connection(slot).await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(failed)?;
        let mut answers = Vec::with_capacity(waiting.len());
        for Waiting { append, .. } in waiting {
            answers.push(match append.write(&mut connection).await {
                Err(error) if is_refused(&error) => Err(self.refusal(&mut connection, append).await?),
                done => Ok(done.map_err(failed)?),
            });
        }
        sqlx::query("COMMIT").execute(&mut connection).await.map_err(failed)?;
        **slot = Some(connection);
        Ok(answers)
    }

    /// Why an append was refused.
    async fn refusal(&self, connection: &mut SqliteConnection, append: &Append) -> Result<Error> {
        let head = self.head(connection, &append.record.id).await?;
        let refused = head.check(&append.record.id, append.version, append.epoch);
        Ok(refused.err().unwrap_or_else(|| Error::moved_on(&append.record.id, append.version, head.version)))
    }

    fn unanswered(&self) -> Error {
        let path = self.0.path.display();
        let message = format!("the store {path} could not tell whether an append was written; load the record to know");
        Error::new(Kind::Unavailable, message)
    }
}

/// `SQLITE_CONSTRAINT_TRIGGER`: <https://www.sqlite.org/rescode.html>.
fn is_refused(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "1811")
}
