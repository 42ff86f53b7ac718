//! The main job: an application is taken from version to version by every strategy, under load, without losing a request.
//!
//! Needs nothing but Rust: no root, no Docker, no network. Takes under 90 s; exit code 1 when a request was lost.
//!
//! ```text
//! cargo run --example quickstart
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to people")]

mod common;

use comfy_table::Table;
use common::Site;
use deploy::core::Record;
use deploy::prelude::*;
use deploy_testkit::load::{Load, Report, Running};
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(code) = common::role().await {
        return code;
    }
    match demonstrate().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// One deployment of the demonstration.
struct Act {
    title: &'static str,
    version: &'static str,
    strategy: Value,
    env: Vec<(&'static str, &'static str)>,
    ends: Status,
    gap: bool,
}

fn act(title: &'static str, version: &'static str, strategy: Value) -> Act {
    Act { title, version, strategy, env: Vec::new(), ends: Status::Completed, gap: false }
}

fn acts(program: &str) -> Vec<Act> {
    let judge = json!({ "interval": "500ms", "settings": { "max_error_rate": "5%", "min_requests": 5 } });
    let canary = json!({ "canary": { "steps": ["5%", "25%", "50%"], "bake": "1s", "judge": judge } });
    let migration = json!({
        "name": "migrate", "kind": "migration",
        "run": ["/usr/bin/env", "DEPLOY_ROLE=task", "APP_TASK=migrate", program],
    });
    let bad = |title, version, strategy: &Value, env: &[_]| Act {
        env: env.to_vec(),
        ends: Status::RolledBack,
        ..act(title, version, strategy.clone())
    };
    let rolling = json!("rolling");
    vec![
        act("rolling", "v2", json!({ "rolling": { "max_surge": 1 } })),
        act("blue-green", "v3", json!({ "blue_green": { "bake": "1s", "scale_down_delay": "0s" } })),
        act("canary 5/25/50/100, judged", "v4", canary.clone()),
        act(
            "A/B",
            "v5",
            json!({ "ab_test": { "share": "30%", "duration": "2s", "decision": "promote", "scale_down_delay": "0s" } }),
        ),
        Act { gap: true, ..act("recreate, with a migration", "v6", json!({ "recreate": { "between": [migration] } })) },
        bad(
            "fails its health check",
            "v7",
            &json!({ "rolling": { "progress_deadline": "4s" } }),
            &[("APP_HEALTHY", "false")],
        ),
        bad("answers errors: judged", "v8", &canary, &[("APP_ERROR_PERCENT", "50")]),
        bad("crashes at start", "v9", &rolling, &[("APP_CRASH_AFTER_MS", "0")]),
    ]
}

async fn demonstrate() -> Result<bool> {
    let site = Site::new("quickstart").await?;
    let engine = site.engine().await?;
    println!("v1 comes up in 3 processes behind the proxy on http://{}", site.address());
    let first = deploy(&engine, &site.release("v1", json!("rolling"), &[])?).await?;
    if first.status() != Status::Completed {
        return Err(Error::new(
            Kind::Unavailable,
            format!("v1 did not come up: {}", first.reason().unwrap_or_default()),
        ));
    }
    let load = Load::to(site.address()).start()?;
    let program = std::env::current_exe().unwrap_or_default();
    let acts = acts(&program.to_string_lossy());
    let mut ends = Vec::new();
    for act in &acts {
        ends.push(play(&engine, &site, &load, act).await?);
    }
    load.mark("afterwards");
    let report = load.stop().await;
    engine.shutdown().await;
    site.close().await?;
    Ok(judge(&acts, &ends, &report))
}

/// How a deployment ended, and how long it took.
struct End {
    record: Record,
    took: Duration,
}

async fn play(engine: &Engine, site: &Site, load: &Running, act: &Act) -> Result<End> {
    if act.gap {
        load.mark_gap(act.title);
    } else {
        load.mark(act.title);
    }
    let began = Instant::now();
    let record = deploy(engine, &site.release(act.version, act.strategy.clone(), &act.env)?).await?;
    Ok(End { record, took: began.elapsed() })
}

/// Deploys, and shows the progress of each workload until the end.
async fn deploy(engine: &Engine, release: &Release) -> Result<Record> {
    let id = engine.deploy(("demo", release)).by("quickstart").await?;
    let bar = ProgressBar::new(100);
    if let Ok(style) = ProgressStyle::with_template("  web {bar:30} {percent:>3} % {msg}") {
        bar.set_style(style);
    }
    let mut events = engine.watch(&id, 0);
    while let Some(event) = events.next().await {
        let record = engine.get(&id).await?;
        bar.set_position(u64::from(record.progress));
        bar.set_message(format!("{} {}", release.version(), event?.what.name()));
    }
    let record = engine.wait(&id).await?;
    bar.finish_with_message(format!("{} {}", release.version(), record.status()));
    println!("  {} {}", release.version(), record.status());
    Ok(record)
}

/// Shows the table; whether all ended as they should and no request was lost.
fn judge(acts: &[Act], ends: &[End], report: &Report) -> bool {
    let mut table = Table::new();
    table.set_header(["", "version", "ended", "seconds", "requests", "lost", "its own 5xx", "p99 ms"]);
    let mut well = report.none_lost().is_ok();
    for (act, end) in acts.iter().zip(ends) {
        let Some(section) = report.section(act.title) else { continue };
        let lost = if act.gap { format!("({} in its gap)", section.lost) } else { section.lost.to_string() };
        table.add_row([
            act.title.to_owned(),
            act.version.to_owned(),
            end.record.status().to_string(),
            format!("{:.1}", end.took.as_secs_f64()),
            section.sent.to_string(),
            lost,
            section.own_errors.to_string(),
            format!("{:.1}", section.latency.p99().as_secs_f64() * 1e3),
        ]);
        if end.record.status() != act.ends {
            well = false;
            println!("{} should have ended as {}: {}", act.title, act.ends, end.record.reason().unwrap_or("no reason"));
        }
    }
    println!("{table}");
    for end in ends.iter().filter(|end| end.record.status() != Status::Completed) {
        println!("{}: {}", end.record.request.release.version(), end.record.reason().unwrap_or_default());
    }
    report.none_lost().inspect_err(|error| println!("{error}")).ok();
    let total = report.total();
    println!(
        "{} requests, {} lost outside recreate's gap",
        total.sent,
        report.sections.iter().filter(|s| !s.expects_gap).map(|s| s.lost).sum::<u64>()
    );
    well
}
