//! The way back: all workloads together.

use super::look::{Look, Sight};
use crate::record::Point;
use crate::{
    Back, Count, Desired, Disposition, Kind, PlanStage, Stage, Step, Task, TaskOutcome, TrackRef, Traffic, Undo, What,
    Whose, time,
};
use std::collections::BTreeMap;
use std::time::Duration;

impl Look<'_> {
    /// Goes back, or says why not and pauses; where nothing was changed, ends.
    pub(super) fn go_back(&self, reason: &str, disposition: Disposition, explicit: bool) -> Vec<What> {
        if !self.record.touched() {
            return vec![What::Failed { reason: format!("{reason}; nothing was changed"), kind: Kind::Candidate }];
        }
        let Some(why) = self.back_refusal(explicit) else {
            let legs = self.legs();
            let deadline =
                time::after(self.now, self.record.plan.as_ref().map_or(Step::DEADLINE, |plan| plan.back_deadline));
            return vec![What::RollbackStarted { reason: reason.to_owned(), disposition, legs, deadline }];
        };
        let words = format!("{reason}; no way back: {why}");
        if self.is_core_own() || self.record.back_refused.is_some() {
            return vec![What::Failed { reason: format!("{words}; {}", self.what_is_where()), kind: Kind::Candidate }];
        }
        let refused = What::BackRefused { reason: why };
        match self.record.paused {
            Some(_) => vec![refused],
            None => vec![refused, self.pause(&format!("{words}; promote, or roll back when stable is well"))],
        }
    }

    /// First deployments and the same release again have nothing to go back to.
    fn is_core_own(&self) -> bool {
        self.touched_sights().all(|sight| matches!(sight.planned.strategy.as_str(), "first" | "same"))
    }

    fn touched_sights(&self) -> impl Iterator<Item = Sight<'_>> {
        self.all_sights().filter(|sight| sight.state.touched)
    }

    /// Why there is no way back; none where there is one.
    pub(super) fn back_refusal(&self, explicit: bool) -> Option<String> {
        let forbidden = self.touched_sights().find_map(|sight| sight.forbidden());
        let nothing = || {
            let same = self.touched_sights().all(|sight| sight.planned.same_revision() && sight.same_count());
            same.then(|| "nothing of it differs from what ran before".to_owned())
        };
        let alone = || {
            let new = self.touched_sights().all(|sight| sight.planned.stable.is_none());
            let whole = self
                .record
                .plan
                .as_ref()
                .is_some_and(|plan| plan.tracks.len() >= self.record.request.release.spec.workloads.len());
            (new && whole).then(|| "nothing ran before".to_owned())
        };
        let dead = || if explicit { None } else { self.stable_is_dead() };
        forbidden.or_else(nothing).or_else(alone).or_else(dead)
    }

    /// On any track: stable should be running, none of it is ready, known so, and the candidate is.
    pub(super) fn stable_is_dead(&self) -> Option<String> {
        self.touched_sights().find_map(|sight| sight.stable_is_dead())
    }

    fn legs(&self) -> BTreeMap<TrackRef, Vec<PlanStage>> {
        self.touched_sights().map(|sight| (sight.name.clone(), sight.way_back())).collect()
    }

    /// What serves what, in words: for those who have to finish by hand.
    pub(super) fn what_is_where(&self) -> String {
        let words = self.touched_sights().map(|sight| {
            let standing = &sight.state.standing;
            let counts: Vec<_> = standing.counts.iter().map(|(side, count)| format!("{count} of {side}")).collect();
            format!("{}: {}, {}", sight.name.workload, counts.join(" and "), spread_words(&standing.spread))
        });
        let words: Vec<_> = words.collect();
        if words.is_empty() { "nothing was changed".into() } else { words.join("; ") }
    }
}

fn spread_words(spread: &crate::Spread) -> String {
    match spread {
        crate::Spread::None => "nobody is routed to".into(),
        crate::Spread::Pooled => "all serve alike".into(),
        crate::Spread::Split { to, split, .. } => match to {
            Some(to) => format!("{} to {to}", split.candidate),
            None => "stable serves".into(),
        },
    }
}

impl Sight<'_> {
    fn same_count(&self) -> bool {
        matches!((&self.planned.stable, &self.planned.candidate), (Some(a), Some(b)) if a.count == b.count)
    }

    /// The stage whose way back is taken: the one that is under way, or the last that passed.
    fn last_stage(&self) -> Option<&PlanStage> {
        let last = self.planned.before.len().checked_sub(1)?;
        self.planned.before.get(self.state.stage.min(last))
    }

    fn forbidden(&self) -> Option<String> {
        if let Some(Back::Refused(why)) = self.last_stage().map(|stage| &stage.stage.back) {
            return Some(why.clone());
        }
        self.begun_tasks().find_map(|task| match &task.undo {
            Undo::Forbidden(why) => Some(format!("task {} cannot be taken back: {why}", task.name)),
            _ => None,
        })
    }

    /// Forward tasks that may have had an effect.
    fn begun_tasks(&self) -> impl DoubleEndedIterator<Item = &Task> {
        let steps = self.planned.before.iter().map(|stage| &stage.stage.step);
        steps.flat_map(|step| step.before.iter().chain(&step.after)).filter(|task| {
            let key = format!("{}/{}@{}/{}", self.record().id, self.name.workload, self.name.target, task.name);
            let begun = self.record().tasks.get(&key);
            begun.is_some_and(|begun| begun.outcome != Some(TaskOutcome::NotStarted))
        })
    }

    /// Stable should be running by its last order, none of it is ready, known so, and the candidate is ready.
    fn stable_is_dead(&self) -> Option<String> {
        let stable = &self.planned.stable.as_ref()?.side;
        let should = self.state.standing.counts.get(stable).copied().unwrap_or(0) > 0;
        if !should || !self.is_observed() || self.presumed_ready(stable) > 0 || self.is_stable_unknown(stable) {
            return None;
        }
        let candidate = &self.planned.candidate.as_ref()?.side;
        let lives = self.ready(candidate, &Traffic::None, Duration::ZERO) > 0;
        lives.then(|| format!("none of {stable} is ready and the candidate is: going back would serve nobody"))
    }

    fn is_stable_unknown(&self, stable: &crate::Side) -> bool {
        self.roll.side(stable).is_some_and(|part| part.unknown > 0)
    }

    fn way_back(&self) -> Vec<PlanStage> {
        let Some(stage) = self.last_stage() else { return Vec::new() };
        let mut leg: Vec<PlanStage> = match &stage.stage.back {
            Back::Steps(steps) => steps.iter().map(|step| stage.with(step.clone())).collect(),
            Back::Derived | Back::Refused(_) => {
                vec![stage.derived_back(self.planned.nobody_left())]
            }
        };
        self.add_undos(&mut leg);
        leg
    }

    /// What was done is taken back as soon as nothing of the candidate is left, the newest first.
    fn add_undos(&self, leg: &mut [PlanStage]) {
        let undos: Vec<Task> = self.begun_tasks().rev().filter_map(undo_of).collect();
        let clear = leg.iter().position(|stage| stage.stage.step.desired.candidate.is_none());
        if let Some(stage) = clear.and_then(|index| leg.get_mut(index)) {
            stage.stage.step.after.extend(undos);
        }
    }

    /// Whether the first order of the way back has not begun yet: nothing goes on meanwhile.
    pub(super) fn before_first_back_order(&self) -> bool {
        self.is_back() && self.state.stage == 0 && self.state.point <= Point::Next(0)
    }
}

fn undo_of(task: &Task) -> Option<Task> {
    let Undo::Run(run) = &task.undo else { return None };
    let name = crate::Name::new(format!("{}-undo", task.name)).unwrap_or_else(|_| task.name.clone());
    Some(Task { name, run: run.clone(), undo: Undo::Keep, of: Whose::Candidate, ..task.clone() })
}

impl PlanStage {
    fn with(&self, step: Step) -> Self {
        Self { stage: Stage::from(step), from: self.from.clone(), to: self.to.clone() }
    }

    /// All of stable, then nothing of the candidate, under the stage's budget and its deadline less the bake. Without a
    /// stable, nobody with this traffic.
    pub(crate) fn derived_back(&self, nobody: Option<Traffic>) -> Self {
        let step = &self.stage.step;
        let all = if nobody.is_none() { Count::ALL } else { Count::NONE };
        let traffic = match (nobody, &step.desired.traffic) {
            (Some(nobody), _) => nobody,
            (None, traffic) if traffic.is_in_place() => traffic.clone(),
            (None, Traffic::None) => Traffic::Pooled,
            (None, Traffic::NotRouted) => Traffic::NotRouted,
            (None, _) => Traffic::stable(),
        };
        let back = Step {
            name: "back".into(),
            desired: Desired { stable: all, candidate: Count::NONE, traffic },
            before: Vec::new(),
            after: Vec::new(),
            deadline: step.deadline.saturating_sub(self.stage.holds.bake),
            ..step.clone()
        };
        self.with(back)
    }
}
