//! What the quick requests notice of switches between sides that are both up.

use crate::peer::{Kind, Peer, side};
use deploy_benches::{Goal, Row, Table, median};
use deploy_core::{Split, Spread};
use deploy_testkit::app::{App, Settings};
use deploy_testkit::load::{Load, Report};
use std::path::Path;
use std::time::Duration;

const TURNS: usize = 5;
/// Of each section.
const SPAN: Duration = Duration::from_secs(3);
const SWITCHES: u32 = 10;
const WHAT: &str = "proxy: p99 of quick requests while sides are switched, to quiet";

pub(crate) async fn rows(program: &Path) -> Table {
    let apps = [App::start(Settings::new("v1")).await.unwrap(), App::start(Settings::new("v2")).await.unwrap()];
    let ports = [apps[0].address().port(), apps[1].address().port()];
    let peer = Kind::Ours.start(program, ports).await.unwrap();
    let report = run(&peer, ports).await;
    let p99 = |name: String| report.section(&name).unwrap().latency_from_send.p99().as_secs_f64() * 1e3;
    let quiet: Vec<_> = (0..TURNS).map(|turn| p99(format!("quiet {turn}"))).collect();
    let switch: Vec<_> = (0..TURNS).map(|turn| p99(format!("switch {turn}"))).collect();
    let ratios = switch.iter().zip(&quiet).map(|(switch, quiet)| switch / quiet).collect();
    let note = format!("{:.2} ms to {:.2} ms, a switch every 300 ms", median(switch), median(quiet));
    let total = report.total();
    let mut table = Table::default();
    table.push(Row::new(WHAT, Goal::AtMost(1.2), median(ratios), "x").note(note));
    let note = format!("of {} sent", total.sent);
    table.push(Row::new("proxy: lost while sides are switched", Goal::AtMost(0.0), total.lost as f64, "").note(note));
    table
}

async fn run(peer: &Peer, ports: [u16; 2]) -> Report {
    let running = Load::to(format!("127.0.0.1:{}", peer.port)).rate(500).start().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut generation = 1;
    for turn in 0..TURNS {
        running.mark(format!("quiet {turn}"));
        tokio::time::sleep(SPAN).await;
        running.mark(format!("switch {turn}"));
        for _ in 0..SWITCHES {
            generation += 1;
            let split = Split::percent(if generation % 2 == 0 { 100 } else { 0 });
            peer.tell(generation, Spread::Split { from: side(1), to: side(2), split }, ports).await;
            tokio::time::sleep(SPAN / SWITCHES).await;
        }
    }
    running.stop().await
}
