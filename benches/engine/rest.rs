//! A deployment at rest: it bakes, and nothing is due.

use crate::moves::Ours;
use crate::site::{SURGE, with_settings};
use deploy_benches::{Goal, Row, Table};
use deploy_engine::{Wake, WakeUps};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// So long it is looked at.
const MINUTE: Duration = Duration::from_secs(60);
/// So many looks are stated: one every 30 s.
const STATED: u64 = 2;

pub(crate) async fn rows() -> Table {
    let ours = Ours::new().await;
    let settings = json!({ "max_surge": SURGE, "bake": "10m" });
    let release = ours.site.release("v2", with_settings("rolling", &settings));
    let id = ours.engine.deploy(("bench", &release)).by("bench").await.unwrap();
    let settled = || async {
        let before = ours.engine.wake_ups(&id).all();
        sleep(Duration::from_secs(5)).await;
        ours.engine.wake_ups(&id).all() == before
    };
    while !settled().await {}
    let before = ours.engine.wake_ups(&id);
    sleep(MINUTE).await;
    let woken = ours.engine.wake_ups(&id);
    ours.engine.shutdown().await;
    ours.site.close().await;
    let mut table = Table::default();
    let what = "engine: wake-ups in a minute at rest, but for the look every 30 s";
    table.push(Row::new(what, Goal::AtMost(0.0), beyond(&before, &woken) as f64, "").note(words(&before, &woken)));
    table
}

/// All but the looks that are stated.
fn beyond(before: &WakeUps, woken: &WakeUps) -> u64 {
    let periodic = woken.by(Wake::Periodic) - before.by(Wake::Periodic);
    woken.all() - before.all() - periodic.min(STATED)
}

fn words(before: &WakeUps, woken: &WakeUps) -> String {
    let since = woken.iter().map(|(cause, often)| (cause, often - before.by(cause)));
    let words = since.filter(|(_, often)| *often > 0).map(|(cause, often)| format!("{} {often}", cause.name()));
    format!("10 processes bake, each is asked every 50 ms; {}", words.collect::<Vec<_>>().join(", "))
}
