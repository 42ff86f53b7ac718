//! What an engine finds that another one left.

use crate::common::*;
use deploy_core::{Exit, InstanceState, Instances as _, Revision};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

const ENGINE: &str = "DEPLOY_TEST_ENGINE_ROOT";

/// Launches, in an engine of its own that is killed at once, a program that waits for a file and ends with 7.
fn left_by_another_engine(bench: &Bench) {
    let status = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "engine::the_other_engine", "--ignored", "--nocapture"])
        .env(ENGINE, bench.root.path())
        .status()
        .expect("another engine");
    assert_eq!(status.signal(), Some(9), "it ends without a farewell");
}

fn waits_for(go: &std::path::Path) -> String {
    format!("while ! [ -e '{}' ]; do sleep 0.02; done; exit 7", go.display())
}

#[tokio::test]
#[ignore = "needs to be started by the tests beside it (it ends the whole process)"]
async fn the_other_engine() {
    let Some(root) = std::env::var_os(ENGINE).map(std::path::PathBuf::from) else { return };
    let machine = builder(&root).build().expect("a machine");
    let track = track("web");
    let slots = machine.slots(&track).await.expect("slots");
    let slot = slots.into_iter().find(|slot| slot.closed.is_none()).expect("an open slot");
    let revision = Revision::of(script(&waits_for(&root.join("go")))).expect("a revision");
    machine.launch(&slot.id, &launch(&track, revision), TOKEN).await.expect("launched");
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).expect("killed");
}

#[tokio::test]
async fn an_instance_outlives_its_engine_and_is_found_and_stopped_by_the_next() {
    let bench = bench();
    left_by_another_engine(&bench);
    let instance = bench.only().await;
    assert_eq!(instance.state, InstanceState::Running);
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("told");
    assert_eq!(bench.end_as_told().await, "143\n", "128 + SIGTERM");
}

#[tokio::test]
async fn how_an_instance_ended_is_known_although_no_engine_lived() {
    let bench = bench();
    left_by_another_engine(&bench);
    std::fs::write(bench.root.path().join("go"), "").expect("it may end");
    assert_eq!(bench.end().await, InstanceState::Exited(Exit { code: Some(7), signal: None }));
}

#[tokio::test]
async fn two_engines_on_one_root_see_the_same() {
    let bench = bench();
    let instance = bench.launched(command(&["/bin/sleep", "600"])).await;
    let other = builder(bench.root.path()).build().expect("a machine");
    assert_eq!(other.list(&bench.track).await.expect("a list"), [instance]);
}

#[tokio::test]
async fn a_stop_whose_engine_was_killed_as_it_gave_the_signal_is_no_crash() {
    let bench = bench();
    let instance = bench.launched(command(&["/bin/sleep", "600"])).await;
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("told");
    bench.end_as_told().await;
    let dir = bench.dir().join("instances").join(instance.id.as_str());
    std::fs::remove_file(dir.join("stopping")).expect("as if it had been killed before it wrote this");
    assert_eq!(bench.only().await.state, InstanceState::Terminating);
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("removed");
    assert!(bench.machine.list(&bench.track).await.expect("a list").is_empty());
}

#[tokio::test]
async fn a_launch_that_was_cut_off_is_told_as_ended_and_makes_room() {
    let bench = bench();
    let instance = bench.launched(command(&["/bin/sleep", "600"])).await;
    let dir = bench.dir().join("instances").join(instance.id.as_str());
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("told");
    bench.end_as_told().await;
    for file in ["process", "exit", "stopping"] {
        std::fs::remove_file(dir.join(file)).expect("as if it had never come to run");
    }
    let asked = instance.started.expect("asked for").to_string();
    let service = std::fs::read_to_string(dir.join("service")).expect("what was asked for");
    std::fs::write(dir.join("service"), service.replace(&asked, "2020-01-01T00:00:00Z")).expect("long ago");
    assert_eq!(bench.only().await.state, InstanceState::Exited(Exit::default()));
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("removed");
    let again = bench.launched(command(&["/bin/sleep", "600"])).await;
    assert_eq!(again.slot, instance.slot);
}
