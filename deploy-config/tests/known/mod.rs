//! A few strategies that look at their settings and do nothing else.

use deploy_core::{Amount, Change, Error, Kind, Result, Share, Stages, Strategies, Strategy, StrategyRef};
use std::sync::Arc;

/// `recreate`, `rolling` and `canary`, as far as their settings go.
#[derive(Debug)]
pub(crate) struct Known;

#[derive(Debug)]
struct Nothing;

impl Strategy for Nothing {
    fn plan(&self, _: &Change<'_>) -> Result<Stages> {
        Ok(Stages::new())
    }
}

impl Strategies for Known {
    fn get(&self, strategy: &StrategyRef) -> Result<Arc<dyn Strategy>> {
        match strategy.name.as_str() {
            "recreate" => Ok(()),
            "rolling" => rolling(strategy),
            "canary" => canary(strategy),
            name => Err(Error::new(
                Kind::NotFound,
                format!("there is no strategy `{name}`; there are: `canary`, `recreate`, `rolling`"),
            )),
        }?;
        Ok(Arc::new(Nothing))
    }
}

fn rolling(strategy: &StrategyRef) -> Result<()> {
    let amount = |key: &str| {
        let given = strategy.settings.get(key).cloned().unwrap_or("25%".into());
        serde_json::from_value::<Amount>(given).map_err(|_| Error::at(key, "not an amount"))
    };
    match amount("max_surge")?.is_none() && amount("max_unavailable")?.is_none() {
        true => {
            Err(Error::at("max_surge", "`max_surge` and `max_unavailable` are both 0: nothing could ever be replaced"))
        }
        false => Ok(()),
    }
}

fn canary(strategy: &StrategyRef) -> Result<()> {
    if let Some(key) =
        strategy.settings.keys().find(|key| !["steps", "bake", "max_unavailable"].contains(&key.as_str()))
    {
        return Err(Error::at(
            key,
            format!("`{key}` is not a setting of `canary`: use `steps`, `bake`, `max_unavailable`"),
        ));
    }
    let steps = strategy.settings.get("steps").and_then(|steps| steps.as_array()).cloned().unwrap_or_default();
    let mut last = Share::NONE;
    for (index, step) in steps.iter().enumerate() {
        let at = format!("steps.{index}");
        let share: Share = step.as_str().unwrap_or_default().parse().map_err(|e: Error| Error::at(&at, e.message()))?;
        if share <= last {
            return Err(Error::at(&at, format!("{share} is not more than the {last} before it: let the steps grow")));
        }
        last = share;
    }
    Ok(())
}
