//! Programs that start themselves again in another role, and processes that end with their test.

use deploy_core::{Error, Kind, Result};
use std::{
    env, fmt, io,
    process::{Child, Command},
};

/// The variable that says in which role a program runs.
pub const ROLE: &str = "DEPLOY_ROLE";

/// What a program that starts itself again is this time.
///
/// ```no_run
/// # use deploy_testkit::{app, process::Role};
/// # use std::process::ExitCode;
/// # async fn example() -> ExitCode {
/// match Role::from_env() {
///     Some(Role::App | Role::Task) => app::run_from_env().await,
///     _ => ExitCode::SUCCESS, // the demonstration itself
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// The application that is deployed.
    App,
    /// The proxy before it.
    Proxy,
    /// A task, such as a migration.
    Task,
    /// The engine that deploys.
    Engine,
    /// Another one, by name.
    Other(String),
}

impl Role {
    /// The role in the variable [`ROLE`]; none when it is unset or empty: the program as a person started it.
    pub fn from_env() -> Option<Self> {
        env::var(ROLE).ok().as_deref().and_then(Self::named)
    }

    /// The role of a name.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" => return None,
            "app" => Self::App,
            "proxy" => Self::Proxy,
            "task" => Self::Task,
            "engine" => Self::Engine,
            other => Self::Other(other.into()),
        })
    }

    /// A command that starts this very program in the role.
    ///
    /// # Errors
    /// `Unsupported` when the system does not tell the program's path.
    pub fn command(&self) -> Result<Command> {
        let unknown = |e| Error::new(Kind::Unsupported, "the path of this program is unknown").from_source(e);
        let mut command = Command::new(env::current_exe().map_err(unknown)?);
        command.env(ROLE, self.to_string());
        Ok(command)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => "app",
            Self::Proxy => "proxy",
            Self::Task => "task",
            Self::Engine => "engine",
            Self::Other(name) => name,
        })
    }
}

/// A child process that is killed, and reaped, when this is dropped.
#[derive(Debug)]
pub struct Spawned(Child);

impl Spawned {
    /// Starts a command.
    ///
    /// # Errors
    /// `Unavailable` when it does not start.
    pub fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |e: io::Error| Error::new(Kind::Unavailable, format!("cannot start {program}")).from_source(e);
        command.spawn().map(Self).map_err(failed)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The child, to wait for it or to read what it writes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // A child that was waited for is not signalled: its id may be another's by now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_told_by_its_own_name() {
        for role in [Role::App, Role::Proxy, Role::Task, Role::Engine, Role::Other("judge".into())] {
            assert_eq!(Role::named(&role.to_string()), Some(role));
        }
        assert_eq!(Role::named(""), None);
    }

    #[test]
    fn a_child_ends_with_its_guard() -> Result<()> {
        let mut spawned = Spawned::start(Command::new("sleep").arg("60"))?;
        assert!(spawned.is_running());
        let pid = spawned.pid();
        drop(spawned);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
        Ok(())
    }
}
