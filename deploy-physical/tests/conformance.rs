//! This machine, held to the contracts of instances and, behind a proxy, of platforms.
#![allow(clippy::unwrap_used, reason = "tests")]

use deploy_core::{FileSource, InstanceSpec, Name, Result, RevisionId, Source, Workload};
use deploy_fleet::Fleet;
use deploy_physical::{Keep, Machine, ThisMachine};
use deploy_testkit::conformance::{self, Failure, Programs, Tasks};
use deploy_traffic::{Config, EmbeddedProxy};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Two programs that run until they are told to stop, at a port that nobody else listens on.
fn specs() -> [InstanceSpec; 2] {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    ["600", "601"].map(|seconds| {
        let mut web = Workload::new(Source::Command(vec!["/bin/sleep".into(), seconds.into()]));
        web.ports = [(Name::new("http").unwrap(), port)].into();
        (web.drain, web.grace) = (Duration::from_millis(200), Duration::from_secs(10));
        web.instance_spec()
    })
}

/// The folder of a machine; what runs of it ends with it.
struct Root(TempDir);

impl Drop for Root {
    fn drop(&mut self) {
        let pattern = self.0.path().join("root/apps");
        for instance in walk(&pattern).into_iter().filter(|path| path.ends_with("process")) {
            if instance.with_file_name("exit").exists() {
                continue;
            }
            let stat = std::fs::read_to_string(&instance).unwrap_or_default();
            let pid = stat.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _gone_already = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path()),
            _ => vec![entry.path()],
        })
        .collect()
}

fn machine() -> Result<(Machine, Root)> {
    let root = Root(tempfile::tempdir().unwrap());
    Ok((machine_at(&root)?, root))
}

/// A machine that keeps no release but those it has to.
fn machine_at(root: &Root) -> Result<Machine> {
    let keep = Keep { releases: 0, ..Keep::default() };
    let builder = ThisMachine::builder().root(root.0.path().join("root")).slots_per_workload(6).ports(24000..=24999);
    builder.keep(keep).build()
}

/// The folder of the workload that the suite runs.
fn workload(root: &Root) -> PathBuf {
    root.0.path().join("root/apps/shop.production/web")
}

/// A program of the shell.
fn script(script: &str) -> InstanceSpec {
    let words = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    Workload::new(Source::Command(words)).instance_spec()
}

/// Programs with bits: what is kept of them, and which of them serves, are folders and a link.
fn artifacts(from: &Path) -> [InstanceSpec; 2] {
    ["600", "601"].map(|seconds| {
        let path = from.join(format!("sleeps-{seconds}"));
        std::fs::write(&path, format!("#!/bin/sh\nexec /bin/sleep {seconds}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let file = FileSource::path(path.to_string_lossy());
        Workload { grace: Duration::from_secs(10), ..Workload::new(Source::Artifact(file)) }.instance_spec()
    })
}

fn programs(from: &Path) -> Programs {
    let wrong =
        FileSource { sha256: Some("0".repeat(64)), ..FileSource::path(from.join("sleeps-600").to_string_lossy()) };
    let stubborn = ["/usr/bin/env", "--ignore-signal=TERM", "/bin/sleep", "600"].map(str::to_owned).to_vec();
    Programs::new()
        .ends(script("exit 3"), 3)
        .stubborn(Workload::new(Source::Command(stubborn)).instance_spec())
        .says(script("echo one; echo two; exec sleep 600"), ["one", "two"])
        .never_runs(Workload::new(Source::Command(vec!["/no/such/program".into()])).instance_spec())
        .invalid(Workload::new(Source::Artifact(wrong)).instance_spec())
}

/// A task that leaves a line in a file, and how many lines there are.
fn tasks() -> Tasks<Root> {
    let file = |root: &Root| root.0.path().join("ran");
    let run = move |root: &Root| {
        let script = format!("echo ran >> {}", file(root).display());
        vec!["/bin/sh".to_owned(), "-c".to_owned(), script]
    };
    let ran = move |root: &Root| {
        let lines = std::fs::read_to_string(file(root)).unwrap_or_default().lines().count();
        std::future::ready(Ok(lines as u32))
    };
    Tasks::new(run, ran).fails(["/bin/false"]).lasts(["/bin/sleep", "600"])
}

fn kept(root: &Root) -> Vec<RevisionId> {
    let releases = std::fs::read_dir(workload(root).join("releases")).into_iter().flatten().flatten();
    releases.map(|release| RevisionId::new(release.file_name().to_string_lossy())).collect()
}

fn serving(root: &Root) -> Option<RevisionId> {
    let current = std::fs::read_link(workload(root).join("current")).ok()?;
    current.file_name().map(|name| RevisionId::new(name.to_string_lossy()))
}

#[tokio::test]
async fn this_machine_does_what_all_instances_do() -> std::result::Result<(), Failure> {
    let from = tempfile::tempdir().unwrap();
    let passed = conformance::Instances::new(artifacts(from.path()), || async { machine() })
        .programs(programs(from.path()))
        .tasks(tasks())
        .kept(|root| std::future::ready(Ok(kept(root))))
        .serves(|root| std::future::ready(Ok(serving(root))))
        .reopened(|root| async { Ok((machine_at(&root)?, root)) })
        .run()
        .await?;
    // How many polls shipping bits takes is the machine's own.
    let told = ["it runs tasks", "the suite cannot", "a call took more than"];
    let silent = passed.left_out.iter().find(|left| !told.iter().any(|why| left.why.starts_with(why)));
    assert_eq!(silent, None, "{passed}");
    Ok(())
}

#[tokio::test]
async fn this_machine_behind_a_proxy_does_what_every_platform_does() -> std::result::Result<(), Failure> {
    let fleet = || async {
        let (machine, root) = machine()?;
        Ok((Fleet::new(machine, EmbeddedProxy::start(Config::default())?), root))
    };
    conformance::Deployer::new(specs(), fleet).tasks(tasks()).run().await.map(drop)
}
