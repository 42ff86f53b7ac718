//! The judge by thresholds and the gate that asks over HTTP, held to their contracts.
#![allow(clippy::unwrap_used, reason = "tests")]

use deploy_core::{Figures, Gate, GateSpec, Result as Told, Sample, Share};
use deploy_engine::{ThresholdJudge, WebhookGate};
use deploy_testkit::conformance::{self, Failure};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

fn sample(requests: u64, errors: u64, p99: u64) -> Sample {
    let p99 = Some(Duration::from_millis(p99));
    let figures = |errors| Some(Figures { requests, errors, p99, ..Figures::default() });
    Sample { stable: figures(0), candidate: figures(errors) }
}

#[tokio::test]
async fn the_judge_by_thresholds_does_what_every_judge_does() -> Result<(), Failure> {
    let all = ThresholdJudge {
        max_error_rate_increase: Some(Share::percent(1)),
        max_p99: Some(Duration::from_millis(500)),
        ..ThresholdJudge::default()
    };
    for judge in [ThresholdJudge::default(), all] {
        let suite = conformance::Judge::new(move || Arc::new(judge.clone()));
        let passed = suite.passes(sample(50, 0, 100)).fails(sample(50, 10, 100)).run().await?;
        assert_eq!(passed.left_out, [], "{passed}");
    }
    Ok(())
}

/// Who decides, at a URL: says the same to everybody, or nothing at all.
struct Who {
    says: Arc<Mutex<Option<&'static str>>>,
    serving: JoinHandle<()>,
}

impl Drop for Who {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut stream: TcpStream, says: Option<&'static str>) -> std::io::Result<()> {
    let mut asked = [0; 4096];
    while stream.read(&mut asked).await? == asked.len() {}
    let Some(body) = says else { return std::future::pending().await };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

type Asked<K> = Told<(Arc<dyn Gate>, GateSpec, K)>;

fn gate<K>(url: &str, keep: K) -> Asked<K> {
    let gate = WebhookGate::new(url)?.timeout(Duration::from_millis(300));
    Ok((Arc::new(gate), GateSpec { kind: "hook".into(), ..GateSpec::approval("window".parse()?) }, keep))
}

async fn who(first: Option<&'static str>) -> Asked<Who> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let says = Arc::new(Mutex::new(first));
    let told = says.clone();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let says = *told.lock().unwrap();
            tokio::spawn(answer(stream, says));
        }
    });
    gate(&url, Who { says, serving })
}

const OPEN: &str = r#"{"decision":"open"}"#;

#[tokio::test]
async fn the_gate_that_asks_over_http_does_what_every_gate_does() -> Result<(), Failure> {
    let decides = || async {
        let (gate, spec, who) = who(Some(r#"{"decision":"waiting"}"#)).await?;
        let decide = async move {
            *who.says.lock().unwrap() = Some(OPEN);
            who
        };
        Ok((gate, spec, decide))
    };
    let suite = || {
        conformance::Gate::new(|| who(Some(OPEN)))
            .closed(|| who(Some(r#"{"decision":"closed"}"#)))
            .decides(decides)
            .silent(|| who(None))
    };
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let passed = suite().unreachable(move || async move { gate(&format!("http://{nobody}/hook"), ()) }).run().await?;
    assert_eq!(passed.left_out, [], "{passed}");
    let passed = suite().unreachable(|| who(Some("makes no sense"))).run().await?;
    assert_eq!(passed.left_out, [], "{passed}");
    Ok(())
}
