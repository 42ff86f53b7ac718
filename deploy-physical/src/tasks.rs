//! One-shot effects, each at most once by its key.
//!
//! A task is a service of its own under `tasks/`, in a directory named by the digest of its key. That directory is what
//! makes it happen once: it is made under the track's lock before the program is started, and a key whose directory is
//! there is only looked at. A start whose program never came to run (the engine was killed in between) is put aside and
//! may be started anew; putting it aside also keeps it from ever running late.

use crate::artifact::hex;
use crate::error::corrupt;
use crate::fence;
use crate::host::Run;
use crate::instances::Inner;
use crate::layout::Layout;
use crate::log;
use crate::program::Program;
use crate::services::{Service, Standing, State};
use deploy_core::{
    Error, Exit, InstanceSpec, Result, RevisionId, Source, TaskAct, TaskOutcome, TaskRun, Timestamp, Token, time,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How many of its last lines a failed task shows.
const LINES: usize = 20;

/// How long a task that is late or barred may take to end before it is killed, where its revision does not say.
const GRACE: Duration = Duration::from_secs(10);

/// What is kept of a task with its process.
#[derive(Serialize, Deserialize)]
pub(crate) struct Note {
    key: String,
    pub(crate) revision: RevisionId,
    #[serde(with = "time::human")]
    timeout: Duration,
}

/// Starts, looks at or bars a task.
pub(crate) async fn act(inner: &Arc<Inner>, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
    let layout = inner.layout(&run.track);
    let task = Task { inner, run, dir: dir(&layout, &run.key), layout };
    match act {
        TaskAct::Look => task.look().await,
        TaskAct::Start => {
            let _guard = fence::enter(&*inner.host, &task.layout, token).await?;
            task.start().await
        }
        TaskAct::Bar => {
            let _guard = fence::enter(&*inner.host, &task.layout, token).await?;
            task.bar().await
        }
    }
}

struct Task<'a> {
    inner: &'a Arc<Inner>,
    run: &'a TaskRun,
    layout: Layout,
    dir: PathBuf,
}

impl Task<'_> {
    async fn start(&self) -> Result<TaskOutcome> {
        match self.look().await? {
            TaskOutcome::NotStarted => {}
            outcome => return Ok(outcome),
        }
        if self.inner.host.look(&self.dir).await?.is_some() && !self.put_aside().await? {
            return self.look().await;
        }
        let service = self.service().await?;
        self.inner.services.start(&service).await?;
        self.inner.services.started(&service.dir).await;
        self.inner.changed.send_replace(());
        self.watch();
        self.look().await
    }

    /// Moves a start that never came to run out of the way; false where it ran after all.
    async fn put_aside(&self) -> Result<bool> {
        let aside = self.dir.with_extension(format!("never-{}", crate::instances::stamp()));
        self.inner.host.rename(&self.dir, &aside).await?;
        if !matches!(self.inner.services.look(&aside).await?, Some(Standing { state: State::Never, .. }) | None) {
            self.inner.host.rename(&aside, &self.dir).await?;
            return Ok(false);
        }
        Ok(true)
    }

    async fn look(&self) -> Result<TaskOutcome> {
        let barred = self.barred().await?;
        let Some(standing) = self.inner.services.look(&self.dir).await? else {
            return Ok(if barred { TaskOutcome::Barred } else { TaskOutcome::NotStarted });
        };
        match standing.state {
            State::Never if barred => Ok(TaskOutcome::Barred),
            State::Never => Ok(TaskOutcome::NotStarted),
            State::Running | State::Stopping(_) => {
                if self.is_late(&standing)? {
                    self.inner.services.stop(&self.dir, self.grace()).await?;
                }
                Ok(TaskOutcome::Running)
            }
            State::Ended(Exit { code: Some(0), .. }) => Ok(TaskOutcome::Done),
            State::Ended(_) if barred => Ok(TaskOutcome::Barred),
            State::Ended(exit) => self.failed(&standing, exit).await,
        }
    }

    async fn bar(&self) -> Result<TaskOutcome> {
        let before = self.look().await?;
        if matches!(before, TaskOutcome::Done | TaskOutcome::Failed(_) | TaskOutcome::Barred) {
            return Ok(before);
        }
        self.inner.host.make_dir(&self.dir, 0o700).await?;
        self.inner.host.write(&self.dir.join("barred"), b"", 0o600).await?;
        // A start that is still under way sees the bar before it becomes the program.
        self.inner.services.stop(&self.dir, self.grace()).await?;
        self.look().await
    }

    async fn barred(&self) -> Result<bool> {
        Ok(self.inner.host.read(&self.dir.join("barred")).await?.is_some())
    }

    fn is_late(&self, standing: &Standing) -> Result<bool> {
        let note = self.note(standing)?;
        Ok(Timestamp::now() >= time::after(standing.asked, note.timeout))
    }

    fn note(&self, standing: &Standing) -> Result<Note> {
        serde_json::from_value(standing.note.clone()).map_err(|error| corrupt(&self.dir, error))
    }

    fn grace(&self) -> Duration {
        self.run.revision.spec.as_ref().map_or(GRACE, |spec| spec.grace)
    }

    async fn failed(&self, standing: &Standing, exit: Exit) -> Result<TaskOutcome> {
        let late = self.inner.host.read(&self.dir.join("stopping")).await?.is_some();
        let redaction = self.inner.redaction(&self.layout, &self.run.revision.id).await?;
        let tail = self.inner.services.log(&self.dir, log::READ_MOST).await?;
        let lines = log::last_lines(&tail, &redaction, LINES);
        let how = if late {
            format!("it took longer than {} and was stopped", time::show(self.note(standing)?.timeout))
        } else {
            exit.to_string()
        };
        Ok(TaskOutcome::Failed(if lines.is_empty() { how } else { format!("{how}; it said:\n{}", lines.join("\n")) }))
    }

    /// All that it is started with: its revision's bits and environment, without ports.
    async fn service(&self) -> Result<Service> {
        let spec = self.spec()?;
        let revision = &self.run.revision.id;
        let bits = !matches!(spec.source, Source::Command(_));
        let program = Program::new(&self.run.run, bits.then(|| self.layout.release(revision)))?;
        let release = program.release.as_ref();
        let mut env = self.inner.environment(&self.layout, &self.run.track, spec, revision, release).await?;
        env.insert("DEPLOY_TASK".into(), self.run.key.clone());
        let found = program.find(&*self.inner.host, None, &env["PATH"]).await?;
        let cwd = program.release.clone().unwrap_or_else(|| self.dir.clone());
        self.inner.host.make_dir(&self.layout.shared(), 0o755).await?;
        let note = Note { key: self.run.key.clone(), revision: revision.clone(), timeout: self.run.timeout };
        let note = serde_json::to_value(note).map_err(|error| corrupt(&self.dir, error))?;
        let run = Run { program: found, args: program.args, env, dir: cwd };
        Ok(Service { dir: self.dir.clone(), mark: format!("task-{}", digest(&self.run.key)), run, note })
    }

    fn spec(&self) -> Result<&InstanceSpec> {
        let words = || format!("task `{}` has no revision to run with: it ran before we came", self.run.key);
        self.run.revision.spec.as_deref().ok_or_else(|| Error::invalid(words()))
    }

    /// Looks again when its time is over, so that it is ended although nobody asks. While no engine lives, the next look does it.
    fn watch(&self) {
        let (inner, run) = (self.inner.clone(), self.run.clone());
        let (layout, dir, grace) = (self.layout.clone(), self.dir.clone(), self.grace());
        tokio::spawn(async move {
            let task = Task { inner: &inner, run: &run, layout, dir: dir.clone() };
            for wait in [run.timeout, grace] {
                if tokio::time::timeout(wait, ended(&inner, &dir)).await.is_ok() {
                    return;
                }
                // The next look of the engine's tells of any trouble.
                let _ = task.look().await;
            }
        });
    }
}

async fn ended(inner: &Inner, dir: &Path) {
    while let Ok(Some(Standing { state: State::Running | State::Stopping(_), .. })) = inner.services.look(dir).await {
        inner.services.ended(dir).await;
    }
}

fn dir(layout: &Layout, key: &str) -> PathBuf {
    layout.tasks().join(digest(key))
}

fn digest(key: &str) -> String {
    hex(&Sha256::digest(key)[..16])
}
