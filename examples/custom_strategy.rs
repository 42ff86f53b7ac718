//! A strategy of one's own: half of the candidate with half of the requests for a while, then all.
//!
//! Shows the strategy, the plan it makes with the ways back that it did not have to lay out, and a deployment by it.
//! Needs nothing but Rust: two versions of a small application run here in 3 processes each, behind the proxy.
//!
//! ```text
//! cargo run --example custom_strategy
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to people")]

mod common;

use common::Site;
use deploy::prelude::*;
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

// strategy: begins
/// Half of the candidate with half of the requests, then all of both.
#[derive(Debug)]
pub(crate) struct HalfThenAll {
    /// Each stage stays healthy so long before the next.
    pub(crate) bake: Duration,
}

impl Strategy for HalfThenAll {
    fn plan(&self, change: &Change<'_>) -> Result<Stages> {
        if change.is_exclusive() {
            return Err(Error::new(Kind::Invalid, "half and all run side by side: an exclusive workload cannot"));
        }
        let all = change.count();
        let half = change.traffic(Split::percent(50).into());
        let whole = change.traffic(Split::candidate().into());
        Ok(Stages::new()
            .then(Stage::from(Step::to(Desired::both(all, all.half()).traffic(half)).named("half")).bake(self.bake))
            .then(Stage::from(Step::to(Desired::both(all, all).traffic(whole.clone())).named("all")).bake(self.bake))
            .after_commit(Step::to(Desired::candidate(all).traffic(whole)).named("stable goes")))
    }
}
// strategy: ends

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(code) = common::role().await {
        return code;
    }
    match demonstrate().await {
        Ok(Status::Completed) => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("the deployment should have completed, and is {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate() -> Result<Status> {
    let site = Site::new("custom-strategy").await?;
    let ended = deploy_twice(&site).await;
    site.close().await?;
    ended
}

async fn deploy_twice(site: &Site) -> Result<Status> {
    let strategies = Registry::default()
        .with("half_then_all", |_settings| Ok(Arc::new(HalfThenAll { bake: Duration::from_millis(500) })));
    let engine = site.builder().await?.strategies(strategies).build().await?;

    let first = engine.deploy(("demo", &site.release("v1", json!("rolling"), &[])?)).await?;
    println!("v1: {}", engine.wait(&first).await?.status());

    let plan = engine.plan("shop", "demo", &site.release("v2", json!("half_then_all"), &[])?).await?;
    println!("\n{plan}");
    let second = engine.deploy(plan).await?;
    let end = engine.wait(&second).await?;
    println!("v2: {} {}", end.status(), end.reason().unwrap_or_default());
    engine.shutdown().await;
    Ok(end.status())
}
