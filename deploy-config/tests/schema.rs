//! The schema for editors.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use std::path::Path;

/// `BLESS=1` writes it anew.
#[test]
fn the_copy_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/deploy.schema.json");
    let current = format!("{:#}\n", deploy_config::schema());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap_or_default() == current, "run this test with BLESS=1");
}

#[test]
fn it_knows_the_keys_of_the_example_and_no_others() {
    let schema = deploy_config::schema();
    let example: Value = serde_json::from_str(include_str!("accepted/shop.json")).unwrap();
    keys_are_known(&schema, &example, "");
    keys_are_known(&schema["$defs"]["Workload"], &example["workloads"]["web"], "Workload");
    keys_are_known(&schema["$defs"]["Probe"], &example["workloads"]["web"]["health"], "Probe");
    keys_are_known(&schema["$defs"]["Environment"], &example["environments"]["staging"], "Environment");
    assert!(schema["$defs"]["Name"]["pattern"].is_string());
    assert_eq!(schema["required"], serde_json::json!(["application", "workloads"]));
    assert_eq!(schema["$defs"]["Workload"]["required"], serde_json::json!(["source"]));
    assert_eq!(schema["$defs"]["Workload"]["properties"]["replicas"]["type"], "integer");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let schema = deploy_config::schema();
    let mut found = Vec::new();
    references(&schema, &mut found);
    assert!(found.contains(&"#/$defs/canary"));
    for reference in found {
        assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn it_knows_the_settings_of_strategies() {
    let schema = deploy_config::schema();
    let canary = &schema["$defs"]["StrategyRef"]["anyOf"][1]["properties"]["canary"]["$ref"];
    let example: Value = serde_json::from_str(include_str!("accepted/shop.json")).unwrap();
    keys_are_known(
        schema.pointer(canary.as_str().unwrap().trim_start_matches('#')).unwrap(),
        &example["strategy"]["canary"],
        "canary",
    );
}

fn keys_are_known(schema: &Value, value: &Value, at: &str) {
    assert_eq!(schema["additionalProperties"], false, "{at} takes other keys");
    for key in value.as_object().unwrap().keys() {
        assert!(schema["properties"][key].is_object(), "{at} does not know {key}");
    }
}
