//! Releases and strategies to try.

use deploy_core::{Name, Release, Result, Source, Spec, StrategyRef, TrackRef, Workload};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How long an instance of a simulated workload may finish what it has in flight.
pub const DRAIN: Duration = Duration::from_secs(5);

/// The variable of the engine's environment whose value is a secret of some releases: any test has it, none shows it.
pub const SECRET: &str = "PATH";

/// The five strategies by name.
pub const STRATEGIES: [&str; 5] = ["recreate", "rolling", "blue_green", "canary", "ab_test"];

/// Settings that make a strategy short, or as a test needs it.
pub fn strategy(name: &str, more: Value) -> StrategyRef {
    let base = match name {
        "recreate" => json!({ "bake": "10s" }),
        "rolling" => json!({ "max_surge": 1, "bake": "10s" }),
        "blue_green" => json!({ "bake": "10s", "scale_down_delay": "5s" }),
        "canary" => json!({ "steps": ["10%", "50%"], "bake": "20s" }),
        "ab_test" => json!({ "share": "20%", "duration": "30s", "decision": "promote" }),
        _ => Value::Null,
    };
    let mut settings: Map<String, Value> = base.as_object().cloned().unwrap_or_default();
    if let Value::Object(more) = more {
        settings.extend(more);
    }
    StrategyRef { name: name.to_owned(), settings }
}

/// An application of one routed workload `web`.
///
/// # Errors
/// `Invalid` for what makes no sense.
pub fn web(version: &str, replicas: u32, strategy: StrategyRef) -> Result<Spec> {
    let mut workload = Workload::new(Source::Command(vec!["web".into(), version.into()]));
    workload.ports = [(Name::new("http")?, 8080)].into();
    workload.replicas = replicas;
    workload.drain = DRAIN;
    let spec = Spec::new(Name::new("shop")?).version(version).strategy(strategy);
    Ok(spec.workload(Name::new("web")?, workload).environment(Name::new("production")?, Name::new("edge")?))
}

/// Adds a workload `worker` that nobody is routed to, and one `api` that `web` depends on.
///
/// # Errors
/// `Invalid` for what makes no sense.
pub fn with_more(mut spec: Spec, version: &str) -> Result<Spec> {
    let mut worker = Workload::new(Source::Command(vec!["worker".into(), version.into()]));
    worker.replicas = 2;
    let mut api = Workload::new(Source::Command(vec!["api".into(), version.into()]));
    api.ports = [(Name::new("http")?, 9090)].into();
    api.replicas = 2;
    api.drain = DRAIN;
    if let Some(web) = spec.workloads.get_mut("web") {
        web.depends_on = [Name::new("api")?].into();
    }
    spec = spec.workload(Name::new("worker")?, worker).workload(Name::new("api")?, api);
    Ok(spec)
}

/// The release of a spec.
///
/// # Errors
/// `Invalid` for what makes no sense.
pub fn release(spec: Spec) -> Result<Release> {
    Release::new(spec)
}

/// The track of a workload of these applications.
///
/// # Errors
/// `Invalid` for a name that is none.
pub fn track(workload: &str) -> Result<TrackRef> {
    format!("shop/production/{workload}@edge").parse()
}
