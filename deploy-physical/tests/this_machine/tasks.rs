//! One-shot effects.

use crate::common::*;
use deploy_core::{Instances as _, Kind, Revision, SecretRef, TaskAct, TaskOutcome, TaskRun, Token};
use std::path::PathBuf;
use std::time::Duration;

impl Bench {
    fn run(&self, key: &str, script: &str, timeout: Duration) -> TaskRun {
        let revision = Revision::of(command(&["/bin/sleep", "600"])).expect("a revision");
        let run = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        TaskRun { key: key.into(), track: self.track.clone(), run, revision, timeout }
    }

    async fn act(&self, run: &TaskRun, act: TaskAct) -> TaskOutcome {
        self.machine.task(run, act, TOKEN).await.expect("an outcome")
    }

    async fn outcome(&self, run: &TaskRun) -> TaskOutcome {
        until("the task has ended", async || match self.act(run, TaskAct::Look).await {
            TaskOutcome::Running => None,
            outcome => Some(outcome),
        })
        .await
    }

    fn trace(&self) -> PathBuf {
        self.root.path().join("trace")
    }

    fn times(&self) -> usize {
        std::fs::read_to_string(self.trace()).unwrap_or_default().lines().count()
    }
}

#[tokio::test]
async fn a_task_runs_once_by_its_key_whoever_asks() {
    let bench = bench();
    let script = format!("echo once >>'{}'", bench.trace().display());
    let run = bench.run("shop/7/web/migrate", &script, LONG);
    assert_eq!(bench.act(&run, TaskAct::Look).await, TaskOutcome::NotStarted);
    let other = builder(bench.root.path()).build().expect("another engine");
    let (one, two) =
        tokio::join!(bench.machine.task(&run, TaskAct::Start, TOKEN), other.task(&run, TaskAct::Start, TOKEN));
    one.and(two).expect("both are told");
    assert_eq!(bench.outcome(&run).await, TaskOutcome::Done);
    assert_eq!(bench.act(&run, TaskAct::Start).await, TaskOutcome::Done);
    assert_eq!(bench.act(&run, TaskAct::Bar).await, TaskOutcome::Done, "what is done is done");
    assert_eq!(bench.times(), 1);
}

#[tokio::test]
async fn a_failed_task_shows_how_it_ended_and_its_last_lines_without_secrets() {
    let bench = bench();
    let secret = program(bench.root.path(), "secret", "hush");
    let mut spec = command(&["/bin/sleep", "600"]);
    spec.secrets.insert("PASSWORD".into(), SecretRef::file(secret.to_string_lossy()));
    let launch = bench.prepared(spec).await;
    let script =
        "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo \"line $i $PASSWORD\"; done; echo \"$DEPLOY_TASK\" >&2; exit 3";
    let mut run = bench.run("key", script, LONG);
    run.revision = Revision { id: launch.side.revision, spec: Some(launch.spec) };
    bench.act(&run, TaskAct::Start).await;
    let lines: Vec<_> = (12..=30).map(|n| format!("line {n} ***")).collect();
    let expected = format!("exit status 3; it said:\n{}\nkey", lines.join("\n"));
    assert_eq!(bench.outcome(&run).await, TaskOutcome::Failed(expected));
}

#[tokio::test]
async fn a_task_that_takes_too_long_is_stopped() {
    let bench = bench();
    let run = bench.run("key", "echo started; sleep 600", Duration::from_millis(50));
    bench.act(&run, TaskAct::Start).await;
    let TaskOutcome::Failed(words) = bench.outcome(&run).await else { panic!("it failed") };
    assert!(words.starts_with("it took longer than 50ms and was stopped"), "{words}");
}

#[tokio::test]
async fn a_late_task_is_stopped_although_nobody_looks() {
    let bench = bench();
    let run = bench.run("key", "echo $$ >\"$DEPLOY_SHARED_DIR/pid\"; exec sleep 600", Duration::from_millis(500));
    bench.act(&run, TaskAct::Start).await;
    let pid: u32 =
        until("it runs", async || std::fs::read_to_string(bench.dir().join("shared/pid")).ok()?.trim().parse().ok())
            .await;
    until("it is gone", async || (!is_alive(pid)).then_some(())).await;
}

#[tokio::test]
async fn a_barred_key_never_runs() {
    let bench = bench();
    let run = bench.run("key", &format!("echo ran >>'{}'", bench.trace().display()), LONG);
    assert_eq!(bench.act(&run, TaskAct::Bar).await, TaskOutcome::Barred);
    assert_eq!(bench.act(&run, TaskAct::Start).await, TaskOutcome::Barred);
    assert_eq!(bench.act(&run, TaskAct::Look).await, TaskOutcome::Barred);
    assert_eq!(bench.times(), 0);
}

#[tokio::test]
async fn a_running_task_is_stopped_by_the_bar() {
    let bench = bench();
    let run = bench.run("key", "sleep 600", LONG);
    assert_eq!(bench.act(&run, TaskAct::Start).await, TaskOutcome::Running);
    bench.act(&run, TaskAct::Bar).await;
    assert_eq!(bench.outcome(&run).await, TaskOutcome::Barred);
    assert_eq!(bench.act(&run, TaskAct::Start).await, TaskOutcome::Barred);
}

#[tokio::test]
async fn a_task_survives_its_engine() {
    let bench = bench();
    let go = bench.root.path().join("go");
    let run = bench.run("key", &format!("while ! [ -e '{}' ]; do sleep 0.02; done", go.display()), LONG);
    bench.act(&run, TaskAct::Start).await;
    let other = builder(bench.root.path()).build().expect("another engine");
    assert_eq!(other.task(&run, TaskAct::Look, TOKEN).await.expect("an outcome"), TaskOutcome::Running);
    std::fs::write(go, "").expect("it may end");
    until("it is done", async || {
        (other.task(&run, TaskAct::Look, TOKEN).await.ok()? == TaskOutcome::Done).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_older_token_starts_and_bars_nothing() {
    let bench = bench();
    let run = bench.run("key", &format!("echo ran >>'{}'", bench.trace().display()), LONG);
    bench.machine.fence(&bench.track, Token::new(2, 0)).await.expect("raised");
    for act in [TaskAct::Start, TaskAct::Bar] {
        let refused = bench.machine.task(&run, act, TOKEN).await.expect_err("older");
        assert_eq!(refused.kind(), Kind::Fenced);
    }
    assert_eq!(bench.act(&run, TaskAct::Look).await, TaskOutcome::NotStarted);
    assert_eq!(bench.times(), 0);
}
