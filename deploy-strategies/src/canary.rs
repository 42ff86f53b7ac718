//! A growing share of the requests.

use crate::needs;
use crate::settings::Settings;
use deploy_core::time::human;
use deploy_core::{Amount, Change, Desired, Error, GateSpec, JudgeSpec, Match, Result};
use deploy_core::{Share, Split, Stage, Stages, Sticky, Strategy, Traffic};
use std::time::Duration;

settings! {
    /// Gives the candidate a growing share of the requests, and of the instances.
    ///
    /// ```text
    ///            stable  ●●●●●●   ●●●●●●   ●●●●●●   ●●●●●●   ●●●●●●                    ·
    ///         candidate  ·        ●        ●●       ●●●      ●●●●●●                    ●●●●●●
    ///          requests  0 %      5 %      25 %     50 %     100 %                     100 %
    ///                    └ a first instance ┴ a quarter ┴ half ┴ all ─┴─ bake ─┘commit└ stable goes
    ///                      each: bake, judge            gate      + scale_down_delay
    ///
    /// way back           all requests to stable, then the candidate goes; stable is whole until the commit
    /// ```
    ///
    /// With `mirror` a stage comes first in which the candidate serves nobody but gets copies of that share of the
    /// requests; it never has fewer instances than that asks for. A worker, which nobody is routed to, moves counts alone: so many of the candidate work beside stable.
    ///
    /// Written `canary`, or `canary: { steps: [5%, 25%, 50%], bake: 5m }`.
    #[schemars(description = "Gives the candidate a growing share of the requests, and of the instances.")]
    Canary as "canary" {
        /// The candidate's shares, each greater than the one before. All comes last by itself. Default 5 %, 25 %, 50 %.
        steps: Vec<Share> = [5, 25, 50].map(Share::percent).to_vec(),
        /// Each stage stays healthy so long. Default 5 min.
        #[serde(with = "human")]
        #[schemars(with = "String")]
        bake: Duration = Duration::from_secs(300),
        /// Asked while a share bakes; not when the candidate has all, where there is nothing to compare with.
        #[serde(skip_serializing_if = "Option::is_none")]
        judge: Option<JudgeSpec> = None,
        /// Asked once, before the candidate gets all.
        #[serde(skip_serializing_if = "Option::is_none")]
        gate: Option<GateSpec> = None,
        /// Requests that go to the candidate from the first share on, whatever the share.
        #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
        matches: Vec<Match> = Vec::new(),
        /// Keeps a client on the side that served it first.
        #[serde(skip_serializing_if = "Option::is_none")]
        sticky: Option<Sticky> = None,
        /// Copies of so many requests go to the candidate first, their answers thrown away. Default 0: no such stage.
        mirror: Share = Share::NONE,
        /// Keeps stable so much longer at 100 %, so that going back stays one switch; added to the bake. Default 0.
        #[serde(with = "human")]
        #[schemars(with = "String")]
        scale_down_delay: Duration = Duration::ZERO,
        /// So many more instances than the two sides have; a share is rounded up. Default 0.
        max_surge: Amount = Amount::NONE,
        /// So many fewer ready than the count; a share is rounded down. Default 0.
        max_unavailable: Amount = Amount::NONE,
    }
}

impl Canary {
    fn able(&self, change: &Change<'_>) -> Result<()> {
        needs::two_at_a_time(change, Self::NAME)?;
        needs::routes(change, Self::NAME)?;
        needs::shares(change, Self::NAME, "steps", &self.steps)?;
        if !change.is_routed() {
            return self.nothing_for_a_router();
        }
        let can = change.capabilities;
        let matches = !self.matches.is_empty();
        needs::ability(matches, can.matches, "match", "choose by header or cookie", "leave `match` out")?;
        needs::ability(
            self.sticky.is_some(),
            can.sticky,
            "sticky",
            "keep clients on their side",
            "leave `sticky` out",
        )?;
        needs::ability(!self.mirror.is_none(), can.mirror, "mirror", "send copies of requests", "leave `mirror` out")
    }

    fn nothing_for_a_router(&self) -> Result<()> {
        let asked = [
            ("match", !self.matches.is_empty()),
            ("sticky", self.sticky.is_some()),
            ("mirror", !self.mirror.is_none()),
        ];
        match asked.into_iter().find(|(_, asked)| *asked) {
            Some((key, _)) => {
                Err(Error::at(key, format!("no requests are routed to this workload: leave `{key}` out")))
            }
            None => Ok(()),
        }
    }

    fn split(&self, share: Share) -> Split {
        Split { candidate: share, matches: self.matches.clone(), sticky: self.sticky.clone(), mirror: Share::NONE }
    }

    /// The shares below the whole, which has a stage of its own.
    fn parts(&self) -> impl Iterator<Item = Share> {
        self.steps.iter().copied().filter(|share| !share.is_whole())
    }

    fn part(&self, change: &Change<'_>, share: Share, split: Split) -> Stage {
        let all = change.count();
        let pace = self.pace(self.max_surge, self.max_unavailable);
        let count = all.share(share.max(self.mirror));
        let desired = Desired::both(all, count).traffic(change.traffic(Traffic::Split(split)));
        pace.stage(name(share, count.of(change.workload.count())), desired).bake(self.bake).judge(self.judge.clone())
    }

    fn shadow(&self, change: &Change<'_>) -> Option<Stage> {
        let mut stage = self.part(change, self.mirror, Split::stable().mirror(self.mirror));
        stage.step.name = "copies of requests".to_owned();
        (!self.mirror.is_none()).then_some(stage)
    }
}

/// What a share is called in the plan.
fn name(share: Share, instances: u32) -> String {
    match share.points() {
        _ if instances == 1 => "a first instance".to_owned(),
        2_500 => "a quarter".to_owned(),
        5_000 => "half".to_owned(),
        7_500 => "three quarters".to_owned(),
        _ => share.to_string(),
    }
}

impl Settings for Canary {
    const NAME: &'static str = Self::NAME;

    fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::at("steps", message));
        match self.steps.first() {
            None => return wrong("there are none: give shares that grow, as in [5%, 25%, 50%]".to_owned()),
            Some(first) if first.is_none() => return wrong("0% gives the candidate nobody: begin above 0%".to_owned()),
            Some(_) => {}
        }
        if let Some(pair) = self.steps.windows(2).find(|pair| pair[0] >= pair[1]) {
            let (one, two) = (pair[0], pair[1]);
            return wrong(format!("{two} comes after {one}: each share must be greater than the one before"));
        }
        self.pace(self.max_surge, self.max_unavailable).check()
    }
}

impl Strategy for Canary {
    fn plan(&self, change: &Change<'_>) -> Result<Stages> {
        self.check()?;
        self.able(change)?;
        let (pace, all) = (self.pace(self.max_surge, self.max_unavailable), change.count());
        let whole = change.traffic(Traffic::candidate());

        let parts = self.parts().map(|share| self.part(change, share, self.split(share)));
        let mut stages: Vec<Stage> = self.shadow(change).into_iter().chain(parts).collect();
        if let Some(last) = stages.last_mut() {
            last.holds.gate.clone_from(&self.gate);
        }
        let bake = self.bake.saturating_add(self.scale_down_delay);
        stages.push(pace.stage("all", Desired::both(all, all).traffic(whole.clone())).bake(bake));
        Ok(pace.stages(stages, vec![pace.step("stable goes", Desired::candidate(all).traffic(whole))]))
    }
}
