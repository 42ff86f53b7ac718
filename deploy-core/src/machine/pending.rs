//! Before it begins: gates, tokens, the plan.

use super::look::Look;
use super::{Call, Problem};
use crate::record::Grip;
use crate::{Decision, Disposition, GateSpec, Kind, Plan, Way, What, time};
use std::sync::Arc;

impl Look<'_> {
    /// What happens to a deployment that has not begun.
    pub(super) fn pending(&self) -> Vec<What> {
        let Way::Pending { deadline } = self.record.way else { return Vec::new() };
        let Some(deadline) = deadline else {
            return vec![What::PendingUntil { deadline: time::after(self.now, self.record.request.pending) }];
        };
        if self.record.paused.is_none() && self.now >= deadline {
            return vec![self.did_not_begin()];
        }
        let gates = self.gates_before();
        if !gates.is_empty() || !self.gates_open() {
            return gates;
        }
        match &self.seen.plan {
            Some(Ok(plan)) if self.all_held() => self.start(plan),
            Some(Err(problem)) => self.cannot_plan(problem),
            _ => self.cannot_hold(),
        }
    }

    fn did_not_begin(&self) -> What {
        let waited = time::show(self.record.request.pending);
        let problems = self
            .seen
            .tracks
            .iter()
            .flat_map(|(track, seen)| seen.problems.values().map(move |p| format!("{track}: {}", p.message)));
        let problems: Vec<_> = problems.collect();
        let why = if problems.is_empty() { "its turn did not come".to_owned() } else { problems.join("; ") };
        What::Failed {
            reason: format!("it did not begin within {waited}: {why}; nothing was changed"),
            kind: Kind::Timeout,
        }
    }

    /// The gates of the environment, in order.
    pub(super) fn gates_before_specs(&self) -> &[GateSpec] {
        let request = &self.record.request;
        request.release.spec.environments.get(&request.environment).map_or(&[], |environment| &environment.gates)
    }

    /// The stable key of a gate before the deployment.
    pub(super) fn gate_before_key(&self, gate: &GateSpec) -> String {
        format!("{}/before/{}", self.record.id, gate.name)
    }

    pub(super) fn gates_open(&self) -> bool {
        let decided =
            |gate: &GateSpec| self.record.gates.get(&self.gate_before_key(gate)).and_then(|gate| gate.decision.clone());
        self.gates_before_specs().iter().all(|gate| decided(gate) == Some(Decision::Open))
    }

    fn gates_before(&self) -> Vec<What> {
        self.gates_before_specs().iter().find_map(|gate| self.gate_before(gate)).unwrap_or_default()
    }

    fn gate_before(&self, gate: &GateSpec) -> Option<Vec<What>> {
        let key = self.gate_before_key(gate);
        let Some(asked) = self.record.gates.get(&key) else {
            let deadline = time::after(self.now, gate.deadline);
            return Some(vec![What::GateAsked { track: None, key, name: gate.name.to_string(), deadline }]);
        };
        let failed =
            |reason: String| What::Failed { reason: format!("{reason}; nothing was changed"), kind: Kind::Denied };
        match (&asked.decision, self.seen.gates.get(&key)) {
            (Some(Decision::Open), _) => None,
            (Some(Decision::Closed(why)), _) => Some(vec![failed(format!("gate {} is closed: {why}", gate.name))]),
            (_, Some(decision)) if *decision != Decision::Waiting => {
                Some(vec![What::GateDecided { track: None, key, decision: decision.clone() }])
            }
            _ if self.now >= asked.deadline => Some(vec![failed(format!("gate {} did not open in time", gate.name))]),
            _ => None,
        }
    }

    pub(super) fn all_held(&self) -> bool {
        !self.record.tracks.is_empty() && self.record.tracks.values().all(|state| state.grip == Grip::Held)
    }

    fn start(&self, plan: &Arc<Plan>) -> Vec<What> {
        let request = &self.record.request;
        let changed =
            request.approved.as_ref().filter(|_| !request.replan).and_then(|approved| approved.difference(plan));
        if let Some(difference) = changed {
            let reason = format!(
                "what runs has changed since the plan was approved: {difference}; plan again, or deploy with `replan`; nothing was changed"
            );
            return vec![What::Failed { reason, kind: Kind::Changed }];
        }
        let started = What::Started { plan: plan.clone(), deadline: time::after(self.now, plan.deadline) };
        if plan.is_empty() { vec![started, What::Completed] } else { vec![started] }
    }

    fn cannot_plan(&self, problem: &Problem) -> Vec<What> {
        match problem.kind.disposition() {
            Disposition::Retry | Disposition::Yield => Vec::new(),
            Disposition::User | Disposition::Candidate => {
                vec![What::Failed { reason: format!("{}; nothing was changed", problem.message), kind: problem.kind }]
            }
        }
    }

    fn cannot_hold(&self) -> Vec<What> {
        let calls = [Call::Fence, Call::Observe];
        let problems =
            self.seen.tracks.values().flat_map(|seen| calls.iter().filter_map(|call| seen.problems.get(call)));
        problems.map(|problem| self.cannot_plan(problem)).find(|happened| !happened.is_empty()).unwrap_or_default()
    }
}
