//! A plan is data, and is verified wherever it comes from: what a platform lacks matters only where a plan needs it, and
//! a plan that was changed by hand is held to the same rules.

#![allow(clippy::unwrap_used, reason = "a broken test may panic")]

mod support;

use deploy_core::{
    Amount, Budget, Capabilities, Count, Desired, Evidence, Match, Place, Places, Plan, Share, Split, Spread, Stage,
    Stages, Step, Sticky, Traffic,
};
use std::time::Duration;
use support::{name, observed, planned, release, side_of, spec, track, workload};

const ALL: Count = Count::ALL;

/// By shares, from `count` instances to as many.
fn by(split: Split) -> Stages {
    let whole = Desired::both(ALL, ALL).split(Split::candidate());
    let stages = Stages::new().then(Stage::to(Desired::both(ALL, ALL).split(split)));
    stages.then(Stage::to(whole)).after_commit(Step::to(Desired::candidate(ALL)))
}

fn plan_of(stages: Stages, capabilities: &Capabilities) -> deploy_core::Result<Plan> {
    let (old, new) = (release(spec("v1", 3)), release(spec("v2", 3)));
    let runs = observed(&[(&side_of(&old, "web"), 3)], Spread::Pooled);
    planned(&new, &[&old], stages, capabilities, &[("web", runs)])
}

fn plan() -> Plan {
    plan_of(by(Split::percent(10)), &Capabilities::all()).unwrap()
}

/// What is wrong with a plan once it was changed.
fn wrong(change: impl FnOnce(&mut Plan)) -> String {
    let mut changed = plan();
    change(&mut changed);
    changed.verify().map_or_else(|error| error.message().to_owned(), |()| "nothing".into())
}

fn first(plan: &mut Plan) -> &mut deploy_core::PlanStage {
    &mut plan.tracks.get_mut(&track("web")).unwrap().before[0]
}

#[test]
fn what_a_platform_lacks_matters_only_where_it_is_needed() {
    let able = Capabilities::all();
    let header = || Split::matching([Match::Header { name: "x".into(), value: "1".into() }]);
    let sticky = Sticky { cookie: "c".into(), max_age: Duration::from_secs(60) };
    let mirror = || Split::stable().mirror(Share::percent(10));
    let no_split = Capabilities { split: false, ..able.clone() };
    let tenths = Capabilities { finest: Share::percent(10), ..able.clone() };
    let no_matches = Capabilities { matches: false, ..able.clone() };
    let no_sticky = Capabilities { sticky: false, ..able.clone() };
    let no_mirror = Capabilities { mirror: false, ..able.clone() };
    let cases = [
        (Split::stable(), &no_split, true),
        (Split::candidate(), &no_split, true),
        (header(), &no_split, true),
        (Split::percent(50), &no_split, false),
        (Split::percent(20), &tenths, true),
        (Split::percent(25), &tenths, false),
        (mirror(), &tenths, true),
        (Split::stable().mirror(Share::percent(5)), &tenths, false),
        (Split::percent(10), &no_matches, true),
        (header(), &no_matches, false),
        (Split::percent(10), &no_sticky, true),
        (Split::percent(10).sticky(sticky), &no_sticky, false),
        (Split::percent(10), &no_mirror, true),
        (mirror(), &no_mirror, false),
        (mirror(), &able, true),
        (Split::candidate().mirror(Share::percent(10)), &able, false),
    ];
    for (split, capabilities, possible) in cases {
        let made = plan_of(by(split.clone()), capabilities);
        assert_eq!(made.is_ok(), possible, "{split:?} on {capabilities:?}: {made:?}");
    }
}

#[test]
fn the_waves_name_each_track_once_and_fit_into_the_whole_time() {
    let each_once = "the waves of the plan do not name each of its tracks exactly once";
    assert_eq!(wrong(|_| ()), "nothing");
    assert_eq!(wrong(|plan| plan.waves.clear()), each_once);
    assert_eq!(wrong(|plan| plan.waves.push(vec![track("web")])), each_once);
    assert_eq!(wrong(|plan| plan.waves = vec![vec![track("api")]]), each_once);
    assert_eq!(wrong(|plan| plan.deadline = Step::DEADLINE * 2), "nothing");
    assert_eq!(
        wrong(|plan| plan.deadline = Step::DEADLINE * 2 - Duration::from_secs(1)),
        "the whole way has 19m 59s, its stages need up to 20m: allow more"
    );
}

#[test]
fn nothing_stands_aside_where_there_is_one_place() {
    let aside = "this platform has one place: nothing can stand aside";
    let one = |plan: &mut Plan| {
        plan.tracks.get_mut(&track("web")).unwrap().made_from.capabilities.places = Places::One;
    };
    assert_eq!(wrong(one), "nothing");
    let candidate = |plan: &mut Plan| {
        one(plan);
        first(plan).to.as_mut().unwrap().place = Place::Aside;
    };
    assert_eq!(wrong(candidate), aside);
    let stable = |plan: &mut Plan| {
        one(plan);
        first(plan).from.as_mut().unwrap().place = Place::Aside;
    };
    assert_eq!(wrong(stable), aside);
}

#[test]
fn an_exclusive_workload_never_has_two_of_one_side() {
    let exclusive = |version: &str| {
        let mut web = workload("web", version, 1);
        web.exclusive = Some(true);
        release(spec(version, 1).workload(name("web"), web))
    };
    let (old, new) = (exclusive("v1"), exclusive("v2"));
    let runs = || [("web", observed(&[(&side_of(&old, "web"), 1)], Spread::Pooled))];
    let budget = deploy_core::Workload::exclusive_budget;
    let planned_by = |desired: Desired, budget: Budget| {
        let stages = Stages::new().then(Step::to(desired).budget(budget));
        planned(&new, &[&old], stages, &Capabilities::all(), &runs())
    };
    assert!(planned_by(Desired::pooled(ALL), budget()).is_ok());
    let two = planned_by(Desired::pooled(Count::Exactly(2)), budget()).unwrap_err();
    assert!(two.message().starts_with("an exclusive workload would have two writers"), "{two}");
    for more in
        [Budget { max_surge: Amount::Number(1), ..budget() }, Budget { max_failed: Amount::Number(1), ..budget() }]
    {
        let refused = planned_by(Desired::pooled(ALL), more).unwrap_err();
        assert!(refused.message().starts_with("an exclusive workload takes no surge and no failed"), "{refused}");
    }
}

#[test]
fn what_stays_or_only_grows_needs_no_surge_and_no_slot() {
    let still = Budget { max_surge: Amount::NONE, ..Budget::default() };
    let stays = Stages::new()
        .then(Stage::from(Step::to(Desired::both(ALL, Count::Exactly(1)).split(Split::stable())).budget(still.clone())))
        .then(Stage::to(Desired::pooled(ALL)));
    let full = Capabilities { slots: Some(4), ..Capabilities::all() };
    assert!(plan_of(stays.clone(), &Capabilities::all()).is_ok());
    assert!(plan_of(stays, &full).is_ok());
    let as_it_was = Desired { stable: ALL, ..Desired::pooled(Count::NONE) };
    let in_place =
        Stages::new().then(Stage::from(Step::to(as_it_was).budget(still))).then(Stage::to(Desired::pooled(ALL)));
    assert!(plan_of(in_place, &Capabilities::all()).is_ok());
}

#[test]
fn leave_to_be_missing_makes_up_for_a_surge_and_for_a_spare_slot() {
    let three = |slots| Capabilities { slots, ..Capabilities::all() };
    let rolling = |surge, unavailable, slots| {
        let (max_surge, max_unavailable) = (Amount::Number(surge), Amount::Number(unavailable));
        let budget = Budget { max_surge, max_unavailable, ..Budget::default() };
        plan_of(Stages::new().then(Stage::from(Step::to(Desired::pooled(ALL)).budget(budget))), &three(slots)).is_ok()
    };
    for (surge, unavailable, slots, possible) in [
        (0, 0, None, false),
        (0, 1, None, true),
        (1, 0, None, true),
        (1, 0, Some(3), false),
        (1, 1, Some(3), true),
        (1, 0, Some(4), true),
    ] {
        assert_eq!(rolling(surge, unavailable, slots), possible, "{surge}, {unavailable}, {slots:?}");
    }
}

#[test]
fn each_order_of_a_step_needs_time_to_be_followed() {
    let slow =
        Capabilities { evidence: Evidence::Accepted, propagation: Duration::from_secs(60), ..Capabilities::all() };
    let refused = |seconds| {
        let step = Step::to(Desired::both(ALL, ALL).split(Split::candidate())).deadline(Duration::from_secs(seconds));
        let stages = Stages::new().then(Stage::from(step)).after_commit(Step::to(Desired::candidate(ALL)));
        plan_of(stages, &slow).err().map(|error| error.message().to_owned())
    };
    let grow_and_shift = "its deadline of 3m cannot be met: bake, min ready, propagation and drain alone take 3m";
    assert_eq!(refused(180).as_deref(), Some(grow_and_shift));
    assert_eq!(refused(181), None);
}

#[test]
fn a_workload_that_is_to_have_nobody_ends_with_nobody() {
    let mut plan = plan_of(Stages::new().then(Stage::to(Desired::pooled(ALL))), &Capabilities::all()).unwrap();
    plan.tracks.get_mut(&track("web")).unwrap().candidate.as_mut().unwrap().count = 0;
    assert!(plan.verify().is_ok(), "{:?}", plan.verify());
}

#[test]
fn whoever_is_sent_requests_by_a_header_has_somebody() {
    let header = Match::Header { name: "x".into(), value: "1".into() };
    let none = Stages::new()
        .then(Stage::to(Desired::both(ALL, Count::NONE).split(Split::matching([header]))))
        .then(Stage::to(Desired::pooled(ALL)));
    let refused = plan_of(none, &Capabilities::all()).unwrap_err();
    assert!(refused.message().starts_with("the candidate would serve 0% of the traffic with 0"), "{refused}");
    let nobody = Stages::new()
        .then(Stage::to(Desired::both(ALL, Count::NONE).split(Split::stable())))
        .then(Stage::to(Desired::pooled(ALL)));
    assert!(plan_of(nobody, &Capabilities::all()).is_ok());
}

#[test]
fn traffic_is_pooled_over_one_side_at_a_time() {
    let none = Stages::new()
        .then(Stage::to(Desired::both(ALL, ALL).split(Split::candidate())))
        .then(Stage::to(Desired::candidate(ALL).traffic(Traffic::None)))
        .then(Stage::to(Desired::candidate(ALL).split(Split::candidate())));
    assert!(plan_of(none, &Capabilities::all()).is_ok());
    let split = Stages::new()
        .then(Stage::to(Desired::both(ALL, ALL).split(Split::percent(50))))
        .then(Stage::to(Desired::pooled(ALL)));
    let refused = plan_of(split, &Capabilities::all()).unwrap_err();
    assert!(refused.message().starts_with("pooled traffic"), "{refused}");
}
