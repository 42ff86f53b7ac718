//! Servers that go wrong in a known way, a known number of times.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test server may end with its test")]

pub mod wrong;

use futures::{SinkExt, StreamExt};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    time,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Reset,
    Close,
    Truncate,
    TruncateChunked,
    Silence,
    Foreign5xx,
    Own5xx,
    /// Closes under the second or a later request of a connection, at once.
    CloseReused,
    /// The same, long after it has read the request.
    CloseReusedLate,
}

/// How many requests a server has taken.
pub type Taken = Arc<AtomicU64>;

/// Serves HTTP/1.1 and does the fault to `times` requests, after the first `after`.
pub async fn faulty(fault: Fault, after: u64, times: u64) -> (SocketAddr, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Taken::default();
    let seen = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, fault, after..after + times, seen.clone()));
        }
    });
    (address, taken)
}

async fn connection(mut stream: TcpStream, fault: Fault, faults: std::ops::Range<u64>, seen: Arc<AtomicU64>) {
    let mut is_first = true;
    while let Some(head) = head(&mut stream).await {
        let counts = !is_first || !matches!(fault, Fault::CloseReused | Fault::CloseReusedLate);
        is_first = false;
        if counts && faults.contains(&seen.fetch_add(1, Ordering::Relaxed)) {
            if !go_wrong(&mut stream, fault).await {
                return;
            }
            continue;
        }
        let written = stream.write_all(b"HTTP/1.1 200 OK\r\nx-app-version: v1\r\ncontent-length: 2\r\n\r\nok").await;
        if written.is_err() || head.contains("connection: close") {
            return;
        }
    }
}

/// Whether the connection is kept.
async fn go_wrong(stream: &mut TcpStream, fault: Fault) -> bool {
    let mut say = async |text: &str| stream.write_all(text.as_bytes()).await.unwrap();
    match fault {
        Fault::Reset => stream.set_zero_linger().unwrap(),
        Fault::Close | Fault::CloseReused => {}
        Fault::CloseReusedLate => time::sleep(Duration::from_millis(1_000)).await,
        Fault::Truncate => say("HTTP/1.1 200 OK\r\nx-app-version: v1\r\ncontent-length: 100\r\n\r\nonly this").await,
        Fault::TruncateChunked => {
            say("HTTP/1.1 200 OK\r\nx-app-version: v1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        }
        Fault::Silence => time::sleep(Duration::from_secs(60)).await,
        Fault::Foreign5xx => say("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await,
        Fault::Own5xx => say("HTTP/1.1 500 Oh\r\nx-app-version: v1\r\ncontent-length: 0\r\n\r\n").await,
    }
    matches!(fault, Fault::Foreign5xx | Fault::Own5xx)
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => head.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).to_lowercase())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketFault {
    /// Ends without a close frame.
    Drop,
    /// Leaves a message unanswered.
    Swallow,
    /// Closes with 1001, with a message unanswered.
    Away,
    /// Closes with 1011.
    Failure,
}

/// Echoes on WebSockets; does the fault on the third message of the first `times` connections.
pub async fn faulty_socket(fault: SocketFault, times: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(echo(stream, (number < times).then_some(fault)));
        }
    });
    address
}

async fn echo(stream: TcpStream, fault: Option<SocketFault>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let mut number = 0;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(_) = &message else { continue };
        number += 1;
        let code = match fault.filter(|_| number == 3) {
            None => {
                let _ = socket.send(message).await;
                continue;
            }
            Some(SocketFault::Drop) => return,
            Some(SocketFault::Swallow) => continue,
            Some(SocketFault::Away) => CloseCode::Away,
            Some(SocketFault::Failure) => CloseCode::Error,
        };
        let _ = socket.close(Some(CloseFrame { code, reason: "".into() })).await;
    }
}

/// Serves HTTP/2 and tells each connection to go away after 50 ms, with streams open.
pub async fn restless() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(restless_connection(stream));
        }
    });
    address
}

async fn restless_connection(stream: TcpStream) {
    let answer = async |_| {
        time::sleep(Duration::from_millis(5)).await;
        http::Response::builder().header("x-app-version", "v1").body(String::from("ok"))
    };
    let service = hyper::service::service_fn(answer);
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = time::sleep(Duration::from_millis(50)) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Forwards each new connection to the address that the sender names at that moment.
pub async fn forwarder(first: SocketAddr) -> (SocketAddr, watch::Sender<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (switch, upstream) = watch::channel(first);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let to = *upstream.borrow();
            tokio::spawn(async move {
                if let Ok(mut server) = TcpStream::connect(to).await {
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    (address, switch)
}

/// Forwards the first connection until it is cut, and later ones for good.
pub async fn cuttable(to: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, is_cut) = watch::channel(false);
    tokio::spawn(async move {
        for number in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut is_cut = is_cut.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    _ = is_cut.wait_for(|cut| *cut), if number == 0 => {}
                }
            });
        }
    });
    (address, cut)
}
