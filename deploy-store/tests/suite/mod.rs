//! What every store does, whatever it keeps its records in.

use deploy_core::{
    Actor, Ask, Creation, DeploymentId, Filter, Kind, OnBusy, Record, Release, Request, Scope, Spec, Status, Store,
    Timestamp, What,
};
use futures::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock that is set by hand, in seconds.
#[derive(Clone, Default)]
pub struct Hand(Arc<AtomicI64>);

impl Hand {
    pub fn set(&self, second: i64) {
        self.0.store(second, Ordering::SeqCst);
    }

    pub fn read(&self) -> Timestamp {
        at(self.0.load(Ordering::SeqCst))
    }
}

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

const HOUR: Duration = Duration::from_secs(3600);

/// Runs everything, each part on a store of its own.
pub async fn run<S: Store + 'static, F: Future<Output = S>>(open: impl Fn(Hand) -> F) {
    for part in 0..7 {
        let hand = Hand::default();
        hand.set(1000);
        let store = open(hand.clone()).await;
        match part {
            0 => creates(&store, &hand).await,
            1 => appends(&store).await,
            2 => lists(&store).await,
            3 => leases(&store, &hand).await,
            4 => signals(&store).await,
            5 => keeps_time(&store, &hand).await,
            _ => writes_at_once(Arc::new(store)).await,
        }
    }
}

async fn creates(store: &dyn Store, hand: &Hand) {
    let (ann, first) = (Actor::new("ann"), request("shop", "production", "1"));
    let record = made(store, "d1").await;
    assert_eq!((record.version, record.created, record.status()), (1, hand.read(), Status::Pending));
    assert_eq!(store.load(&"d1".into()).await.unwrap(), record);
    let again = store.create(&"d1".into(), &first, &ann).await.unwrap();
    assert_eq!(again, Creation::Existing(Box::new(record)));

    let other = request("shop", "production", "2");
    let conflict = store.create(&"d1".into(), &other, &ann).await.unwrap_err();
    assert_eq!(conflict.kind(), Kind::Conflict);
    assert_eq!(conflict.message(), "deployment d1 is there already with other content; use another id");
    assert!(conflict.context("has").unwrap().ends_with(" to production"), "{conflict}");

    let busy = store.create(&"d2".into(), &other, &ann).await.unwrap_err();
    assert_eq!((busy.kind(), busy.context("holder")), (Kind::Busy, Some("d1")));
    let queued = Request { on_busy: OnBusy::Queue, ..other.clone() };
    assert!(matches!(store.create(&"d2".into(), &queued, &ann).await, Ok(Creation::New(_))));
    let elsewhere = request("shop", "staging", "2");
    assert!(matches!(store.create(&"d3".into(), &elsewhere, &ann).await, Ok(Creation::New(_))));

    let missing = store.load(&"d9".into()).await.unwrap_err();
    assert_eq!((missing.kind(), missing.message()), (Kind::NotFound, "there is no deployment d9"));
    assert_eq!(store.events(&"d9".into(), 0).await.unwrap_err().kind(), Kind::NotFound);
}

async fn appends(store: &dyn Store) {
    let id = DeploymentId::from("d1");
    let mut told = store.watch().unwrap();
    made(store, "d1").await;
    assert_eq!(told.next().await, Some(id.clone()));
    let lease = store.claim(&scope(), "one", HOUR, 0).await.unwrap();
    let events = vec![pending(2000), What::Paused { reason: "wait".into(), deadline: at(3000) }];
    let added = store.append(&id, 1, lease.epoch, at(1001), events).await.unwrap();
    assert_eq!(added.iter().map(|event| (event.number, event.at)).collect::<Vec<_>>(), [(2, at(1001)), (3, at(1001))]);
    assert_eq!(told.next().await, Some(id.clone()));

    let late = store.append(&id, 1, lease.epoch, at(1002), vec![pending(1)]).await.unwrap_err();
    assert_eq!(late.kind(), Kind::Conflict);
    assert_eq!(late.message(), "deployment d1 has moved on to event 3, the write expected 1");
    let early = store.append(&id, 4, lease.epoch, at(1002), vec![pending(1)]).await.unwrap_err();
    assert_eq!(early.kind(), Kind::Conflict);
    let fenced = store.append(&id, 3, lease.epoch + 1, at(1002), vec![pending(1)]).await.unwrap_err();
    assert_eq!(fenced.kind(), Kind::Fenced);
    assert_eq!(fenced.message(), "the lease of shop/production has epoch 1, the write came under 2");
    assert_eq!(store.append(&"d9".into(), 1, 1, at(1), Vec::new()).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.append(&id, 3, lease.epoch, at(1002), Vec::new()).await.unwrap(), []);

    let all = store.events(&id, 0).await.unwrap();
    assert_eq!(all.iter().map(|event| event.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(store.events(&id, 2).await.unwrap(), added[1..]);
    assert_eq!(store.events(&id, 3).await.unwrap(), []);
    let record = store.load(&id).await.unwrap();
    assert_eq!(record, Record::fold(&id, all).unwrap());
    assert_eq!((record.version, record.status()), (3, Status::Paused));
}

async fn lists(store: &dyn Store) {
    made(store, "d1").await;
    let lease = store.claim(&scope(), "one", HOUR, 0).await.unwrap();
    let end = What::Cancelled { reason: "not now".into() };
    store.append(&"d1".into(), 1, lease.epoch, at(1001), vec![end]).await.unwrap();
    made(store, "a2").await;
    let elsewhere = request("shop", "staging", "1");
    store.create(&"d3".into(), &elsewhere, &Actor::new("bob")).await.unwrap();
    store.create(&"d4".into(), &request("blog", "production", "1"), &Actor::new("bob")).await.unwrap();

    let shop = || Some("shop".parse().unwrap());
    let staging = || Some("staging".parse().unwrap());
    let all = Filter::default;
    assert_eq!(listed(store, all()).await, ["d4", "d3", "a2", "d1"]);
    assert_eq!(listed(store, Filter { limit: Some(2), ..all() }).await, ["d4", "d3"]);
    assert_eq!(listed(store, Filter { limit: Some(0), ..all() }).await, [""; 0]);
    assert_eq!(listed(store, Filter { application: shop(), ..all() }).await, ["d3", "a2", "d1"]);
    assert_eq!(listed(store, Filter { environment: staging(), ..all() }).await, ["d3"]);
    assert_eq!(listed(store, Filter { active: Some(false), ..all() }).await, ["d1"]);
    assert_eq!(listed(store, Filter { application: shop(), active: Some(true), ..all() }).await, ["d3", "a2"]);
    let ended = store.list(&Filter { active: Some(false), ..all() }).await.unwrap();
    assert_eq!((ended[0].status, ended[0].ended), (Status::Cancelled, Some(at(1001))));
    assert_eq!((ended[0].version.as_str(), &ended[0].actor), ("1", &Actor::new("ann")));
    assert_eq!(ended[0].scope, scope());
}

async fn listed(store: &dyn Store, filter: Filter) -> Vec<String> {
    store.list(&filter).await.unwrap().iter().map(|line| line.id.to_string()).collect()
}

async fn leases(store: &dyn Store, hand: &Hand) {
    let second = Duration::from_secs;
    let first = store.claim(&scope(), "one", second(10), 0).await.unwrap();
    assert_eq!((first.epoch, first.until, first.renewed_before), (1, at(1010), None));
    let busy = store.claim(&scope(), "two", second(10), 0).await.unwrap_err();
    assert_eq!((busy.kind(), busy.context("holder")), (Kind::Busy, Some("one")));
    assert_eq!(busy.message(), "shop/production is in the hands of engine one until 1970-01-01T00:16:50Z");

    hand.set(1005);
    let same = store.claim(&scope(), "one", second(10), 0).await.unwrap();
    assert_eq!((same.epoch, same.until, same.renewed_before), (1, at(1015), None));
    hand.set(1008);
    assert_eq!(store.renew(&first, second(20)).await.unwrap().until, at(1028));

    hand.set(1028);
    let taken = store.claim(&scope(), "two", second(10), 0).await.unwrap();
    assert_eq!((taken.epoch, taken.until, taken.renewed_before), (2, at(1038), Some(at(1008))));
    let lost = store.renew(&first, second(10)).await.unwrap_err();
    assert_eq!(lost.kind(), Kind::Fenced);
    assert_eq!(lost.message(), "the lease of shop/production was lost to another engine");
    store.release(&first).await.unwrap();
    assert_eq!(store.claim(&scope(), "one", second(10), 0).await.unwrap_err().kind(), Kind::Busy);

    hand.set(1030);
    store.release(&taken).await.unwrap();
    assert_eq!(store.renew(&taken, second(10)).await.unwrap_err().kind(), Kind::Fenced);
    let high = store.claim(&scope(), "one", second(10), 7).await.unwrap();
    assert_eq!((high.epoch, high.renewed_before), (7, Some(at(1030))));
    let other = request("shop", "staging", "1").scope();
    assert_eq!(store.claim(&other, "two", second(10), 5).await.unwrap().epoch, 5);
}

async fn signals(store: &dyn Store) {
    made(store, "d1").await;
    let (id, bob) = (DeploymentId::from("d1"), Actor::new("bob"));
    let first = store.signal(&id, &Ask::Pause, &bob).await.unwrap();
    let second = store.signal(&id, &Ask::Approve { gate: "go".into() }, &bob).await.unwrap();
    assert_eq!((first.number, second.number, first.at), (1, 2, at(1000)));
    assert_eq!(store.signals(&id, 0).await.unwrap(), [first, second.clone()]);
    assert_eq!(store.signals(&id, 1).await.unwrap(), [second]);
    assert_eq!(store.signals(&id, 2).await.unwrap(), []);
    assert_eq!(store.signal(&"d9".into(), &Ask::Pause, &bob).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.signals(&"d9".into(), 0).await.unwrap_err().kind(), Kind::NotFound);
}

async fn keeps_time(store: &dyn Store, hand: &Hand) {
    assert_eq!(store.now().await.unwrap(), at(1000));
    hand.set(900);
    assert_eq!(store.now().await.unwrap(), at(1000));
    assert_eq!(made(store, "d1").await.created, at(1000));
    hand.set(1100);
    assert_eq!(store.now().await.unwrap(), at(1100));
    // A writer counts on from what it was told last, while this clock may stand still.
    let lease = store.claim(&scope(), "one", HOUR, 0).await.unwrap();
    store.append(&"d1".into(), 1, lease.epoch, at(1101), vec![pending(2000)]).await.unwrap();
    assert_eq!(store.now().await.unwrap(), at(1101));
}

async fn writes_at_once<S: Store + 'static>(store: Arc<S>) {
    made(&*store, "d1").await;
    let epoch = store.claim(&scope(), "one", HOUR, 0).await.unwrap().epoch;
    let writers = [1, 2].map(|_| tokio::spawn(adds(store.clone(), epoch, 20)));
    for writer in writers {
        writer.await.unwrap();
    }
    let events = store.events(&"d1".into(), 0).await.unwrap();
    assert!(events.iter().map(|event| event.number).eq(1..=41));
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
