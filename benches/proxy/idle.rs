//! Memory with a thousand clients that keep their connections and ask nothing.

use crate::peer::{HOW, Kind, instances};
use deploy_benches::{Goal, Row, Table};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CLIENTS: usize = 1_000;

pub(crate) async fn rows(program: &Path) -> Table {
    let mut table = Table::default();
    let instances = instances().await;
    for kind in [Kind::Ours, Kind::Nginx, Kind::Haproxy, Kind::Kamal] {
        let goal = if kind == Kind::Ours { Goal::Below(30.0) } else { Goal::Told };
        let what = format!("proxy: memory with 1,000 idle clients, {}", kind.name());
        let Some((_, _, ports)) = &instances else {
            table.push(Row::not_run(what, goal, " MiB", format!("nginx: {HOW}")));
            continue;
        };
        let Some(peer) = kind.start(program, *ports).await else {
            table.push(Row::not_run(what, goal, " MiB", HOW));
            continue;
        };
        let before = peer.process.resident();
        let clients = connect(peer.port).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let note = format!("{before:.1} MiB without clients");
        table.push(Row::new(what, goal, peer.process.resident(), " MiB").note(note));
        drop(clients);
    }
    table
}

/// Each asks once, and keeps its connection.
async fn connect(port: u16) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
        let mut answer = [0; 4_096];
        assert!(client.read(&mut answer).await.unwrap() > 12 && answer.starts_with(b"HTTP/1.1 200"));
        clients.push(client);
    }
    clients
}
