//! What people ask for while it runs.

use super::look::Look;
use crate::record::{GateState, Point};
use crate::{Ask, Decision, Kind, Signal, Way, What, time};

impl Look<'_> {
    /// The oldest signal that was not taken yet, with what follows from it.
    pub(super) fn signal(&self) -> Vec<What> {
        let Some(signal) = self.seen.signals.iter().find(|signal| signal.number > self.record.signals) else {
            return Vec::new();
        };
        match self.answer(signal) {
            Ok(follows) => std::iter::once(What::Signalled { signal: signal.clone() }).chain(follows).collect(),
            Err(reason) => vec![What::SignalRefused { signal: signal.clone(), reason }],
        }
    }

    fn answer(&self, signal: &Signal) -> Result<Vec<What>, String> {
        let by = &signal.actor;
        match &signal.ask {
            Ask::Cancel => self.turn_back(&format!("cancelled by {by}")),
            Ask::Rollback => self.turn_back(&format!("rolled back by {by}")),
            Ask::Supersede { by: next } => Ok(self.superseded(next)),
            Ask::Pause => self.pause_asked(&format!("paused by {by}")),
            Ask::Resume if self.record.paused.is_none() => Err("it is not paused".into()),
            Ask::Resume => Ok(vec![What::Resumed { by: by.clone() }]),
            Ask::Promote { .. } => self.promote(signal),
            Ask::Approve { gate } => self.decide(gate, &Decision::Open),
            Ask::Reject { gate, reason } => self.decide(gate, &Decision::Closed(format!("{reason} ({by})"))),
        }
    }

    fn turn_back(&self, reason: &str) -> Result<Vec<What>, String> {
        match self.record.way {
            Way::After { .. } => Err("it is past its commit: deploy the earlier release instead".into()),
            Way::Back { .. } => Err("it is going back already".into()),
            _ if !self.record.touched() => Ok(vec![What::Cancelled { reason: reason.to_owned() }]),
            _ => Ok(self.go_back(reason, crate::Disposition::User, true)),
        }
    }

    fn superseded(&self, next: &crate::DeploymentId) -> Vec<What> {
        let reason = format!("superseded by {next}");
        let failed = |why: &str| vec![What::Failed { reason: format!("{reason}; {why}"), kind: Kind::Busy }];
        match &self.record.way {
            Way::After { .. } | Way::Back { .. } | Way::Ended { .. } => Vec::new(),
            _ if !self.record.touched() => vec![What::Cancelled { reason }],
            _ if self.record.back_refused.is_some() => {
                failed("it could not go back, the next one is planned from what runs")
            }
            _ => match self.back_refusal(true) {
                Some(why) => failed(&format!("it could not go back ({why}), the next one is planned from what runs")),
                None => self.go_back(&reason, crate::Disposition::User, true),
            },
        }
    }

    fn pause_asked(&self, reason: &str) -> Result<Vec<What>, String> {
        match self.record.way {
            Way::Pending { .. } => Err("it has not begun".into()),
            Way::Back { .. } => Err("it is going back; a way back is not held up".into()),
            _ if self.record.paused.is_some() => Err("it is paused already".into()),
            _ => Ok(vec![self.pause(reason)]),
        }
    }

    /// A pause from now on, with its deadline.
    pub(super) fn pause(&self, reason: &str) -> What {
        What::Paused { reason: reason.to_owned(), deadline: time::after(self.now, self.record.request.pause) }
    }

    fn promote(&self, signal: &Signal) -> Result<Vec<What>, String> {
        if let (Some(why), Some(_)) = (&self.record.back_refused, &self.record.paused) {
            let reason = format!(
                "promoted by {} where there was no way back ({why}): the candidate serves, finish by deploying it again",
                signal.actor
            );
            return Ok(vec![What::Failed { reason, kind: Kind::Candidate }]);
        }
        let resumed = || self.record.paused.iter().map(|_| What::Resumed { by: signal.actor.clone() });
        match self.record.way {
            Way::Back { .. } => self.stop_going_back(signal),
            Way::After { .. } => Err("it is past its commit already".into()),
            Way::Pending { .. } => Ok(self.open_gates()),
            _ if self.promotable() => Ok(resumed().collect()),
            _ => Err("no stage is under way".into()),
        }
    }

    /// While none of stable is ready and the candidate is, a person may leave it at that.
    fn stop_going_back(&self, signal: &Signal) -> Result<Vec<What>, String> {
        let Some(why) = self.stable_is_dead() else { return Err("it is going back, and stable can serve".into()) };
        let by = &signal.actor;
        let reason =
            format!("promoted by {by} on the way back ({why}): finish by deploying it again; {}", self.what_is_where());
        Ok(vec![What::Failed { reason, kind: Kind::Candidate }])
    }

    fn promotable(&self) -> bool {
        self.record.tracks.values().any(|state| state.point > Point::Idle && state.point < Point::Done)
    }

    fn waiting_gates(&self) -> impl Iterator<Item = (&String, &GateState)> {
        self.record.gates.iter().filter(|(_, gate)| gate.decision.is_none())
    }

    fn open_gates(&self) -> Vec<What> {
        let open = |(key, _): (&String, &GateState)| What::GateDecided {
            track: None,
            key: key.clone(),
            decision: Decision::Open,
        };
        self.waiting_gates().map(open).collect()
    }

    fn decide(&self, gate: &str, decision: &Decision) -> Result<Vec<What>, String> {
        let named = |(key, state): &(&String, &GateState)| *key == gate || state.name == gate;
        let decided: Vec<_> = self
            .waiting_gates()
            .filter(named)
            .map(|(key, _)| What::GateDecided { track: None, key: key.clone(), decision: decision.clone() })
            .collect();
        if decided.is_empty() {
            let waiting: Vec<_> = self.waiting_gates().map(|(_, state)| state.name.as_str()).collect();
            let waiting = if waiting.is_empty() { "none".to_owned() } else { waiting.join(", ") };
            return Err(format!("no gate `{gate}` waits; waiting: {waiting}"));
        }
        Ok(decided)
    }
}
