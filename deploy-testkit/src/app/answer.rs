//! What the application answers.

use super::settings::Settings;
use super::socket;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    error::Error,
    hint,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, sync::watch, time};

type Answer = Response<Full<Bytes>>;

const VERSION: &str = "x-app-version";
const SLOW: Duration = Duration::from_secs(2);
const CALL: Duration = Duration::from_secs(5);
const LONGEST_BURN: u64 = 10_000;

/// What all connections of an application share.
#[derive(Debug)]
pub(super) struct Answers {
    settings: Settings,
    version: HeaderValue,
    side: Option<HeaderValue>,
    requests: AtomicU64,
}

impl Answers {
    pub(super) fn new(settings: Settings) -> Self {
        let version = HeaderValue::from_str(&settings.version).unwrap_or(HeaderValue::from_static("unknown"));
        let side = settings.side.as_deref().and_then(|side| HeaderValue::from_str(side).ok());
        Self { settings, version, side, requests: AtomicU64::new(0) }
    }

    /// Answers one request. A WebSocket ends when `stop` says so.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        stop: watch::Receiver<bool>,
    ) -> Result<Answer, Infallible> {
        let mut answer = match request.uri().path() {
            "/healthz" => self.health(),
            "/ws" => socket::upgrade(request, stop),
            _ if self.is_to_fail() => text(StatusCode::INTERNAL_SERVER_ERROR, "an error on purpose"),
            "/" => self.greet(),
            "/slow" => {
                time::sleep(SLOW).await;
                self.greet()
            }
            "/call" => self.call(number(&request, "port")).await,
            "/burn" => burn(number(&request, "ms")).await,
            _ => text(StatusCode::NOT_FOUND, "no such page"),
        };
        answer.headers_mut().insert(VERSION, self.version.clone());
        if let Some(side) = &self.side {
            answer.headers_mut().insert("x-app-side", side.clone());
        }
        Ok(answer)
    }

    fn health(&self) -> Answer {
        if self.settings.healthy {
            text(StatusCode::OK, "ok")
        } else {
            text(StatusCode::INTERNAL_SERVER_ERROR, "unhealthy on purpose")
        }
    }

    fn greet(&self) -> Answer {
        text(StatusCode::OK, format!("version {}", self.settings.version))
    }

    fn is_to_fail(&self) -> bool {
        let nth = self.requests.fetch_add(1, Ordering::Relaxed);
        let failed_before = |n: u64| (n as f64 * self.settings.error_percent / 100.0) as u64;
        failed_before(nth + 1) > failed_before(nth)
    }

    async fn call(&self, port: Option<u64>) -> Answer {
        let Some(port) = port.and_then(|port| u16::try_from(port).ok()) else {
            return text(StatusCode::BAD_REQUEST, "say which port: /call?port=N");
        };
        let called = time::timeout(CALL, fetch(port)).await.unwrap_or_else(|_| Err("no answer in time".into()));
        match called {
            Ok((parts, body)) if parts.status.is_success() => {
                callee(&parts, StatusCode::OK, format!("version {}, called {}", self.settings.version, told(&body)))
            }
            Ok((parts, _)) => callee(&parts, StatusCode::BAD_GATEWAY, format!("port {port} answered {}", parts.status)),
            Err(e) => text(StatusCode::BAD_GATEWAY, format!("port {port}: {e}")),
        }
    }
}

/// An answer that bears the version of who was called.
fn callee(parts: &response::Parts, status: StatusCode, words: String) -> Answer {
    let mut answer = text(status, words);
    if let Some(version) = parts.headers.get(VERSION) {
        answer.headers_mut().insert("x-callee-version", version.clone());
    }
    answer
}

fn told(body: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(body)
}

async fn fetch(port: u16) -> Result<(response::Parts, Bytes), Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/").header(header::HOST, format!("127.0.0.1:{port}"));
    let request = request.header(header::CONNECTION, "close").body(Empty::<Bytes>::new())?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    Ok((parts, body.collect().await?.to_bytes()))
}

async fn burn(ms: Option<u64>) -> Answer {
    let span = Duration::from_millis(ms.unwrap_or_default().min(LONGEST_BURN));
    let work = move || {
        let began = Instant::now();
        while began.elapsed() < span {
            hint::spin_loop();
        }
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(()) => text(StatusCode::OK, "burnt"),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "not burnt"),
    }
}

fn number(request: &Request<Incoming>, key: &str) -> Option<u64> {
    let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(name, _)| *name == key).and_then(|(_, value)| value.parse().ok())
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
}
