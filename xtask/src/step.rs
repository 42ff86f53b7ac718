//! One command with a heading, a limit and its output kept.

use crate::place::Place;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) output: String,
    pub(crate) took: Duration,
}

/// Runs a command; longer than its limit, it and what it started is killed.
pub(crate) fn run(place: &Place, command: &mut Command, limit: Duration) -> Ended {
    let begun = Instant::now();
    let ended = try_run(place, command, limit);
    let (success, output) = ended.unwrap_or_else(|error| (false, format!("{command:?} could not be run: {error}\n")));
    Ended { success, output, took: begun.elapsed() }
}

/// The output goes to a file: a pipe would be held open by what a test leaves running.
fn try_run(place: &Place, command: &mut Command, limit: Duration) -> io::Result<(bool, String)> {
    let logs = place.target.join("xtask");
    fs::create_dir_all(&logs)?;
    let log = logs.join(format!("{}-{}.log", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let out = File::create(&log)?;
    command.current_dir(&place.root).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);

    let status = wait(&mut command.spawn()?, limit)?;
    let mut output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    fs::remove_file(&log)?;
    match status {
        None => output += &format!("\nkilled: it took longer than {} s\n", limit.as_secs()),
        Some(status) if status.signal().is_some() => output += &format!("\nended by {status}\n"),
        Some(_) => {}
    }
    Ok((status.is_some_and(|status| status.success()), output))
}

#[expect(clippy::disallowed_methods, reason = "std can wait for a process, or with a limit, but not both")]
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status()?;
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Ended {
        run(&Place::here(), Command::new("sh").args(["-c", script]), limit)
    }

    #[test]
    fn both_streams_are_kept_in_order() {
        let ended = shell("echo one; echo two >&2; echo three; exit 3", Duration::from_secs(60));
        assert_eq!((ended.success, ended.output.as_str()), (false, "one\ntwo\nthree\n"));
    }

    #[test]
    fn what_takes_too_long_is_killed_with_what_it_started() {
        let ended = shell("echo begun; sleep 600 & sleep 600", Duration::from_millis(500));
        assert!(!ended.success && ended.output.starts_with("begun\n"), "{}", ended.output);
        assert!(ended.output.contains("killed: it took longer"), "{}", ended.output);
        assert!(ended.took < Duration::from_secs(300));
    }

    #[test]
    fn a_command_that_does_not_exist_has_failed() {
        let ended = run(&Place::here(), &mut Command::new("no-such-program"), Duration::from_secs(1));
        assert!(!ended.success && ended.output.contains("could not be run"), "{}", ended.output);
    }
}
