//! What must hold before the next stage: bake, judge, gate.

use super::look::Sight;
use crate::{Decision, Disposition, PlanStage, Timestamp, Verdict, What, time};

impl Sight<'_> {
    /// A settled stage: it stays settled and healthy, and is judged.
    pub(super) fn bake(&self, stage: &PlanStage) -> Vec<What> {
        if let Some(raised) = self.count_raised(stage) {
            return vec![raised];
        }
        if let Some(reason) = self.unsettled() {
            return vec![What::Unsettled { track: self.name.clone(), reason }];
        }
        if self.is_held_up() {
            return Vec::new();
        }
        let verdict = self.verdict();
        if !verdict.is_empty() {
            return verdict;
        }
        if !self.is_baked(stage) {
            return Vec::new();
        }
        match &stage.stage.holds.gate {
            Some(gate) if !self.is_promoted() && !self.is_open(gate) => {
                let deadline = time::after(self.look.now, gate.deadline);
                let (track, key) = (Some(self.name.clone()), self.gate_key(gate));
                vec![What::GateAsked { track, key, name: gate.name.to_string(), deadline }]
            }
            _ => self.passed(),
        }
    }

    fn passed(&self) -> Vec<What> {
        vec![What::StagePassed { track: self.name.clone(), index: self.state.stage }]
    }

    /// What fell out of settled while a gate was asked settles again first, within a deadline of its own.
    fn passed_if_settled(&self) -> Vec<What> {
        match self.unsettled() {
            None => self.passed(),
            Some(reason) => vec![What::Unsettled { track: self.name.clone(), reason }],
        }
    }

    fn is_promoted(&self) -> bool {
        self.state.promoted || (self.record().promoted && self.is_forward())
    }

    fn is_baked(&self, stage: &PlanStage) -> bool {
        let holds = &stage.stage.holds;
        if self.is_promoted() {
            return true;
        }
        match &holds.judge {
            Some(_) => {
                self.state.earned >= holds.bake
                    && self.state.judged.as_ref().is_some_and(|judged| judged.verdict == Verdict::Pass)
            }
            None => self.earned() >= holds.bake,
        }
    }

    /// What the bake has earned up to now.
    pub(super) fn earned(&self) -> std::time::Duration {
        self.state.earned + time::between(self.state.since, self.look.now)
    }

    /// The interval that is to be judged next: its number, its begin and its end. None where no judge is asked.
    pub(super) fn next_interval(&self, stage: &PlanStage) -> Option<(u64, Timestamp, Timestamp)> {
        let judge = stage.stage.holds.judge.as_ref()?;
        Some((self.state.intervals + 1, self.state.since, time::after(self.state.since, judge.interval)))
    }

    fn verdict(&self) -> Vec<What> {
        let Some(judgement) = &self.seen.judged else { return Vec::new() };
        let expected = self.state.intervals + 1;
        if judgement.interval != expected {
            return Vec::new();
        }
        let verdict = judgement.verdict.clone();
        let (track, state) = (self.name.clone(), judgement.state.clone());
        let judged = What::Judged { track, interval: expected, state, verdict: verdict.clone() };
        let follows = match verdict {
            Verdict::Fail(why) if !self.is_promoted() => {
                self.fail(&format!("the judge says no: {why}"), Disposition::Candidate)
            }
            _ => Vec::new(),
        };
        std::iter::once(judged).chain(follows).collect()
    }

    /// A gate that was asked.
    pub(super) fn gate(&self, stage: &PlanStage) -> Vec<What> {
        let Some(gate) = &stage.stage.holds.gate else { return self.passed() };
        let key = self.gate_key(gate);
        let Some(asked) = self.record().gates.get(&key) else { return self.passed() };
        if self.is_promoted() {
            return self.passed_if_settled();
        }
        match (&asked.decision, self.look.seen.gates.get(&key)) {
            (Some(Decision::Closed(why)), _) => {
                self.fail(&format!("gate {} is closed: {why}", gate.name), Disposition::Candidate)
            }
            (Some(_), _) if self.is_held_up() => Vec::new(),
            (Some(_), _) => self.passed_if_settled(),
            (None, Some(decision)) if *decision != Decision::Waiting => {
                vec![What::GateDecided { track: Some(self.name.clone()), key, decision: decision.clone() }]
            }
            _ if self.look.now >= asked.deadline && self.record().paused.is_none() => {
                self.fail(&format!("gate {} did not open in time", gate.name), Disposition::Candidate)
            }
            _ => Vec::new(),
        }
    }

    fn is_open(&self, gate: &crate::GateSpec) -> bool {
        let asked = self.record().gates.get(&self.gate_key(gate));
        asked.is_some_and(|asked| asked.decision == Some(Decision::Open))
    }

    /// The stable key of a stage's gate.
    pub(super) fn gate_key(&self, gate: &crate::GateSpec) -> String {
        format!("{}/{}@{}/{}/{}", self.record().id, self.name.workload, self.name.target, self.state.stage, gate.name)
    }
}
