//! All beside stable, then one switch.

use crate::needs;
use crate::settings::Settings;
use deploy_core::time::human;
use deploy_core::{Amount, Change, Desired, GateSpec, JudgeSpec, Name, Result, Stages, Strategy, Task, Traffic};
use std::time::Duration;

settings! {
    /// Brings the candidate up whole beside stable, tries it, and switches all requests at once.
    ///
    /// ```text
    ///            stable  ●●●●●●  ●●●●●●          ●●●●●●                     ·
    ///         candidate  ·       ●●●●●●          ●●●●●●                     ●●●●●●
    ///          requests  stable  stable          candidate                  candidate
    ///                    └ all beside stable ─┬──┘└ the switch ─┴─ bake ─┘commit└ stable goes
    ///                              `preview`, gate                + scale_down_delay
    ///
    /// way back           one switch to stable, then the candidate goes
    /// ```
    ///
    /// Costs room for twice the count. A worker, which nobody is routed to, has no switch: both work from the first stage on.
    ///
    /// Written `blue_green`, or `blue_green: { auto_promote: false }`.
    #[schemars(description = "Brings the candidate up whole beside stable, tries it, and switches all requests at once.")]
    BlueGreen as "blue_green" {
        /// Tasks against the candidate before anybody is sent to it: smoke tests.
        preview: Vec<Task> = Vec::new(),
        /// Switches without asking. Default true; where false a person approves the switch, or `gate` decides.
        auto_promote: bool = true,
        /// Asked before the switch. Default: none, or a person within an hour where `auto_promote` is false.
        #[serde(skip_serializing_if = "Option::is_none")]
        gate: Option<GateSpec> = None,
        /// Stays healthy so long with all requests. Default 0.
        #[serde(with = "human")]
        #[schemars(with = "String")]
        bake: Duration = Duration::ZERO,
        /// Asked while it bakes with all requests.
        #[serde(skip_serializing_if = "Option::is_none")]
        judge: Option<JudgeSpec> = None,
        /// Keeps stable so much longer, so that going back stays one switch; added to the bake. Default 30 s.
        #[serde(with = "human")]
        #[schemars(with = "String")]
        scale_down_delay: Duration = Duration::from_secs(30),
        /// So many more instances than twice the count; a share is rounded up. Default 0.
        max_surge: Amount = Amount::NONE,
        /// So many fewer ready than the count; a share is rounded down. Default 0.
        max_unavailable: Amount = Amount::NONE,
    }
}

impl BlueGreen {
    fn asked(&self) -> Result<Option<GateSpec>> {
        match &self.gate {
            None if !self.auto_promote => Ok(Some(GateSpec::approval(Name::new("promote")?))),
            gate => Ok(gate.clone()),
        }
    }
}

impl Settings for BlueGreen {
    const NAME: &'static str = Self::NAME;

    fn check(&self) -> Result<()> {
        self.pace(self.max_surge, self.max_unavailable).check()
    }
}

impl Strategy for BlueGreen {
    fn plan(&self, change: &Change<'_>) -> Result<Stages> {
        self.check()?;
        needs::two_at_a_time(change, Self::NAME)?;
        needs::routes(change, Self::NAME)?;
        let (pace, all) = (self.pace(self.max_surge, self.max_unavailable), change.count());
        let both = |traffic| Desired::both(all, all).traffic(change.traffic(traffic));

        let mut beside = pace.stage("all beside stable", both(Traffic::stable())).gate(self.asked()?);
        beside.step.after.clone_from(&self.preview);
        let bake = self.bake.saturating_add(self.scale_down_delay);
        let gone = pace.step("stable goes", Desired::candidate(all).traffic(change.traffic(Traffic::candidate())));
        if !change.is_routed() {
            return Ok(pace.stages(vec![beside.bake(bake).judge(self.judge.clone())], vec![gone]));
        }
        let switch = pace.stage("the switch", both(Traffic::candidate())).bake(bake).judge(self.judge.clone());
        Ok(pace.stages(vec![beside, switch], vec![gone]))
    }
}
