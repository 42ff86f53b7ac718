//! A platform of one's own: a folder, with a file for each workload that says what runs and where requests go.
//!
//! Shows that `capabilities`, `observe` and `converge` are all that a platform needs: every strategy works on it, with its
//! limits, its ways back and its fence. Two versions are deployed to it, the second blue-green. Needs nothing but Rust.
//!
//! ```text
//! cargo run --example custom_deployer
//! ```

use async_trait::async_trait;
use deploy::core::{Counts, Evidence, Fence, OrderKind, Prober, Running, Side, Spread, Token, TrackRef, TrafficSeen};
use deploy::prelude::*;
use futures::StreamExt as _;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

// deployer: begins
/// A folder as a platform. It probes by itself: whatever stands in a file is ready.
#[derive(Debug)]
struct Folder(PathBuf);

/// A file: who wrote last, where requests go, how many run of each side.
type File = (Token, Spread, BTreeMap<Side, u32>);

#[async_trait]
impl Deployer for Folder {
    async fn capabilities(&self, _track: &TrackRef) -> Result<Capabilities> {
        Ok(Capabilities { prober: Prober::Platform, fence: Fence::Checked, tasks: false, ..Capabilities::all() })
    }

    async fn observe(&self, track: &TrackRef) -> Result<Observed> {
        let (token, spread, sides) = read(&self.0.join(track.to_string()))?;
        let running = |n| Running::Counts(Counts { ordered: n, total: n, ready: n, ..Counts::default() });
        let sides = sides.into_iter().map(|(side, n)| (side, running(n))).collect();
        let traffic = Some(TrafficSeen { spread, evidence: Evidence::DataPlane, drained: true });
        Ok(Observed { sides, traffic, token, ..Observed::default() })
    }

    /// Takes one instance of each side up or down, within the order's floor and ceiling.
    async fn converge(&self, order: &Order<'_>) -> Result<Turn> {
        let before = read(&self.0.join(order.track.to_string()))?;
        if before.0 > order.token {
            return Err(Error::new(Kind::Fenced, format!("{} is older than {}", order.token, before.0)));
        }
        let (mut spread, mut sides) = (before.1.clone(), before.2.clone());
        if !order.paused {
            spread = order.spread();
            order.sides().for_each(|ordered| *sides.entry(ordered.side.clone()).or_default() += 0);
            let mut total: u32 = sides.values().sum();
            for (side, n) in &mut sides {
                let wanted = order.side(side).map_or(0, |ordered| ordered.count);
                if *n < wanted && total < order.ceiling {
                    (*n, total) = (*n + 1, total + 1);
                } else if *n > wanted && total > order.floor && order.kind != OrderKind::Grow {
                    (*n, total) = (*n - 1, total - 1);
                }
            }
        }
        let after = (order.token, spread, sides);
        write(&self.0.join(order.track.to_string()), &after)?;
        Ok(Turn { moved: after != before, ..Turn::default() })
    }
}
// deployer: ends

/// A file that is not there yet is empty.
fn read(path: &Path) -> Result<File> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| Error::new(Kind::Corrupt, error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(File::default()),
        Err(error) => Err(unavailable(path, error)),
    }
}

/// Written beside it and renamed: whole, or not at all.
fn write(path: &Path, file: &File) -> Result<()> {
    let aside = path.with_extension("new");
    let folder = path.parent().unwrap_or(path);
    let done = fs::create_dir_all(folder).and_then(|()| fs::write(&aside, json!(file).to_string()));
    done.and_then(|()| fs::rename(&aside, path)).map_err(|error| unavailable(path, error))
}

fn unavailable(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("{} cannot be used: {error}", path.display()))
}

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
    let root = tempfile::tempdir().map_err(|error| unavailable(Path::new("a temporary folder"), error))?;
    let engine = Engine::builder().target("folder", Folder(root.path().to_owned())).build().await?;
    let mut well = true;
    for (version, strategy) in [("v1", json!("rolling")), ("v2", json!({ "blue_green": { "scale_down_delay": "0s" } }))] {
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
    let (_, _, sides) = read(&root.join("shop/demo/web@folder"))?;
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
