//! Records that were folded already.

use deploy_core::{DeploymentId, Record};
use std::collections::BTreeMap;

/// Keeps the records that were used last. What it has may be behind the file, never ahead.
#[derive(Default)]
pub(crate) struct Cache {
    kept: BTreeMap<DeploymentId, (u64, Record)>,
    uses: u64,
}

impl Cache {
    const LARGEST: usize = 128;

    pub(crate) fn get(&mut self, id: &DeploymentId) -> Option<Record> {
        self.uses += 1;
        let (used, record) = self.kept.get_mut(id)?;
        *used = self.uses;
        Some(record.clone())
    }

    /// Gives away a record that is to be changed, if it is at a version.
    pub(crate) fn take(&mut self, id: &DeploymentId, version: u64) -> Option<Record> {
        self.kept.get(id).filter(|(_, record)| record.version == version)?;
        self.kept.remove(id).map(|(_, record)| record)
    }

    pub(crate) fn put(&mut self, record: Record) {
        self.uses += 1;
        if self.kept.get(&record.id).is_some_and(|(_, kept)| kept.version > record.version) {
            return;
        }
        self.kept.insert(record.id.clone(), (self.uses, record));
        if self.kept.len() > Self::LARGEST {
            let oldest = self.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.kept.remove(&id));
        }
    }
}
