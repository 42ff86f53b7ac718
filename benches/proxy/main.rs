//! The reverse proxy beside nginx, HAProxy and kamal-proxy, in one run.
//!
//! Every proxy has the first core to itself, the instances and the load have the second. What is compared is measured in
//! turn, five times, and told as the median of the ratios of each turn: absolute figures are those of a busy machine.
//! `testbed/proxies.sh` gets what is missing. Words after `--` choose the parts: `speed`, `idle`, `switch`, `swaps`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on has failed, and prints")]

mod idle;
mod peer;
mod process;
mod speed;
mod swaps;
mod switch;

use deploy_benches::Table;
use std::path::PathBuf;
use std::process::Command;

/// The core that a proxy has to itself.
const PROXY_CORE: usize = 0;
/// The core of the instances and of the load.
const LOAD_CORE: usize = 1;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    process::pin_this(LOAD_CORE);
    let program = proxy();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut table = Table::default();
    if wants("speed") {
        table.append(runtime.block_on(speed::rows(&program)));
    }
    if wants("idle") {
        table.append(runtime.block_on(idle::rows(&program)));
    }
    if wants("switch") {
        table.append(runtime.block_on(switch::rows(&program)));
    }
    if wants("swaps") {
        table.append(runtime.block_on(swaps::rows(&program)));
    }
    table.tell();
    println!("one core a proxy, another for instances and load; load average {}", process::load_average());
}

/// The program `deploy-proxy` as it is shipped, or the one that `DEPLOY_PROXY` names.
fn proxy() -> PathBuf {
    if let Some(program) = std::env::var_os("DEPLOY_PROXY") {
        return program.into();
    }
    let built =
        Command::new(env!("CARGO")).args(["build", "--profile", "dist", "-p", "deploy-traffic"]).status().unwrap();
    assert!(built.success(), "deploy-proxy cannot be built");
    let this = std::env::current_exe().unwrap();
    this.ancestors().nth(3).unwrap().join("dist/deploy-proxy")
}
