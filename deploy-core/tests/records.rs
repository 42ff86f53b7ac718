//! Events as a store gives them, also those that nobody can have written.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{Actor, DeploymentId, Event, Kind, Record, Request, What};
use support::{at, name, release, spec};

fn requested(number: u64) -> Event {
    let request = Box::new(Request::new(release(spec("v1", 1)), name("production")));
    Event { number, at: at(0), what: What::Requested { request, actor: Actor::new("tester") } }
}

fn fold(events: &[Event]) -> deploy_core::Result<Record> {
    Record::fold(&DeploymentId::new("d"), events.iter().cloned())
}

#[test]
fn events_that_do_not_begin_at_number_1_are_corrupt() {
    for number in [0, 2, u64::MAX] {
        let next = Event { number: number.wrapping_add(1), ..requested(1) };
        assert_eq!(fold(&[requested(number), next]).unwrap_err().kind(), Kind::Corrupt);
    }
    assert_eq!(fold(&[requested(1)]).unwrap().version, 1);
}
