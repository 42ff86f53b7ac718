//! The trait of those who are told.

use crate::{Event, Record, Result};
use async_trait::async_trait;
use std::fmt::Debug;

/// Is told what happens: a chat, a pager, a dashboard.
///
/// # Contract
/// Told of every event in order, as far as it keeps up: a deployment never waits for it, and what it cannot take in time
/// is dropped. It is told at least once, and may be told again after an engine was killed.
#[async_trait]
pub trait Notifier: Debug + Send + Sync {
    /// Takes an event, and the record with the event folded in.
    ///
    /// # Errors
    /// Logged, and held against nobody.
    async fn notify(&self, record: &Record, event: &Event) -> Result<()>;
}
