//! Where things stand under the root.

use deploy_core::{InstanceId, RevisionId, TrackRef};
use std::path::{Path, PathBuf};

/// The directories of one workload in one environment.
///
/// ```text
/// <root>/ports.json                                which ports belong to which workload
/// <root>/staging/                                  trees that are being built
/// <root>/apps/<application>.<environment>/<workload>/
///     lock  token                                  the fence
///     releases/<revision>/                         bits, as they were shipped
///     current -> releases/<revision>               what serves
///     revisions/<revision>.json                    what was prepared, and when
///     secrets/<revision>.json                      values of secrets, readable by the owner alone
///     shared/                                      what releases have in common; never touched
///     instances/<instance>/                        what runs: service, process, stopping, exit, log
///     ended/<instance>/                            what ran: the same
///     tasks/<digest of the key>/                   one-shot effects: the same
///     backup/<time>/                               what stood at `current` and was not ours
/// ```
/// A `.` cannot be in a name, so no two of application and environment share a directory. A root belongs to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The directories of a track.
    pub(crate) fn of(root: &Path, track: &TrackRef) -> Self {
        let application = format!("{}.{}", track.application, track.environment);
        Self { dir: root.join("apps").join(application).join(track.workload.as_str()) }
    }

    /// All of it.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The lock that every write holds.
    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// The newest token that wrote.
    pub(crate) fn token(&self) -> PathBuf {
        self.dir.join("token")
    }

    /// All releases.
    pub(crate) fn releases(&self) -> PathBuf {
        self.dir.join("releases")
    }

    /// The bits of a revision.
    pub(crate) fn release(&self, revision: &RevisionId) -> PathBuf {
        self.releases().join(piece(revision.as_str()))
    }

    /// What serves.
    pub(crate) fn current(&self) -> PathBuf {
        self.dir.join("current")
    }

    /// What was prepared.
    pub(crate) fn revisions(&self) -> PathBuf {
        self.dir.join("revisions")
    }

    /// What was prepared of a revision.
    pub(crate) fn revision(&self, revision: &RevisionId) -> PathBuf {
        self.revisions().join(piece(&format!("{revision}.json")))
    }

    /// The secrets of all revisions.
    pub(crate) fn all_secrets(&self) -> PathBuf {
        self.dir.join("secrets")
    }

    /// The secrets of a revision.
    pub(crate) fn secrets(&self, revision: &RevisionId) -> PathBuf {
        self.all_secrets().join(piece(&format!("{revision}.json")))
    }

    /// What releases have in common.
    pub(crate) fn shared(&self) -> PathBuf {
        self.dir.join("shared")
    }

    /// What runs.
    pub(crate) fn instances(&self) -> PathBuf {
        self.dir.join("instances")
    }

    /// One that runs.
    pub(crate) fn instance(&self, id: &InstanceId) -> PathBuf {
        self.instances().join(piece(id.as_str()))
    }

    /// What ran.
    pub(crate) fn ended(&self) -> PathBuf {
        self.dir.join("ended")
    }

    /// One that ran.
    pub(crate) fn ended_one(&self, id: &InstanceId) -> PathBuf {
        self.ended().join(piece(id.as_str()))
    }

    /// One-shot effects.
    pub(crate) fn tasks(&self) -> PathBuf {
        self.dir.join("tasks")
    }

    /// What stood before.
    pub(crate) fn backup(&self) -> PathBuf {
        self.dir.join("backup")
    }
}

/// An id as one piece of a path, whatever somebody gave as an id.
fn piece(id: &str) -> String {
    let id = id.replace('/', "_");
    if id.is_empty() || id.starts_with('.') { format!("_{id}") } else { id }
}
