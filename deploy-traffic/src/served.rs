//! A workload and its ports.

use crate::config::Config;
use crate::listen::{Port, Shared};
use crate::track::Track;
use deploy_core::TrackRef;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// A workload that is listened for.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) track: Arc<Track>,
    ports: Mutex<Vec<Port>>,
}

impl Served {
    pub(crate) fn new(track: &TrackRef, config: &Config) -> Self {
        Self { track: Arc::new(Track::new(track.clone(), config)), ports: Mutex::default() }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.ports().iter().map(Port::address).collect()
    }

    pub(crate) fn port_numbers(&self) -> Vec<u16> {
        self.ports().iter().map(|port| port.address().port()).collect()
    }

    pub(crate) fn listeners(&self) -> Vec<Arc<TcpListener>> {
        self.ports().iter().map(Port::listener).collect()
    }

    /// Accepts nobody any more. A connection is closed after its next answer, or after a grace when it is idle.
    pub(crate) fn leave(&self, grace: Duration) {
        for port in self.ports().drain(..) {
            port.leave(grace);
        }
    }

    /// Adds the ports that were opened, and leaves those that are not wanted any more.
    pub(crate) fn set_ports(&self, opened: Vec<Port>, wanted: &[u16], shared: &Shared) {
        let mut ports = self.ports();
        for port in &opened {
            port.serve(&self.track, shared);
        }
        let all = ports.drain(..).chain(opened);
        let (mut keep, gone): (Vec<_>, Vec<_>) = all.partition(|port| wanted.contains(&port.address().port()));
        keep.sort_by_key(|port| wanted.iter().position(|wanted| *wanted == port.address().port()));
        *ports = keep;
        for port in gone {
            port.leave(shared.config.idle_grace);
        }
    }

    fn ports(&self) -> MutexGuard<'_, Vec<Port>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
