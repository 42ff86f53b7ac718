//! What serde says, in words for people who write specs.

use crate::nearest::nearest;
use crate::trouble::Trouble;
use serde::de::Unexpected;

const DURATION: &str = "a duration such as 500ms, 30s, 5m or 1h 30m";
/// What is said where neither form of a local source fits.
pub(crate) const FILE: &str = "expected a path, or `{ path: …, sha256: …, size: … }`";
const TIMING: [&str; 5] = ["initial_delay", "interval", "timeout", "healthy", "unhealthy"];
const CHECKS: [&[&str]; 4] = [
    &["path", "method", "status", "headers", "body", "version_header", "follow_redirects", "port"],
    &["port"],
    &["run"],
    &["service", "port"],
];

/// A key or choice that nobody knows.
pub(crate) fn unknown(what: &str, written: &str, known: &[&str]) -> Trouble {
    let trouble = Trouble::new(format!("`{}` is not a {what} here", short(written)));
    let allowed = format!("allowed: {}", quoted(known.iter().copied()));
    if TIMING.contains(&written) && CHECKS.contains(&known) {
        return trouble
            .label("the timing stands beside the check, not in it")
            .help(format!("as in: `health: {{ http: {{ path: /healthz }}, {written}: … }}`"))
            .help(allowed);
    }
    let label = nearest(written, known).map(|word| format!("did you mean `{word}`?"));
    trouble.label(label.unwrap_or_else(|| format!("unknown {what}"))).help(allowed)
}

/// A value of the wrong type or beyond its range.
pub(crate) fn wrong_type(found: &Unexpected<'_>, expected: &str) -> Trouble {
    let trouble = Trouble::new(format!("expected {}, found {}", self::expected(expected), self::found(found)));
    let number = matches!(found, Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_));
    match expected {
        "a string" if number || matches!(found, Unexpected::Bool(_)) => trouble.label("put it in quotes"),
        "a boolean" => trouble.label("write `true` or `false`"),
        _ => trouble,
    }
}

/// What a type says in its own words.
pub(crate) fn custom(message: &str) -> Trouble {
    if message.contains("\"friendly\" duration") {
        return Trouble::new("this is not a duration").label(format!("write {DURATION}"));
    }
    let Some((_, written)) = message.split_once("any variant of untagged enum ") else {
        return Trouble::new(message);
    };
    Trouble::new(match written {
        "FileWritten" => FILE,
        "StrategyWritten" => "expected a strategy's name, or one name with its settings: `{ canary: { … } }`",
        "WorkloadKind" => {
            "expected `web_application`, `api_service`, `database`, `microservice`, `static_site`, `container`, \
             `serverless`, or a name of your own of a-z, 0-9 and `-`"
        }
        "Amount" => "expected a whole number, or a share such as 25%",
        "Written" => "expected a share such as 25%",
        _ => "this value does not fit here",
    })
}

/// What a strategy says of its settings: serde's words become ours.
pub(crate) fn told(message: &str) -> Trouble {
    let own = message.split_once("; in the settings of").map_or(message, |(own, _)| own);
    if let Some(list) = own.strip_prefix("unknown field `") {
        let known: Vec<_> = list.split('`').skip(2).step_by(2).collect();
        return unknown("key", list.split('`').next().unwrap_or_default(), &known);
    }
    let types = own.strip_prefix("invalid type: ").or_else(|| own.strip_prefix("invalid value: "));
    match types.and_then(|types| types.rsplit_once(", expected ")) {
        Some((found, wanted)) => Trouble::new(format!("expected {}, found {found}", expected(wanted))),
        None => custom(own),
    }
}

/// A choice that needs a value and has none.
pub(crate) fn needs_value(choice: &str) -> Trouble {
    Trouble::new(format!("`{choice}` needs a value")).label(format!("write `{{ {choice}: … }}`"))
}

/// None or several choices where one is needed.
pub(crate) fn not_one<'a>(given: impl IntoIterator<Item = &'a str>, known: &[&str]) -> Trouble {
    let given = quoted(given);
    let there = if given.is_empty() { "none is given".to_owned() } else { format!("given are {given}") };
    Trouble::new(format!("exactly one choice is needed here; {there}"))
        .help(format!("allowed: {}", quoted(known.iter().copied())))
}

fn found(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(yes) => format!("`{yes}`"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => format!("the text \"{}\"", short(text)),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a table".into(),
        other => other.to_string(),
    }
}

fn expected(expected: &str) -> String {
    match expected {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number, 0 or more".into(),
        "a string" | "string" => "text".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "a list".into(),
        "a map" => "a table of keys and values".into(),
        "an unsigned duration string" => DURATION.into(),
        "a tuple of size 2" => "a list of two".into(),
        other if other.starts_with("struct ") => "a table of keys and values".into(),
        other => other.into(),
    }
}

/// Words in back quotes, with commas between.
pub(crate) fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{}`", short(word))).collect::<Vec<_>>().join(", ")
}

fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
