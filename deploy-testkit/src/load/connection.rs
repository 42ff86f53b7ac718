//! One connection, and one exchange on it.

use super::verdict::{Answer, Marks};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Version, header};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    error::Error,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// How long after the sending a close of a reused connection still counts as a close of an idle one (500 ms).
pub const IDLE_CLOSE: Duration = Duration::from_millis(500);

/// Where the requests go and what they bear.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) host: HeaderValue,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) marks: Marks,
    pub(super) timeout: Duration,
}

impl Target {
    pub(super) async fn connect(&self) -> Result<TcpStream, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|e| format!("could not connect: {e}"))?;
        stream.set_nodelay(true).map_err(|e| format!("the connection broke at once: {e}"))?;
        Ok(stream)
    }

    fn request(&self, path: &str, wire: &Wire, closes: bool) -> Result<Request<Empty<Bytes>>, String> {
        let mut request = match wire {
            Wire::One(_) => Request::get(path).header(header::HOST, &self.host),
            Wire::Two(_) => Request::get(format!("http://{}{path}", self.host.to_str().unwrap_or_default()))
                .version(Version::HTTP_2),
        };
        if closes {
            request = request.header(header::CONNECTION, "close");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Empty::new()).map_err(|e| format!("the request cannot be: {e}"))
    }
}

enum Wire {
    One(http1::SendRequest<Empty<Bytes>>),
    Two(http2::SendRequest<Empty<Bytes>>),
}

/// Why an exchange failed.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection was closed before the request was sent: it was not sent.
    Unsent,
    /// The server has not begun to answer and may not have seen the request: how a close of an idle connection looks.
    Unseen(String),
    /// The request is lost.
    Lost(String),
}

impl Broken {
    pub(super) fn what(self) -> String {
        match self {
            Self::Unsent => "the connection was closed before the request was sent".into(),
            Self::Unseen(what) | Self::Lost(what) => what,
        }
    }
}

/// A connection on which requests can be sent.
pub(super) struct Connection {
    wire: Wire,
    /// Bytes received so far.
    received: Arc<AtomicU64>,
}

impl Connection {
    pub(super) async fn http1(target: &Target) -> Result<Self, String> {
        let (io, received) = Counted::new(target.connect().await?);
        let (sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(|e| words(&e))?;
        tokio::spawn(connection);
        Ok(Self { wire: Wire::One(sender), received })
    }

    pub(super) async fn http2(target: &Target) -> Result<Self, String> {
        let (io, received) = Counted::new(target.connect().await?);
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(io));
        let (sender, connection) = handshake.await.map_err(|e| words(&e))?;
        tokio::spawn(connection);
        Ok(Self { wire: Wire::Two(sender), received })
    }

    /// Another handle of an HTTP/2 connection; none of an HTTP/1 connection.
    pub(super) fn share(&self) -> Option<Self> {
        match &self.wire {
            Wire::One(_) => None,
            Wire::Two(sender) => Some(Self { wire: Wire::Two(sender.clone()), received: self.received.clone() }),
        }
    }

    /// Whether the next request can be sent on it; false once it is closed.
    pub(super) async fn is_usable(&mut self) -> bool {
        match &mut self.wire {
            Wire::One(sender) => sender.ready().await.is_ok(),
            Wire::Two(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends a request and reads the response to its end.
    pub(super) async fn exchange(&mut self, target: &Target, path: &str, closes: bool) -> Result<Answer, Broken> {
        let request = target.request(path, &self.wire, closes).map_err(Broken::Lost)?;
        let (began, before) = (Instant::now(), self.received.load(Ordering::Relaxed));
        let response = match &mut self.wire {
            Wire::One(sender) => sender.try_send_request(request).await,
            Wire::Two(sender) => sender.try_send_request(request).await,
        };
        let response = response.map_err(|e| self.broken(e, began, before))?;
        let answer = Answer::of(&response, &target.marks);
        read_to_end(response).await.map_err(Broken::Lost)?;
        Ok(answer)
    }

    fn broken(&self, mut failed: TrySendError<Request<Empty<Bytes>>>, began: Instant, before: u64) -> Broken {
        if failed.take_message().is_some() {
            return Broken::Unsent;
        }
        let after = began.elapsed();
        let what = format!("no response, {:.3} s after it was sent: {}", after.as_secs_f64(), words(failed.error()));
        let unseen = match self.wire {
            Wire::One(_) => self.received.load(Ordering::Relaxed) == before && after < IDLE_CLOSE,
            // h2 tells these two apart in words only.
            Wire::Two(_) => what.contains("refused stream") || what.contains("not a result of an error"),
        };
        if unseen { Broken::Unseen(what) } else { Broken::Lost(what) }
    }
}

async fn read_to_end(response: Response<Incoming>) -> Result<(), String> {
    let status = response.status().as_u16();
    let (mut body, mut length) = (response.into_body(), 0);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|e| format!("the response ({status}) broke off after {length} bytes: {}", words(&e)))?;
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(())
}

/// An error and its causes as one line.
pub(super) fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words += &format!(": {cause_words}");
        }
        source = cause.source();
    }
    words
}

/// A stream that counts what it receives.
struct Counted {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

impl Counted {
    fn new(stream: TcpStream) -> (Self, Arc<AtomicU64>) {
        let received = Arc::new(AtomicU64::new(0));
        (Self { stream, received: received.clone() }, received)
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.received.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
