//! The proxy, embedded and as a process of its own, held to the contract of routers.
#![allow(clippy::unwrap_used, reason = "tests")]

use deploy_core::Result;
use deploy_testkit::conformance::{self, Failure, Passed};
use deploy_traffic::{Config, EmbeddedProxy, ProxyClient, ProxyProcess, ProxySettings};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn is_whole(passed: &Passed, left_out: &str) {
    let others: Vec<_> = passed.left_out.iter().filter(|left| !left.why.contains(left_out)).collect();
    assert!(others.is_empty(), "{passed}");
}

#[tokio::test]
async fn the_embedded_proxy_does_what_every_router_does() -> std::result::Result<(), Failure> {
    let suite = conformance::Router::new(|| async { Ok((EmbeddedProxy::start(Config::default())?, ())) });
    let passed = suite.through(at).exact().run().await?;
    assert!(passed.left_out.iter().any(|left| left.why.contains("`restarted`")), "it ends with its process: {passed}");
    Ok(())
}

/// A proxy process and its files; it ends with them.
struct Place(TempDir);

impl Place {
    fn socket(&self) -> PathBuf {
        self.0.path().join("proxy.sock")
    }

    async fn ensure(self) -> Result<(ProxyClient, Self)> {
        let settings = ProxySettings::new(self.socket(), self.0.path().join("state.json"));
        let client = ProxyProcess::new(Path::new(env!("CARGO_BIN_EXE_deploy-proxy")), settings).ensure().await?;
        Ok((client, self))
    }

    fn stop(&self) {
        let socket = self.socket();
        // A runtime of its own: this one may be inside a panic.
        let stop = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            if socket.exists() {
                let _gone_already = runtime.block_on(ProxyClient::new(socket).stop());
            }
        };
        std::thread::spawn(stop).join().unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop();
    }
}

#[tokio::test]
async fn the_proxy_process_does_what_every_router_does() -> std::result::Result<(), Failure> {
    let make = || async { Place(tempfile::tempdir().unwrap()).ensure().await };
    let restart = |place: Place| async {
        place.stop();
        place.ensure().await
    };
    let passed = conformance::Router::new(make).restarted(restart).through(at).exact().run().await?;
    is_whole(&passed, "it declares that it can");
    Ok(())
}
