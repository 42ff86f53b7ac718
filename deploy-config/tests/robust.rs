//! Whatever is read: an answer, never a panic; and what is written is read back the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use deploy_config::{Format, parse, parse_with};
use deploy_core::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const FORMATS: [(Format, &str); 3] = [
    (Format::Yaml, include_str!("accepted/shop.yaml")),
    (Format::Toml, include_str!("accepted/shop.toml")),
    (Format::Json, include_str!("accepted/shop.json")),
];

/// Takes any strategy with any settings.
#[derive(Debug)]
struct Anything;

impl Strategies for Anything {
    fn get(&self, _: &StrategyRef) -> Result<Arc<dyn deploy_core::Strategy>> {
        Ok(Arc::new(deploy_strategies::Recreate::default()))
    }
}

/// Reads, and renders what is said, which may not panic either.
fn answers(text: &str) {
    for (format, _) in FORMATS {
        if let Err(error) = parse(text, format, "any") {
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(error.context("line").is_some() || text.len() > deploy_config::LARGEST_FILE, "{error}");
        }
    }
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z]([a-z0-9-]{0,8}[a-z0-9])?".prop_map(|name| Name::new(name).unwrap())
}

use proptest::strategy::Strategy;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-+.0-9eExo_:~ #&*!|>%@`'\"{}\\[\\],?\t\n]{0,8}",
        prop::sample::select(vec![
            "yes", "no", "null", "true", "1e3", "017", "0o17", "0x1f", ".inf", "~", "", "<<", "- a", "a: b"
        ])
        .prop_map(str::to_owned),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    let filled = || text().prop_map(|text| format!("x{text}"));
    let file = (filled(), prop::option::of("[0-9a-f]{64}"), prop::option::of(any::<u32>()));
    let file = file.prop_map(|(path, sha256, size)| FileSource { path, sha256, size: size.map(u64::from) }).boxed();
    prop_oneof![
        filled().prop_map(Source::Image),
        file.clone().prop_map(Source::Artifact),
        file.prop_map(Source::Directory),
        prop::collection::vec(filled(), 1..3).prop_map(Source::Command),
    ]
}

fn probe() -> impl Strategy<Value = Probe> {
    let http = (text(), prop::collection::btree_map(text(), text(), 0..2)).prop_map(|(path, headers)| {
        Check::Http(HttpCheck { path: format!("/{path}"), headers, ..HttpCheck::default() })
    });
    let leaf = prop_oneof![http, Just(Check::Process {}), Just(Check::Tcp(TcpCheck::default()))];
    let check = leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Check::All),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Check::Any),
            inner.prop_map(|check| Check::Not(Box::new(check))),
        ]
    });
    (check, 10..100_000_u64).prop_map(|(check, interval)| Probe::new(check).every(Duration::from_millis(interval)))
}

fn settings() -> impl Strategy<Value = StrategyRef> {
    let value = prop_oneof![
        any::<i64>().prop_map(serde_json::Value::from),
        any::<u64>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        text().prop_map(serde_json::Value::from),
        prop::collection::vec(text(), 0..3).prop_map(serde_json::Value::from),
    ];
    let settings = prop::collection::btree_map(text(), value, 0..3);
    (text(), settings).prop_map(|(name, settings)| StrategyRef { name, settings: settings.into_iter().collect() })
}

fn workload() -> impl Strategy<Value = Workload> {
    let variables = prop::collection::btree_map("[A-Z]{1,5}", text(), 0..3);
    (source(), 1..9_u32, variables, prop::option::of(probe()), prop::option::of(settings()), 1..65_535_u16).prop_map(
        |(source, replicas, env, health, strategy, port)| Workload {
            replicas,
            env,
            health,
            strategy,
            ports: [(Name::new("http").unwrap(), port)].into(),
            secrets: [("SECRET_OF_OURS".to_owned(), SecretRef::env("A"))].into(),
            ..Workload::new(source)
        },
    )
}

fn spec() -> impl Strategy<Value = Spec> {
    (name(), prop::option::of(text()), prop::collection::btree_map(name(), workload(), 1..3), settings()).prop_map(
        |(application, version, workloads, strategy)| Spec { version, workloads, strategy, ..Spec::new(application) },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        answers(&text);
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        answers(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn what_looks_like_a_spec_is_answered(words in prop::collection::vec(prop::sample::select(vec![
        "application", "workloads", "web", "strategy", ":", ": ", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}", ",", "\"", "'",
        "=", "[[", "]]", "&a ", "*a", "|", ">", "%", "!t", "#", "\t", "\r\n", "é", "\u{feff}", "\u{0}", "---\n", "...\n", "? ", "5%", "1",
    ]), 0..60)) {
        answers(&words.concat());
    }

    #[test]
    fn a_spec_with_a_slip_is_answered(which in 0..3_usize, at in 0.0..1.0_f64, cut in 0..12_usize, put in "\\PC{0,6}|[\\[\\]{}:,\"\n\t ]{0,4}") {
        let text = FORMATS[which].1;
        let start = (at * text.len() as f64) as usize;
        let before = String::from_utf8_lossy(&text.as_bytes()[..start]);
        let after = String::from_utf8_lossy(&text.as_bytes()[(start + cut).min(text.len())..]);
        answers(&format!("{before}{put}{after}"));
    }

    #[test]
    fn what_is_written_is_read_back_the_same(spec in spec()) {
        let json = serde_json::to_string_pretty(&spec).unwrap();
        prop_assert_eq!(&parse_with(&json, Format::Json, "json", &Anything).unwrap(), &spec);
        let yaml = serde_saphyr::to_string(&spec).unwrap();
        let read = parse_with(&yaml, Format::Yaml, "yaml", &Anything);
        prop_assert_eq!(read.as_ref().map_err(|error| format!("{error}\n{yaml}")), Ok(&spec));
    }
}

#[test]
fn what_goes_on_and_on_is_refused_at_once() {
    let many = 100_000;
    for text in [
        "[".repeat(many),
        "{\"a\":".repeat(many),
        "a:\n".repeat(many),
        "- ".repeat(many),
        "? ".repeat(many),
        format!("a = {}", "[".repeat(many)),
        format!("a = {}", "{ a = ".repeat(many)),
        "a.".repeat(many),
        format!("[{}a]", "a.".repeat(many)),
        "&a ".repeat(many),
        "\u{e9}".repeat(many),
        " ".repeat(deploy_config::LARGEST_FILE + 1),
        format!("[{}]", "1,".repeat(many)),
    ] {
        answers(&text);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    for (format, text) in FORMATS {
        assert!(parse(&format!("\u{feff}{text}"), format, "any").is_ok());
    }
}

#[test]
fn an_alias_stands_for_its_anchor() {
    let text = "application: shop\nworkloads:\n  web: &web\n    source: { image: x }\n  api: *web\n";
    let spec = parse(text, Format::Yaml, "any").unwrap();
    assert_eq!(spec.workloads["web"], spec.workloads["api"]);
}
