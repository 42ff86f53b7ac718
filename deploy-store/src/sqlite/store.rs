//! The store's trait.

use super::append::Append;
use super::read::{SignalRow, SummaryRow, signed, unsigned};
use super::write::{Write, json};
use super::{Sqlite, locked};
use async_trait::async_trait;
use deploy_core::{
    Actor, Ask, Creation, DeploymentId, Error, Event, Filter, Held, Kind, Lease, Name, OnBusy, Record, Request, Result,
    Scope, Signal, Store, Summary, Timestamp, What, time,
};
use futures::stream::{BoxStream, StreamExt as _};
use std::time::Duration;

#[async_trait]
impl Store for Sqlite {
    async fn now(&self) -> Result<Timestamp> {
        self.tick().await
    }

    async fn create(&self, id: &DeploymentId, request: &Request, actor: &Actor) -> Result<Creation> {
        let mut write = self.begin().await?;
        match self.record_by(&mut write.connection, id).await {
            Ok(record) => return Creation::existing(&record, request),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
        let scope = request.scope();
        if request.on_busy == OnBusy::Refuse
            && let Some(holder) = write.active(&scope).await?
        {
            return Err(Error::busy(&holder, &scope));
        }
        let what = What::Requested { request: Box::new(request.clone()), actor: actor.clone() };
        let event = Event { number: 1, at: write.now, what };
        let record = Record::fold(id, [event.clone()])?;
        write.line(&record).await?;
        write.first_event(id, &event).await?;
        write.commit().await?;
        self.written(record.clone());
        Ok(Creation::New(Box::new(record)))
    }

    async fn load(&self, id: &DeploymentId) -> Result<Record> {
        self.record_by(&self.0.readers, id).await
    }

    async fn append(
        &self,
        id: &DeploymentId,
        version: u64,
        epoch: u64,
        at: Timestamp,
        events: Vec<What>,
    ) -> Result<Vec<Event>> {
        let cached = locked(&self.0.cache).take(id, version);
        let record = match cached {
            Some(record) => record,
            None => self.record_by(&self.0.readers, id).await?,
        };
        if record.version != version || events.is_empty() {
            self.head(&self.0.readers, id).await?.check(id, version, epoch)?;
        }
        if record.version != version {
            return Err(Error::moved_on(id, version, record.version));
        }
        let numbered = (version + 1..).zip(events).map(|(number, what)| Event { number, at, what });
        let numbered: Vec<Event> = numbered.collect();
        if !numbered.is_empty() {
            self.add(Append::new(record, epoch, at, &numbered)?).await?;
        }
        Ok(numbered)
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Summary>> {
        const SQL: &str = "SELECT id, application, environment, version, status, progress, created, ended, actor
            FROM deployments WHERE (?1 IS NULL OR application = ?1) AND (?2 IS NULL OR environment = ?2)
            AND (?3 IS NULL OR active = ?3) ORDER BY seq DESC LIMIT ?4";
        let rows: Vec<SummaryRow> = sqlx::query_as(SQL)
            .bind(filter.application.as_ref().map(Name::as_str))
            .bind(filter.environment.as_ref().map(Name::as_str))
            .bind(filter.active)
            .bind(filter.limit.map_or(-1, |limit| signed(limit as u64)))
            .fetch_all(&self.0.readers)
            .await
            .map_err(|error| self.failed(error))?;
        rows.into_iter().map(|row| self.summary(row)).collect()
    }

    async fn events(&self, id: &DeploymentId, after: u64) -> Result<Vec<Event>> {
        let events = self.events_by(&self.0.readers, id, after).await?;
        if events.is_empty() {
            self.known(&self.0.readers, id).await?;
        }
        Ok(events)
    }

    async fn claim(&self, scope: &Scope, holder: &str, ttl: Duration, least: u64) -> Result<Lease> {
        let mut write = self.begin().await?;
        let held = write.held(scope).await?;
        let next = Held::claim(held, scope, holder, write.now, ttl, least)?;
        write.hold(scope, &next).await?;
        write.commit().await?;
        Ok(next.lease(scope))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease> {
        let mut write = self.begin().await?;
        let held = write.held(&lease.scope).await?;
        let ours = |held: &Held| held.epoch == lease.epoch && held.holder.as_deref() == Some(&lease.holder);
        let Some(held) = held.filter(ours) else {
            return Err(Error::new(Kind::Fenced, format!("the lease of {} was lost to another engine", lease.scope)));
        };
        let held = Held { until: time::after(write.now, ttl), renewed: write.now, ..held };
        write.hold(&lease.scope, &held).await?;
        write.commit().await?;
        Ok(held.lease(&lease.scope))
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let mut write = self.begin().await?;
        let held = write.held(&lease.scope).await?;
        if let Some(held) = held.filter(|held| held.epoch == lease.epoch) {
            let now = write.now;
            write.hold(&lease.scope, &Held { holder: None, until: now, renewed: now, ..held }).await?;
        }
        write.commit().await
    }

    async fn signal(&self, id: &DeploymentId, ask: &Ask, actor: &Actor) -> Result<Signal> {
        let mut write = self.begin().await?;
        self.known(&mut write.connection, id).await?;
        let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM signals WHERE deployment = ?")
            .bind(id.as_str())
            .fetch_one(&mut write.connection)
            .await
            .map_err(|error| self.failed(error))?;
        let signal = Signal { number: unsigned(newest) + 1, ask: ask.clone(), actor: actor.clone(), at: write.now };
        write.add_signal(id, &signal).await?;
        write.commit().await?;
        self.tell(id);
        Ok(signal)
    }

    async fn signals(&self, id: &DeploymentId, after: u64) -> Result<Vec<Signal>> {
        const SQL: &str =
            "SELECT number, at, actor, ask FROM signals WHERE deployment = ? AND number > ? ORDER BY number";
        let rows: Vec<SignalRow> = sqlx::query_as(SQL)
            .bind(id.as_str())
            .bind(signed(after))
            .fetch_all(&self.0.readers)
            .await
            .map_err(|error| self.failed(error))?;
        if rows.is_empty() {
            self.known(&self.0.readers, id).await?;
        }
        rows.into_iter().map(|row| self.signal_of(id, row)).collect()
    }

    fn watch(&self) -> Option<BoxStream<'static, DeploymentId>> {
        let (tell, told) = futures::channel::mpsc::unbounded();
        locked(&self.0.watchers).push(tell);
        Some(told.boxed())
    }
}

impl Sqlite {
    pub(super) fn written(&self, record: Record) {
        self.tell(&record.id);
        locked(&self.0.cache).put(record);
    }
}

impl Write<'_> {
    /// An active deployment of a scope.
    async fn active(&mut self, scope: &Scope) -> Result<Option<DeploymentId>> {
        const SQL: &str =
            "SELECT id FROM deployments WHERE application = ? AND environment = ? AND active = 1 ORDER BY id LIMIT 1";
        let id: Option<String> = sqlx::query_scalar(SQL)
            .bind(scope.application.as_str())
            .bind(scope.environment.as_str())
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|error| self.store.failed(error))?;
        Ok(id.map(DeploymentId::from))
    }

    async fn add_signal(&mut self, id: &DeploymentId, signal: &Signal) -> Result<()> {
        let query = sqlx::query("INSERT INTO signals (deployment, number, at, actor, ask) VALUES (?, ?, ?, ?, ?)")
            .bind(id.as_str())
            .bind(signed(signal.number))
            .bind(signal.at.to_string())
            .bind(json(&signal.actor)?)
            .bind(json(&signal.ask)?);
        self.run(query).await
    }

    async fn held(&mut self, scope: &Scope) -> Result<Option<Held>> {
        type Row = (Option<String>, i64, String, String, Option<String>);
        const SQL: &str = "SELECT holder, epoch, until, renewed, renewed_before FROM leases
            WHERE application = ? AND environment = ?";
        let row: Option<Row> = sqlx::query_as(SQL)
            .bind(scope.application.as_str())
            .bind(scope.environment.as_str())
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|error| self.store.failed(error))?;
        let Some((holder, epoch, until, renewed, before)) = row else { return Ok(None) };
        let time = |text: &str| self.store.time(text);
        Ok(Some(Held {
            holder,
            epoch: unsigned(epoch),
            until: time(&until)?,
            renewed: time(&renewed)?,
            renewed_before: before.as_deref().map(time).transpose()?,
        }))
    }

    async fn hold(&mut self, scope: &Scope, held: &Held) -> Result<()> {
        const SQL: &str = "INSERT OR REPLACE INTO leases
            (application, environment, holder, epoch, until, renewed, renewed_before) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(SQL)
            .bind(scope.application.as_str())
            .bind(scope.environment.as_str())
            .bind(held.holder.as_deref())
            .bind(signed(held.epoch))
            .bind(held.until.to_string())
            .bind(held.renewed.to_string())
            .bind(held.renewed_before.map(|time| time.to_string()));
        self.run(query).await
    }
}
