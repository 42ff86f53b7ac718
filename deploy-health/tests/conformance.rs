//! The checks, held to the contract of health checks.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests")]

mod common;

use common::{listen, nobody, serve, target};
use deploy_core::{Check, CommandCheck, GrpcCheck, HealthCheck, HttpCheck, Probe, ProbeTarget, Result};
use deploy_testkit::conformance::{self, Failure};
use std::sync::Arc;
use std::time::Duration;

type Case<K> = Result<(Arc<dyn HealthCheck>, ProbeTarget, K)>;

fn case<K>(check: Check, target: ProbeTarget, keep: K) -> Case<K> {
    let mut probe = Probe::new(check);
    probe.timing.timeout = Duration::from_secs(5);
    Ok((deploy_health::check(&probe)?, target, keep))
}

fn answer(status: u16) -> String {
    format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

fn http() -> Check {
    Check::Http(HttpCheck::default())
}

fn not_resolved() -> ProbeTarget {
    target(&"no-such-host.invalid:80")
}

#[tokio::test]
async fn the_http_check_does_what_every_check_does() -> std::result::Result<(), Failure> {
    let says = |status| move || async move { case(http(), target(&serve(move |_| answer(status)).await), ()) };
    let suite = conformance::HealthCheck::new(says(200)).ill(says(503));
    let suite = suite.refusing(|| async { case(http(), target(&nobody()), ()) }).silent(|| async {
        let (listener, address) = listen().await;
        case(http(), target(&address), listener)
    });
    let passed = suite.broken(|| async { case(http(), not_resolved(), ()) }).run().await?;
    assert_eq!(passed.left_out, [], "{passed}");
    Ok(())
}

#[tokio::test]
async fn the_tcp_check_does_what_every_check_does() -> std::result::Result<(), Failure> {
    let tcp = || Check::Tcp(deploy_core::TcpCheck { port: None });
    let suite = conformance::HealthCheck::new(move || async move {
        let (listener, address) = listen().await;
        case(tcp(), target(&address), listener)
    });
    let suite = suite.refusing(move || async move { case(tcp(), target(&nobody()), ()) });
    suite.broken(move || async move { case(tcp(), not_resolved(), ()) }).run().await.map(drop)
}

#[tokio::test]
async fn the_command_check_does_what_every_check_does() -> std::result::Result<(), Failure> {
    let runs = |run: &'static [&'static str]| {
        move || async move {
            let run = run.iter().map(|&word| word.to_owned()).collect();
            case(Check::Command(CommandCheck { run }), target(&"127.0.0.1:1"), ())
        }
    };
    let suite = conformance::HealthCheck::new(runs(&["true"])).ill(runs(&["false"])).silent(runs(&["sleep", "600"]));
    suite.broken(runs(&["/no/such/program"])).run().await.map(drop)
}

#[tokio::test]
async fn the_process_check_does_what_every_check_does() -> std::result::Result<(), Failure> {
    let runs =
        |running| move || async move { case(Check::Process {}, ProbeTarget { running, ..target(&"127.0.0.1:1") }, ()) };
    conformance::HealthCheck::new(runs(true)).ill(runs(false)).run().await.map(drop)
}

#[tokio::test]
async fn compositions_do_what_every_check_does() -> std::result::Result<(), Failure> {
    let command = |word: &str| Check::Command(CommandCheck { run: vec![word.into()] });
    let of = move |words: [&'static str; 2], make: fn(Vec<Check>) -> Check| {
        move || async move { case(make(words.iter().map(|word| command(word)).collect()), target(&"127.0.0.1:1"), ()) }
    };
    let (good, bad) = (["true", "true"], ["true", "false"]);
    let all = conformance::HealthCheck::new(of(good, Check::All)).ill(of(bad, Check::All));
    all.broken(of(["true", "/no/such/program"], Check::All)).run().await?;
    let any = conformance::HealthCheck::new(of(bad, Check::Any)).ill(of(["false", "false"], Check::Any));
    any.broken(of(["false", "/no/such/program"], Check::Any)).run().await?;
    let not = |checks: Vec<Check>| Check::Not(Box::new(Check::Any(checks)));
    let not_any = conformance::HealthCheck::new(of(["false", "false"], not)).ill(of(bad, not));
    not_any.broken(of(["false", "/no/such/program"], not)).run().await.map(drop)
}

#[tokio::test]
async fn the_grpc_check_of_nobody_and_of_the_silent_is_unhealthy() -> std::result::Result<(), Failure> {
    let grpc = || Check::Grpc(GrpcCheck { service: String::new(), port: None });
    // A server that speaks the protocol is in `checks.rs`; here the process stands for who is well.
    let suite = conformance::HealthCheck::new(|| async { case(Check::Process {}, target(&"127.0.0.1:1"), ()) });
    let suite = suite.refusing(move || async move { case(grpc(), target(&nobody()), ()) }).silent(move || async move {
        let (listener, address) = listen().await;
        case(grpc(), target(&address), listener)
    });
    suite.broken(move || async move { case(grpc(), not_resolved(), ()) }).run().await.map(drop)
}
