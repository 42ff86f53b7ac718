//! What is refused, with the whole message.

mod support;

use deploy_core::{Capabilities, Share};
use serde_json::json;
use support::{named, one_writer, plan_on, refusal, refusal_on, web, worker};

macro_rules! refused {
    ($($test:ident: $strategy:literal, $settings:tt, $workload:expr $(, |$can:ident| $limit:expr)? => $message:literal;)*) => {$(
        #[test]
        fn $test() {
            let message = refused!(@ $strategy, $settings, $workload $(, |$can| $limit)?);
            assert_eq!(message, $message);
        }
    )*};
    (@ $strategy:literal, $settings:tt, $workload:expr) => { refusal($strategy, json!($settings), &$workload) };
    (@ $strategy:literal, $settings:tt, $workload:expr, |$can:ident| $limit:expr) => {
        refusal_on($strategy, json!($settings), &$workload, |$can| $limit)
    };
}

refused! {
    an_unknown_name_lists_those_that_exist: "teleport", {}, web(1) =>
        "NotFound: there is no strategy `teleport`; there are: ab_test, blue_green, canary, recreate, rolling; at: strategy";
    an_unknown_name_gets_the_nearest: "canari", {}, web(1) =>
        "NotFound: there is no strategy `canari`; there are: ab_test, blue_green, canary, recreate, rolling; did you mean `canary`?; at: strategy";

    an_unknown_key_is_named: "rolling", { "max_surg": 1, "bake": "1m" }, web(1) =>
        "Invalid: unknown field `max_surg`, expected one of `max_surge`, `max_unavailable`, `bake`, `judge`, `gate`, `min_ready`, `max_failed`, `progress_deadline`, `on_deadline`, `before`, `after`; in the settings of the strategy `rolling`; at: max_surg";
    recreate_knows_no_surge: "recreate", { "max_surge": 1 }, web(1) =>
        "Invalid: unknown field `max_surge`, expected one of `between`, `bake`, `judge`, `gate`, `min_ready`, `max_failed`, `progress_deadline`, `on_deadline`, `before`, `after`; in the settings of the strategy `recreate`; at: max_surge";
    a_value_of_the_wrong_type_is_placed: "blue_green", { "bake": "1m", "auto_promote": "no" }, web(1) =>
        "Invalid: invalid type: string \"no\", expected a boolean; in the settings of the strategy `blue_green`; at: auto_promote";
    an_unknown_outcome_of_lateness_is_placed: "canary", { "on_deadline": "explode" }, web(1) =>
        "Invalid: unknown variant `explode`, expected `go_back` or `pause`; in the settings of the strategy `canary`; at: on_deadline";

    nothing_could_move: "rolling", { "max_surge": 0, "max_unavailable": "0%" }, web(6) =>
        "Invalid: nothing could ever move: max_surge and max_unavailable are both 0; let one of them be at least 1; at: max_surge";
    nothing_could_move_of_so_few: "rolling", { "max_surge": 0, "max_unavailable": "10%" }, web(3) =>
        "Invalid: nothing could ever move: max_surge 0 and max_unavailable 10% of 3 are both 0; let one of them be at least 1; at: max_surge";
    nobody_could_be_ready_in_time: "canary", { "min_ready": "20m" }, web(3) =>
        "Invalid: nobody can be ready in time: min_ready is 20m and progress_deadline 10m; make progress_deadline longer than min_ready; at: progress_deadline";

    nobody_could_be_ready_at_the_very_deadline: "rolling", { "min_ready": "10m" }, web(3) =>
        "Invalid: nobody can be ready in time: min_ready is 10m and progress_deadline 10m; make progress_deadline longer than min_ready; at: progress_deadline";
    nobody_could_be_ready_in_time_for_a_switch: "blue_green", { "min_ready": "20m" }, web(3) =>
        "Invalid: nobody can be ready in time: min_ready is 20m and progress_deadline 10m; make progress_deadline longer than min_ready; at: progress_deadline";
    nobody_could_be_ready_in_time_after_a_gap: "recreate", { "min_ready": "20m" }, web(3) =>
        "Invalid: nobody can be ready in time: min_ready is 20m and progress_deadline 10m; make progress_deadline longer than min_ready; at: progress_deadline";
    nobody_could_be_ready_in_time_to_be_compared: "ab_test", { "share": 10, "min_ready": "20m" }, web(3) =>
        "Invalid: nobody can be ready in time: min_ready is 20m and progress_deadline 10m; make progress_deadline longer than min_ready; at: progress_deadline";

    canary_without_steps: "canary", { "steps": [] }, web(3) =>
        "Invalid: there are none: give shares that grow, as in [5%, 25%, 50%]; at: steps";
    canary_from_nothing: "canary", { "steps": [0, 50] }, web(3) =>
        "Invalid: 0% gives the candidate nobody: begin above 0%; at: steps";
    canary_with_a_falling_share: "canary", { "steps": ["5%", "50%", "25%"] }, web(3) =>
        "Invalid: 25% comes after 50%: each share must be greater than the one before; at: steps";
    canary_with_equal_shares: "canary", { "steps": ["5%", "5%"] }, web(3) =>
        "Invalid: 5% comes after 5%: each share must be greater than the one before; at: steps";
    canary_above_the_whole: "canary", { "steps": ["5%", "120%"] }, web(3) =>
        "Invalid: `120%` is not a share: use 0% to 100%, in steps of 0.01%; in the settings of the strategy `canary`; at: steps";

    a_b_that_nobody_sees: "ab_test", {}, web(3) =>
        "Invalid: nobody would see the candidate: give headers or cookies to match, as in [{ header: { name: x-beta, value: \"1\" } }], or a share; at: match";
    a_b_without_a_b: "ab_test", { "share": 100 }, web(3) =>
        "Invalid: 100% leaves nothing to compare with: use less, or `blue_green`; at: share";
    a_b_with_nobody: "ab_test", { "share": 10, "instances": 0 }, web(3) =>
        "Invalid: 0 of the candidate cannot serve anybody: use at least 1; at: instances";
    a_b_with_more_than_there_are: "ab_test", { "share": 10, "instances": 4 }, web(3) =>
        "Invalid: 4 is more than the workload has: use 1 to 3, or a share; at: instances";
    a_b_with_fewer_than_their_share_needs: "ab_test", { "share": 50, "instances": 1 }, web(6) =>
        "Invalid: 1 cannot serve 50% of the requests: use at least 3, or a smaller share; at: instances";
    a_b_with_a_gate_that_is_not_asked: "ab_test", { "share": 10, "decision": "judge", "gate": { "name": "go" } }, web(3) =>
        "Invalid: a gate is asked only with `decision: approval`: leave one of the two out; at: gate";
    a_b_with_a_judge_that_is_not_asked: "ab_test", { "share": 10, "decision": "promote", "judge": {} }, web(3) =>
        "Invalid: a judge is not asked with `decision: promote`: use `decision: judge`; at: judge";
    a_b_of_a_worker: "ab_test", { "share": 10 }, worker(3) =>
        "Unsupported: `ab_test` divides requests and none are routed to this workload: use `rolling`, or `canary`, which moves counts";
    canary_of_a_worker_with_a_match: "canary", { "match": [{ "cookie": { "name": "a", "value": "b" } }] }, worker(3) =>
        "Invalid: no requests are routed to this workload: leave `match` out; at: match";

    canary_of_a_worker_that_keeps_clients: "canary", { "sticky": { "cookie": "side", "max_age": "1h" } }, worker(3) =>
        "Invalid: no requests are routed to this workload: leave `sticky` out; at: sticky";
    canary_of_a_worker_with_copies: "canary", { "mirror": 10 }, worker(3) =>
        "Invalid: no requests are routed to this workload: leave `mirror` out; at: mirror";

    one_writer_with_surge: "rolling", { "max_surge": "25%" }, one_writer() =>
        "Invalid: the workload is exclusive, so nothing may run beside it: 25% must be 0; at: max_surge";
    one_writer_that_may_not_be_away: "rolling", { "max_unavailable": 0 }, one_writer() =>
        "Invalid: the workload is exclusive, so it is away while it is replaced: 0 must be 1; at: max_unavailable";
    one_writer_with_patience: "recreate", { "max_failed": 1 }, one_writer() =>
        "Invalid: the workload is exclusive, so one that cannot be told may still write: 1 must be 0; at: max_failed";
    one_writer_under_blue_green: "blue_green", {}, one_writer() =>
        "Unsupported: `blue_green` runs two releases at a time and this workload is exclusive, one instance at a time: use `recreate`, or `rolling`, which stops the one before it starts the other";
    one_writer_under_canary: "canary", {}, one_writer() =>
        "Unsupported: `canary` runs two releases at a time and this workload is exclusive, one instance at a time: use `recreate`, or `rolling`, which stops the one before it starts the other";
    one_writer_under_a_b: "ab_test", { "share": 10 }, one_writer() =>
        "Unsupported: `ab_test` runs two releases at a time and this workload is exclusive, one instance at a time: use `recreate`, or `rolling`, which stops the one before it starts the other";

    blue_green_without_a_router: "blue_green", {}, web(3), |can| can.routes = false =>
        "Unsupported: `blue_green` needs a router and this platform has none: add one, or use `rolling`";
    canary_without_shares: "canary", {}, web(3), |can| can.split = false =>
        "Unsupported: `canary` gives the candidate 5% of the requests and this platform's router cannot divide by share: use `blue_green`, or `rolling`";
    canary_finer_than_the_router: "canary", { "steps": [5, "12.5%"] }, web(3), |can| can.finest = deploy_core::Share::percent(1) =>
        "Unsupported: this platform's router divides in steps of 1%, and 12.5% is none of them; at: steps";
    canary_without_copies: "canary", { "mirror": 10 }, web(3), |can| can.mirror = false =>
        "Unsupported: this platform's router cannot send copies of requests: leave `mirror` out; at: mirror";
    canary_without_stickiness: "canary", { "sticky": { "cookie": "side", "max_age": "1h" } }, web(3), |can| can.sticky = false =>
        "Unsupported: this platform's router cannot keep clients on their side: leave `sticky` out; at: sticky";
    canary_without_matches: "canary", { "match": [{ "cookie": { "name": "a", "value": "b" } }] }, web(3), |can| can.matches = false =>
        "Unsupported: this platform's router cannot choose by header or cookie: leave `match` out; at: match";
    a_b_finer_than_the_router: "ab_test", { "share": "12.5%" }, web(3), |can| can.finest = deploy_core::Share::percent(1) =>
        "Unsupported: this platform's router divides in steps of 1%, and 12.5% is none of them; at: share";
    a_b_without_stickiness: "ab_test", { "share": 10, "sticky": { "cookie": "side", "max_age": "1h" } }, web(3), |can| can.sticky = false =>
        "Unsupported: this platform's router cannot keep clients on their side: leave `sticky` out; at: sticky";
    a_b_without_shares: "ab_test", { "share": 10 }, web(3), |can| can.split = false =>
        "Unsupported: `ab_test` gives the candidate 10% of the requests and this platform's router cannot divide by share: use `blue_green`, or `rolling`";
    a_b_without_matches: "ab_test", { "match": [{ "cookie": { "name": "a", "value": "b" } }] }, web(3), |can| can.matches = false =>
        "Unsupported: this platform's router cannot choose by header or cookie: use `share`, or `canary`; at: match";
    recreate_without_serving_nobody: "recreate", {}, web(3), |can| can.traffic_none = false =>
        "Unsupported: `recreate` takes everybody out of the router before it stops them and this platform's router cannot serve nobody: use `rolling` with `max_surge: 0` and `max_unavailable: 100%`";
}

#[test]
fn no_more_is_asked_of_a_platform_than_the_settings_need() {
    let plain = Capabilities { matches: false, sticky: false, mirror: false, ..Capabilities::all() };
    let whole = Capabilities { split: false, ..plain.clone() };
    let rough = Capabilities { finest: Share::percent(1), ..plain.clone() };
    let unknown = Capabilities { finest: Share::NONE, ..plain.clone() };
    let bare = Capabilities { routes: false, traffic_none: false, ..whole.clone() };
    let beta = json!({ "match": [{ "cookie": { "name": "a", "value": "b" } }] });
    let asked = [
        ("canary", json!({}), web(3), &plain),
        ("ab_test", json!({ "share": 10 }), web(3), &plain),
        ("canary", json!({ "steps": ["100%"] }), web(3), &whole),
        ("ab_test", beta, web(3), &Capabilities { matches: true, ..whole.clone() }),
        ("canary", json!({ "steps": ["5%", "25%"] }), web(3), &rough),
        ("canary", json!({ "steps": ["12.5%"] }), web(3), &unknown),
        ("canary", json!({}), worker(3), &bare),
        ("blue_green", json!({}), worker(3), &bare),
        ("recreate", json!({}), worker(3), &bare),
        ("rolling", json!({}), web(3), &bare),
    ];
    for (strategy, settings, workload, can) in asked {
        let plan = plan_on(&named(strategy, settings.clone()), &workload, can);
        assert!(plan.is_ok(), "{strategy} {settings}: {plan:?}");
    }
}
