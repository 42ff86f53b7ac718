//! Other deployments of the same application and environment.

use super::deployment::Deployment;
use super::run::Run;
use super::script::Script;
use deploy_core::machine::{Claim, Seen, reconcile};
use deploy_core::time::after;
use deploy_core::{Ask, DeploymentId, Kind, OnBusy, Request, Result, What};

impl Run {
    /// Those that come while another runs.
    pub(super) fn let_rivals_come(&mut self, deployment: &mut Deployment, script: &Script) -> Result<()> {
        let created = deployment.record.created;
        while let Some(rival) =
            script.rivals.get(deployment.rivals).filter(|rival| after(created, rival.after) <= self.world.now)
        {
            deployment.rivals += 1;
            let release = self.world.profile.own(&rival.request.release)?;
            self.rival(&Request { release, ..rival.request.clone() });
        }
        Ok(())
    }

    /// G4: another one is refused with the holder's id, queued, or supersedes, as asked.
    fn rival(&mut self, request: &Request) {
        let (now, id) = (self.world.now, self.next_id());
        let ahead: Vec<_> = self.ledger.active().into_iter().map(|summary| summary.id).collect();
        let created = self.ledger.create(now, &id, request);
        self.note(&format!(
            "{id} comes to {:?}: {:?}",
            request.on_busy,
            created.as_ref().err().map(ToString::to_string)
        ));
        match (created, request.on_busy) {
            (Err(error), OnBusy::Refuse) if !ahead.is_empty() => {
                let holder = error.context("holder").map(DeploymentId::new);
                let known = holder.as_ref().is_some_and(|holder| ahead.contains(holder));
                if error.kind() != Kind::Busy || !known {
                    self.world.trail.broken(now, "G4", format!("{id} is refused without the holder's id: {error}"));
                }
            }
            (Ok(_), OnBusy::Refuse) if !ahead.is_empty() => {
                self.world.trail.broken(now, "G4", format!("{id} is taken while {ahead:?} are active"));
            }
            (Err(error), _) => self.world.trail.broken(now, "G4", format!("{id} is refused: {error}")),
            (Ok(record), on_busy) => {
                if on_busy == OnBusy::Supersede {
                    self.supersede(&id, &ahead);
                }
                let events = self.ledger.events(&id);
                self.queue.push_back(Deployment::new(record, events));
            }
        }
    }

    fn supersede(&mut self, id: &DeploymentId, ahead: &[DeploymentId]) {
        let ask = Ask::Supersede { by: id.clone() };
        for other in ahead {
            let told = self.ledger.signal(self.world.now, other, &ask, "tester");
            debug_assert!(told.is_ok(), "{other} is in the store");
        }
    }

    /// Those that wait keep their deadlines and take what is asked of them; they touch nothing.
    pub(super) fn stand_by(&mut self) -> Result<()> {
        let (now, epoch) = (self.world.now, self.ledger.epoch());
        for waiting in &mut self.queue {
            if waiting.record.way.is_ended() {
                continue;
            }
            let lease = Claim { epoch: waiting.record.epoch, renewed_before: None };
            let seen = Seen { lease, signals: self.ledger.signals(&waiting.record.id), ..Seen::default() };
            let mut next = reconcile(&waiting.record, &seen, now);
            let gate = next.events.iter().position(|what| matches!(what, What::GateAsked { .. }));
            next.events.truncate(gate.unwrap_or(usize::MAX));
            if next.events.is_empty() {
                continue;
            }
            for event in self.ledger.append(now, &waiting.record, epoch, next.events)? {
                waiting.record.apply(&event);
                waiting.events.push(event);
            }
        }
        Ok(())
    }

    /// G4: what begins is the oldest that has not ended, and no other has begun and not ended.
    pub(super) fn is_alone(&mut self, id: &DeploymentId) {
        let active = self.ledger.active();
        if active.first().is_some_and(|first| first.id != *id) {
            let ids: Vec<_> = active.iter().map(|summary| summary.id.to_string()).collect();
            self.world.trail.broken(self.world.now, "G4", format!("{id} begins, active are {}", ids.join(", ")));
        }
    }
}
