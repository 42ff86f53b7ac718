//! A change to plan for, and plans as tables.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use deploy_core::time::show;
use deploy_core::{Back, Capabilities, Change, Error, Name, Observed, Result, Revision, Source, Stage, Stages, Step};
use deploy_core::{Strategies, StrategyRef, Task, Workload};
use deploy_strategies::Registry;
use serde_json::{Value, json};

/// A web service of so many instances.
pub(crate) fn web(replicas: u32) -> Workload {
    let port = (Name::new("http").unwrap(), 8080);
    Workload { replicas, ports: [port].into(), ..Workload::new(Source::Image("shop/web".into())) }
}

/// A service that nobody is routed to.
pub(crate) fn worker(replicas: u32) -> Workload {
    Workload { routed: Some(false), ..web(replicas) }
}

/// A service with one writer.
pub(crate) fn one_writer() -> Workload {
    Workload { exclusive: Some(true), ..web(1) }
}

/// A strategy as a spec names it.
pub(crate) fn named(name: &str, settings: Value) -> StrategyRef {
    let Value::Object(settings) = settings else { panic!("settings are a map") };
    StrategyRef { name: name.into(), settings }
}

/// A plan of a strategy for a workload on a platform.
pub(crate) fn plan_on(strategy: &StrategyRef, workload: &Workload, capabilities: &Capabilities) -> Result<Stages> {
    let stable = Revision::of(web(1).instance_spec())?;
    let mut next = workload.instance_spec();
    next.source = Source::Image("shop/web:2".into());
    let (candidate, observed) = (Revision::of(next)?, Observed::default());
    let change = Change { workload, stable: &stable, candidate: &candidate, capabilities, observed: &observed };
    Registry::default().get(strategy)?.plan(&change)
}

/// A plan on a platform that can do everything.
pub(crate) fn plan(name: &str, settings: Value, workload: &Workload) -> Result<Stages> {
    plan_on(&named(name, settings), workload, &Capabilities::all())
}

/// Why a plan was refused, in whole.
pub(crate) fn refusal(name: &str, settings: Value, workload: &Workload) -> String {
    refused(plan(name, settings, workload))
}

/// Why a plan was refused on a platform that cannot do everything.
pub(crate) fn refusal_on(
    name: &str,
    settings: Value,
    workload: &Workload,
    limit: impl Fn(&mut Capabilities),
) -> String {
    let mut capabilities = Capabilities::all();
    limit(&mut capabilities);
    refused(plan_on(&named(name, settings), workload, &capabilities))
}

fn refused(plan: Result<Stages>) -> String {
    let error: Error = plan.expect_err("it should be refused");
    format!("{:?}: {error}", error.kind())
}

/// A task as a spec writes it.
pub(crate) fn task(name: &str, kind: &str) -> Value {
    json!({ "name": name, "kind": kind, "run": ["bin/run", name] })
}

/// A plan as a table: stable, candidate, traffic, what is held, deadline.
pub(crate) fn table(stages: &Stages) -> String {
    let before = stages.before.iter().flat_map(stage);
    let after = stages.after.iter().map(|step| format!("after: {}", line(step)));
    before.chain(after).collect::<Vec<_>>().join("\n")
}

fn stage(stage: &Stage) -> Vec<String> {
    let mut text = line(&stage.step);
    let holds = &stage.holds;
    if !holds.bake.is_zero() {
        text += &format!(" | bake {}", show(holds.bake));
    }
    if let Some(judge) = &holds.judge {
        text += &format!(" | judge {}", judge.name);
    }
    if let Some(gate) = &holds.gate {
        text += &format!(" | gate {}", gate.name);
    }
    let mut lines = vec![text];
    if let Back::Steps(steps) = &stage.back {
        lines.extend(steps.iter().map(|step| format!("  back: {}", line(step))));
    }
    lines
}

fn line(step: &Step) -> String {
    let at = &step.desired;
    let mut text = format!("{}: {} + {}, {}", step.name, at.stable, at.candidate, at.traffic);
    for (when, tasks) in [("first", &step.before), ("then", &step.after)] {
        if !tasks.is_empty() {
            text += &format!(" | {when} {}", tasks.iter().map(name).collect::<Vec<_>>().join(", "));
        }
    }
    text + &format!(" | {}", show(step.deadline))
}

fn name(task: &Task) -> &str {
    task.name.as_str()
}
