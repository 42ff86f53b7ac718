//! Tiny servers and targets.

use deploy_core::{Check, Health, HttpCheck, Place, Probe, ProbeTarget, Result, RevisionId, Side};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Serves one request on each connection with what `answer` makes of its head.
pub async fn serve(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer(&head(&mut stream).await);
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut part = [0; 1024];
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => break,
            Ok(read) => seen.extend_from_slice(&part[..read]),
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// An address at which nobody listens, nor will while the test runs.
pub fn nobody() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}

pub fn target(address: &impl ToString) -> ProbeTarget {
    ProbeTarget {
        instance: "web-1".into(),
        side: Side { revision: RevisionId::new("r1"), place: Place::Home },
        address: Some(address.to_string()),
        ports: [("admin".to_owned(), address.to_string())].into(),
        running: true,
        versions: vec!["2.0.0".into(), "r1".into()],
    }
}

/// Bounded generously, for a slow machine.
pub fn probe(check: Check) -> Probe {
    let mut probe = Probe::new(check);
    probe.timing.timeout = Duration::from_secs(20);
    probe
}

pub async fn ask(check: Check, target: &ProbeTarget) -> Result<Health> {
    deploy_health::check(&probe(check))?.probe(target).await
}

pub fn http(change: impl FnOnce(&mut HttpCheck)) -> Check {
    let mut check = HttpCheck::default();
    change(&mut check);
    Check::Http(check)
}
