//! The WebSocket that counts its echoes.

use super::{
    book::Book,
    connection::{Target, words},
    report::ClientKind,
    running::told,
    schedule::Sort,
    verdict::{Answer, Verdict},
};
use futures::{SinkExt, StreamExt};
use http::header;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, sync::watch, time};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::CloseFrame},
};

/// How often a message is sent, and a failed handshake tried again.
const EVERY: Duration = Duration::from_millis(100);

/// How long the last words of a close may take.
const GOODBYE: Duration = Duration::from_millis(100);

type Stream = WebSocketStream<TcpStream>;

/// One WebSocket through all its connections.
pub(super) struct Socket {
    book: Arc<Book>,
    target: Arc<Target>,
    path: String,
    pending: Pending,
    connections: u64,
}

/// Messages without an echo, by number, with when they were first sent.
#[derive(Debug, Default)]
struct Pending {
    next: u64,
    sent: BTreeMap<u64, Instant>,
}

impl Pending {
    fn send(&mut self, now: Instant) -> u64 {
        self.next += 1;
        self.sent.insert(self.next, now);
        self.next
    }

    fn answered(&mut self, echo: &str) -> bool {
        echo.parse().is_ok_and(|number: u64| self.sent.remove(&number).is_some())
    }

    fn oldest(&self) -> Option<Instant> {
        self.sent.values().min().copied()
    }
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Stopped,
    Told,
    Lost(String),
}

impl Socket {
    pub(super) fn new(book: Arc<Book>, target: Arc<Target>, path: String) -> Self {
        Self { book, target, path, pending: Pending::default(), connections: 0 }
    }

    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() || !self.pending.sent.is_empty() {
            match self.connect().await {
                Some(stream) => match self.live(stream, &mut stop).await {
                    End::Stopped => return,
                    End::Told => {}
                    End::Lost(what) => self.lost(what),
                },
                None => time::sleep(EVERY).await,
            }
            if self.pending.oldest().is_some_and(|oldest| oldest.elapsed() > self.target.timeout) {
                self.lost(self.unanswered());
            }
        }
    }

    fn lost(&mut self, what: String) {
        self.pending.sent.clear();
        self.book.lost(self.book.page(), ClientKind::WebSocket, what);
    }

    async fn connect(&mut self) -> Option<Stream> {
        let failed = match time::timeout(self.target.timeout, self.handshake()).await {
            Ok(Ok(stream)) => {
                self.connections += 1;
                let again = u64::from(self.connections > 1);
                self.book.sockets(|figures| {
                    figures.connected += 1;
                    figures.reconnected += again;
                });
                return Some(stream);
            }
            Ok(Err(Refused::ByRelease)) => return self.refused(),
            Ok(Err(Refused::Lost(what))) => what,
            Err(_) => format!("no handshake within {:?}", self.target.timeout),
        };
        self.lost(format!("{}: {failed}", self.path));
        None
    }

    fn refused(&self) -> Option<Stream> {
        self.book.own_error();
        None
    }

    async fn handshake(&self) -> Result<Stream, Refused> {
        let stream = self.target.connect().await.map_err(Refused::Lost)?;
        let host = self.target.host.to_str().unwrap_or_default();
        let request = format!("ws://{host}{}", self.path).into_client_request();
        let mut request = request.map_err(|e| Refused::Lost(words(&e)))?;
        request.headers_mut().insert(header::HOST, self.target.host.clone());
        request.headers_mut().extend(self.target.headers.clone());
        match client_async(request, stream).await {
            Ok((stream, _)) => Ok(stream),
            Err(e) => Err(self.judge(&e)),
        }
    }

    fn judge(&self, error: &tungstenite::Error) -> Refused {
        if let tungstenite::Error::Http(response) = error {
            let answer = Answer::of(response, &self.target.marks);
            if answer.verdict(Sort::Quick) == Verdict::OwnError {
                return Refused::ByRelease;
            }
            return Refused::Lost(format!("the handshake was answered {}", answer.status));
        }
        Refused::Lost(format!("the handshake failed: {}", words(error)))
    }

    /// Sends and receives until the connection ends or, once told to stop, until nothing is unanswered.
    async fn live(&mut self, mut stream: Stream, stop: &mut watch::Receiver<bool>) -> End {
        if let Err(end) = self.resend(&mut stream).await {
            return end;
        }
        let mut tick = time::interval(EVERY);
        tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            let stopping = *stop.borrow();
            if stopping && self.pending.sent.is_empty() {
                let _ = time::timeout(GOODBYE, stream.close(None)).await;
                return End::Stopped;
            }
            let next = tokio::select! {
                biased;
                received = stream.next() => self.heard(received),
                _ = tick.tick(), if !stopping => self.send(&mut stream).await.err(),
                () = time::sleep_until(self.deadline().into()) => Some(End::Lost(self.unanswered())),
                () = told(stop), if !stopping => None,
            };
            if let Some(end) = next {
                let _ = time::timeout(GOODBYE, stream.flush()).await;
                return end;
            }
        }
    }

    /// When the oldest message without an echo is lost.
    fn deadline(&self) -> Instant {
        self.pending.oldest().unwrap_or_else(Instant::now) + self.target.timeout
    }

    fn heard(&mut self, received: Option<Result<Message, tungstenite::Error>>) -> Option<End> {
        match received {
            Some(Ok(message)) => self.received(&message),
            Some(Err(e)) => Some(End::Lost(format!("ended without a close frame: {}", words(&e)))),
            None => Some(End::Lost("ended without a close frame".into())),
        }
    }

    fn received(&mut self, message: &Message) -> Option<End> {
        match message {
            Message::Text(echo) if self.pending.answered(echo) => {
                self.book.sockets(|figures| figures.answered += 1);
                None
            }
            Message::Close(frame) => Some(closed(frame.as_ref())),
            _ => None,
        }
    }

    async fn send(&mut self, stream: &mut Stream) -> Result<(), End> {
        let number = self.pending.send(Instant::now());
        self.book.sockets(|figures| figures.messages += 1);
        self.put(stream, number).await
    }

    async fn resend(&mut self, stream: &mut Stream) -> Result<(), End> {
        for number in self.pending.sent.keys().copied().collect::<Vec<_>>() {
            self.book.sockets(|figures| figures.resent += 1);
            self.put(stream, number).await?;
        }
        Ok(())
    }

    async fn put(&mut self, stream: &mut Stream, number: u64) -> Result<(), End> {
        match time::timeout(self.target.timeout, stream.send(Message::text(number.to_string()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(self.last_words(stream, words(&e)).await),
            Err(_) => Err(End::Lost(self.unanswered())),
        }
    }

    /// Reads what came before a failed send: there may be a close frame.
    async fn last_words(&mut self, stream: &mut Stream, failed: String) -> End {
        let within = self.target.timeout;
        let read = async {
            while let Some(Ok(message)) = stream.next().await {
                if let Some(end) = self.received(&message) {
                    return Some(end);
                }
            }
            None
        };
        let end = time::timeout(within, read).await.ok().flatten();
        end.unwrap_or_else(|| End::Lost(format!("ended without a close frame: {failed}")))
    }

    fn unanswered(&self) -> String {
        format!("a message was unanswered for {:?}", self.target.timeout)
    }
}

enum Refused {
    ByRelease,
    Lost(String),
}

/// 1000 is a normal end, 1001 an instance that goes away, 1012 one that restarts (RFC 6455, section 7.4; IANA).
fn closed(frame: Option<&CloseFrame>) -> End {
    match frame.map(|frame| (u16::from(frame.code), frame)) {
        None | Some((1000 | 1001 | 1012, _)) => End::Told,
        Some((code, frame)) => End::Lost(format!("closed with {code} {:?}", frame.reason.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_echo_of_a_pending_message_answers_it() {
        let mut pending = Pending::default();
        let number = pending.send(Instant::now());
        assert!(!pending.answered("hello"));
        assert!(!pending.answered("99"));
        assert!(pending.answered(&number.to_string()));
        assert!(!pending.answered(&number.to_string()));
        assert_eq!(pending.oldest(), None);
    }

    #[test]
    fn a_close_for_a_failure_is_a_loss() {
        let frame = |code: u16| CloseFrame { code: code.into(), reason: "".into() };
        assert_eq!(closed(None), End::Told);
        assert_eq!(closed(Some(&frame(1001))), End::Told);
        assert!(matches!(closed(Some(&frame(1011))), End::Lost(_)));
    }
}
