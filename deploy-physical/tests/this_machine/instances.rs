//! Instances as processes.

use crate::common::*;
use deploy_core::{Exit, InstanceState, Instances as _, Kind, Token};
use futures::StreamExt as _;
use std::net::TcpListener;
use std::time::Duration;

const SLEEP: [&str; 2] = ["/bin/sleep", "600"];

#[tokio::test]
async fn an_instance_runs_in_its_slot_and_goes_when_it_is_told_to() {
    let bench = bench();
    let slot = bench.slot(0).await;
    let instance = bench.launched(command(&SLEEP)).await;
    assert_eq!((&instance.slot, &instance.state), (&slot, &InstanceState::Running));
    let port = slot.as_str().strip_prefix("local/").expect("named by its port");
    assert_eq!(instance.address, Some(format!("127.0.0.1:{port}")));
    assert!(instance.started.is_some() && !instance.admitted);

    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("told");
    assert_eq!(bench.end_as_told().await, "143\n", "128 + SIGTERM");
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("removed");
    assert!(bench.list().await.is_empty());
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("gone is no error");
}

#[tokio::test]
async fn one_that_does_not_listen_is_killed_after_its_grace_with_all_it_left() {
    let bench = bench();
    let instance = bench.launched(script("trap '' TERM; sleep 600 & echo $!; while :; do sleep 1; done")).await;
    let child: u32 = bench.said(&instance).await[0].parse().expect("the child's number");
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("told");
    assert_eq!(bench.only().await.state, InstanceState::Terminating);
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("its grace is not over");
    assert_eq!(bench.only().await.state, InstanceState::Terminating);
    bench.machine.stop(&bench.track, &instance.id, Duration::ZERO, TOKEN).await.expect("killed");
    assert_eq!(bench.end_as_told().await, "137\n", "128 + SIGKILL");
    until("its child is gone", async || (!is_alive(child)).then_some(())).await;
}

#[tokio::test]
async fn launching_is_idempotent_by_slot_and_refuses_another_revision_there() {
    let bench = bench();
    let slot = bench.slot(0).await;
    let one = bench.prepared(command(&SLEEP)).await;
    let other = bench.prepared(command(&["/bin/sleep", "601"])).await;
    for _ in 0..2 {
        bench.machine.launch(&slot, &one, TOKEN).await.expect("launched");
    }
    let instance = bench.only().await;
    let refused = bench.machine.launch(&slot, &other, TOKEN).await.expect_err("taken");
    assert_eq!(refused.kind(), Kind::Busy, "{refused}");
    bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await.expect("told");
    bench.end_as_told().await;
    bench.machine.launch(&slot, &one, TOKEN).await.expect("it was launched, and ended");
    assert_eq!(bench.only().await.id, instance.id, "what ended is not launched again before it is removed");
}

#[tokio::test]
async fn a_relaunched_instance_is_another_one() {
    let bench = bench();
    let first = bench.launched(script("exit 3")).await;
    assert_eq!(bench.end().await, InstanceState::Exited(Exit { code: Some(3), signal: None }));
    bench.machine.stop(&bench.track, &first.id, LONG, TOKEN).await.expect("removed");
    let second = bench.launched(script("exit 3")).await;
    assert_ne!(first.id, second.id);
}

#[tokio::test]
async fn a_program_gets_its_environment_and_nothing_else() {
    let bench = bench();
    let mut spec = script("env | sort; pwd; exec sleep 600");
    spec.ports.insert(name("admin-api"), 9090);
    spec.env = [("GREETING", "it's \"$HOME\" `x`"), ("HOST", "::1"), ("DEPLOY_WORKLOAD", "theirs")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let instance = bench.launched(spec).await;
    let said = until("it has said all", async || {
        let said = bench.said(&instance).await;
        said.last().is_some_and(|line| line.starts_with('/')).then_some(said)
    })
    .await;
    let port = instance.address.expect("routed").replace("127.0.0.1:", "");
    let admin = instance.ports["admin-api"].replace("127.0.0.1:", "");
    for line in [
        "DEPLOY_APPLICATION=shop".to_owned(),
        "DEPLOY_ENVIRONMENT=production".to_owned(),
        "DEPLOY_WORKLOAD=web".to_owned(),
        format!("DEPLOY_INSTANCE={}", instance.id),
        "GREETING=it's \"$HOME\" `x`".to_owned(),
        "HOST=::1".to_owned(),
        format!("PORT={port}"),
        format!("PORT_HTTP={port}"),
        format!("PORT_ADMIN_API={admin}"),
    ] {
        assert!(said.contains(&line), "{line} is missing in {said:#?}");
    }
    assert!(!said.iter().any(|line| line.starts_with("CARGO")), "{said:#?}");
    assert!(said.last().expect("a directory").ends_with(instance.id.as_str()));
}

#[tokio::test]
async fn arguments_reach_a_program_as_they_are() {
    let bench = bench();
    let odd = "a b'c\"d$(touch /tmp/never)`x`;&|>*\n\\";
    let instance = bench.launched(command(&["/bin/sh", "-c", "printf '<%s>' \"$@\"", "sh", odd, ""])).await;
    bench.end().await;
    assert_eq!(bench.said(&instance).await.join("\n"), format!("<{odd}><>"));
}

#[tokio::test]
async fn a_port_that_another_program_has_closes_its_slot() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("bound").port();
    let bench = bench_with(|builder| builder.ports(port..=port + 300));
    let slots = bench.machine.slots(&bench.track).await.expect("slots");
    let slot = slots.iter().find(|slot| slot.id.as_str() == format!("local/{port}"));
    let slot = slot.expect("the first of the range");
    assert_eq!(slot.closed, Some(format!("port {port} is taken by another program")));
    let launch = bench.prepared(command(&SLEEP)).await;
    let refused = bench.machine.launch(&slot.id, &launch, TOKEN).await.expect_err("taken");
    assert_eq!((refused.kind(), refused.message()), (Kind::Full, &*format!("port {port} is taken by another program")));
}

#[tokio::test]
async fn workloads_never_share_a_port() {
    let bench = bench();
    let mut seen = std::collections::BTreeSet::new();
    for workload in ["web", "api", "worker"] {
        let revision = deploy_core::Revision::of(command(&SLEEP)).expect("a revision");
        bench.machine.prepare(&track(workload), &[revision], TOKEN).await.expect("prepared");
        for slot in bench.machine.slots(&track(workload)).await.expect("slots") {
            assert!(seen.insert(slot.id.to_string()), "{} twice", slot.id);
        }
    }
    assert_eq!(seen.len(), 12);
}

#[tokio::test]
async fn looking_leaves_no_trace() {
    let bench = bench();
    assert_eq!(bench.machine.slots(&bench.track).await.expect("slots").len(), 4);
    assert!(bench.list().await.is_empty());
    assert_eq!(bench.machine.token(&bench.track).await.expect("none"), Token::default());
    bench.machine.prune(&bench.track, &[]).await.expect("nothing to do");
    assert!(!bench.root.path().join("root").exists());
}

#[tokio::test]
async fn an_older_token_changes_nothing_and_is_told_the_newest() {
    let bench = bench();
    let instance = bench.launched(command(&SLEEP)).await;
    let (newer, slot) = (Token::new(2, 1), bench.slot(1).await);
    assert_eq!(bench.machine.fence(&bench.track, newer).await.expect("raised"), newer);
    assert_eq!(bench.machine.fence(&bench.track, TOKEN).await.expect("told"), newer);
    assert_eq!(bench.machine.token(&bench.track).await.expect("told"), newer);
    let spec = deploy_core::Revision::of(command(&SLEEP)).expect("a revision");
    let launch = launch(&bench.track, spec.clone());
    let refusals = [
        bench.machine.launch(&slot, &launch, TOKEN).await,
        bench.machine.stop(&bench.track, &instance.id, LONG, TOKEN).await,
        bench.machine.prepare(&bench.track, &[spec], TOKEN).await,
        bench.machine.serving(&bench.track, &launch.side, TOKEN).await,
        bench.machine.remove(&bench.track, TOKEN).await,
    ];
    assert!(refusals.iter().all(|refusal| refusal.as_ref().is_err_and(|error| error.kind() == Kind::Fenced)));
    assert_eq!(bench.only().await, instance);
}

#[tokio::test]
async fn a_number_that_went_to_another_process_is_not_taken_for_ours() {
    let bench = bench();
    let instance = bench.launched(command(&SLEEP)).await;
    // Start times are told in ticks of 10 ms, and no number comes round again within one.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut stranger = std::process::Command::new("/bin/sleep").arg("600").spawn().expect("a stranger");
    let file = bench.dir().join("instances").join(instance.id.as_str()).join("process");
    let stat = std::fs::read_to_string(&file).expect("its process");
    rustix::process::kill_process(pid(bench.pid(&instance)), rustix::process::Signal::KILL).expect("ended");
    bench.end().await;
    std::fs::remove_file(file.with_file_name("exit")).expect("as after a crash of the whole machine");
    let rest = stat.split_once(' ').expect("fields").1;
    std::fs::write(&file, format!("{} {rest}", stranger.id())).expect("its number is another's");
    // Its supervisor may be a moment from its own end.
    assert_eq!(bench.end().await, InstanceState::Exited(Exit::default()));
    bench.machine.stop(&bench.track, &instance.id, Duration::ZERO, TOKEN).await.expect("removed");
    assert!(stranger.try_wait().expect("asked").is_none(), "the stranger lives");
    stranger.kill().and_then(|()| stranger.wait()).expect("ended");
}

#[tokio::test]
async fn an_ended_instance_leaves_no_zombie() {
    let bench = bench();
    let instance = bench.launched(script("exit 0")).await;
    let stat = bench.dir().join("instances").join(instance.id.as_str()).join("process");
    let stat = std::fs::read_to_string(stat).expect("its process");
    let supervisor: u32 = stat.split(' ').nth(3).expect("a parent").parse().expect("a number");
    bench.end().await;
    until("the supervisor is reaped", async || (!is_alive(supervisor)).then_some(())).await;
}

#[tokio::test]
async fn every_end_of_a_program_is_hinted_at_however_early() {
    let bench = bench();
    let mut hints = bench.machine.changes(&bench.track).expect("it gives hints");
    for text in ["exit 1", "sleep 0.3"] {
        let launch = bench.prepared(script(text)).await;
        let slot = bench.slot(bench.list().await.len()).await;
        bench.machine.launch(&slot, &launch, TOKEN).await.expect("launched");
        assert_eq!(tokio::time::timeout(LONG, hints.next()).await.expect("in time"), Some(()));
        let ended = bench.list().await.iter().filter(|instance| instance.exit().is_some()).count();
        assert_eq!(ended, bench.list().await.len());
    }
}

#[tokio::test]
async fn what_can_never_run_is_the_candidates_fault() {
    let bench = bench();
    let garbage = program(bench.root.path(), "garbage", "no program at all");
    let lost = program(bench.root.path(), "lost", "#!/no/such/interpreter -x\n");
    let plain = bench.root.path().join("plain");
    std::fs::write(&plain, "#!/bin/sh\n").expect("written");
    let foreign = program(bench.root.path(), "foreign", "");
    let mut head = b"\x7fELF\x02\x01\x01".to_vec();
    head.resize(18, 0);
    head.extend([0xf3, 0, 0, 0]);
    std::fs::write(&foreign, head).expect("written");
    let cases = [
        ("/no/such/program", "it is not there"),
        (
            garbage.to_str().expect("UTF-8"),
            "it is neither a program for this machine nor a script with `#!` in its first line",
        ),
        (
            foreign.to_str().expect("UTF-8"),
            "it is neither a program for this machine nor a script with `#!` in its first line",
        ),
        (lost.to_str().expect("UTF-8"), "its interpreter `/no/such/interpreter` is not there"),
        (plain.to_str().expect("UTF-8"), "it may not be executed (mode 644)"),
        ("/tmp", "it is a directory"),
    ];
    for (program, why) in cases {
        let revision = deploy_core::Revision::of(command(&[program])).expect("a revision");
        let slot = bench.slot(0).await;
        let refused = bench.machine.launch(&slot, &launch(&bench.track, revision), TOKEN).await.expect_err(why);
        assert_eq!(refused.kind(), Kind::Candidate);
        assert_eq!(
            refused.to_string(),
            format!("program `{program}` can never run on this machine: {why}; track: shop/production/web@local")
        );
    }
    assert!(bench.list().await.is_empty());
}

fn pid(pid: u32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(pid as i32).expect("a number")
}

#[tokio::test]
async fn launches_abreast_do_not_get_in_each_others_way() {
    let bench = bench_with(|builder| builder.slots_per_workload(16));
    let launch = bench.prepared(command(&SLEEP)).await;
    let slots = bench.machine.slots(&bench.track).await.expect("slots");
    let open: Vec<_> = slots.into_iter().filter(|slot| slot.closed.is_none()).collect();
    let all = open.iter().map(|slot| bench.machine.launch(&slot.id, &launch, TOKEN));
    for result in futures::future::join_all(all).await {
        result.expect("launched");
    }
    let list = bench.list().await;
    assert_eq!(list.len(), open.len());
    assert!(list.iter().all(|instance| instance.state == InstanceState::Running));
}
