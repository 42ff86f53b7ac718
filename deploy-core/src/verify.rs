//! What a plan may not be, whoever made it: refused before anything is touched.

use crate::orders::{Frame, OrderLine, Standing, Taken, bounds, divide, need};
use crate::{
    Capabilities, Error, Kind, OrderKind, Places, Plan, PlanStage, Resources, Result, Share, Side, Split, Task, Track,
    TrackRef, Traffic,
};
use std::time::Duration;

impl Plan {
    /// Divides every step into its orders and checks G1 (floor and ceiling), G3 (a share grows only over enough ready, nothing
    /// that is served is scaled away) and G13 (what the platform cannot do) on each; that slots suffice; and that deadlines can be met.
    ///
    /// # Errors
    /// `Invalid` or `Unsupported`, naming track, stage, what is wrong and what would help.
    pub fn verify(&self) -> Result<()> {
        for (name, track) in &self.tracks {
            track.verify().map_err(|error| error.with("track", name))?;
        }
        self.waves_are_whole()
    }

    fn waves_are_whole(&self) -> Result<()> {
        let mut planned: Vec<&TrackRef> = self.waves.iter().flatten().collect();
        planned.sort();
        if !planned.iter().copied().eq(self.tracks.keys()) {
            return Err(Error::invalid("the waves of the plan do not name each of its tracks exactly once"));
        }
        let sum: Duration = self.waves.iter().map(|wave| self.longest(wave)).sum();
        if self.deadline < sum {
            let (whole, sum) = (crate::time::show(self.deadline), crate::time::show(sum));
            return Err(Error::invalid(format!("the whole way has {whole}, its stages need up to {sum}: allow more")));
        }
        Ok(())
    }

    fn longest(&self, wave: &[TrackRef]) -> Duration {
        let legs = wave.iter().filter_map(|name| self.tracks.get(name));
        legs.map(|track| crate::machine::leg_deadline(&track.before)).max().unwrap_or_default()
    }
}

impl Track {
    fn verify(&self) -> Result<()> {
        let capabilities = &self.made_from.capabilities;
        let mut standing = Standing::before(self);
        self.resources_are_held(capabilities)?;
        for stage in self.before.iter().chain(&self.after) {
            let checked = Checked { track: self, stage, capabilities };
            standing = checked.verify(standing).map_err(|error| error.with("stage", &stage.stage.step.name))?;
        }
        self.ends_well(&standing)
    }

    fn resources_are_held(&self, capabilities: &Capabilities) -> Result<()> {
        let spec = self.candidate.as_ref().and_then(|party| party.revision.spec.as_ref());
        if capabilities.resources || spec.is_none_or(|spec| spec.resources == Resources::default()) {
            return Ok(());
        }
        let message = "this platform holds nobody to `resources`: leave them out, or overlay them in this environment with `resources: {}`";
        Err(Error::new(Kind::Unsupported, message))
    }

    /// The candidate has all instances and all traffic at the end, and nothing else is left.
    fn ends_well(&self, standing: &Standing) -> Result<()> {
        let Some(candidate) = &self.candidate else { return Ok(()) };
        let left = |(side, count): &(&Side, &u32)| **count > 0 && side.revision != candidate.side.revision;
        if let Some((side, count)) = standing.counts.iter().find(left) {
            return Err(Error::invalid(format!("{count} of {side} are left at the end: retire them after the commit")));
        }
        let stands: u32 = standing
            .counts
            .iter()
            .filter(|(side, _)| side.revision == candidate.side.revision)
            .map(|(_, count)| count)
            .sum();
        if stands < candidate.count {
            let message = format!(
                "the candidate ends with {stands} of {} instances: let the last step have all",
                candidate.count
            );
            return Err(Error::invalid(message));
        }
        let frame =
            Frame { from: None, to: standing.counts.iter().find(|(_, count)| **count > 0).map(|(side, _)| side) };
        let serves = match frame.traffic(&standing.spread, &standing.counts) {
            Traffic::Split(split) => split.candidate.is_whole(),
            Traffic::Pooled => true,
            _ => false,
        };
        if self.routed && !serves {
            return Err(Error::invalid(
                "the candidate does not end with all the traffic: let the last stage send it there",
            ));
        }
        Ok(())
    }
}

/// A stage under check.
struct Checked<'a> {
    track: &'a Track,
    stage: &'a PlanStage,
    capabilities: &'a Capabilities,
}

impl Checked<'_> {
    /// Checks the stage from where the one before left it; returns where this one leaves it.
    fn verify(&self, standing: Standing) -> Result<Standing> {
        let step = &self.stage.stage.step;
        self.traffic_is_possible(&step.desired.traffic)?;
        self.tasks_are_possible(step.before.iter().chain(&step.after))?;
        self.backs_are_possible()?;
        let taken = Taken::by_release(self.track, self.stage);
        let frame = Frame { from: self.stage.from.as_ref(), to: self.stage.to.as_ref() };
        let lines = divide(&step.desired, taken, &standing, frame);
        self.deadline_suffices(lines.len())?;
        self.slots_suffice(&lines, taken, &standing)?;
        self.exclusive_stays_so(&lines)?;
        self.serverless_stays_so(&lines)?;
        self.placed()?;
        let mut standing = standing;
        for line in &lines {
            self.order_is_safe(line, &standing, frame, taken)?;
            standing = standing.after(line, frame);
        }
        Ok(standing)
    }

    fn unsupported(&self, what: &str, instead: &str) -> Error {
        Error::new(Kind::Unsupported, format!("this platform {what}: {instead}"))
    }

    /// G13: what the platform or router cannot do is refused.
    fn traffic_is_possible(&self, traffic: &Traffic) -> Result<()> {
        let can = self.capabilities;
        match traffic {
            _ if self.track.routed == traffic.is_worker() => {
                let (is, wants) = if self.track.routed {
                    ("is routed", "a worker's traffic")
                } else {
                    ("is not routed", "routed traffic")
                };
                Err(Error::invalid(format!("the workload {is}, the step says {wants}: use `Change::traffic`")))
            }
            Traffic::None if !can.traffic_none => {
                Err(self.unsupported("cannot serve nobody while instances run", "use rolling or blue-green"))
            }
            Traffic::Pooled | Traffic::Split(_) if !can.routes => {
                Err(self.unsupported("does not route requests", "give it a router, or `routed: false`"))
            }
            Traffic::Split(split) => self.split_is_possible(split),
            _ => Ok(()),
        }
    }

    fn split_is_possible(&self, split: &Split) -> Result<()> {
        let can = self.capabilities;
        let fine = |share: Share| can.finest.points() == 0 || share.points().is_multiple_of(can.finest.points().max(1));
        let mirror_grows_alone = !split.mirror.is_none() && split.candidate.is_whole();
        match split {
            split if !split.is_whole() && !split.candidate.is_none() && !can.split => {
                Err(self.unsupported("cannot divide traffic by share", "use rolling or blue-green"))
            }
            split if !fine(split.candidate) || !fine(split.mirror) => Err(self.unsupported(
                &format!("divides traffic in steps of {}", can.finest),
                &format!("{} is finer", split.candidate),
            )),
            split if !split.matches.is_empty() && !can.matches => {
                Err(self.unsupported("cannot route by header or cookie", "use a share"))
            }
            split if split.sticky.is_some() && !can.sticky => {
                Err(self.unsupported("cannot keep clients on their side", "leave `sticky` out"))
            }
            split if !split.mirror.is_none() && !can.mirror => {
                Err(self.unsupported("cannot mirror requests", "leave `mirror` out"))
            }
            _ if mirror_grows_alone => {
                Err(Error::invalid("a mirror beside the whole traffic copies requests to where they go: leave it out"))
            }
            _ => Ok(()),
        }
    }

    fn tasks_are_possible<'t>(&self, mut tasks: impl Iterator<Item = &'t Task>) -> Result<()> {
        match tasks.find(|task| !self.capabilities.tasks || task.run.is_empty()) {
            None => Ok(()),
            Some(task) if task.run.is_empty() => {
                Err(Error::invalid(format!("task `{}` runs nothing: give a program and its arguments", task.name)))
            }
            Some(task) => Err(self.unsupported("runs no tasks", &format!("leave task `{}` out", task.name))),
        }
    }

    fn backs_are_possible(&self) -> Result<()> {
        let crate::Back::Steps(steps) = &self.stage.stage.back else { return self.stable_can_come_back() };
        if steps.is_empty() {
            return Err(Error::invalid("a way back without steps leads nowhere: say the steps, or derive it"));
        }
        steps.iter().try_for_each(|step| self.traffic_is_possible(&step.desired.traffic))?;
        self.stable_can_come_back()
    }

    /// What ran before we came has no spec: once it goes before the commit it must be possible to start it again.
    fn stable_can_come_back(&self) -> Result<()> {
        let Some(stable) = &self.track.stable else { return Ok(()) };
        let goes =
            self.track.before.iter().any(|stage| stage.stage.step.desired.stable.of(stable.count) < stable.count);
        let lost = stable.revision.spec.is_none() && goes && !self.capabilities.relaunch_adopted;
        let refused = matches!(self.stage.stage.back, crate::Back::Refused(_));
        if lost && !refused && self.track.strategy != "removal" {
            let message = format!(
                "{} ran before and nothing is known of it: it could not be started again on the way back; use blue_green, which keeps it until the commit",
                stable.side
            );
            return Err(Error::new(Kind::Unsupported, message));
        }
        Ok(())
    }

    fn deadline_suffices(&self, orders: usize) -> Result<()> {
        let (step, holds) = (&self.stage.stage.step, &self.stage.stage.holds);
        let followed = if self.capabilities.evidence == crate::Evidence::DataPlane {
            Duration::ZERO
        } else {
            self.track.followed()
        };
        let least = holds.bake + step.budget.min_ready + followed * orders as u32;
        if step.deadline <= least {
            let (has, needs) = (crate::time::show(step.deadline), crate::time::show(least));
            return Err(Error::invalid(format!(
                "its deadline of {has} cannot be met: bake, min ready, propagation and drain alone take {needs}"
            )));
        }
        Ok(())
    }

    /// Orders need no more slots than there are, and a spare one, or leave to be missing, where nothing may be unavailable.
    fn slots_suffice(&self, lines: &[OrderLine], taken: Taken, standing: &Standing) -> Result<()> {
        let most = lines.iter().map(|line| line.from + line.to).max().unwrap_or(0);
        let slots = self.capabilities.slots;
        if let Some(slots) = slots.filter(|slots| most > *slots) {
            let message =
                format!("it needs {most} slots and there are {slots}: add slots, lower the count, or use rolling");
            return Err(Error::new(Kind::Unsupported, message));
        }
        if !self.replaces_all(lines, taken, standing) {
            return Ok(());
        }
        if let Some(slots) = slots.filter(|slots| most >= *slots) {
            let message = format!(
                "all {slots} slots are taken and nothing may be unavailable: add a slot, or allow max_unavailable 1"
            );
            return Err(Error::new(Kind::Unsupported, message));
        }
        if self.stage.stage.step.budget.max_surge.up(taken.greater()) == 0 {
            return Err(Error::invalid(
                "max_surge and max_unavailable are both 0: nothing could ever move; allow one of them",
            ));
        }
        Ok(())
    }

    /// Whether one side takes the place of another that stands, and nothing may be missing meanwhile.
    fn replaces_all(&self, lines: &[OrderLine], taken: Taken, standing: &Standing) -> bool {
        let from = self.stage.from.as_ref().and_then(|side| standing.counts.get(side));
        let fixed = self.stage.stage.step.budget.max_unavailable.down(taken.greater()) == 0 && !self.track.exclusive;
        let in_place = lines.iter().any(|line| line.kind == OrderKind::InPlace && line.to > 0);
        fixed && in_place && from.is_some_and(|count| *count > 0)
    }

    fn exclusive_stays_so(&self, lines: &[OrderLine]) -> Result<()> {
        if !self.track.exclusive {
            return Ok(());
        }
        let two = lines.iter().any(|line| line.from + line.to > 1);
        if two {
            return Err(Error::invalid(
                "an exclusive workload would have two writers: use recreate, or rolling without surge",
            ));
        }
        let stage = &self.stage.stage;
        let back = if let crate::Back::Steps(steps) = &stage.back { steps.as_slice() } else { &[] };
        let mut budgets = std::iter::once(&stage.step).chain(back).map(|step| &step.budget);
        if !budgets.all(|budget| budget.max_surge.is_none() && budget.max_failed.is_none()) {
            return Err(Error::invalid(
                "an exclusive workload takes no surge and no failed, on its way back either: use max_surge 0, max_unavailable 1, max_failed 0",
            ));
        }
        Ok(())
    }

    /// A revision whose count is the platform's own is there or is not.
    fn serverless_stays_so(&self, lines: &[OrderLine]) -> Result<()> {
        if self.track.is_serverless() && lines.iter().any(|line| line.from > 1 || line.to > 1) {
            return Err(Error::invalid(
                "how many run of a serverless workload is the platform's own business, the step gives a number: use `Change::count`",
            ));
        }
        Ok(())
    }

    fn placed(&self) -> Result<()> {
        let aside = |side: &Option<Side>| side.as_ref().is_some_and(|side| side.place == crate::Place::Aside);
        match self.capabilities.places {
            Places::One if aside(&self.stage.from) || aside(&self.stage.to) => {
                Err(self.unsupported("has one place", "nothing can stand aside"))
            }
            _ => Ok(()),
        }
    }

    /// G1 and G3 on one order.
    fn order_is_safe(&self, line: &OrderLine, standing: &Standing, frame: Frame<'_>, taken: Taken) -> Result<()> {
        let budget = &self.stage.stage.step.budget;
        let count = taken.greater();
        let unavailable = budget.max_unavailable.down(count);
        if let Traffic::Split(split) = &line.traffic {
            let of_share = need(split.candidate, count, unavailable).min(taken.to.saturating_sub(unavailable).max(1));
            let of_share = if split.candidate.is_none() { 0 } else { of_share };
            let need_to = if split.matches.is_empty() { of_share } else { of_share.max(1) };
            let of_stable = if self.stage.stage.step.name == crate::planner::CLEAR {
                taken.from.min(line.from)
            } else {
                taken.from
            };
            let need_from = if frame.from.is_some() { need(split.candidate.rest(), of_stable, unavailable) } else { 0 };
            self.covers("the candidate", line.to, need_to, split.candidate)?;
            self.covers("stable", line.from, need_from, split.candidate.rest())?;
        }
        if line.kind == OrderKind::Shrink && line.traffic == Traffic::Pooled {
            return Err(Error::invalid("pooled traffic beside a split of both sides: use one of them in a plan"));
        }
        let was_split =
            matches!(frame.traffic(&standing.spread, &standing.counts), Traffic::Split(split) if !split.is_whole());
        if line.traffic == Traffic::Pooled && was_split {
            return Err(Error::invalid("pooled traffic after a split of both sides: use one of them in a plan"));
        }
        let limits = bounds(std::slice::from_ref(line), budget, count, count, 0);
        let dark = matches!(line.traffic, Traffic::None) || !self.track.routed || self.track.candidate.is_none();
        if !dark && limits.ceiling == 0 {
            return Err(Error::invalid("it serves requests with no instance at all: give it instances, or no traffic"));
        }
        Ok(())
    }

    fn covers(&self, who: &str, has: u32, needs: u32, share: Share) -> Result<()> {
        if has >= needs {
            return Ok(());
        }
        let message = format!(
            "{who} would serve {share} of the traffic with {has} instances and needs {needs}: give it more first, or a smaller share"
        );
        Err(Error::invalid(message))
    }
}
