//! What an engine finds that another one left.

use crate::common::*;
use deploy_core::{Exit, InstanceState, Instances as _, Revision};
use std::process::Command;

const ENGINE: &str = "DEPLOY_TEST_ENGINE_ROOT";

/// Launches, in a process of its own that ends at once, a program that waits for a file and ends with 7.
fn left_by_another_engine(bench: &Bench) {
    let status = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "engine::the_other_engine", "--ignored", "--nocapture"])
        .env(ENGINE, bench.root.path())
        .status()
        .expect("another engine");
    assert_eq!(status.code(), Some(42), "it ends without a farewell");
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
    std::process::exit(42);
}

#[tokio::test]
async fn an_instance_outlives_its_engine_and_is_found_and_stopped_by_the_next() {
    let bench = bench();
    left_by_another_engine(&bench);
    let instance = bench.only().await;
    assert_eq!(instance.state, InstanceState::Running);
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("told");
    assert_eq!(bench.end().await, InstanceState::Exited(Exit { code: None, signal: Some(15) }));
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
