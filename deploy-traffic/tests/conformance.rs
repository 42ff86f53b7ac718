//! The proxy, embedded and as a process of its own, held to the contracts of routers and of sources of figures.
#![allow(clippy::unwrap_used, reason = "tests")]

use deploy_core::{MetricSource, Result, Router, Routes, Side, Split, Spread, Timestamp, Token, TrackRef};
use deploy_testkit::conformance::{self, Failure, Measured, Passed};
use deploy_traffic::{Config, EmbeddedProxy, ProxyClient, ProxyProcess, ProxySettings};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

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
        // One that was told to stop may answer once more, and would be taken for the one to be started.
        let gone = async {
            while place.socket().exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
        place.ensure().await
    };
    let passed = conformance::Router::new(make).restarted(restart).through(at).exact().run().await?;
    is_whole(&passed, "it declares that it can");
    Ok(())
}

/// An instance that fails every third request; it ends with what holds it.
struct App(JoinHandle<()>);

impl Drop for App {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn app() -> (String, App) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        for number in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let status = if number % 3 == 0 { "500 Failed" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let mut asked = [0; 4096];
            if stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                let _hung_up = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    (address, App(serving))
}

async fn ask(port: u16) {
    let mut stream = TcpStream::connect(at(port)).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", at(port));
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}

/// Nine requests through a router, three of which fail, as it measured them.
async fn measured<R: Router + MetricSource + 'static>(router: Arc<R>) -> Result<(Measured, (Arc<R>, App))> {
    let (address, app) = app().await;
    let (track, side) = ("shop/production/web@here".parse::<TrackRef>().unwrap(), Side::home("v2".into()));
    let port = TcpListener::bind(at(0)).await.unwrap().local_addr().unwrap().port();
    let member = deploy_core::Member { instance: "web-1".into(), side: side.clone(), address, draining: None };
    let spread = Spread::Split { from: None, to: Some(side.clone()), split: Split::candidate() };
    let since = Timestamp::now().checked_sub(Duration::from_secs(5)).unwrap();
    let token = Token::new(1, 1);
    router.apply(&Routes { track: track.clone(), ports: vec![port], token, spread, members: vec![member] }).await?;
    for _ in 0..9 {
        ask(port).await;
    }
    let source = router.clone();
    Ok((Measured { source, track, side, since, requests: 9, errors: 3 }, (router, app)))
}

#[tokio::test]
async fn the_embedded_proxy_does_what_every_source_of_figures_does() -> std::result::Result<(), Failure> {
    let make = || async { measured(Arc::new(EmbeddedProxy::start(Config::default())?)).await };
    let passed = conformance::MetricSource::new(make).run().await?;
    assert!(passed.left_out.iter().all(|left| left.why.contains("`unreachable`")), "it is in this process: {passed}");
    Ok(())
}

#[tokio::test]
async fn the_proxy_process_does_what_every_source_of_figures_does() -> std::result::Result<(), Failure> {
    let make = || async {
        let (client, place) = Place(tempfile::tempdir().unwrap()).ensure().await?;
        let (measured, keep) = measured(Arc::new(client)).await?;
        Ok((measured, (keep, place)))
    };
    let gone = || async {
        // It waits 5 s for a proxy that is not there: nobody else needs real time any more.
        tokio::time::pause();
        let place = tempfile::tempdir().unwrap();
        let source = Arc::new(ProxyClient::new(place.path().join("nobody.sock")));
        let (track, side, since) =
            ("shop/production/web@here".parse().unwrap(), Side::home("v2".into()), Timestamp::now());
        Ok((Measured { source, track, side, since, requests: 0, errors: 0 }, place))
    };
    let passed = conformance::MetricSource::new(make).unreachable(gone).run().await?;
    assert_eq!(passed.left_out, [], "{passed}");
    Ok(())
}
