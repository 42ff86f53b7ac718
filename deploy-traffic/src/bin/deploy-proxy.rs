//! The reverse proxy as a process of its own.

use deploy_traffic::{ProxySettings, run_proxy};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "deploy-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> deploy_core::Result<()> {
    let settings = ProxySettings::from_args(std::env::args().skip(1))?;
    allow_files();
    let alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder =
        if alone { tokio::runtime::Builder::new_current_thread() } else { tokio::runtime::Builder::new_multi_thread() };
    let runtime = builder.enable_all().build().map_err(|error| {
        deploy_core::Error::new(deploy_core::Kind::Unavailable, "no runtime can be started").from_source(error)
    })?;
    runtime.block_on(run_proxy(settings))
}

/// Allows as many open files as the system does: each client takes one, and each request another.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
