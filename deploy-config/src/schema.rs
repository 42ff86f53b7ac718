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
        let mut own = own.clone().to_value();
        if let Some(Value::Object(shared)) = own.as_object_mut().and_then(|own| own.remove("$defs")) {
            put(&mut schema, shared);
        }
        own.as_object_mut().and_then(|own| own.remove("$schema"));
        settings.insert(name.to_owned(), json!({ "$ref": format!("#/$defs/{name}") }));
        put(&mut schema, [(name.to_owned(), own)].into_iter().collect());
    }
    let names: Vec<_> = registry.names().collect();
    let about = schema["$defs"]["StrategyRef"]["description"].clone();
    let by_name = json!({ "description": "By name, with the default settings.", "anyOf": [{ "enum": names }, { "type": "string" }] });
    let strategy = json!({
        "description": about,
        "anyOf": [by_name, {
            "description": "One name with its settings.",
            "type": "object",
            "properties": settings,
            "additionalProperties": { "type": ["object", "null"] },
            "minProperties": 1,
            "maxProperties": 1,
        }],
    });
    put(&mut schema, [("StrategyRef".to_owned(), strategy)].into_iter().collect());
    schema
}

fn put(schema: &mut Value, definitions: Map<String, Value>) {
    if let Some(Value::Object(all)) = schema.get_mut("$defs") {
        all.extend(definitions);
    }
}
