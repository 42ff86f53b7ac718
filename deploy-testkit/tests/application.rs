//! The application as a process of its own. This program starts itself again in that role.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may end so, and has no harness here")]

use deploy_testkit::{
    app,
    process::{Role, Spawned},
};
use std::{
    future::Future,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    pin::Pin,
    process::{ExitCode, ExitStatus, Stdio},
    time::Duration,
};

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("it_listens_answers_and_ends_on_sigterm", it_listens_answers_and_ends_on_sigterm),
    ("requests_in_flight_are_finished_after_sigterm", requests_in_flight_are_finished_after_sigterm),
    ("an_end_beyond_the_grace_has_its_code", an_end_beyond_the_grace_has_its_code),
    ("errors_bear_the_version_and_are_evenly_spread", errors_bear_the_version_and_are_evenly_spread),
    ("an_unhealthy_one_serves_all_the_same", an_unhealthy_one_serves_all_the_same),
    ("a_crash_at_once_says_why", a_crash_at_once_says_why),
    ("a_late_crash_has_its_code_too", a_late_crash_has_its_code_too),
    ("a_call_tells_both_versions", a_call_tells_both_versions),
    ("a_call_to_nobody_is_a_502_of_its_own", a_call_to_nobody_is_a_502_of_its_own),
    ("a_task_runs_and_leaves_its_line", a_task_runs_and_leaves_its_line),
    ("a_wrong_environment_is_told", a_wrong_environment_is_told),
];

fn main() -> ExitCode {
    if Role::from_env() == Some(Role::App) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let run: Pin<Box<dyn Future<Output = ExitCode>>> = Box::pin(app::run_from_env());
        return runtime.block_on(run);
    }
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(&filter)) {
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

struct Process {
    spawned: Spawned,
    port: u16,
}

fn spawn(variables: &[(&str, &str)]) -> Spawned {
    let mut command = Role::App.command().unwrap();
    command.env("PORT", "0").env("APP_VERSION", "v7").envs(variables.iter().copied());
    Spawned::start(command.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap()
}

fn serving(variables: &[(&str, &str)]) -> Process {
    let mut spawned = spawn(variables);
    let mut line = String::new();
    BufReader::new(spawned.child().stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("v7 listening on 127.0.0.1:"), "{line:?}");
    let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
    Process { spawned, port }
}

impl Process {
    fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        read(self.ask(path))
    }

    fn terminate(&self) {
        let pid = self.spawned.pid().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    fn ended(mut self) -> (ExitStatus, String) {
        ended(&mut self.spawned)
    }
}

fn read(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ended(spawned: &mut Spawned) -> (ExitStatus, String) {
    let status = spawned.child().wait().unwrap();
    let mut words = String::new();
    spawned.child().stdout.as_mut().unwrap().read_to_string(&mut words).unwrap();
    spawned.child().stderr.as_mut().unwrap().read_to_string(&mut words).unwrap();
    (status, words)
}

fn it_listens_answers_and_ends_on_sigterm() {
    let process = serving(&[("APP_START_DELAY_MS", "100")]);
    let answer = process.get("/");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-app-version: v7"), "{answer}");
    assert!(answer.ends_with("version v7"), "{answer}");
    assert!(process.get("/healthz").ends_with("ok"));
    assert!(process.get("/burn?ms=5").ends_with("burnt"));
    assert!(process.get("/nowhere").starts_with("HTTP/1.1 404"));
    process.terminate();
    let (status, words) = process.ended();
    assert_eq!(status.code(), Some(0), "{words}");
    assert!(words.contains("v7 stopping") && words.contains("v7 stopped"), "{words}");
}

fn requests_in_flight_are_finished_after_sigterm() {
    let process = serving(&[]);
    let slow = process.ask("/slow");
    process.terminate();
    assert!(read(slow).ends_with("version v7"));
    assert_eq!(process.ended().0.code(), Some(0));
}

fn an_end_beyond_the_grace_has_its_code() {
    let process = serving(&[("APP_GRACE_MS", "100")]);
    let _slow = process.ask("/slow");
    process.terminate();
    let (status, words) = process.ended();
    assert_eq!(status.code(), Some(4), "{words}");
}

fn errors_bear_the_version_and_are_evenly_spread() {
    let process = serving(&[("APP_ERROR_PERCENT", "25")]);
    let answers: Vec<_> = (0..8).map(|_| process.get("/")).collect();
    let errors = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 500"));
    assert_eq!(errors.filter(|answer| answer.contains("x-app-version: v7")).count(), 2);
    assert!(process.get("/healthz").starts_with("HTTP/1.1 200"));
}

fn an_unhealthy_one_serves_all_the_same() {
    let process = serving(&[("APP_HEALTHY", "false")]);
    assert!(process.get("/healthz").starts_with("HTTP/1.1 500"));
    assert!(process.get("/").starts_with("HTTP/1.1 200"));
}

fn a_crash_at_once_says_why() {
    let (status, words) = ended(&mut spawn(&[("APP_CRASH_AFTER_MS", "0")]));
    assert_eq!(status.code(), Some(3));
    assert!(words.contains("cannot load the configuration: example crash"), "{words}");
    assert!(!words.contains("listening"), "{words}");
}

fn a_late_crash_has_its_code_too() {
    let (status, words) = ended(&mut spawn(&[("APP_CRASH_AFTER_MS", "200")]));
    assert_eq!(status.code(), Some(3), "{words}");
}

fn a_call_tells_both_versions() {
    let (caller, callee) = (serving(&[]), serving(&[]));
    let answer = caller.get(&format!("/call?port={}", callee.port));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-callee-version: v7"), "{answer}");
}

fn a_call_to_nobody_is_a_502_of_its_own() {
    let answer = serving(&[]).get("/call?port=1");
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("x-app-version: v7"), "{answer}");
}

fn a_task_runs_and_leaves_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("tasks");
    let log = log.to_str().unwrap();
    let (status, words) = ended(&mut spawn(&[("APP_TASK", "migrate"), ("APP_TASK_LOG", log)]));
    assert!(status.success() && words.contains("task migrate done"), "{words}");
    let failed = ended(&mut spawn(&[("APP_TASK", "undo"), ("APP_TASK_LOG", log), ("APP_TASK_FAIL", "1")]));
    assert_eq!(failed.0.code(), Some(1));
    let lines = std::fs::read_to_string(log).unwrap();
    let names: Vec<_> = lines.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["migrate", "undo"]);
}

fn a_wrong_environment_is_told() {
    let (status, words) = ended(&mut spawn(&[("PORT", "many")]));
    assert_eq!(status.code(), Some(2));
    assert!(words.contains("PORT"), "{words}");
}
