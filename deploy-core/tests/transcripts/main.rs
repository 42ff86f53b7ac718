//! Whole deployments, told event by event: what the machine decides on simulated platforms, as reviewed transcripts.
//!
//! Each is a snapshot; a change of what is decided shows in it, and has to be looked at before it is accepted
//! (`INSTA_UPDATE=always cargo test -p deploy-core --test transcripts`, then `git diff`).

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod asked;
mod told;

use deploy_core::time::after;
use deploy_core::{Ask, Decision, Name, OnFailure, Release, Request, Verdict};
use deploy_testkit::sim::{Disturb, Hints, Lack, Mishap, Outside, Profile, Run, Script, Temper, scenario};
use serde_json::{Value, json};
use std::time::Duration;

const NONE: Value = Value::Null;

/// One run and its releases.
struct Play {
    run: Run,
    releases: Vec<Release>,
}

impl Play {
    /// Nothing runs yet.
    fn new(profile: Profile) -> Self {
        let mut run = Run::new(11, profile);
        run.gentle = false;
        Self { run, releases: Vec::new() }
    }

    /// Three instances of `v1` serve, and how that came is not told.
    fn serving(profile: Profile, name: &str) -> Self {
        Self::after(profile, &web("v1", name, &NONE))
    }

    /// A release serves.
    fn after(profile: Profile, first: &Release) -> Self {
        let mut play = Self::new(profile).deploy(first, &Script::default());
        play.run.history.clear();
        play
    }

    fn ill(mut self, release: &Release, temper: Temper) -> Self {
        self.run.world.give(release, temper).unwrap();
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Run)) -> Self {
        change(&mut self.run);
        self
    }

    fn deploy(self, release: &Release, script: &Script) -> Self {
        self.request(Request::new(release.clone(), name("production")), script)
    }

    fn request(mut self, request: Request, script: &Script) -> Self {
        self.releases.push(request.release.clone());
        self.run.request(request, script).unwrap();
        self
    }

    fn tells(self, name: &str) {
        let releases: Vec<_> =
            self.releases.iter().map(|release| self.run.world.profile.own(release).unwrap()).collect();
        insta::assert_snapshot!(name, told::told(&self.run, &releases));
    }
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn web(version: &str, strategy: &str, settings: &Value) -> Release {
    let spec = scenario::web(version, 3, scenario::strategy(strategy, settings.clone())).unwrap();
    scenario::release(spec).unwrap()
}

fn three(version: &str, strategy: &str, settings: &Value) -> Release {
    let spec = scenario::web(version, 2, scenario::strategy(strategy, settings.clone())).unwrap();
    scenario::release(scenario::with_more(spec, version).unwrap()).unwrap()
}

/// Nobody tells the engine to look: it looks when it said it would.
fn alone() -> Script {
    Script { hints: Hints::Lost, ..Script::default() }
}

fn asked(seconds: u64, ask: Ask) -> Script {
    Script { asks: vec![(Duration::from_secs(seconds), ask)], ..alone() }
}

fn disturbed(stage: usize, disturb: Disturb) -> Script {
    Script { disturb: Some((stage, disturb)), ..alone() }
}

fn task(name: &str, undo: &Value) -> Value {
    json!([{ "name": name, "run": ["do", name], "timeout": "20s", "undo": undo }])
}

#[test]
fn every_strategy_brings_in_a_good_release() {
    for strategy in scenario::STRATEGIES {
        for (profile, on) in [(Profile::Instant, "instances"), (Profile::Controller, "a controller")] {
            let settings = json!({ "min_ready": "3s" });
            let play = Play::serving(profile, strategy).deploy(&web("v2", strategy, &settings), &alone());
            play.tells(&format!("{strategy} comes in on {on}"));
        }
    }
}

#[test]
fn every_strategy_goes_back_from_a_release_that_is_never_well() {
    for strategy in scenario::STRATEGIES {
        for (profile, on) in [(Profile::Instant, "instances"), (Profile::Controller, "a controller")] {
            let bad = web("v2", strategy, &json!({ "progress_deadline": "60s" }));
            let play = Play::serving(profile, strategy).ill(&bad, Temper::NeverWell).deploy(&bad, &alone());
            play.tells(&format!("{strategy} goes back on {on}"));
        }
    }
}

#[test]
fn releases_that_fail_in_other_ways() {
    let ways = [
        ("ends at once", Temper::CrashAtStart),
        ("cannot be started", Temper::Impossible),
        ("is not well after a while", Temper::SickAfter(Duration::from_secs(12))),
        ("ends after a while", Temper::CrashAfter(Duration::from_secs(12))),
        ("flaps", Temper::Flapping(Duration::from_secs(3))),
    ];
    for (way, temper) in ways {
        let bad = web("v2", "canary", &json!({ "progress_deadline": "90s" }));
        let play = Play::serving(Profile::Instant, "canary").ill(&bad, temper).deploy(&bad, &alone());
        play.tells(&format!("a release that {way}"));
    }
}

#[test]
fn what_a_judge_says() {
    for (said, verdict) in [
        ("pass", Verdict::Pass),
        ("fail", Verdict::Fail("3 % fail".into())),
        ("nothing", Verdict::Unproven("no requests".into())),
    ] {
        let script = Script { outside: Outside { judge: (3, verdict), ..Outside::default() }, ..alone() };
        let settings = json!({ "judge": { "interval": "5s" }, "progress_deadline": "80s" });
        let play = Play::serving(Profile::Instant, "canary").deploy(&web("v2", "canary", &settings), &script);
        play.tells(&format!("a judge says {said}"));
    }
}

#[test]
fn what_a_gate_decides() {
    let decisions = [
        ("opens", Some((Duration::from_secs(7), Decision::Open))),
        ("is closed", Some((Duration::from_secs(7), Decision::Closed("not on a friday".into())))),
        ("never answers", None),
    ];
    for (way, gate) in decisions {
        let script = Script { outside: Outside { gate, ..Outside::default() }, ..alone() };
        let settings = json!({ "gate": { "name": "look", "deadline": "40s" } });
        let play = Play::serving(Profile::Instant, "blue_green").deploy(&web("v2", "blue_green", &settings), &script);
        play.tells(&format!("a gate that {way}"));
    }
}

#[test]
fn a_pause_ends_by_a_person_or_by_its_deadline() {
    let bad = web("v2", "canary", &json!({ "on_deadline": "pause", "progress_deadline": "60s" }));
    let pause = |release: &Release| Request {
        pause: Duration::from_secs(120),
        on_failure: OnFailure::Pause,
        ..Request::new(release.clone(), name("production"))
    };
    let serving = || Play::serving(Profile::Instant, "canary").ill(&bad, Temper::NeverWell);
    serving().request(pause(&bad), &alone()).tells("a pause that nobody ends");
    let script = Script {
        asks: vec![(Duration::from_secs(70), Ask::Resume), (Duration::from_secs(150), Ask::Rollback)],
        ..alone()
    };
    serving().request(pause(&bad), &script).tells("a pause that is resumed and then rolled back");
}

#[test]
fn tasks_before_between_and_after() {
    let undo = json!({ "run": ["undo"] });
    let all = |timeout: &str, undo: &Value| {
        let mut settings = json!({
            "before": task("backup", &json!("keep")),
            "between": task("migrate", undo),
            "after": task("smoke", &json!("keep")),
        });
        settings["progress_deadline"] = json!(timeout);
        settings
    };
    let serving = || Play::serving(Profile::Instant, "recreate");
    serving().deploy(&web("v2", "recreate", &all("3m", &undo)), &alone()).tells("tasks that are done");
    let failing = |run: &mut Run| run.world.failing_tasks = 100;
    serving().with(failing).deploy(&web("v2", "recreate", &all("3m", &undo)), &alone()).tells("a task that fails");
    let bad = web("v2", "recreate", &all("2m", &undo));
    serving().ill(&bad, Temper::NeverWell).deploy(&bad, &alone()).tells("a task that is undone");
    let forbidden = web("v2", "recreate", &all("2m", &json!({ "forbidden": "the data has moved" })));
    serving().ill(&forbidden, Temper::NeverWell).deploy(&forbidden, &alone()).tells("a task that cannot be undone");
    let script = asked(9, Ask::Rollback);
    serving().deploy(&web("v2", "recreate", &all("3m", &undo)), &script).tells("a task that still runs");
}

#[test]
fn engines_that_die() {
    for (words, disturb) in [("is killed", Disturb::Kill), ("is started again", Disturb::Restart)] {
        for strategy in ["canary", "recreate"] {
            let settings = json!({ "min_ready": "3s", "judge": { "interval": "5s" } });
            let script = disturbed(1, disturb.clone());
            let play = Play::serving(Profile::Instant, strategy).deploy(&web("v2", strategy, &settings), &script);
            play.tells(&format!("an engine that {words} in {strategy}"));
        }
    }
    let script = disturbed(0, Disturb::TakeOver);
    let play = Play::serving(Profile::CheckedFence, "rolling").deploy(&web("v2", "rolling", &NONE), &script);
    play.tells("an engine whose calls are under way");
}

#[test]
fn platforms_that_cannot_be_reached() {
    for profile in [Profile::Fleet, Profile::Controller] {
        for (words, seconds) in [("a while", 20), ("too long", 2_000)] {
            let away = |run: &mut Run| {
                let span = |from: u64, to: u64| {
                    (after(run.world.now, Duration::from_secs(from)), after(run.world.now, Duration::from_secs(to)))
                };
                let (from, to) = span(4, 4 + seconds);
                match profile {
                    Profile::Fleet => run.world.faults.cuts.push(("host-0".into(), from, to)),
                    _ => run.world.faults.outages.push((from, to)),
                }
            };
            let settings = json!({ "max_failed": 1, "progress_deadline": "4m" });
            let play = Play::serving(profile, "rolling").with(away).deploy(&web("v2", "rolling", &settings), &alone());
            play.tells(&format!("{profile:?} that cannot be reached for {words}"));
        }
    }
    let busy = |run: &mut Run| {
        run.world.faults.throttled.push((run.world.now, after(run.world.now, Duration::from_secs(30))));
    };
    let play = Play::serving(Profile::Instant, "rolling").with(busy).deploy(&web("v2", "rolling", &NONE), &alone());
    play.tells("a platform that asks for fewer calls");
}

#[test]
fn what_befalls_what_serves() {
    let long = Duration::from_secs(300);
    let mishaps = [
        ("one ends", Mishap::CrashOne),
        ("one is unwell for 8 s", Mishap::SickenOne(Duration::from_secs(8))),
        ("one is unwell for long", Mishap::SickenOne(long)),
        ("a side is unwell for long", Mishap::SickenSide(long)),
        ("a side ends", Mishap::CrashSide),
    ];
    for (words, mishap) in mishaps {
        for (when, seconds) in [("early", 3), ("late", 25)] {
            let befall = |run: &mut Run| {
                run.mishaps = vec![(after(run.world.now, Duration::from_secs(seconds)), mishap)];
            };
            let next = web("v2", "blue_green", &json!({ "progress_deadline": "90s", "bake": "20s" }));
            Play::serving(Profile::Instant, "blue_green")
                .with(befall)
                .deploy(&next, &alone())
                .tells(&format!("{words} {when}"));
        }
    }
}

#[test]
fn nobody_can_go_back_to_what_is_dead() {
    let bad = web("v2", "blue_green", &json!({ "progress_deadline": "60s" }));
    let befall = |run: &mut Run| {
        run.mishaps =
            vec![(after(run.world.now, Duration::from_secs(20)), Mishap::SickenSide(Duration::from_secs(900)))];
    };
    let play = Play::serving(Profile::Instant, "blue_green").with(befall).ill(&bad, Temper::NeverWell);
    play.deploy(&bad, &alone()).tells("neither side is well");
}

/// All of `v1` are unwell from the beginning on.
fn stable_dies(run: &mut Run) {
    let long = Duration::from_secs(3_600);
    run.mishaps = vec![(after(run.world.now, Duration::from_millis(150)), Mishap::SickenSide(long))];
}

#[test]
fn nobody_goes_back_to_what_is_dead_unless_a_person_says_so() {
    let gate = |decision| Script { outside: Outside { gate: decision, ..Outside::default() }, ..alone() };
    let closed = gate(Some((Duration::from_secs(5), Decision::Closed("it looks bad".into()))));
    let asked = Script { outside: gate(None).outside, ..asked(40, Ask::Rollback) };
    let settings = json!({ "gate": { "name": "look", "deadline": "10m" } });
    for (words, script) in [("a gate is closed", closed), ("a person goes back", asked)] {
        let play = Play::serving(Profile::Instant, "canary").with(stable_dies);
        play.deploy(&web("v2", "canary", &settings), &script).tells(&format!("stable is dead and {words}"));
    }
}

#[test]
fn several_workloads_go_together() {
    let first = three("v1", "rolling", &NONE);
    let serving = || Play::after(Profile::Instant, &first);
    serving().deploy(&three("v2", "rolling", &NONE), &alone()).tells("three workloads come in");
    let bad = three("v2", "rolling", &json!({ "progress_deadline": "60s" }));
    serving().ill(&bad, Temper::NeverWell).deploy(&bad, &alone()).tells("three workloads go back");
    serving().deploy(&web("v2", "rolling", &NONE), &alone()).tells("two workloads are removed");
    let both = Play::serving(Profile::Instant, "rolling").deploy(&three("v2", "rolling", &NONE), &alone());
    both.tells("two workloads are added");
}

#[test]
fn first_deployments() {
    let first = web("v1", "rolling", &json!({ "progress_deadline": "60s" }));
    Play::new(Profile::Instant).deploy(&first, &alone()).tells("a first deployment");
    Play::new(Profile::Instant)
        .ill(&first, Temper::NeverWell)
        .deploy(&first, &alone())
        .tells("a first deployment that fails");
    let again = Play::serving(Profile::Instant, "rolling").deploy(&web("v1", "rolling", &NONE), &alone());
    again.tells("the same release again");
    let lack = |run: &mut Run| _ = run.world.lacks.insert(Lack::Split);
    let refused = Play::serving(Profile::Instant, "canary").with(lack).deploy(&web("v2", "canary", &NONE), &alone());
    refused.tells("a plan that is refused");
}

#[test]
fn counts_that_are_not_ours() {
    let scaled = |run: &mut Run| {
        let site = run.world.site(&scenario::track("web").unwrap());
        site.control.as_mut().unwrap().scaler = Some((4, 6));
    };
    let play = Play::serving(Profile::Controller, "canary").with(scaled);
    play.deploy(&web("v2", "canary", &NONE), &alone()).tells("an autoscaler that wants more");
    let none = Play::serving(Profile::ScaleToZero, "canary").deploy(&web("v2", "canary", &NONE), &alone());
    none.tells("a count that is the platform's own");
    let mut spec = scenario::web("v2", 1, scenario::strategy("recreate", NONE)).unwrap();
    spec.workloads.get_mut("web").unwrap().exclusive = Some(true);
    let next = scenario::release(spec.clone()).unwrap();
    let first = scenario::release(spec.version("v1")).unwrap();
    Play::after(Profile::Instant, &first).deploy(&next, &alone()).tells("only one may be there at a time");
}

#[test]
fn what_is_tried_again_is_not_tried_for_ever() {
    let full = |run: &mut Run| {
        let until = after(run.world.now, Duration::from_secs(2_000));
        let hosts: Vec<_> = run.world.hosts.keys().cloned().collect();
        run.world.faults.full = hosts.into_iter().map(|host| (host, run.world.now, until)).collect();
    };
    let long = json!({ "progress_deadline": "1h" });
    let play = Play::serving(Profile::Fleet, "blue_green").with(full);
    play.deploy(&web("v2", "blue_green", &long), &alone()).tells("hosts that are full for long");
    let play = Play::serving(Profile::Instant, "canary").with(|run| {
        run.world
            .faults
            .outages
            .push((after(run.world.now, Duration::from_secs(8)), after(run.world.now, Duration::from_secs(2_000))));
    });
    play.deploy(&web("v2", "canary", &long), &alone()).tells("an outage that is longer than anybody tries");
}

#[test]
fn a_failure_that_waits_for_a_person() {
    for (words, temper) in [("ends at once", Temper::CrashAtStart), ("cannot be started", Temper::Impossible)] {
        let bad = web("v2", "rolling", &json!({ "progress_deadline": "90s" }));
        let request = Request {
            on_failure: OnFailure::Pause,
            pause: Duration::from_secs(60),
            crash_limit: 2,
            ..Request::new(bad.clone(), name("production"))
        };
        let play = Play::serving(Profile::Controller, "rolling").ill(&bad, temper);
        play.request(request, &alone()).tells(&format!("a pause for a release that {words}"));
    }
}

#[test]
fn what_was_added_goes_again() {
    let bad = three("v2", "canary", &json!({ "progress_deadline": "40s" }));
    for (profile, on) in [(Profile::Instant, "instances"), (Profile::Controller, "a controller")] {
        let play = Play::serving(profile, "canary").ill(&bad, Temper::NeverWell);
        play.deploy(&bad, &alone()).tells(&format!("two added workloads go again on {on}"));
    }
}

#[test]
fn nobody_is_routed_to_a_worker() {
    let worker = |version: &str, strategy: &str, settings: Value| {
        let mut spec = scenario::web(version, 2, scenario::strategy(strategy, settings)).unwrap();
        let web = spec.workloads.get_mut("web").unwrap();
        web.ports.clear();
        web.routed = Some(false);
        scenario::release(spec).unwrap()
    };
    for strategy in ["rolling", "recreate"] {
        let play = || Play::after(Profile::Instant, &worker("v1", strategy, NONE));
        play().deploy(&worker("v2", strategy, NONE), &alone()).tells(&format!("a worker comes in by {strategy}"));
        let bad = worker("v2", strategy, json!({ "progress_deadline": "40s" }));
        let play = play().ill(&bad, Temper::NeverWell);
        play.deploy(&bad, &alone()).tells(&format!("a worker goes back by {strategy}"));
    }
}
