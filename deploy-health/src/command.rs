//! A command exits with 0.

use crate::dial::{answer_by, deadline, verdict};
use async_trait::async_trait;
use deploy_core::{CommandCheck, Error, Health, HealthCheck, Kind, ProbeTarget, Result};
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Child;

pub(crate) struct Command {
    program: String,
    arguments: Vec<String>,
    limit: Duration,
}

/// Arguments may bear a password.
impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("program", &self.program).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Command {
    pub(crate) fn new(check: &CommandCheck, limit: Duration) -> Result<Self> {
        match check.run.split_first() {
            Some((program, arguments)) if !program.is_empty() => {
                Ok(Self { program: program.clone(), arguments: arguments.to_vec(), limit })
            }
            _ => Err(Error::at("health.command.run", "there is no program in it; name one, then its arguments")),
        }
    }

    fn start(&self, target: &ProbeTarget) -> Result<Group> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).env("INSTANCE", target.instance.as_str()).env_remove("HOST").env_remove("PORT");
        if let Some((host, port)) = target.address.as_deref().and_then(|address| address.rsplit_once(':')) {
            command.env("HOST", host.trim_matches(['[', ']'])).env("PORT", port);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command.spawn().map(Group).map_err(|error| self.broken(error))
    }

    fn broken(&self, error: io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            io::ErrorKind::PermissionDenied => Kind::Denied,
            _ => Kind::Unavailable,
        };
        Error::new(kind, format!("the health check's program `{}` could not be run here", self.program))
            .from_source(error)
    }
}

#[async_trait]
impl HealthCheck for Command {
    async fn probe(&self, target: &ProbeTarget) -> Result<Health> {
        let deadline = deadline(self.limit);
        let mut group = self.start(target)?;
        answer_by(deadline, async {
            let status = group.0.wait().await.map_err(|error| self.broken(error))?;
            let code = status.code().ok_or_else(|| {
                let message = format!("the health check's program `{}` was ended by a signal", self.program);
                Error::new(Kind::Unavailable, message).with("status", status)
            })?;
            Ok(verdict(code == 0))
        })
        .await
    }
}

/// A running command and what it started: all of it ends when this is dropped before its end.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // The id is none once its end was seen, so no other process of the same number is hit.
        #[cfg(unix)]
        if let Some(leader) = self.0.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            let _gone_already = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}
