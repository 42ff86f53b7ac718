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

fn gated(port: u16) -> Release {
    let mut spec = (*release(port).spec).clone();
    let environment = spec.environments.values_mut().next().unwrap();
    environment.gates.push(deploy::core::GateSpec::approval("go".parse().unwrap()));
    Release::new(spec).unwrap()
}

#[tokio::test]
async fn a_second_deployment_and_an_unknown_id_are_refused_with_what_there_is() {
    let root = tempfile::tempdir().unwrap();
    let engine = engine(root.path()).await;
    let id = engine.deploy(("test", &gated(18_999))).id("shop-1").await.unwrap();
    let busy = engine.deploy(("test", &release(18_999))).id("shop-2").await.unwrap_err();
    let words = "shop/test is being deployed by shop-1; wait for it, cancel it, or queue or supersede; holder: shop-1";
    assert_eq!((busy.kind(), busy.to_string().as_str()), (Kind::Busy, words));
    let other = engine.deploy(("test", &release(18_999))).id("shop-1").await.unwrap_err();
    assert_eq!(other.message(), "deployment shop-1 is there already with other content; use another id");
    let unknown = engine.get(&"shop-7".into()).await.unwrap_err();
    assert_eq!(unknown.message(), "there is no deployment shop-7; the nearest is shop-1");
    engine.cancel(&id).await.unwrap();
    assert_eq!(engine.wait(&id).await.unwrap().status(), Status::Cancelled);
}
