//! Processes of this machine, as /proc tells of them.

use crate::error::io;
use crate::host::{MARK, Process, Signal};
use deploy_core::{Error, Kind, Result};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::path::Path;

/// A line of /proc/PID/stat, as far as it is needed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) state: u8,
    pub(crate) parent: u32,
    /// Clock ticks since the boot.
    pub(crate) started: u64,
}

impl Stat {
    /// Reads a line; the program's name in it may hold anything, even brackets.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (head, rest) = line.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        Some(Self {
            pid: head.split_once(' ')?.0.parse().ok()?,
            state: *fields.first()?.as_bytes().first()?,
            parent: fields.get(1)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    fn of(pid: u32) -> Option<Self> {
        Self::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
    }

    const fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Whether this very process lives.
pub(crate) fn is_alive(process: &Process) -> bool {
    let Some(stat) = Stat::of(process.pid).filter(|stat| !stat.has_ended()) else { return false };
    let same_start = process.started.is_none_or(|started| started == stat.started);
    let same_mark = mark(process.pid).map_or(process.started.is_some(), |mark| mark == process.mark.as_bytes());
    same_start && same_mark
}

fn mark(pid: u32) -> Option<Vec<u8>> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = format!("{MARK}=");
    environ.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(prefix.as_bytes())).map(<[u8]>::to_vec)
}

/// A handle of this very process; none where it has ended. Once it is open, the number cannot become another's under us.
fn open(process: &Process) -> Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => Ok(is_alive(process).then_some(handle)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(error) => Err(told(process, error)),
    }
}

fn told(process: &Process, error: rustix::io::Errno) -> Error {
    let kind = if error == rustix::io::Errno::PERM { Kind::Denied } else { Kind::Unavailable };
    let words = format!("process {} of `{}` cannot be signalled: {error}", process.pid, process.mark);
    Error::new(kind, words).from_source(error)
}

pub(crate) fn signal(process: &Process, signal: Signal) -> Result<bool> {
    let Some(handle) = open(process)? else { return Ok(false) };
    let signal = match signal {
        Signal::Term => rustix::process::Signal::TERM,
        Signal::Kill => rustix::process::Signal::KILL,
    };
    match pidfd_send_signal(handle, signal) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(error) => Err(told(process, error)),
    }
}

/// Whether a process that was ours may still live: cheaper than [`is_alive`], for asking often.
pub(crate) fn may_live(process: &Process) -> bool {
    let stat = Stat::of(process.pid).filter(|stat| !stat.has_ended());
    stat.is_some_and(|stat| process.started.is_none_or(|started| started == stat.started))
}

/// Ports with a listener on any address.
pub(crate) fn listening() -> Result<BTreeSet<u16>> {
    let mut ports = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(file) = File::open(table) else { continue };
        for line in BufReader::new(file).lines().skip(1) {
            let line = line.map_err(|error| io("read", Path::new(table), error))?;
            // Listeners stand first; a busy machine has many thousands of lines behind them.
            let Some(port) = listener(&line) else { break };
            ports.insert(port);
        }
    }
    Ok(ports)
}

/// The local port of a line in state LISTEN.
fn listener(line: &str) -> Option<u16> {
    let mut fields = line.split_whitespace().skip(1);
    let port = fields.next()?.rsplit_once(':')?.1;
    (fields.nth(1)? == "0A").then(|| u16::from_str_radix(port, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let line = "42 (a) b) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 0 0";
        assert_eq!(Stat::parse(line), Some(Stat { pid: 42, state: b'S', parent: 7, started: 987_654 }));
    }

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let line = "   0: 0100007F:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1";
        assert_eq!(listener(line), Some(20001));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
    }

    #[test]
    fn a_process_with_another_start_or_another_mark_is_not_ours() {
        let own = Stat::of(std::process::id()).expect("we live");
        let process = |started, mark: &str| Process { pid: own.pid, started, mark: mark.into() };
        assert!(is_alive(&process(Some(own.started), "any")), "no mark at all, and the start is right");
        assert!(!is_alive(&process(Some(own.started + 1), "any")));
        assert!(!is_alive(&process(None, "any")), "neither start nor mark");
    }
}
