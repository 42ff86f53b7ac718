//! What is judged plan-wide: deadlines, pause, the commit and the ends.

use super::Call;
use super::look::{Look, Sight};
use crate::record::Point;
use crate::{Actor, Disposition, Kind, PlanStage, Step, Way, What, time};
use std::time::Duration;

impl Look<'_> {
    /// What happens to the deployment as a whole.
    pub(super) fn wide(&self) -> Vec<What> {
        let steps =
            [Self::pause_over, Self::way_late, Self::prepared, Self::after_late, Self::candidate_died, Self::end];
        steps.into_iter().map(|step| step(self)).find(|happened| !happened.is_empty()).unwrap_or_default()
    }

    fn pause_over(&self) -> Vec<What> {
        let Some(pause) = self.record.paused.as_ref().filter(|pause| self.now >= pause.deadline) else {
            return Vec::new();
        };
        match self.record.way {
            Way::After { .. } => vec![What::Resumed { by: Actor::engine() }],
            _ => match self.back_refusal(false) {
                Some(why) if self.record.touched() => {
                    let reason =
                        format!("{}; nobody came, and no way back: {why}; {}", pause.reason, self.what_is_where());
                    vec![What::Failed { reason, kind: Kind::Timeout }]
                }
                _ => self.go_back(&format!("{}; nobody came", pause.reason), Disposition::User, false),
            },
        }
    }

    fn way_late(&self) -> Vec<What> {
        let failed = |what: &str| {
            let reason = format!("{what}; {}{}", self.unfinished_words(), self.what_is_where());
            vec![What::Failed { reason, kind: Kind::Timeout }]
        };
        match &self.record.way {
            _ if self.record.paused.is_some() => Vec::new(),
            Way::Forward { deadline } if self.now >= *deadline => {
                self.go_back("the whole way is late", Disposition::Candidate, false)
            }
            Way::After { deadline } if self.now >= *deadline => {
                failed("it is committed, and the steps after the commit are late")
            }
            Way::Back { deadline, reason } if self.now >= *deadline => {
                failed(&format!("{reason}; the way back is late"))
            }
            _ => Vec::new(),
        }
    }

    /// What every track that is not through lacks.
    fn unfinished_words(&self) -> String {
        let lacks = |sight: Sight<'_>| sight.unsettled_words().map(|words| format!("{}: {words}; ", sight.name));
        self.all_sights().filter(|sight| sight.state.point != Point::Done).filter_map(lacks).collect()
    }

    /// What was shipped; a shipment that cannot succeed ends it while nothing was changed.
    fn prepared(&self) -> Vec<What> {
        if matches!(self.record.way, Way::Pending { .. }) {
            return Vec::new();
        }
        let sight = self.all_sights().find(|sight| sight.seen.prepared && !sight.state.prepared);
        if let Some(sight) = sight {
            return vec![What::Prepared { track: sight.name.clone() }];
        }
        if !matches!(self.record.way, Way::Forward { .. }) {
            return Vec::new();
        }
        self.all_sights()
            .filter(|sight| !sight.state.prepared)
            .find_map(|sight| sight.cannot_prepare())
            .unwrap_or_default()
    }

    /// After the commit a late step does not stop the other tracks: they finish, then it fails. On the way back only the
    /// whole of it can be late: to fail before would help nobody.
    fn after_late(&self) -> Vec<What> {
        if !matches!(self.record.way, Way::After { .. }) || self.record.paused.is_some() {
            return Vec::new();
        }
        let open = |sight: &Sight<'_>| self.active_wave().contains(sight.name) && sight.state.point != Point::Done;
        let late = |sight: &Sight<'_>| sight.state.deadline.is_some_and(|deadline| self.now >= deadline);
        let mut open = self.all_sights().filter(open);
        let Some(first) = open.next().filter(|first| late(first) && open.all(|other| late(&other))) else {
            return Vec::new();
        };
        let unsettled = first.unsettled_words().unwrap_or_else(|| "a task did not end".into());
        let name = &first.name.workload;
        let reason = format!("it is committed; {name} is late: {unsettled}; {}", self.what_is_where());
        vec![What::Failed { reason, kind: Kind::Timeout }]
    }

    /// After the commit: nobody of the candidate is ready and some of stable is.
    fn candidate_died(&self) -> Vec<What> {
        if !matches!(self.record.way, Way::After { .. }) {
            return Vec::new();
        }
        let stable_is_ready = |sight: &Sight<'_>| {
            let stable = sight.planned.stable.as_ref();
            stable.is_some_and(|stable| sight.ready(&stable.side, &crate::Traffic::None, Duration::ZERO) > 0)
        };
        let died = |sight: &Sight<'_>| {
            sight.planned.candidate.is_some() && !sight.candidate_is_alive() && stable_is_ready(sight)
        };
        let Some(sight) = self.sights().find(died) else { return Vec::new() };
        let reason = format!(
            "{}: the candidate died after the commit and stable is ready: deploy the earlier release; {}",
            sight.name.workload,
            self.what_is_where()
        );
        vec![What::Failed { reason, kind: Kind::Candidate }]
    }

    /// The commit and the ends: every track has passed its last stage, and all are settled on one observation.
    fn end(&self) -> Vec<What> {
        let Some(plan) = self.record.plan.as_deref() else { return Vec::new() };
        if self.record.paused.is_some()
            || !self.all_sights().all(|sight| sight.is_through())
            || self.all_sights().count() < plan.tracks.len()
        {
            return Vec::new();
        }
        match &self.record.way {
            Way::Forward { .. } if plan.tracks.values().any(|track| !track.after.is_empty()) => {
                vec![What::Committed { deadline: time::after(self.now, self.after_deadline()) }]
            }
            Way::Forward { .. } | Way::After { .. } => vec![What::Completed],
            Way::Back { reason, .. } => vec![What::RolledBack { reason: reason.clone() }],
            _ => Vec::new(),
        }
    }

    fn after_deadline(&self) -> Duration {
        let plan = self.record.plan.iter().flat_map(|plan| plan.tracks.values());
        plan.map(|track| leg_deadline(&track.after)).fold(Step::DEADLINE, |sum, next| sum + next)
    }
}

/// The deadlines of a leg's stages and gates, added up.
pub(crate) fn leg_deadline(leg: &[PlanStage]) -> Duration {
    leg.iter()
        .map(|stage| {
            stage.stage.step.deadline + stage.stage.holds.gate.as_ref().map_or(Duration::ZERO, |gate| gate.deadline)
        })
        .sum()
}

impl Sight<'_> {
    fn cannot_prepare(&self) -> Option<Vec<What>> {
        let late = time::between(self.state.since, self.look.now) >= Step::DEADLINE && !self.state.touched;
        let problem = self.seen.problems.get(&Call::Prepare);
        let happened = match problem.map(|problem| (problem, problem.kind.disposition())) {
            Some((problem, disposition @ (Disposition::User | Disposition::Candidate))) => {
                self.fail(&problem.message, disposition)
            }
            Some((problem, _)) if late => {
                self.fail(&format!("it could not be prepared in time: {}", problem.message), Disposition::Candidate)
            }
            None if late => self.fail("it could not be prepared in time", Disposition::Candidate),
            _ => Vec::new(),
        };
        (!happened.is_empty()).then_some(happened)
    }

    /// Done, and as it was ordered; on the way back, what was never touched is done.
    fn is_through(&self) -> bool {
        match self.is_back() && !self.state.touched {
            true => true,
            false => self.state.point == Point::Done && (!self.state.touched || self.is_settled()),
        }
    }

    /// Whether anybody of the candidate, at whichever place, may be well.
    fn candidate_is_alive(&self) -> bool {
        self.roll.sides.iter().any(|part| self.is_candidate(part.side) && self.presumed_ready(part.side) > 0)
    }
}
