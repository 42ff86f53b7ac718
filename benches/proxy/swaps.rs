//! Ten blue-green swaps under load: what is lost.

use crate::peer::{HOW, Kind, Peer, member, side, track, upstreams, write_nginx};
use deploy_benches::{Goal, Row, Table};
use deploy_core::{Router, Split, Spread};
use deploy_testkit::app::{App, Settings};
use deploy_testkit::load::Load;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

const SWAPS: usize = 10;
/// How long a swap waits for requests to end before the old instance is stopped: the slow ones take 2 s.
const DRAIN: Duration = Duration::from_secs(3);

pub(crate) async fn rows(program: &Path) -> Table {
    let mut table = Table::default();
    for kind in [Kind::Ours, Kind::Nginx, Kind::Haproxy] {
        let how = match kind {
            Kind::Nginx => "nginx reload",
            Kind::Haproxy => "HAProxy's runtime API",
            _ => "ours",
        };
        let goal = if kind == Kind::Ours { Goal::AtMost(0.0) } else { Goal::Told };
        let what = format!("proxy: lost in {SWAPS} blue-green swaps, {how}");
        table.push(match swap_all(kind, program).await {
            Some((lost, note)) => Row::new(what, goal, lost as f64, "").note(note),
            None => Row::not_run(what, goal, "", HOW),
        });
    }
    table
}

async fn swap_all(kind: Kind, program: &Path) -> Option<(u64, String)> {
    let mut old = app(1).await;
    let idle = app(0).await;
    let ports = [old.address().port(), idle.address().port()];
    let peer = kind.start(program, ports).await?;
    set_up(kind, &peer, ports[0]).await;
    let running = Load::to(format!("127.0.0.1:{}", peer.port)).rate(500).start().unwrap();
    sleep(Duration::from_secs(1)).await;
    for number in 2..SWAPS + 2 {
        let new = app(number).await;
        let ports = [old.address().port(), new.address().port()];
        match kind {
            Kind::Ours => swap_ours(&peer, number, ports).await,
            Kind::Nginx => swap_nginx(&peer, ports[1]).await,
            _ => swap_haproxy(&peer, number, ports[1]).await,
        }
        old.stop().await.unwrap();
        old = new;
    }
    sleep(Duration::from_secs(1)).await;
    let report = running.stop().await;
    let total = report.total();
    let mut note = format!("of {} sent, {} reused idle connections closed", total.sent, total.reused_closed);
    if let Some(loss) = total.losses.first() {
        note += &format!("; first: {}", loss.what);
    }
    Some((total.lost, note))
}

async fn app(number: usize) -> App {
    App::start(Settings::new(format!("v{number}"))).await.unwrap()
}

/// One instance serves, however the proxy was started.
async fn set_up(kind: Kind, peer: &Peer, port: u16) {
    match kind {
        Kind::Ours => {
            let spread = Spread::Split { from: side(1), to: None, split: Split::percent(0) };
            peer.apply(2, spread, vec![member(port, side(1).unwrap(), false)]).await;
        }
        Kind::Nginx => reload(peer, port),
        _ => drop(ask(peer, "set server app/b state maint").await),
    }
    sleep(Duration::from_millis(500)).await;
}

async fn swap_ours(peer: &Peer, number: usize, ports: [u16; 2]) {
    let (from, to) = (side(number - 1), side(number));
    let members =
        |drains| vec![member(ports[0], from.clone().unwrap(), drains), member(ports[1], to.clone().unwrap(), false)];
    let split = |percent| Spread::Split { from: from.clone(), to: to.clone(), split: Split::percent(percent) };
    let generation = number as u64 * 10;
    peer.apply(generation, split(0), members(false)).await;
    peer.apply(generation + 1, split(100), members(false)).await;
    peer.apply(generation + 2, split(100), members(true)).await;
    // The WebSocket stays until its instance says goodbye.
    let limit = Instant::now() + DRAIN;
    while Instant::now() < limit && in_flight(peer, ports[0]).await > 1 {
        sleep(Duration::from_millis(20)).await;
    }
}

async fn in_flight(peer: &Peer, port: u16) -> u64 {
    let seen = peer.client().observe(&track()).await.unwrap();
    let address = format!("127.0.0.1:{port}");
    let old = seen.members.iter().find(|routed| routed.member.address == address);
    old.and_then(|routed| routed.in_flight).unwrap_or_default()
}

fn reload(peer: &Peer, port: u16) {
    let folder = peer.folder.path();
    write_nginx(folder, peer.port, &upstreams(&[port]));
    let pid = std::fs::read_to_string(folder.join("pid")).unwrap();
    assert!(Command::new("kill").args(["-HUP", pid.trim()]).status().unwrap().success());
}

async fn swap_nginx(peer: &Peer, port: u16) {
    reload(peer, port);
    sleep(DRAIN).await;
}

async fn swap_haproxy(peer: &Peer, number: usize, port: u16) {
    let (old, new) = if number.is_multiple_of(2) { ("a", "b") } else { ("b", "a") };
    ask(peer, &format!("set server app/{new} addr 127.0.0.1 port {port}")).await;
    ask(peer, &format!("set server app/{new} state ready")).await;
    ask(peer, &format!("set server app/{old} state drain")).await;
    let limit = Instant::now() + DRAIN;
    while Instant::now() < limit && sessions(peer, old).await > 1 {
        sleep(Duration::from_millis(20)).await;
    }
    ask(peer, &format!("set server app/{old} state maint")).await;
}

/// Says a line on the runtime API's socket.
async fn ask(peer: &Peer, line: &str) -> String {
    let mut socket = UnixStream::connect(peer.folder.path().join("admin.sock")).await.unwrap();
    socket.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The sessions on a server: the fifth column of its line.
async fn sessions(peer: &Peer, server: &str) -> u64 {
    let stat = ask(peer, "show stat").await;
    let line = stat.lines().find(|line| line.starts_with(&format!("app,{server},"))).unwrap_or_default();
    line.split(',').nth(4).and_then(|number| number.parse().ok()).unwrap_or_default()
}
