//! The latest that is known of instances, for people's questions.

use super::Sqlite;
use super::write::Write;
use deploy_core::{DeploymentId, Event, Health, InstanceId, Result, Side, Timestamp, TrackRef, What};

/// The latest that a deployment's events tell of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceRow {
    /// Its workload.
    pub track: TrackRef,
    /// Its id.
    pub instance: InstanceId,
    /// Its side.
    pub side: Side,
    /// Its folded health; none once it is gone, or where it ended before any was folded.
    pub health: Option<Health>,
    /// Since when it has that health.
    pub since: Option<Timestamp>,
    /// How it ended by itself, where it did.
    pub ended: Option<String>,
    /// When that was recorded.
    pub at: Timestamp,
}

type Row = (String, String, String, Option<String>, Option<String>, Option<String>, String);

impl Sqlite {
    /// The instances that a deployment's events tell of, by workload and id; those that are gone too.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt`.
    pub async fn instances_of(&self, id: &DeploymentId) -> Result<Vec<InstanceRow>> {
        const SQL: &str = "SELECT track, instance, side, health, since, ended, at FROM service_instances
            WHERE deployment = ? ORDER BY track, instance";
        self.known(&self.0.readers, id).await?;
        let rows: Vec<Row> = sqlx::query_as(SQL)
            .bind(id.as_str())
            .fetch_all(&self.0.readers)
            .await
            .map_err(|error| self.failed(error))?;
        rows.into_iter().map(|row| self.instance_row(row)).collect()
    }

    fn instance_row(&self, (track, instance, side, health, since, ended, at): Row) -> Result<InstanceRow> {
        let health = health.map(|health| serde_json::from_value(health.into())).transpose();
        Ok(InstanceRow {
            track: track.parse().map_err(|error| self.unreadable("a workload's name", error))?,
            side: side.try_into().map_err(|error| self.unreadable("a side", error))?,
            health: health.map_err(|error| self.unreadable("a health", error))?,
            since: since.map(|since| self.time(&since)).transpose()?,
            at: self.time(&at)?,
            instance: instance.into(),
            ended,
        })
    }
}

impl Write<'_> {
    pub(super) async fn note_instance(&mut self, id: &DeploymentId, event: &Event) -> Result<()> {
        const HEALTH: &str = "INSERT INTO service_instances (deployment, track, instance, side, at, health, since)
            VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (deployment, track, instance)
            DO UPDATE SET side = excluded.side, at = excluded.at, health = excluded.health, since = excluded.since";
        const ENDED: &str = "INSERT INTO service_instances (deployment, track, instance, side, at, ended)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (deployment, track, instance)
            DO UPDATE SET side = excluded.side, at = excluded.at, ended = excluded.ended, health = NULL, since = NULL";
        let row = |sql: &'static str, track: &TrackRef, instance: &InstanceId, side: &Side| {
            let query = sqlx::query(sql).bind(id.as_str().to_owned()).bind(track.to_string());
            query.bind(instance.as_str().to_owned()).bind(side.to_string()).bind(event.at.to_string())
        };
        match &event.what {
            What::HealthChanged { track, instance, side, folded } => {
                let health = folded.map(|folded| folded.health.to_string());
                let since = folded.map(|folded| folded.since.to_string());
                self.run(row(HEALTH, track, instance, side).bind(health).bind(since)).await
            }
            What::InstanceEnded { track, instance, side, exit, .. } => {
                self.run(row(ENDED, track, instance, side).bind(exit.to_string())).await
            }
            _ => Ok(()),
        }
    }
}
