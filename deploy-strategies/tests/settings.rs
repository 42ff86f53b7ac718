//! Settings, written and read, and the registry.

mod support;

use deploy_core::{Amount, Change, Desired, Result, Share, Stage, Stages, Strategies, Strategy, StrategyRef};
use deploy_strategies::{AbTest, BlueGreen, Canary, Recreate, Registry, RollingUpdate, Situation, recommend};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

macro_rules! round_trip {
    ($($test:ident: $type:ident { $($key:ident: $value:expr),* };)*) => {$(
        #[test]
        fn $test() {
            let settings = $type { $($key: $value,)* min_ready: Duration::from_millis(1500), ..$type::default() };
            let text = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<$type>(&text).unwrap(), settings, "{text}");
            let named = StrategyRef::from(settings.clone());
            let short = serde_json::Value::Object(named.settings.clone());
            assert_eq!(serde_json::from_value::<$type>(short).unwrap(), settings);
            assert_eq!(named.name, $type::NAME);
            assert!(StrategyRef::from($type::default()).settings.is_empty());
        }
    )*};
}

round_trip! {
    rolling_is_read_as_it_was_written: RollingUpdate { max_surge: Some(Amount::Share(Share::percent(25))) };
    recreate_is_read_as_it_was_written: Recreate { bake: Duration::from_secs(90) };
    blue_green_is_read_as_it_was_written: BlueGreen { auto_promote: false, scale_down_delay: Duration::ZERO };
    canary_is_read_as_it_was_written: Canary { steps: vec![Share::basis_points(1250)], mirror: Share::percent(3) };
    a_b_is_read_as_it_was_written: AbTest { share: Share::percent(10), instances: Some(Amount::Number(2)) };
}

#[test]
fn settings_that_differ_are_all_that_is_written() {
    let canary = Canary { bake: Duration::from_secs(60), ..Canary::default() };
    assert_eq!(serde_json::to_value(StrategyRef::from(canary)).unwrap(), json!({ "canary": { "bake": "1m" } }));
    assert_eq!(serde_json::to_value(StrategyRef::from(RollingUpdate::default())).unwrap(), json!("rolling"));
}

#[test]
fn every_key_of_a_schema_is_described() {
    let registry = Registry::default();
    assert_eq!(registry.schemas().count(), 5);
    for (name, schema) in registry.schemas() {
        let schema = serde_json::to_value(schema).unwrap();
        assert_eq!(schema["additionalProperties"], json!(false), "{name}");
        for (key, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name}.{key}");
        }
    }
}

#[test]
fn other_spellings_find_the_same_strategy() {
    let share = json!({ "share": "5%" });
    for (alias, settings) in
        [("rolling_update", json!({})), ("blue-green", json!({})), ("a/b", share.clone()), ("ab", share)]
    {
        assert!(support::plan(alias, settings, &support::web(2)).is_ok(), "{alias}");
    }
    let registry = Registry::default();
    assert_eq!(registry.names().collect::<Vec<_>>(), ["ab_test", "blue_green", "canary", "recreate", "rolling"]);
}

#[derive(Debug)]
struct AtOnce;

impl Strategy for AtOnce {
    fn plan(&self, change: &Change<'_>) -> Result<Stages> {
        Ok(Stages::new().then(Stage::to(Desired::pooled(change.count()))))
    }
}

#[test]
fn a_strategy_of_ones_own_stands_beside_the_others() {
    let registry = Registry::default().with("at_once", |_| Ok(Arc::new(AtOnce)));
    assert_eq!(format!("{:?}", registry.get(&StrategyRef::named("at_once")).unwrap()), "AtOnce");
    assert!(registry.get(&StrategyRef::named("canary")).is_ok());
    assert!(registry.names().any(|name| name == "at_once"));
}

#[test]
fn a_strategy_of_ones_own_may_replace_one() {
    let registry = Registry::default().with("rolling", |_| Ok(Arc::new(AtOnce)));
    let found = registry.get(&StrategyRef::named("rolling_update")).unwrap();
    assert_eq!(format!("{found:?}"), "AtOnce");
}

#[test]
fn what_is_recommended_can_be_planned_and_has_a_reason() {
    let expected = [
        (Situation::MajorUpgrade, json!({ "blue_green": { "auto_promote": false } })),
        (Situation::RiskyFeature, json!("canary")),
        (Situation::DailyUpdate, json!("rolling")),
        (Situation::SchemaChange, json!("recreate")),
        (Situation::Hotfix, json!({ "rolling": { "max_surge": "100%" } })),
    ];
    for (situation, written) in expected {
        let recommended = recommend(situation);
        assert_eq!(serde_json::to_value(&recommended.strategy).unwrap(), written);
        assert!(!recommended.reason.is_empty());
        let plan = support::plan_on(&recommended.strategy, &support::web(3), &deploy_core::Capabilities::all());
        assert!(plan.is_ok(), "{situation:?}: {plan:?}");
    }
}

#[test]
fn the_registry_is_shown_as_the_names_it_knows() {
    assert_eq!(format!("{:?}", Registry::default()), r#"{"ab_test", "blue_green", "canary", "recreate", "rolling"}"#);
}

#[test]
fn a_name_that_is_nearly_right_is_answered_with_the_right_one() {
    let asked = [
        ("canry", "canary"),
        ("cannary", "canary"),
        ("kanary", "canary"),
        ("acnary", "canary"),
        ("canarys", "canary"),
        ("cana", "canary"),
        ("canaryyy", "canary"),
        ("Rolling", "rolling"),
        ("roling", "rolling"),
        ("rollling", "rolling"),
        ("ollin", "rolling"),
        ("create", "recreate"),
        ("recerate", "recreate"),
        ("green_blue", ""),
        ("bluegreen", "blue-green"),
        ("blue green", "blue-green"),
        ("blue_green_", "blue_green"),
        ("abtest", "ab-test"),
        ("ab__test", "ab_test"),
        ("a_b", "a/b"),
        ("b", "ab"),
        ("x", ""),
        ("can", ""),
        ("roll", ""),
        ("rollback", ""),
        ("yranac", ""),
    ];
    for (name, near) in asked {
        let error = Registry::default().get(&StrategyRef::named(name)).unwrap_err().to_string();
        let told =
            error.split_once("did you mean `").and_then(|(_, rest)| rest.split_once('`')).map_or("", |(near, _)| near);
        assert_eq!(told, near, "{name}");
    }
}
