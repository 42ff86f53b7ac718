//! The application as a process of its own.

use super::{
    server::App,
    settings::{Settings, Task},
};
use deploy_core::{Error, Kind, Result};
use std::{
    env,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time,
};

const FAILED: u8 = 1;
const INVALID: u8 = 2;
const CRASHED: u8 = 3;
const CUT_OFF: u8 = 4;

/// Runs the application, or the task, that the environment describes, and returns the process's exit code: 0 after a
/// proper end, 1 for a failed task or a port in use, 2 for a wrong environment, 3 for a crash on purpose, 4 when the
/// grace was over.
///
/// # Cancel safety
/// Dropping it drops the application as a crash would.
pub async fn run_from_env() -> ExitCode {
    match run(|name| env::var(name).ok()).await {
        Ok(code) => code,
        Err(e) => {
            say_wrong(&format!("{e:?}"));
            ExitCode::from(if e.kind() == Kind::Invalid { INVALID } else { FAILED })
        }
    }
}

async fn run(variable: impl Fn(&str) -> Option<String>) -> Result<ExitCode> {
    if let Some(task) = Task::read(&variable)? {
        return run_task(&task).await;
    }
    let settings = Settings::read(&variable)?;
    let mut told = Told::new()?;
    tokio::select! {
        biased;
        code = crash(settings.crash_after) => Ok(code),
        code = serve(settings, &mut told) => code,
    }
}

async fn run_task(task: &Task) -> Result<ExitCode> {
    let done = task.run().await?;
    say(&format!("task {} {}", task.name, if done { "done" } else { "failed" }));
    Ok(ExitCode::from(if done { 0 } else { FAILED }))
}

async fn crash(after: Option<Duration>) -> ExitCode {
    match after {
        None => std::future::pending().await,
        Some(Duration::ZERO) => say_wrong("cannot load the configuration: example crash"),
        Some(after) => {
            time::sleep(after).await;
            say_wrong("example crash");
        }
    }
    ExitCode::from(CRASHED)
}

async fn serve(settings: Settings, told: &mut Told) -> Result<ExitCode> {
    let version = settings.version.clone();
    tokio::select! {
        () = time::sleep(settings.start_delay) => {}
        () = told.stop() => return Ok(ExitCode::SUCCESS),
    }
    let app = App::start(settings).await?;
    say(&format!("{version} listening on {}", app.address()));
    told.stop().await;
    say(&format!("{version} stopping"));
    let ended = app.stop().await;
    say(&format!("{version} stopped{}", if ended.is_ok() { "" } else { ", with requests in flight" }));
    Ok(ExitCode::from(if ended.is_ok() { 0 } else { CUT_OFF }))
}

/// The signals that tell a process to stop.
struct Told {
    terminate: Signal,
    interrupt: Signal,
}

impl Told {
    fn new() -> Result<Self> {
        let unheard = |e| Error::new(Kind::Unsupported, "cannot listen for SIGTERM").from_source(e);
        let listen = |kind| signal(kind).map_err(unheard);
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A closed pipe is no reason to end.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn say_wrong(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
