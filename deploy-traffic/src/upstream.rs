//! One instance, as requests are sent to it.

use crate::metrics::Meter;
use crate::pool::Pool;
use deploy_core::{Error, Member, Result, Side};
use http::HeaderValue;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// An instance: its idle connections, what it has in flight, and whether it is out of use.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) side: Side,
    pub(crate) address: String,
    /// The `host` for requests that bear none.
    pub(crate) host: HeaderValue,
    pub(crate) meter: Arc<Meter>,
    pub(crate) pool: Pool,
    flights: AtomicU64,
    /// Milliseconds after the epoch until which it is out of use; 0 while it is in use.
    down: AtomicU64,
}

/// One request, or upgraded connection, that an instance serves. Counted until dropped.
#[derive(Debug)]
pub(crate) struct Flight(Arc<Upstream>);

impl Upstream {
    pub(crate) fn new(member: &Member, meter: Arc<Meter>) -> Result<Self> {
        Ok(Self {
            side: member.side.clone(),
            address: member.address.clone(),
            host: host(&member.address)?,
            meter,
            pool: Pool::default(),
            flights: AtomicU64::new(0),
            down: AtomicU64::new(0),
        })
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.flights.load(Ordering::Acquire)
    }

    /// Counts a request. Only under the lock of the table that the instance was chosen from.
    pub(crate) fn begin(self: &Arc<Self>) -> Flight {
        self.flights.fetch_add(1, Ordering::AcqRel);
        Flight(Arc::clone(self))
    }

    /// Whether it may be chosen: in use, or due for a trial.
    pub(crate) fn is_usable(&self) -> bool {
        match self.down.load(Ordering::Relaxed) {
            0 => true,
            until => now() >= until,
        }
    }

    /// Takes the trial, so that nobody else tries meanwhile. Nothing to do while it is in use.
    pub(crate) fn claim_trial(&self, span: Duration) {
        if self.down.load(Ordering::Relaxed) != 0 {
            self.set_down(span);
        }
    }

    /// Takes it out of use for a span, then for one trial.
    pub(crate) fn set_down(&self, span: Duration) {
        self.down.store(now() + span.as_millis() as u64, Ordering::Relaxed);
    }

    /// Puts it into use.
    pub(crate) fn set_up(&self) {
        if self.down.load(Ordering::Relaxed) != 0 {
            self.down.store(0, Ordering::Relaxed);
        }
    }
}

fn now() -> u64 {
    EPOCH.elapsed().as_millis() as u64 + 1
}

fn host(address: &str) -> Result<HeaderValue> {
    let wrong = || Error::invalid(format!("`{address}` is not the address of an instance: use host:port"));
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port != 0);
    if host.is_empty() || !is_port {
        return Err(wrong());
    }
    HeaderValue::try_from(address).map_err(|_| wrong())
}

impl Flight {
    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.flights.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
pub(crate) fn sample(instance: &str, revision: &str) -> Arc<Upstream> {
    let track = "shop/production/web@here".parse().unwrap();
    let side = Side::home(revision.into());
    let meter = Arc::new(Meter::new(&track, &side).unwrap());
    let member = Member { instance: instance.into(), side, address: "127.0.0.1:1".into(), draining: None };
    Arc::new(Upstream::new(&member, meter).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_counts_until_it_is_dropped() {
        let upstream = sample("a", "v1");
        let flights = (upstream.begin(), upstream.begin());
        assert_eq!(upstream.in_flight(), 2);
        drop(flights);
        assert_eq!(upstream.in_flight(), 0);
    }

    #[test]
    fn an_instance_that_is_down_is_tried_once_when_its_time_is_over() {
        let upstream = sample("a", "v1");
        upstream.set_down(Duration::from_secs(60));
        assert!(!upstream.is_usable());
        upstream.set_down(Duration::ZERO);
        assert!(upstream.is_usable());
        upstream.claim_trial(Duration::from_secs(60));
        assert!(!upstream.is_usable());
        upstream.set_up();
        assert!(upstream.is_usable());
    }

    #[test]
    fn an_address_needs_a_host_and_a_port() {
        for wrong in ["", "localhost", ":80", "host:", "host:0", "host:70000"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
        assert!(host("[::1]:80").is_ok());
    }
}
