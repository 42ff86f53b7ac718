//! Which strategy suits which situation.

use crate::{BlueGreen, Canary, Recreate, RollingUpdate};
use deploy_core::{Amount, Share, StrategyRef};
use serde::{Deserialize, Serialize};

/// What is about to be deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Situation {
    /// A new major version.
    MajorUpgrade,
    /// A feature that may turn out badly under real requests.
    RiskyFeature,
    /// A small change like yesterday's.
    DailyUpdate,
    /// A change of stored data that the earlier release cannot live with.
    SchemaChange,
    /// What runs is broken and must be replaced now.
    Hotfix,
}

/// A strategy for a situation, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recommendation {
    /// The strategy with its settings.
    pub strategy: StrategyRef,
    /// Why.
    pub reason: &'static str,
}

/// Recommends a strategy for a situation. A starting point: the workload and the platform may ask for another.
pub fn recommend(situation: Situation) -> Recommendation {
    let (strategy, reason) = match situation {
        Situation::MajorUpgrade => (
            BlueGreen { auto_promote: false, ..BlueGreen::default() }.into(),
            "it can be tried whole before anybody sees it, a person says when, and going back is one switch",
        ),
        Situation::RiskyFeature => (
            Canary::default().into(),
            "few requests meet it first, and it grows only while it stays healthy; add a judge to hold it to figures",
        ),
        Situation::DailyUpdate => (
            RollingUpdate::default().into(),
            "it costs one instance more, nobody is turned away, and nobody has to look",
        ),
        Situation::SchemaChange => (
            Recreate::default().into(),
            "the two releases never run at the same time: put the backup and the migration, each with its undo, into `between`",
        ),
        Situation::Hotfix => (
            RollingUpdate { max_surge: Some(Amount::Share(Share::WHOLE)), ..RollingUpdate::default() }.into(),
            "everything is started at once beside what is broken, and each instance serves as soon as it is ready",
        ),
    };
    Recommendation { strategy, reason }
}
