//! Requests per second, CPU and the slowest hundredth, under 64 keep-alive clients.

use crate::LOAD_CORE;
use crate::peer::{HOW, Kind, Peer, instances};
use crate::process::{find, pinned};
use deploy_benches::{Goal, Row, Table, median};
use std::path::Path;

const TURNS: usize = 5;
/// Of each turn.
const SECONDS: &str = "3s";

/// What one turn gave.
#[derive(Debug, Clone, Copy)]
struct Figures {
    per_second: f64,
    micros: f64,
    p99_ms: f64,
    failed: u64,
}

/// A comparison: what, the goal against nginx, and the figure.
type Compared = (&'static str, Goal, fn(&Figures) -> f64);

const WHAT: [Compared; 3] = [
    ("requests/s", Goal::AtLeast(0.9), |figures| figures.per_second),
    ("CPU per request", Goal::AtMost(1.15), |figures| figures.micros),
    ("p99", Goal::AtMost(1.2), |figures| figures.p99_ms),
];

pub(crate) async fn rows(program: &Path) -> Table {
    let mut table = Table::default();
    let (Some(_), Some((_process, _folder, ports))) = (find("wrk"), instances().await) else {
        for (what, goal, _) in WHAT {
            table.push(Row::not_run(format!("proxy: {what}, to nginx"), goal, "x", format!("wrk or nginx: {HOW}")));
        }
        return table;
    };
    let mut peers = Vec::new();
    for kind in [Kind::Ours, Kind::Nginx, Kind::Haproxy, Kind::Kamal] {
        match kind.start(program, ports).await {
            Some(peer) => peers.push((kind, peer, Vec::new())),
            None => table.push(Row::not_run(format!("proxy: speed, to {}", kind.name()), Goal::Told, "x", HOW)),
        }
    }
    for (_, peer, _) in &peers {
        measure(peer, "1s"); // Connections are opened, caches filled.
    }
    for _ in 0..TURNS {
        for (_, peer, turns) in &mut peers {
            turns.push(measure(peer, SECONDS));
        }
    }
    compare(&peers, &mut table);
    table
}

fn compare(peers: &[(Kind, Peer, Vec<Figures>)], table: &mut Table) {
    let Some(((_, _, ours), others)) = peers.split_first() else { return };
    for (kind, _, theirs) in others {
        for (what, goal, figure) in WHAT {
            let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours) / figure(theirs)).collect();
            let middle = |turns: &[Figures]| median(turns.iter().map(figure).collect());
            let goal = if *kind == Kind::Nginx { goal } else { Goal::Told };
            let note = format!("{:.1} to {:.1}", middle(ours), middle(theirs));
            table.push(Row::new(format!("proxy: {what}, to {}", kind.name()), goal, median(ratios), "x").note(note));
        }
    }
    let failed = ours.iter().map(|turn| turn.failed).sum::<u64>() as f64;
    table.push(Row::new("proxy: requests failed at full speed", Goal::AtMost(0.0), failed, ""));
}

fn measure(peer: &Peer, time: &str) -> Figures {
    let before = peer.process.cpu();
    let mut wrk = pinned(LOAD_CORE, find("wrk").unwrap());
    wrk.args(["-t1", "-c64", "--latency", "-d", time, "-H", "cookie: side=0192a", "-H", "user-agent: bench"]);
    let output = wrk.arg(format!("http://127.0.0.1:{}/", peer.port)).output().unwrap();
    let used = peer.process.cpu().saturating_sub(before);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let requests = number(&text, " requests in").unwrap_or(f64::NAN);
    Figures {
        per_second: after(&text, "Requests/sec:").and_then(|word| word.parse().ok()).unwrap_or(f64::NAN),
        micros: used.as_secs_f64() * 1e6 / requests,
        p99_ms: after(&text, "99%").and_then(millis).unwrap_or(f64::NAN),
        failed: failed(&text),
    }
}

/// The number before some words.
fn number(text: &str, words: &str) -> Option<f64> {
    text.split_once(words)?.0.split_whitespace().last()?.parse().ok()
}

/// The word after a name.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_once(name)?.1.split_whitespace().next()
}

fn millis(word: &str) -> Option<f64> {
    let number = word.trim_end_matches(char::is_alphabetic);
    let unit = match &word[number.len()..] {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

/// Answers that are no 2xx, and connections that broke.
fn failed(text: &str) -> u64 {
    let answers = after(text, "Non-2xx or 3xx responses:").and_then(|word| word.parse::<u64>().ok());
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Socket errors:")).unwrap_or_default();
    let broken = line.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
    answers.unwrap_or_default() + broken.sum::<u64>()
}
