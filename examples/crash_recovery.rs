//! The engine is killed at random points of deployments, started again, and each ends as if nothing had happened.
//!
//! The application and its proxy are processes of their own and go on. Under load the whole time; checked after each kill:
//! the end, the events without gaps, the processes that run against those that the last observation lists, and that no
//! request was lost. Exit code 1 when one of them is not right.
//!
//! ```text
//! cargo run --example crash_recovery -- 20        # so many kills; 5 without a number
//! DEPLOY_SEED=7 cargo run --example crash_recovery
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to people")]

mod common;

use common::Site;
use deploy::core::Record;
use deploy::prelude::*;
use deploy_testkit::load::{Load, Running};
use deploy_testkit::process::{ROLE, Role, Spawned};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(code) = common::role().await {
        return code;
    }
    let ended = match Role::from_env() {
        Some(Role::Engine) => be_the_engine().await,
        _ => demonstrate().await,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// The strategies in turn; none of them may lose a request.
fn strategy(round: usize) -> Value {
    match round % 3 {
        0 => json!("rolling"),
        1 => json!({ "blue_green": { "bake": "300ms", "scale_down_delay": "0s" } }),
        _ => json!({ "canary": { "steps": ["20%", "50%"], "bake": "300ms" } }),
    }
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| Error::invalid(format!("{name} is not set")))
}

/// The engine as a process of its own: asks for the deployment (again: by its id it is the same one) and waits for its end.
async fn be_the_engine() -> Result<bool> {
    let port = variable("SITE_PORT")?.parse().map_err(|_| Error::invalid("SITE_PORT is no port"))?;
    let round: usize = variable("SITE_ROUND")?.parse().map_err(|_| Error::invalid("SITE_ROUND is no number"))?;
    let site = Site::open(&PathBuf::from(variable("SITE_ROOT")?), port).await?;
    let engine = site.engine().await?;
    let release = site.release(&version(round), strategy(round), &[])?;
    let id = engine.deploy(("demo", &release)).id(deployment(round)).by("crash_recovery").await?;
    let record = engine.wait(&id).await?;
    engine.shutdown().await;
    Ok(record.status() == Status::Completed)
}

fn version(round: usize) -> String {
    format!("v{round}")
}

fn deployment(round: usize) -> String {
    format!("round-{round}")
}

fn start_engine(site: &Site, round: usize) -> Result<Spawned> {
    let mut command: Command = Role::Engine.command()?;
    command.env(ROLE, "engine").env("SITE_ROOT", site.root()).env("SITE_PORT", site.port.to_string());
    command.env("SITE_ROUND", round.to_string()).stdin(Stdio::null());
    Spawned::start(&mut command)
}

async fn demonstrate() -> Result<bool> {
    let kills: usize = std::env::args().nth(1).and_then(|kills| kills.parse().ok()).unwrap_or(5);
    let seed = std::env::var("DEPLOY_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    println!("{kills} kills, DEPLOY_SEED={seed}");
    let site = Site::new("crash-recovery").await?;
    let first = Instant::now();
    let mut well = run_to_the_end(&site, 0).await?;
    let usual = first.elapsed() + Duration::from_secs(1);
    let load = Load::to(site.address()).rate(200).start()?;
    let mut random = Random(seed);
    for round in 1..=kills {
        well &= one_kill(&site, &load, round, random.below(usual)).await?;
    }
    let report = load.stop().await;
    let lost = report.none_lost();
    site.close().await?;
    println!("{} requests, {} lost", report.total().sent, report.total().lost);
    lost.inspect_err(|error| println!("{error}")).ok();
    println!("{}", if well { "every deployment ended right" } else { "NOT every deployment ended right" });
    Ok(well && report.none_lost().is_ok())
}

async fn one_kill(site: &Site, load: &Running, round: usize, after: Duration) -> Result<bool> {
    load.mark(format!("round {round}"));
    let mut engine = start_engine(site, round)?;
    tokio::time::sleep(after).await;
    let was_at_work = engine.is_running();
    drop(engine);
    let began = Instant::now();
    let well = run_to_the_end(site, round).await? && check(site, round).await?;
    let what = if was_at_work { "killed" } else { "was through already" };
    let verdict = if well { "ended right" } else { "ENDED WRONG" };
    println!(
        "round {round}: {what} after {} ms, {verdict} {} ms later",
        after.as_millis(),
        began.elapsed().as_millis()
    );
    Ok(well)
}

async fn run_to_the_end(site: &Site, round: usize) -> Result<bool> {
    let mut engine = start_engine(site, round)?;
    let end = Instant::now() + Duration::from_secs(120);
    while engine.is_running() {
        if Instant::now() > end {
            println!("round {round} did not end within 120 s");
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = engine
        .child()
        .wait()
        .map_err(|error| Error::new(Kind::Unavailable, "the engine's end is unknown").from_source(error))?;
    Ok(status.success())
}

/// The record, the events and the processes, as somebody else finds them.
async fn check(site: &Site, round: usize) -> Result<bool> {
    let engine = site.engine().await?;
    let id = deployment(round).into();
    let record: Record = engine.get(&id).await?;
    let events = engine.events(&id, 0).await?;
    let gapless = events.iter().zip(1..).all(|(event, number)| event.number == number);
    let listed: Vec<_> = engine.instances(&id).await?.into_values().flatten().collect();
    let running = listed.iter().filter(|instance| instance.runs()).count();
    let marked = site.marked_processes().len();
    engine.shutdown().await;
    let right = record.status() == Status::Completed && gapless && running == 3 && marked == 3;
    if !right {
        println!(
            "round {round}: {}, events gapless: {gapless}, {marked} processes: {:?}; listed: {listed:#?}",
            record.status(),
            record.reason()
        );
    }
    Ok(right)
}

/// A small generator (SplitMix64, Steele, Lea and Flood 2014): the same seed, the same kills.
struct Random(u64);

impl Random {
    fn below(&mut self, span: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = (z ^ (z >> 31)) as f64 / u64::MAX as f64;
        span.mul_f64(part)
    }
}
