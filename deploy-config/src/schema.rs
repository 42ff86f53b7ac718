//! The JSON Schema of a spec.

use deploy_core::Spec;
use deploy_strategies::Registry;
use serde_json::{Map, Value, json};

/// Makes the JSON Schema (draft 2020-12) of a spec, for editors, with the settings of the strategies that come along.
///
/// It knows keys and shapes; what `parse` checks besides (that a dependency exists, say) a schema cannot know, and it takes
/// strategies of other names with any settings. `schema/deploy.schema.json` is a copy of it.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Spec).to_value();
    let registry = Registry::default();
    let mut settings = Map::new();
    for (name, own) in registry.schemas() {
        settings.insert(name.to_owned(), json!({ "$ref": format!("#/$defs/{name}") }));
        define(&mut schema, name, own.clone().to_value());
    }
    let names: Vec<_> = registry.names().collect();
    let strategy = strategy(&schema["$defs"]["StrategyRef"]["description"], &names, &settings);
    define(&mut schema, "StrategyRef", strategy);
    schema
}

fn strategy(about: &Value, names: &[&str], settings: &Map<String, Value>) -> Value {
    json!({
        "description": about,
        "anyOf": [{
            "description": "By name, with the default settings.",
            "anyOf": [{ "enum": names }, { "type": "string" }],
        }, {
            "description": "One name with its settings.",
            "type": "object",
            "properties": settings,
            "additionalProperties": { "type": ["object", "null"] },
            "minProperties": 1,
            "maxProperties": 1,
        }],
    })
}

/// Adds a definition, and beside it those that it brings along.
fn define(schema: &mut Value, name: &str, mut definition: Value) {
    let Some(Value::Object(all)) = schema.get_mut("$defs") else { return };
    if let Some(own) = definition.as_object_mut() {
        own.remove("$schema");
        if let Some(Value::Object(shared)) = own.remove("$defs") {
            all.extend(shared);
        }
    }
    all.insert(name.to_owned(), definition);
}
