//! Who may change an application in an environment.

use crate::{Error, Kind, Result, Scope, Timestamp, time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The right to change an application in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What it covers.
    pub scope: Scope,
    /// Who holds it: an engine's own id.
    pub holder: String,
    /// One more at each claim by another holder.
    pub epoch: u64,
    /// It ends then, unless it is renewed; by the store's clock.
    pub until: Timestamp,
    /// When the lease before this one was last renewed, where there was one.
    pub renewed_before: Option<Timestamp>,
}

/// What a store keeps of the lease of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who holds it; none once it was given back.
    pub holder: Option<String>,
    /// The newest epoch.
    pub epoch: u64,
    /// It ends then.
    pub until: Timestamp,
    /// When it was last renewed.
    pub renewed: Timestamp,
    /// When the one before it was last renewed.
    pub renewed_before: Option<Timestamp>,
}

impl Held {
    /// What follows from a claim: the holder's own goes on, one that has ended is another's with the next epoch.
    ///
    /// # Errors
    /// `Busy` where another holds it.
    pub fn claim(
        held: Option<Self>,
        scope: &Scope,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
        least: u64,
    ) -> Result<Self> {
        let until = time::after(now, ttl);
        let renewed_before = held.as_ref().map(|held| held.renewed);
        let fresh = |epoch: u64| Self { holder: Some(holder.to_owned()), epoch, until, renewed: now, renewed_before };
        match held {
            None => Ok(fresh(least.max(1))),
            Some(held) if held.holder.as_deref() == Some(holder) && held.epoch >= least => {
                Ok(Self { renewed: now, until, ..held })
            }
            Some(held) if held.holder.is_none() || held.until <= now => Ok(fresh((held.epoch + 1).max(least))),
            Some(held) => {
                let holder = held.holder.unwrap_or_default();
                let message = format!("{scope} is in the hands of engine {holder} until {}", held.until);
                Err(Error::new(Kind::Busy, message).with("holder", holder))
            }
        }
    }

    /// The lease as its holder has it.
    pub fn lease(&self, scope: &Scope) -> Lease {
        Lease {
            scope: scope.clone(),
            holder: self.holder.clone().unwrap_or_default(),
            epoch: self.epoch,
            until: self.until,
            renewed_before: self.renewed_before,
        }
    }
}
