//! The latest that is known of instances, for people's questions.

use super::Sqlite;
use deploy_core::{DeploymentId, Health, InstanceId, Result, Side, Timestamp, TrackRef};

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
