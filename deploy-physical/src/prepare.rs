//! Brings what a revision needs: its secrets, its bits. Nothing that runs is touched.

use crate::artifact::{stage_dir, stage_file};
use crate::error::{corrupt, io};
use crate::fence;
use crate::instances::Inner;
use crate::layout::Layout;
use crate::local::blocking;
use crate::program::{Program, in_place, not_here};
use crate::secrets::{self, Values};
use deploy_core::{Error, InstanceSpec, Result, Revision, RevisionId, Source, Timestamp, Token, TrackRef};
use serde::{Deserialize, Serialize};

/// What is written of a revision once all it needs is there.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Prepared {
    /// When it was asked for last.
    pub(crate) at: Timestamp,
}

impl Inner {
    /// Prepares one revision. What is there already is not shipped again; the lock is not held while bits are shipped.
    pub(crate) async fn prepare(&self, track: &TrackRef, revision: &Revision, token: Token) -> Result<()> {
        let Some(spec) = &revision.spec else { return Ok(()) };
        let layout = self.layout(track);
        drop(fence::enter(&*self.host, &layout, token).await?);
        self.ports.take(&*self.host, track, spec.ports.len()).await?;
        let values = self.missing_values(&layout, track, spec, &revision.id).await?;
        let at = |error| located(error, track, &spec.source);
        let tree = self.tree(&layout, spec, &revision.id).await.map_err(at)?;
        let path = spec.env.get("PATH").unwrap_or(&self.inherited["PATH"]);
        let program = Program::of(spec, &layout, &revision.id).map_err(at)?;
        program.find(&*self.host, tree.as_ref().map(tempfile::TempDir::path), path).await.map_err(at)?;

        let _guard = fence::enter(&*self.host, &layout, token).await?;
        if let Some(values) = values {
            secrets::keep(&*self.host, &layout, &revision.id, &values).await?;
        }
        match (tree, &program.release) {
            // Kept: were we dropped while it is moved, its guard would remove what is then half in place.
            (Some(tree), Some(release)) => self.host.ship(&tree.keep(), release).await?,
            (_, Some(release)) => in_place(&*self.host, release).await?,
            _ => {}
        }
        self.note(&layout, &revision.id).await
    }

    /// The values that are still to be kept; none where they are already, so that going back needs no value of today.
    async fn missing_values(
        &self,
        layout: &Layout,
        track: &TrackRef,
        spec: &InstanceSpec,
        revision: &RevisionId,
    ) -> Result<Option<Values>> {
        if spec.secrets.is_empty() || secrets::kept(&*self.host, layout, revision).await?.is_some() {
            return Ok(None);
        }
        secrets::resolve(&self.providers, track, spec).await.map(Some)
    }

    /// Builds the tree of a revision; none where it is in place already, or has no bits.
    async fn tree(&self, layout: &Layout, spec: &InstanceSpec, id: &RevisionId) -> Result<Option<tempfile::TempDir>> {
        let (file, is_dir) = match &spec.source {
            Source::Image(image) => return Err(not_here(image)),
            Source::Command(_) => return Ok(None),
            Source::Artifact(file) => (file.clone(), false),
            Source::Directory(file) => (file.clone(), true),
        };
        if self.host.look(&layout.release(id)).await?.is_some() {
            return Ok(None);
        }
        let (staging, bounds) = (self.host.staging(), self.bounds);
        blocking(move || {
            std::fs::create_dir_all(&staging).map_err(|error| io("make the directory", &staging, error))?;
            let tree = tempfile::Builder::new().prefix("tree-").tempdir_in(&staging);
            let tree = tree.map_err(|error| io("make a directory in", &staging, error))?;
            let stage = if is_dir { stage_dir } else { stage_file };
            stage(&file, tree.path(), bounds)?;
            open_up(tree.path())?;
            Ok(Some(tree))
        })
        .await
    }

    async fn note(&self, layout: &Layout, revision: &RevisionId) -> Result<()> {
        let file = layout.revision(revision);
        self.host.make_dir(&layout.revisions(), 0o755).await?;
        let text = serde_json::to_vec(&Prepared { at: Timestamp::now() }).map_err(|error| corrupt(&file, error))?;
        self.host.write(&file, &text, 0o644).await
    }
}

/// A directory for a while is its owner's alone; a release is read by others too.
fn open_up(tree: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(tree, mode).map_err(|error| io("set the permissions of", tree, error))
}

/// Says at which key of the spec the trouble is.
fn located(error: Error, track: &TrackRef, source: &Source) -> Error {
    let key = match source {
        Source::Image(_) => "image",
        Source::Artifact(_) => "artifact",
        Source::Directory(_) => "directory",
        Source::Command(_) => "command",
    };
    error.with("at", format!("workloads.{}.source.{key}", track.workload))
}
