//! An instance that a router can send requests to, and a client of the router.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// No answer of a router may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that answers each connection once, with its name. `/held` is answered when it is let go.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    hits: Arc<AtomicU64>,
    gate: Arc<Semaphore>,
    serving: JoinHandle<()>,
}

impl Backend {
    pub(super) async fn start(name: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (hits, gate) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let (counted, held) = (Arc::clone(&hits), Arc::clone(&gate));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, name, Arc::clone(&counted), Arc::clone(&held)));
            }
        });
        Ok(Self { address, hits, gate, serving })
    }

    /// Requests that reached it.
    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    /// Answers one that is held.
    pub(super) fn let_go(&self) {
        self.gate.add_permits(1);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut stream: TcpStream, name: &str, hits: Arc<AtomicU64>, gate: Arc<Semaphore>) -> io::Result<()> {
    let head = head(&mut stream).await?;
    if head.is_empty() {
        return Ok(());
    }
    hits.fetch_add(1, Ordering::SeqCst);
    if head.starts_with("GET /held ") {
        let permit = gate.acquire().await;
        permit.into_iter().for_each(tokio::sync::SemaphorePermit::forget);
    }
    let length = name.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{name}");
    stream.write_all(answer.as_bytes()).await
}

async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let (mut seen, mut part) = (Vec::new(), [0; 1024]);
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part).await? {
            0 => break,
            read => seen.extend_from_slice(&part[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&seen).into_owned())
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `name=value` of a cookie that was given.
    pub(super) cookie: Option<String>,
    pub(super) body: String,
}

/// Asks once on a connection of its own. No answer, and one that breaks off, is an error.
pub(super) async fn ask(address: &str, path: &str, header: Option<&str>) -> io::Result<Answer> {
    let header = header.map(|header| format!("{header}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{header}connection: close\r\n\r\n");
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok::<_, io::Error>(text)
    };
    let text = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    read(&text).ok_or_else(|| io::Error::other(format!("no whole answer: {text:?}")))
}

fn read(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let value = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let whole = value("content-length").is_none_or(|length| length.parse() == Ok(body.len()));
    let cookie = value("set-cookie").and_then(|cookie| Some(cookie.split(';').next()?.to_owned()));
    whole.then(|| Answer { status, cookie, body: body.to_owned() })
}
