//! The engine beside its limits, in one run: each figure is a ratio, or stands beside the goal that it is held to.
//!
//! What is compared is measured in turn, five times, and told as the median of the ratios of each turn: absolute figures
//! are those of a busy machine. Words after `--` choose the parts: `decide`, `store`, `many`, `moves`, `rest`. A part runs
//! in a process of its own where its memory is told, so `many` stands alone.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on has failed, and prints")]

mod bare;
mod causes;
mod decide;
mod many;
mod moves;
mod process;
mod rest;
mod site;
mod store;

use deploy_benches::Table;
use deploy_testkit::{app, process::Role};
use std::process::ExitCode;

/// What is compared is measured so often.
const PAIRS: usize = 5;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if Role::from_env() == Some(Role::App) {
        return runtime.block_on(app::run_from_env());
    }
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    let mut table = Table::default();
    if wants("many") {
        table.append(many::rows());
    }
    if wants("decide") {
        table.append(decide::rows());
    }
    if wants("store") {
        table.append(runtime.block_on(store::rows()));
    }
    if wants("moves") {
        table.append(runtime.block_on(moves::rows()));
    }
    if wants("rest") {
        table.append(runtime.block_on(rest::rows()));
    }
    table.tell();
    ExitCode::SUCCESS
}
