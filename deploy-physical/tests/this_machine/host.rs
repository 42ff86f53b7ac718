//! This machine as a host.

use crate::common::*;
use deploy_core::{Exit, Kind};
use deploy_physical::{Host as _, LocalHost, Run};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn host(dir: &Path) -> LocalHost {
    LocalHost::new("local", dir.join("staging"))
}

fn shell(script: &str) -> Run {
    let args = ["-c", script].map(str::to_owned).to_vec();
    Run { program: PathBuf::from("/bin/sh"), args, env: [("A".to_owned(), "b".to_owned())].into(), dir: "/".into() }
}

#[tokio::test]
async fn a_program_is_run_to_its_end_with_what_it_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = host(dir.path()).run(&shell("echo \"$A\"; echo two >&2; exit 4"), LONG).await.expect("it ran");
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"b\n"[..], &b"two\n"[..]));
    assert_eq!(output.exit, Exit { code: Some(4), signal: None });
    let output = host(dir.path()).run(&shell("kill -KILL $$"), LONG).await.expect("it ran");
    assert_eq!(output.exit, Exit { code: None, signal: Some(9) });
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = shell(&format!("echo $$ >'{}'; exec sleep 600", dir.path().join("pid").display()));
    let late = host(dir.path()).run(&run, Duration::from_millis(500)).await.expect_err("late");
    assert_eq!((late.kind(), late.message()), (Kind::Timeout, "/bin/sh took longer than 500ms"));
    let Ok(pid) = std::fs::read_to_string(dir.path().join("pid")) else { return };
    let pid: u32 = pid.trim().parse().expect("a number");
    until("it is gone", async || (!is_alive(pid)).then_some(())).await;
}

#[tokio::test]
async fn a_file_is_written_whole_with_its_permissions() {
    let dir = tempfile::tempdir().expect("a directory");
    let (host, path) = (host(dir.path()), dir.path().join("file"));
    for content in ["one", "two"] {
        host.write(&path, content.as_bytes(), 0o600).await.expect("written");
        assert_eq!(host.read(&path).await.expect("read"), Some(content.as_bytes().to_vec()));
    }
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(host.list(dir.path()).await.expect("listed"), ["file"]);
    assert_eq!(host.read(&dir.path().join("none")).await.expect("read"), None);
}

#[tokio::test]
async fn a_link_is_pointed_elsewhere_without_a_gap() {
    let dir = tempfile::tempdir().expect("a directory");
    let (host, at) = (host(dir.path()), dir.path().join("current"));
    host.link(&at, Path::new("one")).await.expect("linked");
    let watched = at.clone();
    let watching = tokio::task::spawn_blocking(move || (0..2000).all(|_| std::fs::read_link(&watched).is_ok()));
    for n in 0..20 {
        host.link(&at, Path::new(if n % 2 == 0 { "two" } else { "one" })).await.expect("linked");
    }
    assert!(watching.await.expect("no panic"), "there was always a link");
}

#[tokio::test]
async fn a_lock_has_one_holder() {
    let dir = tempfile::tempdir().expect("a directory");
    let (host, path) = (host(dir.path()), dir.path().join("lock"));
    let guard = host.lock(&path).await.expect("locked");
    let (other, there) = (host.clone(), path.clone());
    let second = tokio::spawn(async move { other.lock(&there).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!second.is_finished(), "it waits");
    drop(guard);
    second.await.expect("no panic").expect("its turn");
}
