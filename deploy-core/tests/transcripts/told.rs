//! A run as people read it: a line for each event, and what is awaited where that has changed.

use deploy_core::{Event, Name, Record, Release, Timestamp, Waiting, time};
use deploy_testkit::sim::Run;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a run was, with the names of its releases in place of what they are known by.
pub(crate) fn told(run: &Run, releases: &[Release]) -> String {
    let mut text = String::new();
    for (record, events) in &run.history {
        let _ = writeln!(text, "# {} is deployed as {}", record.request.release.version(), record.id);
        if let Some(plan) = &record.plan {
            let _ = writeln!(text, "{}\n", plan.to_string().trim_end());
        }
        text += &lines(record, events);
        let _ = writeln!(text, "= {}: {}\n", record.status(), record.reason().unwrap_or("-"));
    }
    assert!(run.world.trail.broken.is_empty(), "{:?}\n{text}", run.world.trail.broken);
    named(&text, releases)
}

fn lines(record: &Record, events: &[Event]) -> String {
    let begun = record.created;
    let (mut text, mut awaited) = (String::new(), Vec::new());
    let mut so_far = Record::fold(&record.id, events.iter().take(1).cloned()).unwrap();
    for event in events {
        so_far.apply(event);
        let at = since(begun, event.at);
        let _ = writeln!(text, "{at:>9} {:>3}% {}", so_far.progress, words(event, begun));
        let now = so_far.waiting();
        let news = now.iter().filter(|waiting| !awaited.iter().any(|earlier| is_same(waiting, earlier)));
        news.for_each(|waiting| _ = writeln!(text, "{:>14} | {}", "", waiting.at(event.at)));
        awaited = now;
    }
    text
}

/// Since when does not count.
fn is_same(one: &Waiting, other: &Waiting) -> bool {
    Waiting { since: other.since, ..one.clone() } == *other
}

fn words(event: &Event, begun: Timestamp) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&event.what) else { return String::new() };
    for told_elsewhere in ["event", "request", "plan", "actor"] {
        fields.remove(told_elsewhere);
    }
    let track = fields.remove("track").and_then(|track| Some(track.as_str()?.to_owned())).unwrap_or_default();
    let field = |(key, value)| format!("{key}={}", relative(value, begun)).replace('"', "");
    let fields: Vec<_> = fields.into_iter().map(field).collect();
    format!("{} {track} {}", event.what.name(), fields.join(" ")).replace("  ", " ").trim_end().to_owned()
}

/// Times as spans since the request.
fn relative(value: Value, begun: Timestamp) -> Value {
    match value {
        Value::String(text) => match text.parse() {
            Ok(at) => Value::String(since(begun, at)),
            Err(_) => Value::String(text),
        },
        Value::Array(all) => all.into_iter().map(|one| relative(one, begun)).collect(),
        Value::Object(all) => all.into_iter().map(|(key, one)| (key, relative(one, begun))).collect(),
        other => other,
    }
}

fn since(begun: Timestamp, at: Timestamp) -> String {
    if at < begun { "before".into() } else { format!("+{:.3}", time::between(begun, at).as_secs_f64()) }
}

pub(crate) fn named(text: &str, releases: &[Release]) -> String {
    let mut names = BTreeMap::new();
    for release in releases {
        for workload in ["web", "worker", "api"] {
            let of = |name: &str| Name::new(name).ok();
            let resolved = of("production").zip(of(workload)).map(|(place, name)| release.resolve(&place, &name));
            let id = resolved.and_then(Result::ok).map(|resolved| resolved.revision.id.to_string());
            names.extend(id.map(|id| (id, format!("{workload}:{}", release.version()))));
        }
    }
    let mut text = text.replace("shop/production/", "").replace("@edge", "");
    for (id, name) in names {
        text = text.replace(&id, &name);
    }
    text
}
