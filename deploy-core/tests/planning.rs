//! What a plan is made from: who is stable, what of the same release is missing, what is cleared first, what comes home.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{
    Capabilities, Count, Counts, Desired, HomePolicy, InstanceState, Observed, Place, Places, Plan, Release,
    RevisionId, Running, Side, Spec, Split, Spread, Stage, Stages, Step, Track, Traffic,
};
use support::{instance, observed, planned, release, side_of, spec, track};

fn side_by_side() -> Stages {
    let all = Count::ALL;
    Stages::new()
        .then(Stage::to(Desired::both(all, all).split(Split::candidate())))
        .after_commit(Step::to(Desired::candidate(all)))
}

fn homes() -> Capabilities {
    Capabilities { places: Places::HomeAndAside, ..Capabilities::all() }
}

fn split(from: &Side, to: &Side, percent: u16) -> Spread {
    Spread::Split { from: Some(from.clone()), to: Some(to.clone()), split: Split::percent(percent) }
}

fn web(plan: &Plan) -> &Track {
    &plan.tracks[&track("web")]
}

/// The plan of v3 over what runs, where v1 and v2 were brought in before.
fn plan(runs: Observed) -> Plan {
    let [one, two, three] = ["v1", "v2", "v3"].map(|version| release(spec(version, 3)));
    planned(&three, &[&one, &two], side_by_side(), &Capabilities::all(), &[("web", runs)]).unwrap()
}

fn side(version: &str) -> Side {
    side_of(&release(spec(version, 3)), "web")
}

fn aside(side: &Side) -> Side {
    Side::new(side.revision.clone(), Place::Aside)
}

/// One instance in each of these states, admitted or not.
fn instances(side: &Side, states: &[(InstanceState, bool)]) -> Running {
    let made = states.iter().enumerate().map(|(number, (state, admitted))| {
        let mut made = instance(&format!("{}-{number}", side.revision), side, *admitted);
        made.state = state.clone();
        made
    });
    Running::Instances(made.collect())
}

const RUNS: (InstanceState, bool) = (InstanceState::Running, true);
const OUT: (InstanceState, bool) = (InstanceState::Running, false);
const UNKNOWN: (InstanceState, bool) = (InstanceState::Unknown, true);

#[test]
fn stable_is_who_is_ready_then_has_most_traffic_then_most_ready_then_is_home_and_not_the_candidate() {
    let stable = |runs| web(&plan(runs)).stable.as_ref().unwrap().side.clone();
    for (this, other) in [("v1", "v2"), ("v2", "v1")].map(|(this, other)| (side(this), side(other))) {
        let none_ready = {
            let mut runs = observed(&[(&this, 1)], split(&this, &other, 100));
            runs.sides.insert(other.clone(), instances(&other, &[OUT, OUT]));
            runs
        };
        let counted = {
            let mut runs = observed(&[], Spread::Pooled);
            let ready = |ready| Running::Counts(Counts { ready, ..Counts::steady(3) });
            runs.sides = [(this.clone(), ready(2)), (other.clone(), ready(1))].into();
            runs
        };
        let cases = [
            ("ready", none_ready),
            ("traffic", observed(&[(&this, 1), (&other, 3)], split(&other, &this, 60))),
            ("more ready", observed(&[(&this, 3), (&other, 1)], Spread::Pooled)),
            ("more counted ready", counted),
            ("home", observed(&[(&this, 2), (&aside(&other), 2)], Spread::Pooled)),
        ];
        for (why, runs) in cases {
            assert_eq!(stable(runs), this, "{why}");
        }
        let even = observed(&[(&this, 2), (&side("v3"), 2)], Spread::Pooled);
        assert_eq!(stable(even), this, "the other is the candidate");
    }
}

#[test]
fn where_nobody_stands_it_is_the_first_deployment() {
    let ended = {
        let mut runs = observed(&[], Spread::Pooled);
        runs.sides.insert(side("v1"), instances(&side("v1"), &[(InstanceState::Terminating, false)]));
        runs
    };
    for runs in [Observed::default(), observed(&[(&side("v1"), 0)], Spread::Pooled), ended] {
        let plan = plan(runs);
        assert_eq!((web(&plan).strategy.as_str(), &web(&plan).stable), ("first", &None));
        assert!(web(&plan).made_from.sides.is_empty());
    }
}

#[test]
fn nothing_is_known_of_what_ran_before_we_came_but_how_many_there_are() {
    let adopted = Side::home(RevisionId::adopted());
    let plan = plan(observed(&[(&adopted, 2)], Spread::Pooled));
    let stable = web(&plan).stable.as_ref().unwrap();
    assert_eq!((&stable.side, stable.count, &stable.version), (&adopted, 2, &None));
    assert_eq!((&stable.revision.id, &stable.revision.spec), (&RevisionId::adopted(), &None));
}

/// The plan of a release that is brought in again.
fn again(same: &Release, capabilities: &Capabilities, runs: Observed) -> Option<Track> {
    let plan = planned(same, &[same], side_by_side(), capabilities, &[("web", runs)]).unwrap();
    (!plan.is_empty()).then(|| web(&plan).clone())
}

fn seen(side: &Side, running: Running, spread: Spread) -> Observed {
    let mut runs = observed(&[], spread);
    runs.sides.insert(side.clone(), running);
    runs
}

#[test]
fn the_same_release_again_is_nothing_where_all_run_and_are_in_service() {
    let same = release(spec("v1", 3));
    let side = side("v1");
    let count = |ready| Running::Counts(Counts { ready, ..Counts::steady(3) });
    let other = aside(&side);
    let cases = [
        ("all", instances(&side, &[RUNS, RUNS, RUNS]), Spread::Pooled, true),
        ("one out of service", instances(&side, &[RUNS, OUT, RUNS]), Spread::Pooled, false),
        ("one unknown", instances(&side, &[RUNS, RUNS, UNKNOWN]), Spread::Pooled, false),
        ("one fewer", instances(&side, &[RUNS, RUNS]), Spread::Pooled, false),
        ("one more", instances(&side, &[RUNS, RUNS, RUNS, RUNS]), Spread::Pooled, false),
        ("all ready", count(3), Spread::Pooled, true),
        ("one not ready", count(2), Spread::Pooled, false),
        ("nobody served", instances(&side, &[RUNS, RUNS, RUNS]), Spread::None, false),
        ("all to it", instances(&side, &[RUNS, RUNS, RUNS]), split(&other, &side, 100), true),
        ("none to the other", instances(&side, &[RUNS, RUNS, RUNS]), split(&side, &other, 0), true),
        ("some to the other", instances(&side, &[RUNS, RUNS, RUNS]), split(&side, &other, 10), false),
        ("all to the other", instances(&side, &[RUNS, RUNS, RUNS]), split(&side, &other, 100), false),
    ];
    for (what, running, spread, nothing) in cases {
        let made = again(&same, &Capabilities::all(), seen(&side, running, spread));
        assert_eq!(made.is_none(), nothing, "{what}");
        if let Some(track) = made {
            assert_eq!((track.strategy.as_str(), track.before.len(), track.after.len()), ("same", 1, 0), "{what}");
        }
    }
}

/// As `spec`, its one workload without a port.
fn worker(version: &str) -> Spec {
    let mut made = spec(version, 3);
    made.workloads.values_mut().for_each(|web| web.ports.clear());
    made
}

#[test]
fn a_worker_is_in_service_where_it_runs() {
    let same = release(worker("v1"));
    let side = side_of(&same, "web");
    let nothing = |states: &[_]| {
        let mut runs = seen(&side, instances(&side, states), Spread::None);
        runs.traffic = None;
        again(&same, &Capabilities::all(), runs).is_none()
    };
    assert!(nothing(&[OUT, OUT, OUT]));
    assert!(!nothing(&[OUT, OUT, UNKNOWN]));
}

#[test]
fn the_same_release_again_comes_home_where_there_are_names_and_it_is_to_return() {
    let returns = release(spec("v1", 3));
    let alternates = release(Spec { home: HomePolicy::Alternate, ..spec("v1", 3) });
    let at_home = side("v1");
    let beside = aside(&at_home);
    let cases = [
        ("one place", &returns, Capabilities::all(), &at_home, false),
        ("one place, though aside", &returns, Capabilities::all(), &beside, false),
        ("at home", &returns, homes(), &at_home, false),
        ("aside", &returns, homes(), &beside, true),
        ("alternates at home", &alternates, homes(), &at_home, false),
        ("alternates aside", &alternates, homes(), &beside, false),
    ];
    for (what, same, capabilities, side, comes_home) in cases {
        let made = again(same, &capabilities, observed(&[(side, 3)], Spread::Pooled));
        let home = made.and_then(|track| track.after.last().and_then(|stage| stage.to.clone()));
        assert_eq!(home, comes_home.then(|| at_home.clone()), "{what}");
        if capabilities.places == Places::HomeAndAside {
            let missing = again(same, &capabilities, observed(&[(side, 2)], Spread::Pooled)).unwrap();
            assert_eq!(missing.after.len(), usize::from(comes_home), "{what}, one missing");
        }
    }
}

#[test]
fn a_worker_that_is_recreated_stays_where_stable_stands() {
    let (old, new) = (release(worker("v1")), release(worker("v2")));
    let dark = Desired::nothing().traffic(Traffic::NotRouted);
    let recreate =
        Stages::new().then(Stage::to(dark)).then(Stage::to(Desired::pooled(Count::ALL).traffic(Traffic::InPlace)));
    let mut runs = observed(&[(&side_of(&old, "web"), 3)], Spread::None);
    runs.traffic = None;
    let plan = planned(&new, &[&old], recreate, &homes(), &[("web", runs)]).unwrap();
    assert_eq!(web(&plan).candidate.as_ref().unwrap().side, side_of(&new, "web"));
    assert!(web(&plan).after.is_empty());
}

#[test]
fn it_is_cleared_first_where_a_stray_stands_or_requests_go_elsewhere_than_to_stable() {
    let [stray, stable, candidate] = ["v1", "v2", "v3"].map(side);
    let both = [(&stable, 3), (&candidate, 1)];
    let cases = [
        ("stable alone", observed(&[(&stable, 3)], Spread::Pooled), None),
        ("stable alone, a split not ended", observed(&[(&stable, 3)], split(&stable, &candidate, 10)), None),
        ("pooled", observed(&both, Spread::Pooled), None),
        ("all to stable", observed(&both, split(&stable, &candidate, 0)), None),
        ("all to stable, that came in", observed(&both, split(&candidate, &stable, 100)), None),
        ("some to the candidate", observed(&both, split(&stable, &candidate, 10)), Some(1)),
        ("nobody served", observed(&both, Spread::None), Some(1)),
        ("a stray", observed(&[(&stray, 1), (&stable, 3)], Spread::Pooled), Some(0)),
    ];
    for (what, runs, cleared) in cases {
        let plan = plan(runs);
        assert_eq!(web(&plan).stable.as_ref().unwrap().side, stable, "{what}");
        let first = &web(&plan).before[0].stage.step;
        let expected = cleared.map(|count| Desired {
            stable: Count::Exactly(3),
            candidate: Count::Exactly(count),
            traffic: Traffic::stable(),
        });
        let clears = (first.name == "clear what was left").then(|| first.desired.clone());
        assert_eq!(clears, expected, "{what}");
    }
}

#[test]
fn a_worker_is_cleared_of_strays_alone() {
    let [stray, old, new] = ["v0", "v1", "v2"].map(|version| release(worker(version)));
    let [left, stable, candidate] = [&stray, &old, &new].map(|of| side_of(of, "web"));
    let in_place = Stages::new().then(Stage::to(Desired::pooled(Count::ALL).traffic(Traffic::InPlace)));
    for (other, cleared) in [(&candidate, false), (&left, true)] {
        let mut runs = observed(&[(&stable, 3), (other, 1)], Spread::None);
        runs.traffic = None;
        let plan = planned(&new, &[&stray, &old], in_place.clone(), &Capabilities::all(), &[("web", runs)]).unwrap();
        let first = &web(&plan).before[0].stage.step;
        assert_eq!(first.name == "clear what was left", cleared);
        assert_eq!(first.desired.traffic, if cleared { Traffic::NotRouted } else { Traffic::InPlace });
    }
}
