//! What is kept, and what goes.

use crate::common::*;
use crate::prepare::archive;
use deploy_core::{InstanceState, Instances as _, Kind, SecretRef};
use deploy_physical::Keep;

const RUN: &str = "#!/bin/sh\nexec sleep 600\n";

fn names(dir: std::path::PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_newest_releases_stay_with_what_runs_serves_or_is_needed() {
    let bench = bench_with(|builder| builder.keep(Keep { releases: 2, days: 30 }));
    let path = archive(bench.root.path(), "app.tar.gz", &[("app", RUN, 0o755)]);
    let secret = program(bench.root.path(), "secret", "hush");
    let mut made = Vec::new();
    for n in 0..7 {
        let mut spec = artifact(&path, &["app"]);
        spec.env.insert("N".into(), n.to_string());
        spec.secrets.insert("S".into(), SecretRef::file(secret.to_string_lossy()));
        made.push(bench.prepared(spec).await);
    }
    let id = |n: usize| made[n].side.revision.to_string();
    bench.machine.launch(&bench.slot(0).await, &made[0], TOKEN).await.expect("launched");
    bench.machine.serving(&bench.track, &made[1].side, TOKEN).await.expect("marked");
    bench.machine.prune(&bench.track, &[made[2].side.revision.clone()]).await.expect("pruned");
    let mut stay = [id(0), id(1), id(2), id(5), id(6)].to_vec();
    stay.sort();
    assert_eq!(names(bench.dir().join("releases")), stay);
    let files: Vec<_> = stay.iter().map(|id| format!("{id}.json")).collect();
    assert_eq!(names(bench.dir().join("secrets")), files);
    assert_eq!(names(bench.dir().join("revisions")), files);
    assert!(!names(bench.dir()).iter().any(|name| name.starts_with(".away")));
}

#[tokio::test]
async fn the_log_of_an_ended_instance_can_be_read_until_its_days_are_over() {
    let bench = bench_with(|builder| builder.keep(Keep { releases: 5, days: 0 }));
    let instance = bench.launched(script("echo farewell")).await;
    assert!(matches!(bench.end().await, InstanceState::Exited(_)));
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("removed");
    let said = bench.machine.logs(&bench.track, &instance.id, 5).await.expect("its log");
    assert_eq!(said, ["farewell"]);
    bench.machine.prune(&bench.track, &[]).await.expect("pruned");
    let gone = bench.machine.logs(&bench.track, &instance.id, 5).await.expect_err("its days are over");
    assert_eq!(gone.kind(), Kind::NotFound);
}

#[tokio::test]
async fn the_secrets_of_a_log_that_is_kept_are_taken_out_of_it_for_as_long() {
    let bench = bench_with(|builder| builder.keep(Keep { releases: 0, days: 30 }));
    let secret = program(bench.root.path(), "secret", "hush");
    let mut spec = script("echo it is $S");
    spec.secrets.insert("S".into(), SecretRef::file(secret.to_string_lossy()));
    let instance = bench.launched(spec).await;
    bench.end().await;
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("removed");
    bench.machine.prune(&bench.track, &[]).await.expect("pruned");
    assert_eq!(bench.machine.logs(&bench.track, &instance.id, 5).await.expect("its log"), ["it is ***"]);
}

#[tokio::test]
async fn a_release_that_is_gone_is_not_the_candidates_fault() {
    let bench = bench_with(|builder| builder.keep(Keep { releases: 0, days: 30 }));
    let path = archive(bench.root.path(), "app.tar.gz", &[("app", RUN, 0o755)]);
    let launch = bench.prepared(artifact(&path, &["app"])).await;
    bench.machine.prune(&bench.track, &[]).await.expect("pruned");
    let refused = bench.machine.launch(&bench.slot(0).await, &launch, TOKEN).await.expect_err("its bits are gone");
    assert_eq!(refused.kind(), Kind::NotFound, "{refused}");
}

#[tokio::test]
async fn a_long_log_is_cut_and_its_end_still_read() {
    let bench = bench_with(|builder| builder.log_bytes(1000));
    let go = bench.root.path().join("go");
    let all = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; done; sleep 600";
    let wait = format!("while ! [ -e '{}' ]; do sleep 0.02; done; {all}", go.display());
    let instance = bench.launched(script(&wait)).await;
    // A list would cut it in the middle.
    std::fs::write(go, "").expect("it may speak");
    let log = bench.dir().join("instances").join(instance.id.as_str()).join("log");
    until("all is said", async || {
        let lines = bench.machine.logs(&bench.track, &instance.id, 1).await.expect("a log");
        (lines == ["line 300"]).then_some(())
    })
    .await;
    bench.list().await;
    assert!(std::fs::metadata(log).expect("its log").len() <= 1000);
    let lines = bench.machine.logs(&bench.track, &instance.id, 2).await.expect("a log");
    assert_eq!(lines, ["line 299", "line 300"]);
}

#[tokio::test]
async fn a_forgotten_workload_leaves_what_it_shared_and_the_fence() {
    let bench = bench();
    let instance = bench.launched(script("echo data >\"$DEPLOY_SHARED_DIR/data\"; sleep 600")).await;
    let refused = bench.machine.remove(&bench.track, TOKEN).await.expect_err("it runs");
    assert_eq!(refused.kind(), Kind::Busy);
    until("it has shared", async || bench.dir().join("shared/data").exists().then_some(())).await;
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("told");
    bench.end_as_told().await;
    bench.machine.remove(&bench.track, TOKEN).await.expect("forgotten");
    assert_eq!(names(bench.dir()), ["lock", "shared", "token"]);
    assert_eq!(bench.machine.token(&bench.track).await.expect("the fence"), TOKEN);
}
