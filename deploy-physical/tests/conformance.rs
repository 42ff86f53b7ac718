//! This machine, held to the contracts of instances and, behind a proxy, of platforms.
#![allow(clippy::unwrap_used, reason = "tests")]

use deploy_core::{InstanceSpec, Name, Result, Source, Workload};
use deploy_fleet::Fleet;
use deploy_physical::{Machine, ThisMachine};
use deploy_testkit::conformance::{self, Failure};
use deploy_traffic::{Config, EmbeddedProxy};
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
    let builder = ThisMachine::builder().root(root.0.path().join("root")).slots_per_workload(6).ports(24000..=24999);
    Ok((builder.build()?, root))
}

#[tokio::test]
async fn this_machine_does_what_all_instances_do() -> std::result::Result<(), Failure> {
    conformance::Instances::new(specs(), || async { machine() }).run().await.map(drop)
}

#[tokio::test]
async fn this_machine_behind_a_proxy_does_what_every_platform_does() -> std::result::Result<(), Failure> {
    let fleet = || async {
        let (machine, root) = machine()?;
        Ok((Fleet::new(machine, EmbeddedProxy::start(Config::default())?), root))
    };
    conformance::Deployer::new(specs(), fleet).run().await.map(drop)
}
