//! A platform of one's own: a folder, with a file for each workload that says what runs and where requests go.
//!
//! Shows that `capabilities`, `observe` and `converge` are all that a platform needs: every strategy works on it, with its
//! limits, its ways back and its fence. Two versions are deployed to it, the second blue-green. Needs nothing but Rust.
//!
//! ```text
//! cargo run --example custom_deployer
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to people")]

use async_trait::async_trait;
use deploy::core::{Counts, Evidence, Fence, Prober, Running, Side, Spread, Token, TrackRef, TrafficSeen};
use deploy::prelude::*;
use futures::StreamExt as _;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

// deployer: begins
/// A folder as a platform for one application. It probes by itself: whatever its files say is ready.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

/// Who wrote last, where requests go, how many run of each side. A file that is not there yet says: nobody, nowhere, none.
fn read(path: &Path) -> Result<(Token, Spread, BTreeMap<Side, u32>)> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| Error::new(Kind::Corrupt, error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Default::default()),
        Err(error) => Err(Error::new(Kind::Unavailable, error.to_string())),
    }
}

#[async_trait]
impl Deployer for Folder {
    async fn capabilities(&self, _track: &TrackRef) -> Result<Capabilities> {
        Ok(Capabilities { prober: Prober::Platform, fence: Fence::Checked, tasks: false, ..Capabilities::all() })
    }

    async fn observe(&self, track: &TrackRef) -> Result<Observed> {
        let (token, spread, sides) = read(&self.0.join(track.workload.as_str()))?;
        let sides = sides.into_iter().map(|(side, n)| (side, Running::Counts(Counts::steady(n)))).collect();
        let traffic = Some(TrafficSeen { spread, evidence: Evidence::DataPlane, drained: true });
        Ok(Observed { sides, traffic, token, ..Observed::default() })
    }

    /// Takes each side one instance up or down, within the order's floor and ceiling.
    async fn converge(&self, order: &Order<'_>) -> Result<Turn> {
        let path = self.0.join(order.track.workload.as_str());
        let before = read(&path)?;
        let (newest, spread, mut sides) = before.clone();
        if newest > order.token {
            return Err(Error::new(Kind::Fenced, format!("the token {} is older than {newest}", order.token)));
        }
        order.sides().for_each(|ordered| *sides.entry(ordered.side.clone()).or_default() += 0);
        let mut total: u32 = sides.values().sum();
        for (side, n) in sides.iter_mut().filter(|_| !order.paused) {
            let wanted = order.side(side).map_or(0, |ordered| ordered.count);
            let up = u32::from(*n < wanted && total < order.ceiling);
            let down = u32::from(*n > wanted && total > order.floor && order.kind.retires());
            (*n, total) = (*n + up - down, total + up - down);
        }
        let after = (order.token, if order.paused { spread } else { order.spread() }, sides);
        fs::write(path, json!(after).to_string()).map_err(|error| Error::new(Kind::Unavailable, error.to_string()))?;
        Ok(Turn { moved: after != before, ..Turn::default() })
    }
}
// deployer: ends

#[tokio::main]
async fn main() -> ExitCode {
    match demonstrate().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate() -> Result<bool> {
    let root = tempfile::tempdir().map_err(|error| Error::new(Kind::Unavailable, error.to_string()))?;
    let engine = Engine::builder().target("folder", Folder(root.path().to_owned())).build().await?;
    let mut well = true;
    for (version, strategy) in [("v1", json!("rolling")), ("v2", json!({ "blue_green": { "scale_down_delay": "0s" } }))]
    {
        let release = release(version, strategy)?;
        let plan = engine.plan("shop", "demo", &release).await?;
        println!("{plan}");
        let id = engine.deploy(plan).by("an example").await?;
        let mut events = engine.watch(&id, 0);
        while let Some(event) = events.next().await {
            println!("  {}", event?.what.name());
        }
        let end = engine.wait(&id).await?;
        println!("{version}: {} {}\n", end.status(), end.reason().unwrap_or_default());
        well &= end.status() == Status::Completed && only(root.path(), &release)?;
    }
    engine.shutdown().await;
    Ok(well)
}

/// Four of it, and nothing else, as the file says.
fn only(root: &Path, release: &Release) -> Result<bool> {
    let (_, _, sides) = read(&root.join("web"))?;
    let ours = release.resolve(&"demo".parse()?, &"web".parse()?)?.revision.id;
    let standing: Vec<_> = sides.into_iter().filter(|(_, n)| *n > 0).collect();
    println!("  {standing:?}");
    Ok(standing == [(Side::home(ours), 4)])
}

fn release(version: &str, strategy: serde_json::Value) -> Result<Release> {
    let mut web = Workload::new(Source::Image(format!("registry.example/web:{version}")));
    web.replicas = 4;
    web.ports.insert("http".parse()?, 8080);
    let strategy = serde_json::from_value(strategy).map_err(|error| Error::invalid(error.to_string()))?;
    let spec = Spec::new("shop".parse()?).version(version).workload("web".parse()?, web).strategy(strategy);
    Release::new(spec.environment("demo".parse()?, "folder".parse()?))
}
