//! TCP, process, command, gRPC and composed checks against real sockets and processes.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code, reason = "tests")]

mod common;

use async_trait::async_trait;
use common::{ask, listen, nobody, probe, target};
use deploy_core::{Check, CommandCheck, Error, GrpcCheck, Health, HealthCheck, Kind, ProbeTarget, Result, TcpCheck};
use deploy_health::{All, Any, Not};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tonic::codegen::Service;
use tonic_health::ServingStatus;

fn tcp() -> Check {
    Check::Tcp(TcpCheck::default())
}

#[tokio::test]
async fn a_port_that_accepts_is_healthy_and_one_that_refuses_is_not() {
    let (_listener, address) = listen().await;
    assert_eq!(ask(tcp(), &target(&address)).await.unwrap(), Health::Healthy);
    assert_eq!(ask(tcp(), &target(&nobody())).await.unwrap(), Health::Unhealthy);
    let mut nowhere = target(&address);
    nowhere.address = None;
    assert_eq!(ask(tcp(), &nowhere).await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_name_with_several_addresses_is_healthy_if_one_accepts() {
    let (_listener, address) = listen().await;
    assert_eq!(ask(tcp(), &target(&format!("localhost:{}", address.port()))).await.unwrap(), Health::Healthy);
}

#[tokio::test]
async fn the_process_check_repeats_the_platforms_word() {
    let mut target = target(&"127.0.0.1:1");
    assert_eq!(ask(Check::Process {}, &target).await.unwrap(), Health::Healthy);
    target.running = false;
    assert_eq!(ask(Check::Process {}, &target).await.unwrap(), Health::Unhealthy);
}

fn command(run: &[&str]) -> Check {
    Check::Command(CommandCheck { run: run.iter().map(ToString::to_string).collect() })
}

#[tokio::test]
async fn a_command_tells_by_its_exit_status() {
    let target = target(&"127.0.0.1:1");
    assert_eq!(ask(command(&["true"]), &target).await.unwrap(), Health::Healthy);
    assert_eq!(ask(command(&["false"]), &target).await.unwrap(), Health::Unhealthy);
}

#[tokio::test]
async fn a_command_is_told_whom_it_asks() {
    let script = r#"test "$HOST" = ::1 && test "$PORT" = 8080 && test "$INSTANCE" = web-1"#;
    assert_eq!(ask(command(&["sh", "-c", script]), &target(&"[::1]:8080")).await.unwrap(), Health::Healthy);
    let mut nowhere = target(&"");
    nowhere.address = None;
    let script = r#"test -z "${HOST+set}${PORT+set}""#;
    assert_eq!(ask(command(&["sh", "-c", script]), &nowhere).await.unwrap(), Health::Healthy);
}

#[tokio::test]
async fn no_shell_reads_a_commands_words() {
    let target = target(&"127.0.0.1:1");
    assert_eq!(ask(command(&["test", "$INSTANCE", "=", "$INSTANCE"]), &target).await.unwrap(), Health::Healthy);
    assert_eq!(ask(command(&["true; false"]), &target).await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_program_that_is_missing_or_killed_is_our_own_failure() {
    let target = target(&"127.0.0.1:1");
    let missing = ask(command(&["/no/such/program"]), &target).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    let killed = ask(command(&["sh", "-c", "kill -9 $$"]), &target).await.unwrap_err();
    assert!(killed.message().contains("ended by a signal"), "{killed}");
    assert_eq!(ask(command(&[]), &target).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn a_command_that_is_late_is_unhealthy_and_ends_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!("sleep 300 & echo $! > {0}.part; mv {0}.part {0}; wait", pids.display());
    let check = command(&["sh", "-c", &script]);
    let target = target(&"127.0.0.1:1");
    let mut slow = probe(check);
    slow.timing.timeout = Duration::from_millis(500);
    let asking = deploy_health::check(&slow).unwrap();
    while !pids.exists() {
        assert_eq!(asking.probe(&target).await.unwrap(), Health::Unhealthy);
    }
    let pid = std::fs::read_to_string(&pids).unwrap();
    ended(pid.trim()).await;
}

#[tokio::test]
async fn a_command_is_killed_when_the_question_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!("echo $$ > {0}.part; mv {0}.part {0}; exec sleep 300", pids.display());
    let asking = tokio::spawn(async move { ask(command(&["sh", "-c", &script]), &target(&"127.0.0.1:1")).await });
    poll(|| pids.exists()).await;
    asking.abort();
    ended(std::fs::read_to_string(&pids).unwrap().trim()).await;
}

/// A process is gone, or a zombie that nobody has waited for yet.
async fn ended(pid: &str) {
    let stat = Path::new("/proc").join(pid).join("stat");
    poll(|| std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))).await;
}

async fn poll(until: impl Fn() -> bool) {
    let wait = async {
        while !until() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

async fn grpc_server() -> (SocketAddr, tonic_health::server::HealthReporter) {
    let (reporter, service) = tonic_health::server::health_reporter();
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            let answer = hyper::service::service_fn(move |request| service.clone().call(request));
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), answer));
        }
    });
    (address, reporter)
}

fn grpc(service: &str) -> Check {
    Check::Grpc(GrpcCheck { service: service.into(), port: None })
}

#[tokio::test]
async fn a_grpc_server_tells_how_it_is() {
    let (address, reporter) = grpc_server().await;
    let target = target(&address);
    assert_eq!(ask(grpc(""), &target).await.unwrap(), Health::Healthy);
    for (status, expected) in [
        (ServingStatus::Serving, Health::Healthy),
        (ServingStatus::NotServing, Health::Unhealthy),
        (ServingStatus::Unknown, Health::Unknown),
    ] {
        reporter.set_service_status("shop.Cart", status).await;
        assert_eq!(ask(grpc("shop.Cart"), &target).await.unwrap(), expected, "{status}");
    }
    assert_eq!(ask(grpc("shop.Other"), &target).await.unwrap(), Health::Unhealthy);
}

#[tokio::test]
async fn no_grpc_answer_is_unhealthy() {
    assert_eq!(ask(grpc(""), &target(&nobody())).await.unwrap(), Health::Unhealthy);
    let plain = common::serve(|_| "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    assert_eq!(ask(grpc(""), &target(&plain)).await.unwrap(), Health::Unhealthy);
    let (_silent, address) = listen().await;
    let mut slow = probe(grpc(""));
    slow.timing.timeout = Duration::from_millis(50);
    let late = deploy_health::check(&slow).unwrap().probe(&target(&address)).await.unwrap();
    assert_eq!(late, Health::Unhealthy);
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Says {
    This(Health),
    Broke,
    Nothing,
}

#[async_trait]
impl HealthCheck for Says {
    async fn probe(&self, _: &ProbeTarget) -> Result<Health> {
        match self {
            Self::This(health) => Ok(*health),
            Self::Broke => Err(Error::new(Kind::Unavailable, "no file handles left")),
            Self::Nothing => std::future::pending().await,
        }
    }
}

const GOOD: Says = Says::This(Health::Healthy);
const BAD: Says = Says::This(Health::Unhealthy);
const DARK: Says = Says::This(Health::Unknown);

fn parts(says: &[Says]) -> Vec<Arc<dyn HealthCheck>> {
    says.iter().map(|says| Arc::new(*says) as Arc<dyn HealthCheck>).collect()
}

async fn said(check: impl HealthCheck) -> Says {
    check.probe(&target(&"127.0.0.1:1")).await.map_or(Says::Broke, Says::This)
}

#[tokio::test]
async fn all_is_unhealthy_by_one_and_healthy_by_every_one() {
    let table: [(&[Says], Says); 7] = [
        (&[GOOD, GOOD], GOOD),
        (&[GOOD, BAD], BAD),
        (&[DARK, BAD], BAD),
        (&[Says::Broke, BAD], BAD),
        (&[Says::Nothing, BAD], BAD),
        (&[GOOD, DARK], DARK),
        (&[GOOD, Says::Broke], Says::Broke),
    ];
    for (asked, expected) in table {
        assert_eq!(said(All::new(parts(asked))).await, expected, "{asked:?}");
    }
}

#[tokio::test]
async fn any_is_healthy_by_one_and_unhealthy_by_every_one() {
    let table: [(&[Says], Says); 7] = [
        (&[BAD, BAD], BAD),
        (&[BAD, GOOD], GOOD),
        (&[DARK, GOOD], GOOD),
        (&[Says::Broke, GOOD], GOOD),
        (&[Says::Nothing, GOOD], GOOD),
        (&[BAD, DARK], DARK),
        (&[BAD, Says::Broke], Says::Broke),
    ];
    for (asked, expected) in table {
        assert_eq!(said(Any::new(parts(asked))).await, expected, "{asked:?}");
    }
}

#[tokio::test]
async fn not_flips_what_is_known_and_leaves_what_is_not() {
    for (asked, expected) in [(GOOD, BAD), (BAD, GOOD), (DARK, DARK), (Says::Broke, Says::Broke)] {
        assert_eq!(said(Not::new(Arc::new(asked))).await, expected);
    }
}

#[tokio::test]
async fn a_probe_composes_checks() {
    let (_listener, address) = listen().await;
    let target = target(&address);
    let both = Check::All(vec![Check::Process {}, tcp(), Check::Not(Box::new(command(&["false"])))]);
    assert_eq!(ask(both, &target).await.unwrap(), Health::Healthy);
    let either = Check::Any(vec![command(&["/no/such/program"]), tcp()]);
    assert_eq!(ask(either, &target).await.unwrap(), Health::Healthy);
    for empty in [Check::All(Vec::new()), Check::Any(Vec::new())] {
        assert_eq!(ask(empty, &target).await.unwrap_err().kind(), Kind::Invalid);
    }
}
