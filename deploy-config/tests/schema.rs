//! The schema for editors.

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
    assert_eq!(schema["required"], serde_json::json!(["application", "workloads"]));
    assert_eq!(schema["$defs"]["Workload"]["required"], serde_json::json!(["source"]));
    assert_eq!(schema["$defs"]["Workload"]["properties"]["replicas"]["type"], "integer");
}

fn keys_are_known(schema: &Value, value: &Value, at: &str) {
    assert_eq!(schema["additionalProperties"], false, "{at} takes other keys");
    for key in value.as_object().unwrap().keys() {
        assert!(schema["properties"][key].is_object(), "{at} does not know {key}");
    }
}
