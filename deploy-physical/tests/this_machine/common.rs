//! What every test needs.

use deploy_core::{
    FileSource, Instance, InstanceSpec, InstanceState, Instances as _, Launch, Name, Revision, Side, SlotId, Source,
    Token, TrackRef, Workload,
};
use deploy_physical::{Builder, Machine};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) const TOKEN: Token = Token::new(1, 1);
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A machine with its root, and what it runs is ended with it.
pub(crate) struct Bench {
    pub(crate) root: tempfile::TempDir,
    pub(crate) machine: Machine,
    pub(crate) track: TrackRef,
}

pub(crate) fn bench() -> Bench {
    bench_with(|builder| builder)
}

pub(crate) fn bench_with(more: impl FnOnce(Builder) -> Builder) -> Bench {
    let root = tempfile::tempdir().expect("a directory");
    let machine = more(builder(root.path())).build().expect("a machine");
    Bench { root, machine, track: track("web") }
}

/// Two machines of one root are two engines on one host.
pub(crate) fn builder(root: &Path) -> Builder {
    Machine::builder().root(root.join("root")).slots_per_workload(4).ports(23000..=23999)
}

pub(crate) fn track(workload: &str) -> TrackRef {
    format!("shop/production/{workload}@local").parse().expect("a track")
}

pub(crate) fn name(name: &str) -> Name {
    Name::new(name).expect("a name")
}

/// A spec that runs a script of the shell; it has one port.
pub(crate) fn script(script: &str) -> InstanceSpec {
    command(&["/bin/sh", "-c", script])
}

pub(crate) fn command(run: &[&str]) -> InstanceSpec {
    let run = run.iter().map(|&word| word.to_owned()).collect();
    let mut workload = Workload::new(Source::Command(run));
    workload.ports.insert(name("http"), 8080);
    workload.instance_spec()
}

/// A spec of an artifact file.
pub(crate) fn artifact(path: &Path, run: &[&str]) -> InstanceSpec {
    let mut workload = Workload::new(Source::Artifact(FileSource::path(path.to_string_lossy())));
    workload.command = run.iter().map(|&word| word.to_owned()).collect();
    workload.instance_spec()
}

/// A script as a file that may be executed.
pub(crate) fn program(dir: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join(name);
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    path
}

impl Bench {
    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("root/apps/shop.production").join(self.track.workload.as_str())
    }

    /// The n-th slot that is open.
    pub(crate) async fn slot(&self, n: usize) -> SlotId {
        let slots = self.machine.slots(&self.track).await.expect("slots");
        slots.into_iter().filter(|slot| slot.closed.is_none()).nth(n).expect("an open slot").id
    }

    pub(crate) async fn prepared(&self, spec: InstanceSpec) -> Launch {
        let revision = Revision::of(spec).expect("a revision");
        self.machine.prepare(&self.track, std::slice::from_ref(&revision), TOKEN).await.expect("prepared");
        launch(&self.track, revision)
    }

    /// Prepares a spec and launches it in the first slot.
    pub(crate) async fn launched(&self, spec: InstanceSpec) -> Instance {
        let launch = self.prepared(spec).await;
        let slot = self.slot(0).await;
        self.machine.launch(&slot, &launch, TOKEN).await.expect("launched");
        self.only().await
    }

    pub(crate) async fn list(&self) -> Vec<Instance> {
        self.machine.list(&self.track).await.expect("a list")
    }

    pub(crate) async fn only(&self) -> Instance {
        let mut list = self.list().await;
        assert_eq!(list.len(), 1, "{list:?}");
        list.remove(0)
    }

    /// The state of the only instance, once it has ended.
    pub(crate) async fn end(&self) -> InstanceState {
        until("the instance has ended", async || match self.only().await.state {
            state @ InstanceState::Exited(_) => Some(state),
            _ => None,
        })
        .await
    }

    /// The exit status of the only instance, which was told to stop, once it has ended: it stays listed as terminating.
    pub(crate) async fn end_as_told(&self) -> String {
        until("the instance has ended as it was told", async || {
            let instance = self.only().await;
            assert_eq!(instance.state, InstanceState::Terminating);
            let exit = self.dir().join("instances").join(instance.id.as_str()).join("exit");
            std::fs::read_to_string(exit).ok().filter(|status| status.ends_with('\n'))
        })
        .await
    }

    /// The last lines of the only instance, once it has said something.
    pub(crate) async fn said(&self, instance: &Instance) -> Vec<String> {
        until("it has said something", async || {
            let lines = self.machine.logs(&self.track, &instance.id, 100).await.expect("a log");
            (!lines.is_empty()).then_some(lines)
        })
        .await
    }

    /// The process of an instance: its number.
    pub(crate) fn pid(&self, instance: &Instance) -> u32 {
        let stat = std::fs::read_to_string(self.dir().join("instances").join(instance.id.as_str()).join("process"));
        stat.expect("it was started").split(' ').next().expect("a number").parse().expect("a number")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for under in [self.dir().join("instances"), self.dir().join("tasks")] {
            for entry in std::fs::read_dir(under).into_iter().flatten().flatten() {
                let stat = std::fs::read_to_string(entry.path().join("process")).unwrap_or_default();
                if entry.path().join("exit").exists() {
                    continue;
                }
                let pid =
                    stat.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw);
                if let Some(pid) = pid {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
        }
    }
}

pub(crate) fn launch(track: &TrackRef, revision: Revision) -> Launch {
    Launch { track: track.clone(), side: Side::home(revision.id), spec: revision.spec.expect("a spec") }
}

/// Asks until there is an answer, at most a minute.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let late = Instant::now() + LONG;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < late, "not in a minute: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok()
}
