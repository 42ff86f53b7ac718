//! Programs that are pinned to a core, and what they use.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program and what it started; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

/// Runs this program on one core from now on.
pub(crate) fn pin_this(core: usize) {
    let mut command = Command::new("taskset");
    command.args(["-a", "-cp", &core.to_string(), &std::process::id().to_string()]);
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// A command on one core.
pub(crate) fn pinned(core: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// Where a program is: among the tools that are kept between runs, or on the path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let cache = std::env::var_os("DEPLOY_CACHE").map_or_else(|| home.join(".cache/deploy"), PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([cache.join("tools/bin"), "/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// What it and its children have used of a core.
    pub(crate) fn cpu(&self) -> Duration {
        let nanos = self.pids().into_iter().flat_map(tasks).filter_map(|task| {
            let text = std::fs::read_to_string(task.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// What it and its children hold in memory, in MiB.
    pub(crate) fn resident(&self) -> f64 {
        let kib = self.pids().into_iter().filter_map(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        });
        kib.sum::<f64>() / 1024.0
    }

    fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.0.id()];
        let mut at = 0;
        while let Some(pid) = pids.get(at).copied() {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            at += 1;
        }
        pids
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A polite end first: what has children takes them along.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        for _ in 0..100 {
            if self.0.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            let _ = Command::new("sleep").arg("0.02").status();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tasks(pid: u32) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task"));
    folder.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens on a port.
pub(crate) async fn listening(port: u16) {
    for _ in 0..1_000 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody listens on {port}");
}

/// The load of the machine: 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
