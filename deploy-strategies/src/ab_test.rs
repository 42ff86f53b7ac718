//! Chosen requests to the candidate for a while, then a decision.

use crate::needs;
use crate::settings::Settings;
use deploy_core::time::human;
use deploy_core::{Amount, Change, Count, Desired, Error, GateSpec, JudgeSpec, Match, Name, Result};
use deploy_core::{Share, Split, Stage, Stages, Sticky, Strategy, Traffic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who decides a comparison when its time is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decides {
    /// A person, or the gate that is given; no answer goes back.
    #[default]
    Approval,
    /// The judge: pass promotes, fail goes back at once, unproven goes back at the deadline.
    Judge,
    /// Nobody: the candidate is promoted when it stayed healthy.
    Promote,
}

settings! {
    /// Sends chosen requests to the candidate for a while, and decides then.
    ///
    /// ```text
    ///            stable  ●●●●●●   ●●●●●●                        ●●●●●●                     ·
    ///         candidate  ·        ●●●                           ●●●●●●                     ●●●●●●
    ///          requests  stable   header, cookie or share       candidate                  candidate
    ///                    └ side by side ─┴─ duration ─ decision ┴ all ─┴─ bake ─┘commit└ stable goes
    ///                                                              + scale_down_delay
    ///
    /// way back           all requests to stable, then the candidate goes; stable is whole until the commit
    /// ```
    ///
    /// Needs `match`, `share` or both. With a share and no `sticky` the same person may see both.
    ///
    /// Written `ab_test: { match: [{ header: { name: x-beta, value: "1" } }], duration: 2h, decision: judge }`.
    #[schemars(description = "Sends chosen requests to the candidate for a while, and decides then.")]
    AbTest as "ab_test" {
        /// Requests that go to the candidate.
        #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
        matches: Vec<Match> = Vec::new(),
        /// The candidate's share of all other requests. Default 0.
        share: Share = Share::NONE,
        /// Keeps a client on the side that served it first.
        #[serde(skip_serializing_if = "Option::is_none")]
        sticky: Option<Sticky> = None,
        /// How many of the candidate take part, at least one. Default: the share of the count; with a match alone, half of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        instances: Option<Amount> = None,
        /// How long they are compared. Default 1 h.
        #[serde(with = "human")]
        #[schemars(with = "String")]
        duration: Duration = Duration::from_secs(3600),
        /// Who decides then: `approval`, `judge` or `promote`. Default `approval`.
        decision: Decides = Decides::Approval,
        /// Asked all the while; a fail goes back at once. Default: none, or `threshold` where the judge decides.
        #[serde(skip_serializing_if = "Option::is_none")]
        judge: Option<JudgeSpec> = None,
        /// Who approves. Default: a person within an hour of the end.
        #[serde(skip_serializing_if = "Option::is_none")]
        gate: Option<GateSpec> = None,
        /// Stays healthy so long with all requests. Default 0.
        #[serde(with = "human")]
        #[schemars(with = "String")]
        bake: Duration = Duration::ZERO,
        /// Keeps stable so much longer, so that going back stays one switch; added to the bake. Default 30 s.
        #[serde(with = "human")]
        #[schemars(with = "String")]
        scale_down_delay: Duration = Duration::from_secs(30),
        /// So many more instances than the two sides have; a share is rounded up. Default 0.
        max_surge: Amount = Amount::NONE,
        /// So many fewer ready than the count; a share is rounded down. Default 0.
        max_unavailable: Amount = Amount::NONE,
    }
}

impl AbTest {
    fn able(&self, change: &Change<'_>) -> Result<()> {
        needs::two_at_a_time(change, Self::NAME)?;
        needs::routed(change, Self::NAME)?;
        needs::routes(change, Self::NAME)?;
        needs::shares(change, Self::NAME, "share", &[self.share])?;
        let can = change.capabilities;
        let matches = !self.matches.is_empty();
        needs::ability(matches, can.matches, "match", "choose by header or cookie", "use `share`, or `canary`")?;
        needs::ability(self.sticky.is_some(), can.sticky, "sticky", "keep clients on their side", "leave `sticky` out")
    }

    /// How many of the candidate take part: enough for their share of the requests.
    fn taking_part(&self, change: &Change<'_>) -> Result<Count> {
        let (all, replicas) = (change.count(), change.workload.count());
        let count = match self.instances {
            None if self.share.is_none() => all.half(),
            None => all.share(self.share),
            Some(Amount::Share(share)) => all.share(share),
            Some(Amount::Number(number)) => Count::Exactly(number),
        };
        let needed = self.share.of(replicas).saturating_sub(self.max_unavailable.down(replicas)).max(1);
        match count.of(replicas) {
            number if number < needed => Err(too_few(number, self.share, needed)),
            number if number > replicas => Err(too_many(number, replicas)),
            _ => Ok(count),
        }
    }

    fn judged(&self) -> Option<JudgeSpec> {
        match self.decision {
            Decides::Judge => Some(self.judge.clone().unwrap_or_default()),
            _ => self.judge.clone(),
        }
    }

    fn asked(&self) -> Result<Option<GateSpec>> {
        match (&self.gate, self.decision) {
            (None, Decides::Approval) => Ok(Some(GateSpec::approval(Name::new("decision")?))),
            (gate, _) => Ok(gate.clone()),
        }
    }

    fn compare(&self, change: &Change<'_>) -> Result<Stage> {
        let split =
            Split { sticky: self.sticky.clone(), candidate: self.share, ..Split::matching(self.matches.clone()) };
        let desired = Desired::both(change.count(), self.taking_part(change)?).split(split);
        let stage = self.pace(self.max_surge, self.max_unavailable).stage("side by side", desired);
        Ok(stage.bake(self.duration).judge(self.judged()).gate(self.asked()?))
    }

    fn chosen(&self) -> Result<()> {
        if self.share.is_whole() {
            return Err(Error::at("share", "100% leaves nothing to compare with: use less, or `blue_green`"));
        }
        if self.matches.is_empty() && self.share.is_none() {
            let message = "nobody would see the candidate: give headers or cookies to match, as in \
                           [{ header: { name: x-beta, value: \"1\" } }], or a share";
            return Err(Error::at("match", message));
        }
        if self.instances.is_some_and(Amount::is_none) {
            return Err(Error::at("instances", "0 of the candidate cannot serve anybody: use at least 1"));
        }
        Ok(())
    }

    fn decided(&self) -> Result<()> {
        if self.gate.is_some() && self.decision != Decides::Approval {
            return Err(Error::at("gate", "a gate is asked only with `decision: approval`: leave one of the two out"));
        }
        if self.judge.is_some() && self.decision == Decides::Promote {
            return Err(Error::at("judge", "a judge is not asked with `decision: promote`: use `decision: judge`"));
        }
        Ok(())
    }
}

fn too_few(number: u32, share: Share, needed: u32) -> Error {
    let message = format!("{number} cannot serve {share} of the requests: use at least {needed}, or a smaller share");
    Error::at("instances", message)
}

fn too_many(number: u32, replicas: u32) -> Error {
    Error::at("instances", format!("{number} is more than the workload has: use 1 to {replicas}, or a share"))
}

impl Settings for AbTest {
    const NAME: &'static str = Self::NAME;

    fn check(&self) -> Result<()> {
        self.chosen()?;
        self.decided()?;
        self.pace(self.max_surge, self.max_unavailable).check()
    }
}

impl Strategy for AbTest {
    fn plan(&self, change: &Change<'_>) -> Result<Stages> {
        self.check()?;
        self.able(change)?;
        let (pace, all) = (self.pace(self.max_surge, self.max_unavailable), change.count());
        let bake = self.bake.saturating_add(self.scale_down_delay);
        let whole = pace.stage("all", Desired::both(all, all).traffic(Traffic::candidate())).bake(bake);
        Ok(pace.stages(vec![self.compare(change)?, whole], vec![pace.step("stable goes", Desired::candidate(all))]))
    }
}
