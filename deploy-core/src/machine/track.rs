//! One track: from stage to stage, order to order.

use super::look::{Look, Sight};
use crate::orders::{OrderNow, Taken, bounds, divide};
use crate::record::Point;
use crate::{
    Condition, ConditionKind, Disposition, Frame, OrderKind, PlanStage, Side, Timestamp, TrackRef, Traffic, Way, What,
    time,
};
use std::time::Duration;

/// Crashes within this span count against the limit.
const CRASH_WINDOW: Duration = Duration::from_secs(600);

impl Look<'_> {
    /// What happens to the tracks whose turn it is.
    pub(super) fn tracks(&self) -> Vec<What> {
        if matches!(self.record.way, Way::Pending { .. } | Way::Ended { .. }) {
            return Vec::new();
        }
        let active = self.active_wave();
        let turn = |sight: &Sight<'_>| {
            let mends = sight.is_forward() && sight.state.touched;
            mends || active.contains(sight.name) || (sight.is_back() && sight.unbarred().is_some())
        };
        self.all_sights().filter(turn).map(Sight::next).find(|happened| !happened.is_empty()).unwrap_or_default()
    }

    /// The tracks whose turn it is: the first wave with one that is not done, the last on the way back and after the commit.
    pub(super) fn active_wave(&self) -> &[TrackRef] {
        let Some(plan) = self.record.plan.as_deref() else { return &[] };
        let open = |wave: &&Vec<TrackRef>| {
            wave.iter().any(|track| self.record.tracks.get(track).is_some_and(|state| state.point != Point::Done))
        };
        let forward = matches!(self.record.way, Way::Forward { .. });
        let wave = if forward { plan.waves.iter().find(open) } else { plan.waves.iter().rev().find(open) };
        wave.map_or(&[], Vec::as_slice)
    }
}

impl<'a> Sight<'a> {
    fn next(self) -> Vec<What> {
        let late = self.late();
        if !late.is_empty() {
            return late;
        }
        let tried = self.tried_enough();
        if !tried.is_empty() {
            return tried;
        }
        if !self.is_observed() {
            return self.nothing_left();
        }
        let faults = self.faults();
        if !faults.is_empty() {
            return faults;
        }
        let warning = self.warning();
        if !warning.is_empty() {
            return warning;
        }
        if self.is_back() {
            let barring = self.barring();
            if !barring.is_empty() || self.unbarred().is_some() {
                return barring;
            }
        }
        self.point()
    }

    /// A leg without stages is done, whether or not its platform can be observed.
    fn nothing_left(self) -> Vec<What> {
        let done = self.state.point == Point::Idle && self.record().leg(self.planned, self.state).is_empty();
        if done && !self.is_forward() && !self.removes() {
            vec![What::TrackDone { track: self.name.clone() }]
        } else {
            Vec::new()
        }
    }

    fn point(self) -> Vec<What> {
        let Some(stage) = self.record().stage(self.planned, self.state) else { return self.end_of_leg() };
        let step = &stage.stage.step;
        match self.state.point {
            Point::Idle => self.begin_stage(stage),
            Point::Before(index) => match self.due(&step.before, index) {
                Some(task) => self.task_due(task),
                None => self.begin_order(stage, 0),
            },
            Point::Next(index) => self.begin_order(stage, index),
            Point::Order(_) => self.under_way(stage),
            Point::After(index) => match self.due(&step.after, index) {
                Some(task) => self.task_due(task),
                None => vec![What::Settled { track: self.name.clone() }],
            },
            Point::Bake => self.bake(stage),
            Point::Gate => self.gate(stage),
            Point::Done => Vec::new(),
        }
    }

    fn end_of_leg(self) -> Vec<What> {
        match self.state.point {
            Point::Done => Vec::new(),
            _ if self.removes() && !self.seen.removed => Vec::new(),
            _ => vec![What::TrackDone { track: self.name.clone() }],
        }
    }

    /// Whether the workload itself goes, its route with it, at the end of the steps after the commit, or of a way back to none.
    pub(super) fn removes(&self) -> bool {
        match self.record().way {
            Way::After { .. } => self.planned.candidate.is_none(),
            Way::Back { .. } => self.planned.stable.is_none() && self.state.touched,
            _ => false,
        }
    }

    /// Paused, and not on a step that came from none and is not up again.
    pub(super) fn is_held_up(&self) -> bool {
        self.record().paused.is_some() && !self.is_dark()
    }

    fn begin_stage(self, stage: &PlanStage) -> Vec<What> {
        let first = !self.state.touched;
        if self.is_held_up() || !self.state.prepared || (first && !self.knows_what_serves()) {
            return Vec::new();
        }
        let taken = self.take_counts(stage);
        let frame = Frame { from: stage.from.as_ref(), to: stage.to.as_ref() };
        let lines = divide(&stage.stage.step.desired, taken, &self.state.standing, frame);
        vec![What::StageBegan {
            track: self.name.clone(),
            index: self.state.stage,
            taken,
            baseline: self.state.baseline.max(self.serving_now()),
            lines,
            deadline: time::after(self.look.now, stage.stage.step.deadline),
        }]
    }

    /// How many serve, as far as is known.
    fn serving_now(&self) -> u32 {
        self.serving().map(|side| self.presumed_ready(side)).sum()
    }

    /// The sides that serve, as far as the last order says; what is there of a worker.
    fn serving(&self) -> impl Iterator<Item = &'a Side> {
        let standing = &self.state.standing;
        standing.counts.keys().filter(move |side| match &standing.spread {
            crate::Spread::Split { from, to, split } => {
                (from.as_ref() == Some(*side) && split.serves_stable())
                    || (to.as_ref() == Some(*side) && split.serves_candidate())
            }
            _ => true,
        })
    }

    /// The counts for a stage: the greatest of the release's own, the one taken before, and what an autoscaler wants.
    fn take_counts(&self, stage: &PlanStage) -> Taken {
        let wanted = self.wanted();
        let spec = Taken::by_release(self.planned, stage);
        let raised = |own: u32, before: u32| if own == 0 { 0 } else { own.max(before).max(wanted) };
        let before = self.taken_before(stage);
        Taken { from: raised(spec.from, before.from), to: raised(spec.to, before.to) }
    }

    fn taken_before(&self, stage: &PlanStage) -> Taken {
        let same_sides =
            self.state.order.as_ref().is_some_and(|order| order.from == stage.from && order.to == stage.to);
        if same_sides { self.state.taken } else { Taken::default() }
    }

    /// What an autoscaler wants, divided by the share of the side it looks at: at most doubled.
    fn wanted(&self) -> u32 {
        let Some(wanted) = self.observed().and_then(|observed| observed.wanted) else { return 0 };
        let share = match &self.state.standing.spread {
            crate::Spread::Split { split, .. } => split.candidate.max(split.candidate.rest()).points(),
            _ => 10_000,
        };
        (u64::from(wanted) * 10_000).div_ceil(u64::from(share.max(5_000))) as u32
    }

    fn begin_order(self, stage: &PlanStage, index: usize) -> Vec<What> {
        let Some(line) = self.state.lines.get(index) else { return Vec::new() };
        if self.is_held_up()
            || self.wanted_evidence().next().is_some()
            || (line.traffic == Traffic::None && self.has_unreachable())
        {
            return Vec::new();
        }
        let budget = &stage.stage.step.budget;
        let count = self.state.taken.greater();
        let baseline = match line.kind {
            // Who was ill when the stage began may be well by now, and nothing else keeps them where they are replaced.
            OrderKind::InPlace => self.state.baseline.max(self.serving_now()),
            // Strays that get no requests hold nothing up, whoever was taken to be well when the stage began.
            OrderKind::Shrink if self.clears(line, stage) => 0,
            _ => self.state.baseline,
        };
        let order = OrderNow {
            index,
            line: line.clone(),
            from: stage.from.clone(),
            to: stage.to.clone(),
            budget: budget.clone(),
            bounds: bounds(&self.state.lines, budget, count, baseline, 0),
            count,
        };
        vec![What::OrderBegan { track: self.name.clone(), order: Box::new(order) }]
    }

    /// Whether an order only lets strays go, beside a split that gives them nothing.
    fn clears(&self, line: &crate::OrderLine, stage: &PlanStage) -> bool {
        let standing = |side: &Option<Side>| side.as_ref().and_then(|side| self.state.standing.counts.get(side));
        let kept = |side: &Option<Side>, count: u32| standing(side).copied().unwrap_or(0) <= count;
        let stays = kept(&stage.from, line.from) && kept(&stage.to, line.to);
        stays && matches!(line.traffic, Traffic::Split(_))
    }

    fn has_unreachable(&self) -> bool {
        self.roll.sides.iter().any(|part| part.unknown > 0)
    }

    fn under_way(self, stage: &PlanStage) -> Vec<What> {
        if let Some(raised) = self.count_raised(stage) {
            return vec![raised];
        }
        let Some(order) = &self.state.order else { return Vec::new() };
        if self.state.traffic_seen.is_none() && self.traffic_is_seen(order) {
            return vec![What::TrafficSeen { track: self.name.clone() }];
        }
        if self.is_held_up() || !self.is_settled() {
            return Vec::new();
        }
        vec![What::OrderSettled { track: self.name.clone(), line: order.line.clone(), to: order.to.clone() }]
    }

    /// Within a stage the count is raised, never lowered; the stage grows again without losing its bake.
    pub(super) fn count_raised(&self, stage: &PlanStage) -> Option<What> {
        let taken = self.take_counts(stage);
        let before = self.state.taken;
        let taken = Taken { from: taken.from.max(before.from), to: taken.to.max(before.to) };
        if taken == before || self.is_held_up() {
            return None;
        }
        let frame = Frame { from: stage.from.as_ref(), to: stage.to.as_ref() };
        let lines = divide(&stage.stage.step.desired, taken, &self.state.standing, frame);
        Some(What::CountRaised { track: self.name.clone(), taken, lines })
    }

    /// Tells when nobody of what serves is ready and the other side could serve.
    fn warning(&self) -> Vec<What> {
        let Some(order) = &self.state.order else { return Vec::new() };
        let (Some(from), Some(to)) = (&order.from, &order.to) else { return Vec::new() };
        if self.state.warned || !order.line.traffic.serves() || order.line.traffic == Traffic::Pooled {
            return Vec::new();
        }
        let (serves, other) = if super::order::leads(&order.line.traffic) { (to, from) } else { (from, to) };
        if self.presumed_ready(serves) > 0 || self.ready(other, &Traffic::None, Duration::ZERO) == 0 {
            return Vec::new();
        }
        let help = if self.is_candidate(other) { "promote" } else { "roll back" };
        let words = format!("nobody of {serves}, which serves, is ready, and {other} could serve: {help}");
        vec![What::Warned { track: self.name.clone(), words }]
    }

    /// The stage's deadline; it needs no platform to pass.
    fn late(self) -> Vec<What> {
        let over = |deadline: Timestamp| self.look.now >= deadline;
        let due = self.state.point.is_under_way() && self.record().paused.is_none();
        if !due || !self.is_forward() || !self.state.deadline.is_some_and(over) {
            return Vec::new();
        }
        let Some(stage) = self.record().stage(self.planned, self.state) else { return Vec::new() };
        let why = self.why_late(stage);
        match stage.stage.on_deadline {
            crate::OnDeadline::Pause => vec![self.look.pause(&why)],
            crate::OnDeadline::GoBack => self.fail(&why, Disposition::Candidate),
        }
    }

    fn why_late(&self, stage: &PlanStage) -> String {
        let name = &stage.stage.step.name;
        let mut why = format!("{} is late in `{name}`", self.name.workload);
        if let (Point::Bake, Some(crate::Verdict::Unproven(missing))) =
            (self.state.point, self.state.judged.as_ref().map(|judged| &judged.verdict))
        {
            why = format!("{why}: unproven: {missing}");
        } else if let Some(unsettled) = self.unsettled_words() {
            why = format!("{why}: {unsettled}");
        }
        for words in self
            .state
            .conditions
            .iter()
            .map(|condition| &condition.words)
            .chain(self.state.troubles.values().map(|(_, trouble)| &trouble.message))
        {
            why = format!("{why}; {words}");
        }
        why
    }

    pub(super) fn unsettled_words(&self) -> Option<String> {
        if !self.is_observed() {
            return Some("its platform could not be observed".into());
        }
        self.unsettled()
    }

    /// What is held against the candidate, or needs a person.
    fn faults(self) -> Vec<What> {
        if self.record().paused.is_some() || !self.is_forward() || !self.state.touched && self.state.troubles.is_empty()
        {
            return Vec::new();
        }
        if let Some(why) = self.terminal().or_else(|| self.crashes_too_often()) {
            return self.fail(&why, Disposition::Candidate);
        }
        let serious = self
            .state
            .troubles
            .values()
            .find(|(_, trouble)| matches!(trouble.disposition(), Disposition::User | Disposition::Candidate));
        serious.map_or_else(Vec::new, |(_, trouble)| {
            self.fail(&format!("{}: {}", trouble.at, trouble.message), trouble.disposition())
        })
    }

    fn terminal(&self) -> Option<String> {
        let terminal = |condition: &&Condition| {
            condition.kind == ConditionKind::Terminal
                && condition.side.as_ref().is_none_or(|side| self.is_candidate(side))
        };
        self.observed()?.conditions.iter().find(terminal).map(|condition| condition.words.clone())
    }

    fn crashes_too_often(&self) -> Option<String> {
        let limit = self.record().request.crash_limit.max(1) as usize;
        let mine = || self.state.crashes.iter().filter(|crash| self.is_candidate(&crash.side));
        let recent = mine().filter(|crash| time::between(crash.at, self.look.now) < CRASH_WINDOW).count();
        let last = mine().next_back()?;
        let began = self.state.deadline.map(|_| self.state.stage_began).unwrap_or_default();
        let of_slot = mine().filter(|crash| crash.slot == last.slot && crash.at >= began).count();
        let times = recent.max(of_slot);
        (times >= limit).then(|| {
            format!("instances of the candidate ended {times} times: {}, the last in {}", last.words, last.slot)
        })
    }

    /// The candidate failed, or a person is needed: back, or a pause.
    pub(super) fn fail(&self, why: &str, disposition: Disposition) -> Vec<What> {
        let record = self.record();
        if record.paused.is_some() {
            return Vec::new();
        }
        let pauses = record.request.on_failure == crate::OnFailure::Pause;
        match record.way {
            Way::Forward { .. } if disposition == Disposition::User || pauses => self.pause_or_fail(why),
            Way::Forward { .. } => self.look.go_back(why, disposition, false),
            _ => vec![What::Failed {
                reason: format!("{why}; {}", self.look.what_is_where()),
                kind: crate::Kind::Candidate,
            }],
        }
    }

    /// While nothing was changed there is nothing to wait for a person with.
    fn pause_or_fail(&self, why: &str) -> Vec<What> {
        match self.record().touched() {
            true => vec![self.look.pause(why)],
            false => vec![What::Failed { reason: format!("{why}; nothing was changed"), kind: crate::Kind::Invalid }],
        }
    }
}
