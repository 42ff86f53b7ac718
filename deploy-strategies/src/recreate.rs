//! All down, then all up.

use crate::needs;
use crate::settings::Settings;
use deploy_core::time::human;
use deploy_core::{Amount, Back, Change, Count, Desired, Error, GateSpec, JudgeSpec, Kind};
use deploy_core::{Result, Stages, Strategy, Task, Traffic};
use std::time::Duration;

settings! {
    /// Stops everything, does what must be done while nothing runs, starts everything.
    ///
    /// ```text
    ///            stable  ●●●●●●  ·            ·                         ·
    ///         candidate  ·       ·            ·                         ●●●●●●
    ///          requests  stable  nobody       nobody                    everybody who is healthy ── commit
    ///                    └ all stop ─┴─ nobody runs: `between` ─┴─ all start ─┘└─ bake ─┘
    ///                                   (backup, migration)
    ///
    /// way back, while they stop        stable starts again
    /// way back, from then on           all stop ── what was done is undone ── stable starts again
    /// ```
    ///
    /// There is a gap in which nobody is served; never two releases at a time, on the way back neither. So it suits an
    /// exclusive workload, and a change of data that the earlier release could not live with.
    ///
    /// Written `recreate`, or `recreate: { between: [{ name: migrate, kind: migration, run: [bin/migrate] }] }`.
    #[schemars(description = "Stops everything, does what must be done while nothing runs, starts everything.")]
    Recreate as "recreate" {
        /// Tasks while nothing runs: a backup, a migration, each with its undo.
        between: Vec<Task> = Vec::new(),
        /// Stays healthy so long before the commit. Default 0.
        #[serde(with = "human")]
        #[schemars(with = "String")]
        bake: Duration = Duration::ZERO,
        /// Asked while it bakes.
        #[serde(skip_serializing_if = "Option::is_none")]
        judge: Option<JudgeSpec> = None,
        /// Asked when it has baked; a refusal goes back.
        #[serde(skip_serializing_if = "Option::is_none")]
        gate: Option<GateSpec> = None,
    }
}

impl Settings for Recreate {
    const NAME: &'static str = Self::NAME;

    fn check(&self) -> Result<()> {
        self.pace(Amount::NONE, Amount::NONE).check()
    }
}

fn can_serve_nobody(change: &Change<'_>) -> Result<()> {
    if !change.is_routed() || change.capabilities.traffic_none {
        return Ok(());
    }
    let message = "`recreate` takes everybody out of the router before it stops them and this platform's router cannot \
                   serve nobody: use `rolling` with `max_surge: 0` and `max_unavailable: 100%`";
    Err(Error::new(Kind::Unsupported, message))
}

impl Strategy for Recreate {
    fn plan(&self, change: &Change<'_>) -> Result<Stages> {
        self.check()?;
        can_serve_nobody(change)?;
        if change.is_exclusive() {
            needs::only_one_may_not_fail(self.max_failed)?;
        }
        let pace = self.pace(Amount::NONE, Amount::Number(u32::from(change.is_exclusive())));
        let nobody = Desired::nothing().traffic(change.traffic(Traffic::None));
        let pooled = |desired: Desired| desired.traffic(change.traffic(Traffic::Pooled));
        let again = pace.step("stable starts again", pooled(Desired::stable(change.count())));
        let whole = Back::Steps(vec![pace.step("all stop", nobody.clone()), again.clone()]);

        let down = pace.stage("all stop", nobody.clone()).back(Back::Steps(vec![again]));
        let mut between = pace.stage("nobody runs", nobody).back(whole.clone());
        between.step.after.clone_from(&self.between);
        let up = pace.stage("all start", pooled(Desired::both(Count::NONE, change.count()))).bake(self.bake);
        let up = up.judge(self.judge.clone()).gate(self.gate.clone()).back(whole);
        let between = (!self.between.is_empty()).then_some(between);
        Ok(pace.stages([down].into_iter().chain(between).chain([up]).collect(), Vec::new()))
    }
}
