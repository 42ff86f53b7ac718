//! What makes no sense in a spec is refused by the key's path, with what to do.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{
    Check, CommandCheck, Environment, FileSource, GrpcCheck, HomePolicy, HttpCheck, Kind, Name, Overlay, Probe,
    Release, Revision, SecretRef, Source, Spec, TcpCheck, Workload, WorkloadKind,
};
use serde_json::{from_value, json, to_value};
use std::collections::BTreeMap;
use std::time::Duration;
use support::{name, release, spec, workload};

/// Where a spec is refused, and why.
fn refused(spec: Spec) -> (String, String) {
    let error = Release::new(spec).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    (error.context("at").unwrap().to_owned(), error.message().to_owned())
}

fn holds(spec: Spec) {
    Release::new(spec).unwrap();
}

/// A spec of one workload, changed.
fn with(change: impl Fn(&mut Workload)) -> Spec {
    let mut spec = spec("v1", 1);
    spec.workloads.values_mut().for_each(change);
    spec
}

/// A spec whose one workload is asked so.
fn probed(check: Check) -> Spec {
    let probe = Some(Probe::new(check));
    with(|web| web.health.clone_from(&probe))
}

fn timed(change: impl Fn(&mut deploy_core::Timing)) -> Spec {
    with(|web| {
        let mut probe = Probe::process();
        change(&mut probe.timing);
        web.health = Some(probe);
    })
}

fn http(change: impl Fn(&mut HttpCheck)) -> Spec {
    let mut check = HttpCheck::default();
    change(&mut check);
    probed(Check::Http(check))
}

/// Several workloads, each with what it depends on, each with a port of its own.
fn depending(workloads: &[(&str, &[&str])]) -> Spec {
    let mut made = Spec::new(name("shop")).environment(name("production"), name("edge"));
    for (port, (of, depends_on)) in (8000..).zip(workloads) {
        let mut own = workload(of, "v1", 1);
        own.ports = [(name("http"), port)].into();
        own.depends_on = depends_on.iter().map(|other| name(other)).collect();
        made = made.workload(name(of), own);
    }
    made
}

fn in_production(change: impl Fn(&mut Environment)) -> Spec {
    let mut made = depending(&[("api", &[]), ("web", &[])]);
    made.environments.values_mut().for_each(change);
    made
}

fn ports(ports: &[(&str, u16)]) -> BTreeMap<Name, u16> {
    ports.iter().map(|(port, number)| (name(port), *number)).collect()
}

fn tells(cases: impl IntoIterator<Item = (Spec, &'static str, &'static str)>) {
    for (spec, at, message) in cases {
        assert_eq!(refused(spec), (at.to_owned(), message.to_owned()));
    }
}

#[test]
fn dependencies_are_workloads_and_do_not_go_in_a_circle() {
    tells([
        (Spec::new(name("shop")), "workloads", "an application has at least one workload; this one has none"),
        (
            depending(&[("api", &[]), ("db", &[]), ("web", &["api", "cache"])]),
            "workloads.web.depends_on",
            "`cache` is not a workload; there are: api, db",
        ),
        (depending(&[("web", &["x"])]), "workloads.web.depends_on", "`x` is not a workload; there are: none"),
        (
            depending(&[("api", &["web"]), ("db", &[]), ("web", &["api"])]),
            "workloads.api.depends_on",
            "these wait for each other for ever: api, web; remove one of the dependencies",
        ),
        (
            depending(&[("api", &[]), ("web", &["web"])]),
            "workloads.web.depends_on",
            "these wait for each other for ever: web; remove one of the dependencies",
        ),
    ]);
    holds(depending(&[("api", &["db"]), ("db", &[]), ("web", &["api", "db"])]));
}

#[test]
fn an_environment_speaks_of_workloads_that_there_are_and_says_where_each_of_them_runs() {
    let overlay = |change: fn(&mut Overlay)| {
        in_production(|here| {
            let mut overlay = Overlay::default();
            change(&mut overlay);
            here.workloads = [(name("web"), overlay)].into();
        })
    };
    tells([
        (
            in_production(|here| here.targets = [(name("cache"), name("edge"))].into()),
            "environments.production.targets.cache",
            "`cache` is not a workload; there are: api, web",
        ),
        (
            in_production(|here| here.workloads = [(name("cache"), Overlay::default())].into()),
            "environments.production.workloads.cache",
            "`cache` is not a workload; there are: api, web",
        ),
        (
            in_production(|here| (here.target, here.targets) = (None, [(name("api"), name("edge"))].into())),
            "environments.production",
            "workload `web` has no target here: give `target`, or `targets: { web: … }`",
        ),
        (
            overlay(|web| web.replicas = Some(0)),
            "environments.production.workloads.web.replicas",
            "0 replicas serve nobody: use 1 or more, or remove the workload",
        ),
        (
            overlay(|web| web.ports = Some(ports(&[("http", 8000)]))),
            "environments.production.workloads.web.ports.http",
            "port 8000 is taken by workload `api` on target `edge`; give each its own",
        ),
    ]);
    let mut alike = in_production(|here| here.workloads = [(name("web"), Overlay::default())].into());
    alike.workloads.get_mut("web").unwrap().ports = ports(&[("http", 8000)]);
    let taken = "port 8000 is taken by workload `api` on target `edge`; give each its own";
    assert_eq!(refused(alike.clone()), ("workloads.web.ports.http".to_owned(), taken.to_owned()));
    let mut apart = alike.clone();
    apart.environments.values_mut().for_each(|here| here.targets = [(name("web"), name("far"))].into());
    holds(apart);
    alike.workloads.get_mut("web").unwrap().routed = Some(false);
    holds(alike);
}

#[test]
fn as_many_run_as_can_serve_and_as_many_as_its_kind_can_have() {
    let count = |kind: WorkloadKind, replicas| with(move |web| (web.kind, web.replicas) = (kind.clone(), replicas));
    tells([
        (
            count(WorkloadKind::WebApplication, 0),
            "workloads.web.replicas",
            "0 replicas serve nobody: use 1 or more, or remove the workload",
        ),
        (
            count(WorkloadKind::Database, 2),
            "workloads.web.replicas",
            "2 replicas of an exclusive workload would be several writers: use 1, or `exclusive: false`",
        ),
        (
            count(WorkloadKind::Serverless, 2),
            "workloads.web.replicas",
            "how many run of a `serverless` workload is the platform's own business: leave `replicas` out, or give it another kind",
        ),
    ]);
    for (kind, replicas) in [
        (WorkloadKind::WebApplication, 1),
        (WorkloadKind::WebApplication, 2),
        (WorkloadKind::Database, 1),
        (WorkloadKind::Serverless, 1),
        (WorkloadKind::Serverless, 0),
    ] {
        holds(count(kind, replicas));
    }
}

#[test]
fn ports_are_there_and_each_its_own() {
    let given = |given: &[(&str, u16)], routed| with(|web| (web.ports, web.routed) = (ports(given), routed));
    tells([
        (
            given(&[], Some(true)),
            "workloads.web.ports",
            "a routed workload needs a port: give `ports: { http: 8080 }`, or `routed: false`",
        ),
        (given(&[("http", 0)], None), "workloads.web.ports.http", "0 is not a port: use 1 to 65535"),
        (
            given(&[("admin", 80), ("http", 80)], None),
            "workloads.web.ports.http",
            "port 80 is taken by `admin`; give each its own",
        ),
    ]);
    for routed in [None, Some(false)] {
        holds(given(&[], routed));
    }
    holds(given(&[("admin", 81), ("http", 80)], Some(true)));
}

#[test]
fn something_is_to_run_and_is_what_its_digest_says() {
    let source = |source: Source| with(move |web| web.source = source.clone());
    let file = |path: &str, sha256: Option<&str>| FileSource {
        path: path.into(),
        sha256: sha256.map(str::to_owned),
        size: None,
    };
    let run = |words: &[&str]| Source::Command(words.iter().map(|word| (*word).to_owned()).collect());
    let (image, artifact) = (|image: &str| Source::Image(image.into()), Source::Artifact);
    tells([
        (source(image(" ")), "workloads.web.source.image", "`image` is empty: say what is to run"),
        (source(artifact(file("", None))), "workloads.web.source.artifact", "`artifact` is empty: say what is to run"),
        (
            source(Source::Directory(file("", None))),
            "workloads.web.source.directory",
            "`directory` is empty: say what is to run",
        ),
        (source(run(&[])), "workloads.web.source.command", "`command` is empty: say what is to run"),
        (source(run(&["", "a"])), "workloads.web.source.command", "`command` is empty: say what is to run"),
    ]);
    let (low, high, long) = ("a1".repeat(32), "A1".repeat(32), "a1".repeat(33));
    let other = "g1".repeat(32);
    for digest in [&high, &long, &other, ""] {
        let message = format!("`{digest}` is not a SHA-256: use 64 digits of 0-9 and a-f");
        let told = [
            (artifact(file("a", Some(digest))), "workloads.web.source.artifact.sha256"),
            (Source::Directory(file("a", Some(digest))), "workloads.web.source.directory.sha256"),
        ];
        for (made, at) in told {
            assert_eq!(refused(source(made)), (at.to_owned(), message.clone()));
        }
    }
    for fits in [image("a"), artifact(file("a", None)), Source::Directory(file("a", Some(&low))), run(&["a", ""])] {
        holds(source(fits));
    }
}

#[test]
fn a_variable_has_a_name_that_shells_take_and_one_value() {
    let env = |variable: &str| with(|web| web.env = [(variable.to_owned(), "1".to_owned())].into());
    let secret = |variable: &str| with(|web| web.secrets = [(variable.to_owned(), SecretRef::env("X"))].into());
    for variable in ["", "1A", "A-B", "Ä"] {
        let message = format!("`{variable}` is not a variable's name: use letters, digits and `_`, no digit first");
        assert_eq!(refused(env(variable)), ("workloads.web.env".to_owned(), message.clone()));
        assert_eq!(refused(secret(variable)), ("workloads.web.secrets".to_owned(), message));
    }
    for variable in ["A", "a1", "_", "A_B"] {
        holds(env(variable));
        holds(secret(variable));
    }
    let both = with(|web| {
        web.env = [("A".to_owned(), "1".to_owned()), ("C".to_owned(), "1".to_owned())].into();
        web.secrets = ["B", "C"].map(|variable| (variable.to_owned(), SecretRef::env("X"))).into();
    });
    tells([(both, "workloads.web.secrets.C", "`C` is in `env` too: keep one of them")]);
}

#[test]
fn a_probe_has_time_and_decides() {
    let millis = Duration::from_millis;
    tells([
        (
            timed(|timing| timing.interval = millis(9)),
            "workloads.web.health.interval",
            "9ms is too often: use 10ms or more",
        ),
        (
            timed(|timing| timing.timeout = Duration::ZERO),
            "workloads.web.health.timeout",
            "0 leaves no time for an answer: use 10ms or more",
        ),
        (timed(|timing| timing.healthy = 0), "workloads.web.health.healthy", "0 answers decide nothing: use 1 or more"),
        (
            timed(|timing| timing.unhealthy = 0),
            "workloads.web.health.unhealthy",
            "0 answers decide nothing: use 1 or more",
        ),
    ]);
    holds(timed(|timing| (timing.interval, timing.timeout) = (millis(10), millis(1))));
    holds(timed(|timing| (timing.healthy, timing.unhealthy) = (2, 1)));
}

#[test]
fn an_http_check_has_a_path_and_a_range_of_statuses() {
    for path in ["", "up"] {
        let message = format!("`{path}` is not a path: begin it with `/`");
        let told = refused(http(|check| check.path = path.into()));
        assert_eq!(told, ("workloads.web.health.http.path".to_owned(), message));
    }
    holds(http(|check| check.path = "/up".into()));
    for (low, high) in [(201, 200), (99, 599), (100, 600), (99, 99), (600, 600)] {
        let message = format!("[{low}, {high}] is no range of statuses: use [lowest, highest] of 100 to 599");
        let told = refused(http(|check| check.status = (low, high)));
        assert_eq!(told, ("workloads.web.health.http.status".to_owned(), message));
    }
    for status in [(100, 599), (200, 200), (599, 599), (100, 100)] {
        holds(http(|check| check.status = status));
    }
}

#[test]
fn a_check_asks_a_port_that_there_is_and_asks_something() {
    let checks = |port: Option<&str>| {
        let port = port.map(str::to_owned);
        [
            ("http", Check::Http(HttpCheck { port: port.clone(), ..HttpCheck::default() })),
            ("tcp", Check::Tcp(TcpCheck { port: port.clone() })),
            ("grpc", Check::Grpc(GrpcCheck { port, ..GrpcCheck::default() })),
        ]
    };
    for (key, check) in checks(Some("admin")) {
        let at = format!("workloads.web.health.{key}.port");
        let message = |ports| format!("there is no port `admin`; the workload has: {ports}");
        let mut none = probed(check.clone());
        none.workloads.values_mut().for_each(|web| web.ports.clear());
        assert_eq!(refused(none), (at.clone(), message("none")));
        assert_eq!(refused(probed(check)), (at, message("http")));
    }
    for (key, check) in checks(None) {
        let mut none = probed(check.clone());
        none.workloads.values_mut().for_each(|web| web.ports.clear());
        let at = format!("workloads.web.health.{key}.port");
        let message = "the check needs a port and the workload has none: give `ports: { http: 8080 }`".to_owned();
        assert_eq!(refused(none), (at, message));
        holds(probed(check));
    }
    for (_, check) in checks(Some("http")) {
        holds(probed(check));
    }
    let run =
        |words: &[&str]| Check::Command(CommandCheck { run: words.iter().map(|word| (*word).to_owned()).collect() });
    let (at, empty) = ("workloads.web.health.command.run", "`run` is empty: give a program and its arguments");
    let (few, here) = ("`all` and `any` need at least one check", "workloads.web.health");
    tells([
        (probed(run(&[])), at, empty),
        (probed(run(&["", "a"])), at, empty),
        (probed(Check::All(vec![])), here, few),
        (probed(Check::Any(vec![])), here, few),
        (probed(Check::All(vec![Check::Process {}, run(&[])])), at, empty),
        (probed(Check::Any(vec![run(&[])])), at, empty),
        (probed(Check::Not(Box::new(run(&[])))), at, empty),
    ]);
    holds(probed(Check::All(vec![run(&["a"]), Check::Not(Box::new(Check::Process {}))])));
}

#[test]
fn the_name_of_a_workload_that_comes_home_is_not_written() {
    let (returns, alternates) = (spec("v1", 1), Spec { home: HomePolicy::Alternate, ..spec("v1", 1) });
    assert_eq!(to_value(&returns).unwrap().get("home"), None);
    assert_eq!(to_value(&alternates).unwrap()["home"], json!("alternate"));
    for made in [returns, alternates] {
        assert_eq!(from_value::<Spec>(to_value(&made).unwrap()).unwrap(), made);
    }
}

#[test]
fn an_environment_or_a_workload_that_is_not_there_is_said_so() {
    let made = release(spec("v1", 1));
    let error = made.resolve(&name("staging"), &name("web")).unwrap_err();
    assert_eq!(error.to_string(), "there is no environment `staging`; the spec has: production; at: environments");
    let error = made.resolve(&name("production"), &name("api")).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::NotFound, "there is no workload `api` in shop"));
}

#[test]
fn a_revision_is_what_runs_and_not_where_its_bits_lie() {
    let of = |source: Source| Revision::of(Workload::new(source).instance_spec()).unwrap().id;
    let file = |path: &str, sha256: Option<&str>| FileSource {
        path: path.into(),
        sha256: sha256.map(str::to_owned),
        size: None,
    };
    let artifact = |path, sha256| of(Source::Artifact(file(path, sha256)));
    let directory = |path, sha256| of(Source::Directory(file(path, sha256)));
    assert_eq!(artifact("a", Some("11")), artifact("b", Some("11")));
    assert_eq!(directory("a", Some("11")), directory("b", Some("11")));
    assert_ne!(artifact("a", Some("11")), artifact("a", Some("22")));
    assert_ne!(artifact("a", Some("11")), directory("a", Some("11")));
    assert_ne!(artifact("a", None), artifact("b", None));
    assert_ne!(directory("a", None), directory("b", None));
}
