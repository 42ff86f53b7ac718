//! The stages of each strategy, whole.

mod support;

use deploy_core::{Amount, Budget, OnDeadline, Traffic};
use serde_json::json;
use std::time::Duration;
use support::{one_writer, plan, table, task, web, worker};

macro_rules! stages {
    ($($test:ident: $strategy:literal, $settings:tt, $workload:expr => [$($line:literal),* $(,)?];)*) => {$(
        #[test]
        fn $test() {
            let stages = plan($strategy, json!($settings), &$workload).unwrap();
            assert_eq!(table(&stages), [$($line),*].join("\n"));
        }
    )*};
}

stages! {
    rolling_is_one_stage_at_one_place: "rolling", {}, web(6) => ["all, in turn: 0 + all, pooled | 10m"];

    rolling_of_a_worker_routes_nothing: "rolling_update", {}, worker(6) => ["all, in turn: 0 + all, - | 10m"];

    rolling_bakes_asks_and_runs_its_tasks_around: "rolling", {
        "bake": "2m", "judge": {}, "gate": { "name": "fine" }, "progress_deadline": "5m",
        "before": [task("backup", "backup")], "after": [task("smoke", "smoke_test")]
    }, web(6) => ["all, in turn: 0 + all, pooled | first backup | then smoke | 7m | bake 2m | judge threshold | gate fine"];

    recreate_has_a_gap_and_a_way_back_through_one: "recreate", {}, web(3) => [
        "all stop: 0 + 0, none | 10m",
        "  back: stable starts again: all + 0, pooled | 10m",
        "all start: 0 + all, pooled | 10m",
        "  back: all stop: 0 + 0, none | 10m",
        "  back: stable starts again: all + 0, pooled | 10m",
    ];

    recreate_migrates_while_nobody_runs: "recreate", {
        "before": [task("announce", "hook")], "between": [task("backup", "backup"), task("migrate", "migration")],
        "after": [task("smoke", "smoke_test")], "bake": "1m"
    }, one_writer() => [
        "all stop: 0 + 0, none | first announce | 10m",
        "  back: stable starts again: all + 0, pooled | 10m",
        "nobody runs: 0 + 0, none | then backup, migrate | 10m",
        "  back: all stop: 0 + 0, none | 10m",
        "  back: stable starts again: all + 0, pooled | 10m",
        "all start: 0 + all, pooled | then smoke | 11m | bake 1m",
        "  back: all stop: 0 + 0, none | 10m",
        "  back: stable starts again: all + 0, pooled | 10m",
    ];

    recreate_of_a_worker_routes_nothing: "recreate", {}, worker(2) => [
        "all stop: 0 + 0, - | 10m",
        "  back: stable starts again: all + 0, - | 10m",
        "all start: 0 + all, - | 10m",
        "  back: all stop: 0 + 0, - | 10m",
        "  back: stable starts again: all + 0, - | 10m",
    ];

    blue_green_switches_once: "blue_green", {}, web(6) => [
        "all beside stable: all + all, 0% | 10m",
        "the switch: all + all, 100% | 10m 30s | bake 30s",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    blue_green_tries_the_candidate_and_asks_before_the_switch: "blue-green", {
        "preview": [task("smoke", "smoke_test")], "auto_promote": false, "bake": "2m", "scale_down_delay": "3m", "judge": {}
    }, web(6) => [
        "all beside stable: all + all, 0% | then smoke | 10m | gate promote",
        "the switch: all + all, 100% | 15m | bake 5m | judge threshold",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    blue_green_of_a_worker_has_no_switch: "blue_green", { "bake": "1m" }, worker(2) => [
        "all beside stable: all + all, - | 11m 30s | bake 1m 30s",
        "after: stable goes: 0 + all, - | 10m",
    ];

    canary_grows_in_shares: "canary", {}, web(6) => [
        "a first instance: all + 5% of them, 5% | 15m | bake 5m",
        "a quarter: all + 25% of them, 25% | 15m | bake 5m",
        "half: all + 50% of them, 50% | 15m | bake 5m",
        "all: all + all, 100% | 15m | bake 5m",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    canary_is_judged_while_it_has_a_part_and_asked_before_it_has_all: "canary", {
        "steps": ["12.5%", 60, "100%"], "bake": "1m", "judge": {}, "gate": { "name": "go" }, "scale_down_delay": "2m",
        "before": [task("backup", "backup")], "after": [task("smoke", "smoke_test")]
    }, web(40) => [
        "12.5%: all + 12.5% of them, 12.5% | first backup | 11m | bake 1m | judge threshold",
        "60%: all + 60% of them, 60% | 11m | bake 1m | judge threshold | gate go",
        "all: all + all, 100% | then smoke | 13m | bake 3m",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    canary_shows_copies_first_and_testers_more: "canary", {
        "steps": [50], "bake": "1m", "mirror": "10%", "match": [{ "cookie": { "name": "beta", "value": "yes" } }]
    }, web(4) => [
        "copies of requests: all + 10% of them, 0% + mirror 10% | 11m | bake 1m",
        "half: all + 50% of them, 50% + cookie beta=yes | 11m | bake 1m",
        "all: all + all, 100% | 11m | bake 1m",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    canary_of_a_worker_moves_counts_alone: "canary", { "steps": [25], "bake": "1m" }, worker(8) => [
        "a quarter: all + 25% of them, - | 11m | bake 1m",
        "all: all + all, - | 11m | bake 1m",
        "after: stable goes: 0 + all, - | 10m",
    ];

    a_b_compares_by_header_and_asks_a_person: "ab_test", {
        "match": [{ "header": { "name": "x-beta", "value": "1" } }], "duration": "2h"
    }, web(6) => [
        "side by side: all + 50% of them, 0% + x-beta: 1 | 2h 10m | bake 2h | gate decision",
        "all: all + all, 100% | 10m 30s | bake 30s",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    a_b_compares_by_share_and_lets_a_judge_decide: "a/b", {
        "share": "30%", "sticky": { "cookie": "side", "max_age": "24h" }, "decision": "judge", "duration": "10m"
    }, web(6) => [
        "side by side: all + 30% of them, 30% | 20m | bake 10m | judge threshold",
        "all: all + all, 100% | 10m 30s | bake 30s",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    canary_names_its_shares_where_they_have_a_name: "canary", { "steps": [10, 75] }, web(20) => [
        "10%: all + 10% of them, 10% | 15m | bake 5m",
        "three quarters: all + 75% of them, 75% | 15m | bake 5m",
        "all: all + all, 100% | 15m | bake 5m",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    canary_of_everything_at_once_is_a_switch: "canary", { "steps": ["100%"] }, web(6) => [
        "all: all + all, 100% | 15m | bake 5m",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    a_b_of_just_enough_for_their_share: "ab_test", { "share": "50%", "instances": 3 }, web(6) => [
        "side by side: all + 3, 50% | 1h 10m | bake 1h | gate decision",
        "all: all + all, 100% | 10m 30s | bake 30s",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    a_b_of_one_fewer_where_one_may_be_missing: "ab_test", { "share": "50%", "instances": 2, "max_unavailable": 1 }, web(6) => [
        "side by side: all + 2, 50% | 1h 10m | bake 1h | gate decision",
        "all: all + all, 100% | 10m 30s | bake 30s",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    a_b_of_as_many_as_there_are: "ab_test", { "share": "10%", "instances": 6 }, web(6) => [
        "side by side: all + 6, 10% | 1h 10m | bake 1h | gate decision",
        "all: all + all, 100% | 10m 30s | bake 30s",
        "after: stable goes: 0 + all, 100% | 10m",
    ];

    a_b_promotes_by_itself_what_stayed_healthy: "ab", {
        "share": "30%", "instances": 2, "decision": "promote", "duration": "10m", "scale_down_delay": "0s"
    }, web(6) => [
        "side by side: all + 2, 30% | 20m | bake 10m",
        "all: all + all, 100% | 10m",
        "after: stable goes: 0 + all, 100% | 10m",
    ];
}

fn budget(workload: &deploy_core::Workload) -> deploy_core::Result<Budget> {
    Ok(plan("rolling", json!({}), workload)?.before[0].step.budget.clone())
}

#[test]
fn the_limits_stand_in_every_step() {
    let settings =
        json!({ "max_surge": "50%", "max_unavailable": 1, "min_ready": "3s", "max_failed": 2, "on_deadline": "pause" });
    let asked = Budget {
        max_surge: Amount::Share("50%".parse().unwrap()),
        max_unavailable: Amount::Number(1),
        min_ready: Duration::from_secs(3),
        max_failed: Amount::Number(2),
    };
    for name in ["rolling", "blue_green", "canary"] {
        let stages = plan(name, settings.clone(), &web(6)).unwrap();
        assert!(stages.before.iter().all(|stage| stage.step.budget == asked && stage.on_deadline == OnDeadline::Pause));
        assert!(stages.after.iter().all(|step| step.budget == asked));
    }
}

#[test]
fn rolling_of_one_writer_stops_it_before_it_starts_the_other() {
    assert_eq!(budget(&one_writer()).unwrap(), deploy_core::Workload::exclusive_budget());
    assert_eq!(budget(&web(6)).unwrap(), Budget::default());
}

#[test]
fn the_same_change_gives_the_same_stages() {
    for name in ["rolling", "recreate", "blue_green", "canary"] {
        assert_eq!(plan(name, json!({}), &web(6)).unwrap(), plan(name, json!({}), &web(6)).unwrap());
    }
}

#[test]
fn a_worker_is_replaced_in_place_by_rolling_alone() {
    let traffic = |name| plan(name, json!({}), &worker(6)).map(|stages| stages.before[0].step.desired.traffic.clone());
    assert_eq!(traffic("rolling").unwrap(), Traffic::InPlace);
    assert_eq!(traffic("canary").unwrap(), Traffic::NotRouted);
    assert_eq!(traffic("blue_green").unwrap(), Traffic::NotRouted);
}

#[test]
fn clients_stay_on_their_side_while_both_serve() {
    let sticky = json!({ "cookie": "side", "max_age": "24h" });
    for (name, settings) in
        [("canary", json!({ "sticky": sticky })), ("ab_test", json!({ "share": 10, "sticky": sticky }))]
    {
        let stages = plan(name, settings, &web(20)).unwrap();
        let splits = stages.before.iter().filter_map(|stage| stage.step.desired.traffic.split());
        for split in splits {
            let kept = split.sticky.as_ref().map(|sticky| sticky.cookie.as_str());
            assert_eq!(kept, (!split.is_whole()).then_some("side"), "{name}: {split}");
        }
    }
}
