//! A plan: what would happen, as a table, and nothing is touched. Then one that is refused, with the reason.
//!
//! Needs nothing but Rust: a small application runs here in 3 processes behind the proxy.
//!
//! ```text
//! cargo run --example dry_run
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to people")]

mod common;

use common::Site;
use deploy::prelude::*;
use serde_json::json;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(code) = common::role().await {
        return code;
    }
    match demonstrate().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate() -> Result<()> {
    let site = Site::new("dry-run").await?;
    let done = plan_twice(&site).await;
    site.close().await?;
    done
}

async fn plan_twice(site: &Site) -> Result<()> {
    let engine = site.engine().await?;
    let first = engine.deploy(("demo", &site.release("v1", json!("rolling"), &[])?)).await?;
    println!("v1 runs: {}\n", engine.wait(&first).await?.status());

    let before = what_is_there(site, &engine).await?;
    let canary = json!({ "canary": { "steps": ["5%", "25%", "50%"], "bake": "5m" } });
    let next = site.release("v2", canary, &[])?;
    let plan = engine.plan("shop", "demo", &next).await?;
    println!("{plan}");
    same(&before, &what_is_there(site, &engine).await?)?;
    println!("Nothing was touched: the same processes, no deployment.\n");

    let mut too_many = (*next.spec).clone();
    too_many.workloads.values_mut().for_each(|web| web.replicas = 100);
    let refused = match engine.plan("shop", "demo", &Release::new(too_many)?).await {
        Ok(plan) => return Err(Error::invalid(format!("this should have been refused:\n{plan}"))),
        Err(refused) => refused,
    };
    println!("100 of them, on a machine with few slots, are refused:\n  {:?}: {refused}", refused.kind());
    same(&before, &what_is_there(site, &engine).await?)?;

    engine.shutdown().await;
    Ok(())
}

/// The processes of the application, and the deployments that the engine knows.
async fn what_is_there(site: &Site, engine: &Engine) -> Result<(Vec<u32>, usize)> {
    let mut processes = site.marked_processes();
    processes.sort_unstable();
    Ok((processes, engine.list(Filter::default()).await?.len()))
}

fn same(before: &(Vec<u32>, usize), after: &(Vec<u32>, usize)) -> Result<()> {
    if before == after {
        return Ok(());
    }
    Err(Error::invalid(format!("a plan touched something: {before:?} was there before, {after:?} is there after")))
}
