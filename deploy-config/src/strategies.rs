//! Whether the strategies that a spec mentions take their settings.

use deploy_core::{Amount, Error, Kind, Name, Result, Spec, Strategies, StrategyRef};

/// A strategy and the path of the key it stands at.
type Mentioned<'a> = (String, &'a StrategyRef);

/// Asks each strategy that is mentioned, then looks for surge where a workload is exclusive.
pub(crate) fn check(spec: &Spec, known: &dyn Strategies) -> Result<()> {
    mentioned(spec).iter().try_for_each(|(at, strategy)| taken(at, strategy, known))?;
    exclusive(spec)
}

fn taken(at: &str, strategy: &StrategyRef, known: &dyn Strategies) -> Result<()> {
    let Err(error) = known.get(strategy) else { return Ok(()) };
    let mut path = format!("{at}.{}", strategy.name);
    if let Some(inner) = error.context("at").filter(|_| error.kind() != Kind::NotFound) {
        path = format!("{path}.{inner}");
    }
    Err(Error::at(path, error.message()))
}

fn mentioned(spec: &Spec) -> Vec<Mentioned<'_>> {
    let mut all = vec![("strategy".to_owned(), &spec.strategy)];
    for (name, workload) in &spec.workloads {
        all.extend(workload.strategy.iter().map(|strategy| (format!("workloads.{name}.strategy"), strategy)));
    }
    for (name, environment) in &spec.environments {
        let at = format!("environments.{name}");
        all.extend(environment.strategy.iter().map(|strategy| (format!("{at}.strategy"), strategy)));
        for (name, overlay) in &environment.workloads {
            let at = format!("{at}.workloads.{name}.strategy");
            all.extend(overlay.strategy.iter().map(|strategy| (at.clone(), strategy)));
        }
    }
    all
}

/// Refuses a surge that would put a second instance beside the one of an exclusive workload.
fn exclusive(spec: &Spec) -> Result<()> {
    for (name, workload) in spec.workloads.iter().filter(|(_, workload)| workload.is_exclusive()) {
        let own = workload.strategy.as_ref().map(|strategy| (format!("workloads.{name}.strategy"), strategy));
        let usual = own.clone().unwrap_or_else(|| ("strategy".to_owned(), &spec.strategy));
        let here = spec.environments.iter().map(|(at, environment)| {
            let overlay = environment.workloads.get(name).and_then(|overlay| overlay.strategy.as_ref());
            let overlay = overlay.map(|strategy| (format!("environments.{at}.workloads.{name}.strategy"), strategy));
            let whole = environment.strategy.as_ref().map(|strategy| (format!("environments.{at}.strategy"), strategy));
            overlay.or_else(|| own.clone()).or(whole).unwrap_or_else(|| ("strategy".to_owned(), &spec.strategy))
        });
        std::iter::once(usual).chain(here).try_for_each(|mentioned| no_surge(name, &mentioned))?;
    }
    Ok(())
}

fn no_surge(name: &Name, (at, strategy): &Mentioned<'_>) -> Result<()> {
    let surge = strategy.settings.get("max_surge").cloned().map(serde_json::from_value::<Amount>);
    match surge {
        Some(Ok(amount)) if !amount.is_none() => Err(Error::at(
            format!("{at}.{}.max_surge", strategy.name),
            format!(
                "workload `{name}` is exclusive: nothing may come in beside its one instance, and {amount} would; use \
                 `max_surge: 0`, or give `{name}` a strategy of its own, as `strategy: recreate`"
            ),
        )),
        _ => Ok(()),
    }
}
