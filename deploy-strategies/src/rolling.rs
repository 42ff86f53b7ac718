//! One instance after the other, at one place.

use crate::needs;
use crate::settings::Settings;
use deploy_core::time::human;
use deploy_core::{Amount, Change, Desired, Error, GateSpec, JudgeSpec, Result, Stages, Strategy, Traffic};
use std::time::Duration;

settings! {
    /// Replaces instances a few at a time; whoever is ready serves.
    ///
    /// ```text
    ///            stable  ●●●●●●  ●●●●●   ●●●     ·          ·
    ///         candidate  ·       ○●      ○●●     ●●●●●●     ●●●●●●
    ///          requests  ──────────── everybody who is ready ────────── commit
    ///                    └────────── all, in turn ──────┘└─ bake ─┘
    ///
    /// way back           the same the other way round, from wherever it stands
    /// ```
    ///
    /// Never fewer ready than the count less `max_unavailable`, never more running than it plus `max_surge`. An exclusive
    /// workload is stopped before the other is started: no surge, one unavailable.
    ///
    /// Written `rolling`, or `rolling: { max_surge: 25% }`.
    #[schemars(description = "Replaces instances a few at a time; whoever is ready serves.")]
    RollingUpdate as "rolling" {
        /// So many more instances than the count; a share is rounded up. Default 1; 0 for an exclusive workload.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_surge: Option<Amount> = None,
        /// So many fewer ready than the count; a share is rounded down. Default 0; 1 for an exclusive workload.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_unavailable: Option<Amount> = None,
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

impl RollingUpdate {
    fn surge(&self, exclusive: bool) -> Amount {
        self.max_surge.unwrap_or(Amount::Number(u32::from(!exclusive)))
    }

    fn unavailable(&self, exclusive: bool) -> Amount {
        self.max_unavailable.unwrap_or(Amount::Number(u32::from(exclusive)))
    }

    fn moves(&self, change: &Change<'_>) -> Result<(Amount, Amount)> {
        let exclusive = change.is_exclusive();
        let (surge, unavailable) = (self.surge(exclusive), self.unavailable(exclusive));
        if exclusive {
            needs::one_at_a_time(surge, unavailable, self.max_failed)?;
        }
        let count = change.workload.count().max(1);
        if surge.up(count) == 0 && unavailable.down(count) == 0 {
            return Err(stands_still(surge, unavailable, count));
        }
        Ok((surge, unavailable))
    }
}

fn stands_still(surge: Amount, unavailable: Amount, count: u32) -> Error {
    let message = format!(
        "nothing could ever move: max_surge {surge} and max_unavailable {unavailable} of {count} are both 0; \
         let one of them be at least 1"
    );
    Error::at("max_surge", message)
}

impl Settings for RollingUpdate {
    const NAME: &'static str = Self::NAME;

    fn check(&self) -> Result<()> {
        let (surge, unavailable) = (self.max_surge, self.max_unavailable);
        if let (Some(surge), Some(unavailable)) = (surge, unavailable)
            && surge.is_none()
            && unavailable.is_none()
        {
            let message =
                "nothing could ever move: max_surge and max_unavailable are both 0; let one of them be at least 1";
            return Err(Error::at("max_surge", message));
        }
        self.pace(self.surge(false), self.unavailable(false)).check()
    }
}

impl Strategy for RollingUpdate {
    fn plan(&self, change: &Change<'_>) -> Result<Stages> {
        self.check()?;
        let (surge, unavailable) = self.moves(change)?;
        let pace = self.pace(surge, unavailable);
        let all = Desired::pooled(change.count()).traffic(change.traffic(Traffic::Pooled));
        let stage = pace.stage("all, in turn", all).bake(self.bake);
        Ok(pace.stages(vec![stage.judge(self.judge.clone()).gate(self.gate.clone())], Vec::new()))
    }
}
