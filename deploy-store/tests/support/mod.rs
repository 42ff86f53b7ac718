//! Requests and events to write.

use deploy_core::{Actor, Creation, DeploymentId, Kind, Record, Release, Request, Scope, Spec, Store, Timestamp, What};
use std::sync::Arc;

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn request(application: &str, environment: &str, version: &str) -> Request {
    let spec: Spec = serde_json::from_value(serde_json::json!({
        "application": application,
        "version": version,
        "workloads": { "web": { "source": { "image": "registry.example/web:1" } } },
        "environments": { environment: { "target": "here" } },
    }))
    .unwrap();
    Request::new(Release::new(spec).unwrap(), environment.parse().unwrap())
}

pub fn scope() -> Scope {
    request("shop", "production", "1").scope()
}

pub fn pending(second: i64) -> What {
    What::PendingUntil { deadline: at(second) }
}

pub async fn made(store: &dyn Store, id: &str) -> Record {
    let made = store.create(&id.into(), &request("shop", "production", "1"), &Actor::new("ann")).await.unwrap();
    let Creation::New(record) = made else { panic!("{id} was there already") };
    *record
}

/// Adds so many events; where another was faster, after its.
pub async fn adds<S: Store>(store: Arc<S>, epoch: u64, count: usize) {
    let id = DeploymentId::from("d1");
    let mut added = 0;
    while added < count {
        let version = store.load(&id).await.unwrap().version;
        match store.append(&id, version, epoch, at(1001), vec![pending(2000)]).await {
            Ok(_) => added += 1,
            Err(error) => assert_eq!(error.kind(), Kind::Conflict, "{error}"),
        }
    }
}
