//! Refusals of the whole, on real parts: before anything live changes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deploy::prelude::*;
use deploy::traffic::EmbeddedProxy;

async fn engine(root: &std::path::Path) -> Engine {
    let machine = ThisMachine::builder().root(root).build().unwrap();
    let proxy = EmbeddedProxy::start(deploy::traffic::Config::default()).unwrap();
    Engine::builder().target("here", Fleet::new(machine, proxy)).build().await.unwrap()
}

fn release(port: u16) -> Release {
    let mut web = Workload::new(Source::Command(vec!["/bin/sleep".into(), "600".into()]));
    web.ports.insert("http".parse().unwrap(), port);
    let spec = Spec::new("shop".parse().unwrap()).workload("web".parse().unwrap(), web);
    Release::new(spec.environment("test".parse().unwrap(), "here".parse().unwrap())).unwrap()
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_and_nothing_is_started() {
    let root = tempfile::tempdir().unwrap();
    let engine = engine(root.path()).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let words = format!("port {port} on 127.0.0.1 is taken by another program; track: shop/test/web@here");
    let planned = engine.plan("shop", "test", &release(port)).await.unwrap_err();
    assert_eq!(planned.to_string(), words);
    let id = engine.deploy(("test", &release(port))).await.unwrap();
    let record = engine.wait(&id).await.unwrap();
    assert_eq!(record.status(), Status::Failed);
    assert_eq!(record.reason(), Some(format!("{words}; nothing was changed").as_str()));
    assert!(engine.instances(&id).await.unwrap().values().all(Vec::is_empty));
}
