//! Layers, webhooks and the judge by thresholds.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use async_trait::async_trait;
use common::{Tiny, builder, memory, name, revision, rolling};
use deploy_core::{
    Actor, Capabilities, Decision, Deployer, Error, Event, Figures, Gate, GateAsk, GateSpec, Judge, JudgeState, Kind,
    Notifier, Observed, Order, Request, Result, Sample, Share, Status, Store as _, Token, TrackRef, Turn, Verdict,
    What,
};
use deploy_engine::{
    Audit, AuditEntry, AuditSink, DryRun, Limit, Operation, Retry, ThresholdJudge, Timeout, Timeouts, WebhookGate,
    WebhookNotifier,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn track() -> TrackRef {
    "shop/production/web@here".parse().unwrap()
}

/// Fails so often before it answers; each call takes a while.
#[derive(Debug, Default)]
struct Flaky {
    failures: u32,
    kind: Option<Kind>,
    calls: AtomicU32,
    at_once: AtomicU32,
    most: AtomicU32,
    takes: Duration,
}

impl Flaky {
    async fn call(&self) -> Result<()> {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        let failed = self.calls.fetch_add(1, Ordering::SeqCst) < self.failures;
        if failed { Err(Error::new(self.kind.unwrap_or(Kind::Unavailable), "not now")) } else { Ok(()) }
    }
}

#[async_trait]
impl Deployer for Flaky {
    async fn capabilities(&self, _track: &TrackRef) -> Result<Capabilities> {
        self.call().await.map(|()| Capabilities::all())
    }

    async fn observe(&self, _track: &TrackRef) -> Result<Observed> {
        self.call().await.map(|()| Observed::default())
    }

    async fn converge(&self, _order: &Order<'_>) -> Result<Turn> {
        self.call().await.map(|()| Turn::default())
    }

    async fn fence(&self, _track: &TrackRef, token: Token) -> Result<Token> {
        self.call().await.map(|()| token)
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_in_passing_is_asked_again_at_most_three_times() {
    let twice = Arc::new(Flaky { failures: 2, ..Flaky::default() });
    assert!(Retry::new(twice.clone()).observe(&track()).await.is_ok());
    assert_eq!(twice.calls.load(Ordering::SeqCst), 3);
    let often = Arc::new(Flaky { failures: 9, ..Flaky::default() });
    assert!(Retry::new(often.clone()).observe(&track()).await.is_err());
    assert_eq!(often.calls.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_read_is_not_asked_again_after_two_seconds_nor_when_a_person_is_needed_and_a_write_never() {
    let slow = Arc::new(Flaky { failures: 9, takes: Duration::from_secs(3), ..Flaky::default() });
    assert!(Retry::new(slow.clone()).observe(&track()).await.is_err());
    assert_eq!(slow.calls.load(Ordering::SeqCst), 1);
    let denied = Arc::new(Flaky { failures: 9, kind: Some(Kind::Denied), ..Flaky::default() });
    assert!(Retry::new(denied.clone()).observe(&track()).await.is_err());
    assert_eq!(denied.calls.load(Ordering::SeqCst), 1);
    let write = Arc::new(Flaky { failures: 9, ..Flaky::default() });
    assert!(Retry::new(write.clone()).fence(&track(), Token::new(1, 1)).await.is_err());
    assert_eq!(write.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_ended_and_says_so() {
    let slow = Arc::new(Flaky { takes: Duration::from_secs(60), ..Flaky::default() });
    let error = Timeout::new(slow, Timeouts::default()).observe(&track()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert_eq!(error.to_string(), "observe of shop/production/web@here took longer than 10s");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_calls_are_let_through_at_a_time() {
    let slow = Arc::new(Flaky { takes: Duration::from_secs(1), ..Flaky::default() });
    let limit = Limit::new(slow.clone(), 2);
    let track = track();
    futures::future::join_all((0..6).map(|_| limit.observe(&track))).await;
    assert_eq!((slow.most.load(Ordering::SeqCst), slow.calls.load(Ordering::SeqCst)), (2, 6));
}

#[derive(Debug, Clone, Default)]
struct Book(Arc<Mutex<Vec<AuditEntry>>>);

impl AuditSink for Book {
    fn wrote(&self, entry: AuditEntry) {
        self.0.lock().unwrap().push(entry);
    }
}

#[tokio::test(start_paused = true)]
async fn every_write_of_a_deployment_is_audited_with_who_asked_for_it() {
    let (store, tiny, book) = (memory(), Tiny::new(), Book::default());
    let audited = Audit::new(Arc::new(tiny.clone()), Arc::new(book.clone()));
    let engine = builder(&store, &tiny).target("here", audited).build().await.unwrap();
    let id = engine.deploy(("production", &rolling("1"))).by("ann").await.unwrap();
    assert_eq!(engine.wait(&id).await.unwrap().status(), Status::Completed);
    let book = book.0.lock().unwrap();
    assert!(book.iter().all(|entry| entry.actor == Actor::new("ann")), "{book:?}");
    let of = |operation| book.iter().filter(|entry| entry.operation == operation).count();
    let converged = tiny.lock().writes.iter().filter(|(call, ..)| *call == "converge").count();
    assert_eq!((of(Operation::Fence), of(Operation::Prepare), of(Operation::Converge)), (1, 1, converged));
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_says_what_it_would() {
    let tiny = Tiny::new();
    let dry = DryRun::new(Arc::new(tiny.clone()));
    assert_eq!(dry.fence(&track(), Token::new(2, 1)).await.unwrap(), Token::new(2, 1));
    dry.remove(&track(), Token::new(2, 1)).await.unwrap();
    assert!(dry.observe(&track()).await.is_ok());
    assert!(tiny.lock().writes.is_empty());
    let said = ["fence: refuse what is older than 2.1", "remove: forget it"];
    assert_eq!(dry.said(), said.map(|said| format!("{}: {said}", track())));
}

#[tokio::test]
async fn layers_are_deployers_one_around_the_other() {
    let tiny: Arc<dyn Deployer> = Arc::new(Tiny::new());
    let layered: Arc<dyn Deployer> = Arc::new(Retry::new(Arc::new(Limit::new(tiny, 1))));
    assert!(layered.observe(&track()).await.is_ok());
}

/// Answers one request after the other with these bodies; keeps what came.
async fn server(answers: Vec<&'static str>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=hidden", listener.local_addr().unwrap());
    let came = Arc::new(Mutex::new(Vec::new()));
    let kept = came.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            kept.lock().unwrap().push(request);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, came)
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        request.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if read == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

fn ask() -> GateAsk {
    let gate = GateSpec { kind: "hook".into(), ..GateSpec::approval(name("window")) };
    GateAsk { key: "d1/before/window".into(), deployment: "d1".into(), track: Some(track()), gate }
}

#[tokio::test]
async fn a_webhook_decides_a_gate_and_what_is_no_decision_is_an_error() {
    let closed = r#"{"decision":"closed","reason":"freeze"}"#;
    let answers = vec![r#"{"decision":"waiting"}"#, r#"{"decision":"open"}"#, closed, "yes"];
    let (url, came) = server(answers).await;
    let gate = WebhookGate::new(&url).unwrap().header("authorization", "Bearer hidden").unwrap();
    assert_eq!(gate.ask(&ask()).await.unwrap(), Decision::Waiting);
    assert_eq!(gate.ask(&ask()).await.unwrap(), Decision::Open);
    assert_eq!(gate.ask(&ask()).await.unwrap(), Decision::Closed("freeze".into()));
    assert_eq!(gate.ask(&ask()).await.unwrap_err().kind(), Kind::Unavailable);
    let came = came.lock().unwrap();
    let (head, body) = came[0].split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("authorization: bearer hidden"));
    let body: Value = serde_json::from_str(body).unwrap();
    let track = "shop/production/web@here";
    let expected = json!({
        "key": "d1/before/window", "deployment": "d1", "track": track, "gate": "window", "settings": {},
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_webhook_that_gives_no_answer_is_an_error_that_hides_its_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=hidden", listener.local_addr().unwrap());
    let gate = WebhookGate::new(&url).unwrap().timeout(Duration::from_millis(200));
    let error = gate.ask(&ask()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(!format!("{error:?} {gate:?}").contains("hidden"), "{error:?} {gate:?}");
    assert_eq!(WebhookGate::new("ftp://x").unwrap_err().kind(), Kind::Invalid);
    assert_eq!(WebhookGate::new("x").unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn a_notifier_posts_the_event_without_the_spec() {
    let (url, came) = server(vec!["{}"]).await;
    let store = memory();
    let request = Request::new(rolling("1"), name("production"));
    let deploy_core::Creation::New(record) = store.create(&"d1".into(), &request, &"ann".into()).await.unwrap() else {
        panic!("it is new");
    };
    let at = record.created;
    WebhookNotifier::new(&url).unwrap().notify(&record, &Event { number: 2, at, what: What::Completed }).await.unwrap();
    let came = came.lock().unwrap();
    let body: Value = serde_json::from_str(came[0].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&body["event"], &body["number"]), (&json!("deployment_completed"), &json!(2)));
    assert_eq!(
        (&body["application"], &body["version"], &body["status"]),
        (&json!("shop"), &json!("1"), &json!("pending"))
    );
    assert!(!came[0].contains(&revision(&rolling("1"))) && !came[0].contains("shop/web:1"));
}

fn figures(requests: u64, errors: u64, p95: Option<u64>) -> Option<Figures> {
    Some(Figures { requests, errors, p95: p95.map(Duration::from_millis), ..Figures::default() })
}

#[test]
fn below_its_least_requests_the_judge_proves_nothing_and_adds_intervals_up() {
    let judge = ThresholdJudge { min_requests: 100, ..ThresholdJudge::default() };
    let mut state = JudgeState::Null;
    let sample = Sample { stable: None, candidate: figures(60, 0, None) };
    assert_eq!(judge.fold(&mut state, &sample), Verdict::Unproven("60 of 100 requests of the candidate".into()));
    assert_eq!(judge.fold(&mut state, &Sample::default()).words(), "there are no figures of the candidate");
    assert_eq!(judge.fold(&mut state, &sample), Verdict::Pass);
}

#[test]
fn the_judge_fails_by_error_rate_by_its_increase_and_by_latency() {
    let judge = |settings: Value| ThresholdJudge::from_settings(settings.as_object().unwrap()).unwrap();
    let once = |judge: ThresholdJudge, sample: &Sample| judge.fold(&mut JudgeState::Null, sample).words();
    let sample = Sample { stable: figures(1000, 20, Some(10)), candidate: figures(100, 4, Some(80)) };
    let rate = judge(json!({ "max_error_rate": "2%" }));
    assert_eq!(once(rate, &sample), "4 of 100 requests failed (4.00 %), at most 2.00 %");
    let increase = judge(json!({ "max_error_rate": null, "max_error_rate_increase": "1%" }));
    assert_eq!(
        once(increase, &sample),
        "4.00 % of the candidate's requests failed, 2.00 % of stable's; at most 1.00 % more"
    );
    let late = judge(json!({ "max_error_rate": "5%", "max_p95": "50ms" }));
    assert_eq!(once(late, &sample), "the 95th percentile is 80ms, at most 50ms");
    let unmeasured = judge(json!({ "max_error_rate": "5%", "max_p99": "50ms" }));
    assert_eq!(once(unmeasured, &sample), "nobody measured the 99th percentile of the latency");
    let fits = judge(json!({ "max_error_rate": "5%", "max_error_rate_increase": "3%", "max_p95": "100ms" }));
    assert_eq!(once(fits, &sample), "pass");
    let unknown = ThresholdJudge::from_settings(json!({ "max_errors": 1 }).as_object().unwrap()).unwrap_err();
    assert!(unknown.to_string().contains("unknown field `max_errors`"), "{unknown}");
    assert_eq!(ThresholdJudge::default().max_error_rate, Some(Share::percent(1)));
}

trait Words {
    fn words(self) -> String;
}

impl Words for Verdict {
    fn words(self) -> String {
        match self {
            Verdict::Pass => "pass".into(),
            Verdict::Fail(words) | Verdict::Unproven(words) => words,
        }
    }
}
