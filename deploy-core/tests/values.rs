//! Values as people write and read them, as text and back, and what is reckoned with them.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{
    Amount, Check, CommandCheck, Count, DirectoryDigest, Disposition, Error, Evidence, FileSource, GateSpec, GrpcCheck,
    Health, HttpCheck, JudgeSpec, Kind, Match, Name, Place, Probe, RevisionId, Scope, SecretRef, Share, Side, Source,
    Split, Status, Sticky, StrategyRef, TcpCheck, Timestamp, Timing, Token, TrackRef, Traffic, Workload, WorkloadKind,
    hexadecimal, port_numbers, time,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json, to_value};
use std::fmt::Debug;
use std::time::Duration;
use support::{at, name, track};

const SECOND: Duration = Duration::from_secs(1);

/// A value is written so, and read back as it was.
fn is_written<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, written: Value) {
    assert_eq!(to_value(value).unwrap(), written);
    assert_eq!(from_value::<T>(written).unwrap(), *value);
}

/// What is said of a text that is none.
fn refused<T: DeserializeOwned + Debug>(written: Value) -> String {
    from_value::<T>(written).unwrap_err().to_string()
}

#[test]
fn a_share_is_written_in_as_few_digits_as_it_needs() {
    let cases = [
        (0, "0%"),
        (1, "0.01%"),
        (10, "0.1%"),
        (50, "0.5%"),
        (205, "2.05%"),
        (1230, "12.3%"),
        (1234, "12.34%"),
        (9999, "99.99%"),
        (10_000, "100%"),
    ];
    for (points, text) in cases {
        let share = Share::basis_points(points);
        assert_eq!(share.to_string(), text);
        is_written(&share, json!(text));
    }
    assert_eq!(format!("[{:>6}]", Share::percent(5)), "[    5%]");
    assert_eq!(format!("[{:>6}]", Share::basis_points(1)), "[ 0.01%]");
}

#[test]
fn a_share_is_read_with_and_without_its_sign_and_from_a_number() {
    for (written, points) in [(json!("7"), 700), (json!(" 7 % "), 700), (json!(12.5), 1250), (json!(100), 10_000)] {
        assert_eq!(from_value::<Share>(written).unwrap(), Share::basis_points(points));
    }
    for text in ["", "%", "many", "-1%", "7%%", "-0.01%", "100.01%", "101%", "0.001%", "0.015%", "0.00000001%"] {
        let error = text.parse::<Share>().unwrap_err();
        assert_eq!(error.message(), format!("`{text}` is not a share: use 0% to 100%, in steps of 0.01%"));
    }
}

#[test]
fn a_share_is_never_more_than_the_whole_and_its_rest_makes_it_whole() {
    for (share, points, rest) in [
        (Share::percent(0), 0, 10_000),
        (Share::percent(30), 3000, 7000),
        (Share::percent(100), 10_000, 0),
        (Share::percent(101), 10_000, 0),
        (Share::basis_points(10_001), 10_000, 0),
    ] {
        assert_eq!((share.points(), share.rest().points()), (points, rest));
        assert_eq!((share.is_none(), share.is_whole()), (points == 0, rest == 0));
    }
}

#[test]
fn an_amount_is_a_number_or_a_share_rounded_up_or_down() {
    let share = |points| Amount::Share(Share::basis_points(points));
    let cases = [
        (Amount::Number(3), json!(3), "3", (3, 3)),
        (Amount::NONE, json!(0), "0", (0, 0)),
        (share(2500), json!("25%"), "25%", (3, 2)),
        (share(1), json!("0.01%"), "0.01%", (1, 0)),
        (share(10_000), json!("100%"), "100%", (10, 10)),
        (share(0), json!("0%"), "0%", (0, 0)),
    ];
    for (amount, written, text, (up, down)) in cases {
        assert_eq!(amount.to_string(), text);
        assert_eq!((amount.up(10), amount.down(10)), (up, down), "{text} of 10");
        assert_eq!(amount.is_none(), up == 0, "{text}");
        is_written(&amount, written);
    }
    assert_eq!(share(10_000).down(u32::MAX), u32::MAX);
    assert_eq!(Amount::default(), Amount::NONE);
}

#[test]
fn a_count_is_read_aloud_halved_and_taken_of_a_workloads_count() {
    let share = |percent| Count::Share(Share::percent(percent));
    let cases = [
        (Count::NONE, "0", Count::NONE, 0),
        (Count::Exactly(3), "3", Count::Exactly(2), 3),
        (Count::ALL, "all", share(50), 7),
        (share(50), "50% of them", share(25), 4),
        (share(0), "0% of them", share(0), 0),
        (Count::AtLeast(5), "5 or more", Count::AtLeast(3), 5),
        (Count::Platform, "its own count", Count::Platform, 7),
    ];
    for (count, text, half, of) in cases {
        assert_eq!(count.to_string(), text);
        assert_eq!(count.half(), half, "half of {text}");
        assert_eq!(count.of(7), of, "{text} of 7");
        assert_eq!(count.is_none(), of == 0, "{text}");
    }
    assert_eq!(format!("[{:>5}]", Count::ALL), "[  all]");
}

#[test]
fn a_name_is_what_fits_everywhere_and_else_says_what_would() {
    let longest = "a".repeat(Name::LONGEST);
    for fits in ["a", "web", "web-2", "a--b", &longest] {
        let made = name(fits);
        assert_eq!(made, fits);
        assert_eq!(made.to_string(), fits);
        is_written(&made, json!(fits));
    }
    assert_ne!(name("web"), "api");
    let longer = "a".repeat(Name::LONGEST + 1);
    for text in ["", "2web", "-web", "web-", "Web", "we b", "wéb", "web_2", &longer] {
        let expected = format!("`{text}` is not a name: use 1 to 40 of a-z, 0-9 and `-`, a letter first, no `-` last");
        assert_eq!(Name::new(text).unwrap_err().message(), expected);
        assert_eq!(refused::<Name>(json!(text)), expected);
    }
}

#[test]
fn a_track_is_written_as_one_word_and_a_scope_as_its_begin() {
    let web = track("web");
    assert_eq!(web.to_string(), "shop/production/web@edge");
    is_written(&web, json!("shop/production/web@edge"));
    let scope = Scope { application: name("shop"), environment: name("production") };
    assert_eq!(scope.to_string(), "shop/production");
    for text in ["shop/production/web", "shop/web@edge", "shop/production/web/more@edge", "", "@"] {
        let message = text.parse::<TrackRef>().unwrap_err();
        let expected = format!("`{text}` is not application/environment/workload@target");
        assert_eq!(message.message(), expected);
    }
}

#[test]
fn what_ran_before_we_came_has_a_revision_of_its_own() {
    assert!(RevisionId::adopted().is_adopted());
    assert_eq!(RevisionId::adopted().to_string(), "adopted");
    assert!(!RevisionId::new("7f3a19").is_adopted());
}

#[test]
fn a_side_is_a_revision_at_a_place() {
    let cases = [("7f3a19", Place::Home, "7f3a19@home"), ("a@b", Place::Aside, "a@b@aside")];
    for (revision, place, text) in cases {
        let side = Side::new(revision.into(), place);
        assert_eq!(side.to_string(), text);
        is_written(&side, json!(text));
    }
    for text in ["7f3a19", "7f3a19@", "7f3a19@there", ""] {
        assert_eq!(refused::<Side>(json!(text)), format!("`{text}` is not revision@home or revision@aside"));
    }
    assert_eq!((Place::Home.other(), Place::Aside.other()), (Place::Aside, Place::Home));
}

#[test]
fn a_secret_is_written_as_where_its_value_is() {
    let vault = |version: Option<&str>| SecretRef {
        provider: "vault".into(),
        key: "shop/db".into(),
        version: version.map(str::to_owned),
    };
    let cases = [
        (SecretRef::env("DB"), json!({ "env": "DB" }), "env:DB"),
        (SecretRef::file("/run/db"), json!({ "file": "/run/db" }), "file:/run/db"),
        (vault(None), json!({ "provider": "vault", "key": "shop/db" }), "vault:shop/db"),
        (vault(Some("3")), json!({ "provider": "vault", "key": "shop/db", "version": "3" }), "vault:shop/db@3"),
    ];
    for (secret, written, text) in cases {
        assert_eq!(secret.to_string(), text);
        is_written(&secret, written);
    }
    for written in
        [json!({}), json!({ "env": "A", "file": "b" }), json!({ "provider": "vault" }), json!({ "key": "shop/db" })]
    {
        let expected = "a secret has exactly one of `env`, `file`, or `provider` with `key`";
        assert_eq!(refused::<SecretRef>(written), expected);
    }
}

#[test]
fn a_newer_token_is_the_greater() {
    assert_eq!(Token::new(2, 17).to_string(), "2.17");
    assert!(Token::new(2, 0) > Token::new(1, 17));
    assert!(Token::new(2, 1) > Token::new(2, 0));
}

#[test]
fn each_kind_of_error_says_what_is_done_about_it() {
    let cases = [
        (Kind::Invalid, Disposition::User),
        (Kind::Unsupported, Disposition::User),
        (Kind::NotFound, Disposition::Retry),
        (Kind::Busy, Disposition::Retry),
        (Kind::Conflict, Disposition::Retry),
        (Kind::Fenced, Disposition::Yield),
        (Kind::Changed, Disposition::User),
        (Kind::Denied, Disposition::User),
        (Kind::Unavailable, Disposition::Retry),
        (Kind::Timeout, Disposition::Retry),
        (Kind::Throttled, Disposition::Retry),
        (Kind::Full, Disposition::Retry),
        (Kind::Corrupt, Disposition::User),
        (Kind::Candidate, Disposition::Candidate),
        (Kind::Unclassified, Disposition::Retry),
    ];
    for (kind, disposition) in cases {
        assert_eq!(kind.disposition(), disposition, "{kind:?}");
        assert_eq!(Error::new(kind, "it").disposition(), disposition, "{kind:?}");
    }
}

#[test]
fn an_error_says_what_where_and_what_caused_it() {
    let cause = Error::new(Kind::Timeout, "no answer").from_source(std::io::Error::other("the line is cut"));
    let error = Error::at("workloads.web", "it is wrong").with("host", "h1").with("host", "h2").from_source(cause);
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.message(), "it is wrong");
    assert_eq!(error.to_string(), "it is wrong; at: workloads.web; host: h1; host: h2");
    let told = [error.context("at"), error.context("host"), error.context("port")];
    assert_eq!(told, [Some("workloads.web"), Some("h1"), None]);
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "no answer");
    let whole = "Invalid: it is wrong; at: workloads.web; host: h1; host: h2\n  caused by: no answer\n  \
        caused by: the line is cut";
    assert_eq!(format!("{error:?}"), whole);
    assert!(std::error::Error::source(&Error::invalid("it")).is_none());
}

#[test]
fn the_context_of_a_message_of_several_lines_stands_on_a_line_of_its_own() {
    let error = Error::invalid("one\ntwo").with("at", "a").with("host", "h1");
    assert_eq!(error.to_string(), "one\ntwo\nat: a; host: h1");
}

#[test]
fn the_digest_of_a_directory_is_of_its_files_in_the_order_of_their_paths() {
    assert!(DirectoryDigest::new().is_empty());
    assert_eq!(DirectoryDigest::new().finish(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let mut directory = DirectoryDigest::new();
    directory.add("b/c", true, "11").add("a", false, "33").add("a", false, "22");
    assert!(!directory.is_empty());
    assert_eq!(directory.finish(), "faa4e7ecdcddd67c72c5e2633394962b6b5a99951371fd3354ea1eb337b9085d");
    assert_eq!(hexadecimal(&[0, 1, 0xab, 0xff]), "0001abff");
}

fn header() -> Match {
    Match::Header { name: "x-new".into(), value: "1".into() }
}

fn cookie() -> Match {
    Match::Cookie { name: "new".into(), value: "yes".into() }
}

#[test]
fn traffic_is_read_aloud_by_share_matches_and_mirror() {
    assert_eq!(header().to_string(), "x-new: 1");
    assert_eq!(cookie().to_string(), "cookie new=yes");
    let matched = Split { candidate: Share::percent(5), ..Split::matching([header(), cookie()]) };
    let cases = [
        (Traffic::NotRouted, "-"),
        (Traffic::InPlace, "-"),
        (Traffic::None, "none"),
        (Traffic::Pooled, "pooled"),
        (Traffic::stable(), "0%"),
        (Traffic::candidate(), "100%"),
        (Traffic::from(matched.mirror(Share::percent(10))), "5% + x-new: 1 + cookie new=yes + mirror 10%"),
    ];
    for (traffic, text) in cases {
        assert_eq!(traffic.to_string(), text);
        assert_eq!(traffic.split().map(ToString::to_string), text.contains('%').then(|| text.to_owned()));
    }
    assert_eq!(format!("[{:>7}]", Traffic::Pooled), "[ pooled]");
}

#[test]
fn a_split_is_written_without_what_it_has_not() {
    is_written(&Split::percent(5), json!({ "candidate": "5%" }));
    let sticky = Sticky { cookie: "c".into(), max_age: SECOND * 60 };
    let all = Split::matching([header(), cookie()]).sticky(sticky).mirror(Share::percent(10));
    let written = json!({
        "candidate": "0%",
        "matches": [
            { "header": { "name": "x-new", "value": "1" } },
            { "cookie": { "name": "new", "value": "yes" } },
        ],
        "sticky": { "cookie": "c", "max_age": "1m" },
        "mirror": "10%",
    });
    is_written(&all, written);
}

#[test]
fn a_split_serves_whom_it_sends_anything_and_is_ordered_without_what_it_cannot_do() {
    let sticky = || Sticky { cookie: "c".into(), max_age: SECOND };
    let matching = || Split::matching([header()]);
    let mirror = || Split::stable().mirror(Share::percent(1));
    let cases = [
        (Split::stable(), (true, false, true)),
        (Split::percent(1), (false, true, true)),
        (Split::candidate(), (true, true, false)),
        (matching(), (false, true, true)),
        (mirror(), (false, false, true)),
    ];
    for (split, expected) in cases {
        assert_eq!((split.is_whole(), split.serves_candidate(), split.serves_stable()), expected, "{split}");
        let kept = if split.is_whole() { split.clone() } else { split.clone().sticky(sticky()) };
        assert_eq!(split.sticky(sticky()).ordered(), kept);
    }
    let all = Split { candidate: Share::WHOLE, ..matching().mirror(Share::percent(1)).sticky(sticky()) };
    assert_eq!(all.ordered(), Split::candidate());
}

#[test]
fn words_of_one_kind_are_told_apart() {
    let health = [Health::Healthy, Health::Unhealthy, Health::Unknown].map(|health| format!("[{health:>9}]"));
    assert_eq!(health, ["[  healthy]", "[unhealthy]", "[  unknown]"]);
    let evidence = [Evidence::Unproven, Evidence::Accepted, Evidence::DataPlane].map(|known| known.to_string());
    assert_eq!(evidence, ["unproven", "accepted", "data plane"]);
}

#[test]
fn each_status_says_whether_it_is_final() {
    let cases = [
        (Status::Pending, "pending", false),
        (Status::InProgress, "in_progress", false),
        (Status::Paused, "paused", false),
        (Status::RollingBack, "rolling_back", false),
        (Status::Completed, "completed", true),
        (Status::RolledBack, "rolled_back", true),
        (Status::Failed, "failed", true),
        (Status::Cancelled, "cancelled", true),
    ];
    for (status, text, is_final) in cases {
        assert_eq!((status.to_string().as_str(), status.is_final()), (text, is_final));
        is_written(&status, json!(text));
    }
}

#[test]
fn a_probe_is_written_with_all_of_its_timing() {
    let timing =
        Timing { initial_delay: SECOND * 2, interval: SECOND * 3, timeout: SECOND * 4, healthy: 5, unhealthy: 6 };
    let http = |path: &str| json!({ "path": path, "method": "GET", "status": [200, 399], "headers": {}, "follow_redirects": false });
    let grpc = GrpcCheck { service: "s".into(), port: None };
    let checks = [
        (Check::Http(HttpCheck { path: "/up".into(), ..HttpCheck::default() }), "http", http("/up")),
        (Check::Tcp(TcpCheck { port: Some("admin".into()) }), "tcp", json!({ "port": "admin" })),
        (Check::Command(CommandCheck { run: vec!["look".into()] }), "command", json!({ "run": ["look"] })),
        (Check::Grpc(grpc), "grpc", json!({ "service": "s" })),
        (Check::Process {}, "process", json!({})),
        (Check::All(vec![Check::Process {}]), "all", json!([{ "process": {} }])),
        (Check::Any(vec![Check::Process {}]), "any", json!([{ "process": {} }])),
        (Check::Not(Box::new(Check::Process {})), "not", json!({ "process": {} })),
    ];
    for (check, key, written) in checks {
        let mut all = json!({ "initial_delay": "2s", "interval": "3s", "timeout": "4s", "healthy": 5, "unhealthy": 6 });
        all[key] = written;
        is_written(&Probe { check, timing: timing.clone() }, all);
    }
}

#[test]
fn a_probe_asks_one_thing_and_as_often_as_usual_where_nothing_is_said() {
    let usual = Timing { initial_delay: Duration::ZERO, interval: SECOND, timeout: SECOND, healthy: 1, unhealthy: 3 };
    assert_eq!(
        from_value::<Probe>(json!({ "process": {} })).unwrap(),
        Probe { check: Check::Process {}, timing: usual }
    );
    let up = Probe::http("/up").every(SECOND * 5);
    assert_eq!(from_value::<Probe>(json!({ "http": { "path": "/up" }, "interval": "5s" })).unwrap(), up);
    for written in [json!({}), json!({ "tcp": {}, "process": {} })] {
        let expected = "health has exactly one of `http`, `tcp`, `command`, `grpc`, `process`, `all`, `any`, `not`";
        assert_eq!(refused::<Probe>(written), expected);
    }
}

#[test]
fn judges_and_gates_have_what_is_usual_where_nothing_is_said() {
    let judge: JudgeSpec = from_value(json!({})).unwrap();
    assert_eq!((judge.name.as_str(), judge.interval), ("threshold", SECOND * 10));
    assert_eq!(judge, JudgeSpec::default());
    is_written(&judge, json!({ "name": "threshold", "interval": "10s" }));
    let gate: GateSpec = from_value(json!({ "name": "look" })).unwrap();
    assert_eq!((gate.kind.as_str(), gate.deadline), ("approval", SECOND * 3600));
    assert_eq!(gate, GateSpec::approval(name("look")));
    is_written(&gate, json!({ "name": "look", "kind": "approval", "deadline": "1h" }));
}

#[test]
fn times_end_where_they_can_be_counted_no_more() {
    assert_eq!((time::after(at(0), SECOND), time::before(at(0), SECOND)), (at(1), at(-1)));
    assert_eq!((time::between(at(1), at(3)), time::between(at(3), at(1))), (SECOND * 2, Duration::ZERO));
    assert_eq!(time::after(at(0), Duration::MAX), Timestamp::MAX);
    assert_eq!(time::before(at(0), Duration::MAX), Timestamp::MIN);
    let shown = [1500, 9999, 10_500, 60_000].map(|millis| time::show(Duration::from_millis(millis)));
    assert_eq!(shown, ["1s 500ms", "9s 999ms", "10s", "1m"]);
}

#[test]
fn a_file_is_written_by_its_path_alone_where_no_more_is_known_of_it() {
    let file = |sha256: Option<&str>, size| FileSource { path: "a".into(), sha256: sha256.map(Into::into), size };
    is_written(&file(None, None), json!("a"));
    is_written(&file(Some("11"), None), json!({ "path": "a", "sha256": "11" }));
    is_written(&file(None, Some(3)), json!({ "path": "a", "size": 3 }));
}

#[test]
fn a_strategy_is_a_name_or_a_name_with_its_settings() {
    assert_eq!(StrategyRef::default().to_string(), "rolling");
    is_written(&StrategyRef::named("canary"), json!("canary"));
    let settings = json!({ "bake": "5m" });
    let canary = StrategyRef { settings: settings.as_object().unwrap().clone(), ..StrategyRef::named("canary") };
    is_written(&canary, json!({ "canary": settings }));
    assert_eq!(from_value::<StrategyRef>(json!({ "canary": null })).unwrap(), StrategyRef::named("canary"));
    for written in [json!({}), json!({ "canary": {}, "rolling": {} })] {
        assert_eq!(refused::<StrategyRef>(written), "a strategy is one name, or one name with its settings");
    }
}

#[test]
fn the_kind_of_a_workload_is_a_known_one_or_a_name_of_ones_own() {
    is_written(&WorkloadKind::StaticSite, json!("static_site"));
    is_written(&WorkloadKind::custom(name("batch")), json!("batch"));
}

#[test]
fn a_workload_is_what_is_usual_of_its_kind_where_nothing_is_said() {
    let read = |written| from_value::<Workload>(written).unwrap();
    let usual = read(json!({ "source": { "command": ["run"] } }));
    assert_eq!(usual, Workload::new(Source::Command(vec!["run".into()])));
    assert_eq!((usual.replicas, usual.drain, usual.grace), (1, SECOND * 30, SECOND * 10));
    let told = |workload: &Workload| (workload.is_routed(), workload.is_exclusive(), workload.is_serverless());
    let cases = [
        (json!({}), (false, false, false), 1),
        (json!({ "ports": { "http": 80 }, "replicas": 3 }), (true, false, false), 3),
        (json!({ "ports": { "http": 80 }, "routed": false }), (false, false, false), 1),
        (json!({ "kind": "database" }), (false, true, false), 1),
        (json!({ "kind": "database", "exclusive": false, "replicas": 2 }), (false, false, false), 2),
        (json!({ "kind": "serverless", "replicas": 3 }), (false, false, true), 1),
    ];
    for (mut written, expected, count) in cases {
        written["source"] = json!({ "image": "a" });
        let workload = read(written.clone());
        assert_eq!((told(&workload), workload.count()), (expected, count), "{written}");
        assert_eq!(workload.instance_spec().is_serverless(), expected.2, "{written}");
    }
    let budget = Workload::exclusive_budget();
    assert_eq!((budget.max_surge, budget.max_unavailable), (Amount::NONE, Amount::Number(1)));
}

#[test]
fn the_routed_port_is_http_or_else_the_first_by_name() {
    let cases: [(&[(&str, u16)], _); 4] = [
        (&[], vec![]),
        (&[("admin", 9000), ("http", 8080), ("z", 70)], vec![8080, 9000, 70]),
        (&[("b", 2), ("a", 1)], vec![1, 2]),
        (&[("http", 8080)], vec![8080]),
    ];
    for (ports, expected) in cases {
        let mut workload = Workload::new(Source::Image("a".into()));
        workload.ports = ports.iter().map(|(port, number)| (name(port), *number)).collect();
        let spec = workload.instance_spec();
        assert_eq!(spec.port_numbers(), expected);
        assert_eq!(port_numbers(&workload.ports), expected);
        assert_eq!(spec.routed_port().map(|(_, port)| port), expected.first().copied());
    }
}
