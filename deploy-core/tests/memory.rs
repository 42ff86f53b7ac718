//! The store in memory: what is made, added, listed, leased, asked and told of.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{
    Actor, Ask, Creation, DeploymentId, Event, Filter, Kind, Lease, Memory, OnBusy, Request, Result, Scope, Status,
    Store, What,
};
use futures::{FutureExt, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use support::{at, name, release, spec};

const TEN: Duration = Duration::from_secs(10);

/// A store whose calls are answered at once, and its clock.
struct Kept {
    store: Memory,
    clock: Arc<AtomicI64>,
}

fn done<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().unwrap()
}

fn id(id: &str) -> DeploymentId {
    id.into()
}

fn ann() -> Actor {
    Actor::new("ann")
}

fn request(environment: &str, version: &str) -> Request {
    let made = spec(version, 1).environment(name("staging"), name("edge"));
    Request::new(release(made), name(environment))
}

fn scope() -> Scope {
    request("production", "v1").scope()
}

fn cancelled() -> What {
    What::Cancelled { reason: "not now".into() }
}

fn pending(second: i64) -> What {
    What::PendingUntil { deadline: at(second) }
}

impl Kept {
    fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(0));
        let read = Arc::clone(&clock);
        Self { store: Memory::new(move || at(read.load(Ordering::SeqCst))), clock }
    }

    fn at(&self, second: i64) {
        self.clock.store(second, Ordering::SeqCst);
    }

    fn create(&self, of: &str, request: &Request) -> Result<Creation> {
        done(self.store.create(&id(of), request, &ann()))
    }

    fn made(&self, of: &str) {
        let queued = Request { on_busy: OnBusy::Queue, ..request("production", "v1") };
        assert!(matches!(self.create(of, &queued), Ok(Creation::New(_))));
    }

    fn claim(&self, holder: &str, least: u64) -> Result<Lease> {
        done(self.store.claim(&scope(), holder, TEN, least))
    }

    fn append(&self, of: &str, version: u64, epoch: u64, events: Vec<What>) -> Result<Vec<Event>> {
        done(self.store.append(&id(of), version, epoch, at(1), events))
    }

    fn listed(&self, filter: &Filter) -> Vec<String> {
        done(self.store.list(filter)).unwrap().iter().map(|summary| summary.id.to_string()).collect()
    }
}

fn refusal<T: std::fmt::Debug>(told: Result<T>) -> (Kind, String) {
    let error = told.unwrap_err();
    (error.kind(), error.message().to_owned())
}

#[test]
fn one_deployment_is_active_at_a_time_unless_it_waits_for_the_other() {
    let kept = Kept::new();
    let first = request("production", "v1");
    let Ok(Creation::New(made)) = kept.create("d1", &first) else { panic!("it is not new") };
    assert_eq!((made.version, made.created, made.status()), (1, at(0), Status::Pending));
    assert_eq!(kept.create("d1", &first).unwrap(), Creation::Existing(made.clone()));
    assert_eq!(done(kept.store.load(&id("d1"))).unwrap(), *made);
    let busy = kept.create("d2", &request("production", "v2")).unwrap_err();
    assert_eq!((busy.kind(), busy.context("holder")), (Kind::Busy, Some("d1")));
    let message = "shop/production is being deployed by d1; wait for it, cancel it, or queue or supersede";
    assert_eq!(busy.message(), message);
    kept.create("d3", &Request { on_busy: OnBusy::Queue, ..request("production", "v2") }).unwrap();
    kept.create("d4", &request("staging", "v2")).unwrap();
    let epoch = kept.claim("one", 0).unwrap().epoch;
    kept.append("d1", 1, epoch, vec![cancelled()]).unwrap();
    kept.append("d3", 1, epoch, vec![cancelled()]).unwrap();
    kept.create("d2", &request("production", "v2")).unwrap();
}

#[test]
fn an_id_is_found_again_with_the_same_release_and_environment_alone() {
    let kept = Kept::new();
    kept.create("d1", &request("production", "v1")).unwrap();
    for other in [request("production", "v2"), request("staging", "v1"), request("staging", "v2")] {
        let error = kept.create("d1", &other).unwrap_err();
        assert_eq!(error.message(), "deployment d1 is there already with other content; use another id");
        let has = format!("release {} to production", request("production", "v1").release.id);
        assert_eq!((error.kind(), error.context("has")), (Kind::Conflict, Some(has.as_str())));
    }
    let again = Request { crash_limit: 9, ..request("production", "v1") };
    assert!(matches!(kept.create("d1", &again), Ok(Creation::Existing(_))));
}

#[test]
fn events_are_added_after_the_newest_under_the_newest_epoch_or_not_at_all() {
    let kept = Kept::new();
    kept.made("d1");
    let epoch = kept.claim("one", 3).unwrap().epoch;
    let added = kept.append("d1", 1, epoch, vec![pending(5), pending(6)]).unwrap();
    let events = done(kept.store.events(&id("d1"), 0)).unwrap();
    assert_eq!(events.iter().map(|event| event.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(events[1..], added);
    assert_eq!(done(kept.store.events(&id("d1"), 2)).unwrap(), added[1..]);
    assert_eq!(done(kept.store.events(&id("d1"), 3)).unwrap(), []);
    for version in [2, 4] {
        let expected = format!("deployment d1 has moved on to event 3, the write expected {version}");
        assert_eq!(refusal(kept.append("d1", version, epoch, vec![pending(7)])), (Kind::Conflict, expected));
    }
    for wrong in [2, 4] {
        let expected = format!("the lease of shop/production has epoch 3, the write came under {wrong}");
        assert_eq!(refusal(kept.append("d1", 3, wrong, vec![pending(7)])), (Kind::Fenced, expected));
    }
    assert_eq!(done(kept.store.load(&id("d1"))).unwrap().version, 3);
    let unknown = (Kind::NotFound, "there is no deployment d9".to_owned());
    assert_eq!(refusal(kept.append("d9", 1, epoch, Vec::new())), unknown);
    assert_eq!(refusal(done(kept.store.load(&id("d9")))), unknown);
    assert_eq!(refusal(done(kept.store.events(&id("d9"), 0))), unknown);
}

#[test]
fn time_runs_backward_neither_with_the_clock_nor_behind_an_event() {
    let kept = Kept::new();
    let now = || done(kept.store.now()).unwrap();
    for (set, shown) in [(10, 10), (5, 10), (20, 20)] {
        kept.at(set);
        assert_eq!(now(), at(shown));
    }
    kept.made("d1");
    let epoch = kept.claim("one", 0).unwrap().epoch;
    done(kept.store.append(&id("d1"), 1, epoch, at(30), vec![pending(40)])).unwrap();
    assert_eq!(now(), at(30));
}

#[test]
fn what_fits_every_field_of_a_filter_is_listed_the_newest_first() {
    let kept = Kept::new();
    kept.made("d1");
    let epoch = kept.claim("one", 0).unwrap().epoch;
    kept.append("d1", 1, epoch, vec![cancelled()]).unwrap();
    kept.made("a2");
    kept.create("d3", &request("staging", "v1")).unwrap();
    let mut blog = request("production", "v1");
    let mut other = spec("v1", 1);
    other.application = name("blog");
    blog.release = release(other);
    kept.create("d4", &blog).unwrap();
    let (shop, production) = (Some(name("shop")), Some(name("production")));
    let all = Filter::default;
    let cases: [(Filter, &[&str]); 9] = [
        (all(), &["d4", "d3", "a2", "d1"]),
        (Filter { limit: Some(2), ..all() }, &["d4", "d3"]),
        (Filter { limit: Some(0), ..all() }, &[]),
        (Filter { application: shop.clone(), ..all() }, &["d3", "a2", "d1"]),
        (Filter { environment: production.clone(), ..all() }, &["d4", "a2", "d1"]),
        (Filter { application: shop.clone(), environment: production.clone(), ..all() }, &["a2", "d1"]),
        (Filter { active: Some(false), ..all() }, &["d1"]),
        (Filter { active: Some(true), ..all() }, &["d4", "d3", "a2"]),
        (Filter { application: shop, environment: production, active: Some(true), limit: Some(1) }, &["a2"]),
    ];
    for (filter, expected) in cases {
        assert_eq!(kept.listed(&filter), expected, "{filter:?}");
        let taken = |fits: &str| {
            let listed = done(kept.store.list(&all())).unwrap();
            filter.takes(listed.iter().find(|summary| summary.id.as_str() == fits).unwrap())
        };
        assert!(expected.iter().all(|fits| taken(fits)), "{filter:?}");
    }
    let ended = done(kept.store.list(&Filter { active: Some(false), ..all() })).unwrap().remove(0);
    assert_eq!((ended.status, ended.created, ended.ended), (Status::Cancelled, at(0), Some(at(1))));
    assert_eq!((ended.version.as_str(), ended.actor, ended.scope), ("v1", ann(), scope()));
}

#[test]
fn a_lease_is_held_by_one_until_it_ends_or_is_given_back() {
    let kept = Kept::new();
    let first = kept.claim("one", 0).unwrap();
    assert_eq!((first.epoch, first.until, first.renewed_before), (1, at(10), None));
    let held = format!("shop/production is in the hands of engine one until {}", at(10));
    assert_eq!(refusal(kept.claim("two", 0)), (Kind::Busy, held));
    kept.at(5);
    let same = kept.claim("one", 1).unwrap();
    assert_eq!((same.epoch, same.until), (1, at(15)));
    assert_eq!(done(kept.store.renew(&first, TEN * 2)).unwrap().until, at(25));
    kept.at(24);
    assert_eq!(refusal(kept.claim("two", 0)).0, Kind::Busy);
    kept.at(25);
    let second = kept.claim("two", 0).unwrap();
    assert_eq!((second.epoch, second.until, second.renewed_before), (2, at(35), Some(at(5))));
    let lost = "the lease of shop/production was lost to another engine".to_owned();
    let strangers =
        [first.clone(), Lease { epoch: 1, ..second.clone() }, Lease { holder: "one".into(), ..second.clone() }];
    for stranger in strangers {
        assert_eq!(refusal(done(kept.store.renew(&stranger, TEN))), (Kind::Fenced, lost.clone()));
    }
    done(kept.store.release(&first)).unwrap();
    assert_eq!(refusal(kept.claim("three", 0)).0, Kind::Busy, "another's lease is not given back");
    done(kept.store.release(&second)).unwrap();
    assert_eq!(refusal(done(kept.store.renew(&second, TEN))), (Kind::Fenced, lost));
    assert_eq!(kept.claim("three", 0).unwrap().epoch, 3);
}

#[test]
fn an_epoch_is_at_least_what_is_asked_for() {
    let kept = Kept::new();
    let first = kept.claim("one", 5).unwrap();
    assert_eq!(first.epoch, 5);
    assert_eq!(kept.claim("one", 5).unwrap().epoch, 5);
    assert_eq!(refusal(kept.claim("one", 6)).0, Kind::Busy, "its own is too old, and has not ended");
    done(kept.store.release(&first)).unwrap();
    assert_eq!(kept.claim("one", 9).unwrap().epoch, 9);
}

#[test]
fn what_is_asked_is_numbered_from_one() {
    let kept = Kept::new();
    kept.made("d1");
    let signal = |ask: Ask| done(kept.store.signal(&id("d1"), &ask, &ann())).unwrap();
    let asked = [signal(Ask::Pause), signal(Ask::Resume)];
    assert_eq!(asked.clone().map(|signal| (signal.number, signal.at)), [(1, at(0)), (2, at(0))]);
    for after in 0..=2 {
        assert_eq!(done(kept.store.signals(&id("d1"), after as u64)).unwrap(), asked[after..]);
    }
    let unknown = (Kind::NotFound, "there is no deployment d9".to_owned());
    assert_eq!(refusal(done(kept.store.signal(&id("d9"), &Ask::Pause, &ann()))), unknown);
    assert_eq!(refusal(done(kept.store.signals(&id("d9"), 0))), unknown);
}

#[test]
fn whoever_watches_is_told_of_all_that_is_written() {
    let kept = Kept::new();
    let mut hints = kept.store.watch().unwrap();
    let mut told = || hints.next().now_or_never().flatten();
    assert_eq!(told(), None);
    kept.made("d1");
    assert_eq!(told(), Some(id("d1")));
    let epoch = kept.claim("one", 0).unwrap().epoch;
    kept.append("d1", 1, epoch, vec![pending(5)]).unwrap();
    assert_eq!(told(), Some(id("d1")));
    done(kept.store.signal(&id("d1"), &Ask::Pause, &ann())).unwrap();
    assert_eq!((told(), told()), (Some(id("d1")), None));
}
