//! The JSON Schema of a spec.

use deploy_core::Spec;

/// Makes the JSON Schema (draft 2020-12) of a spec, for editors. It knows keys and shapes; what `parse` checks besides
/// (that a dependency exists, say) a schema cannot know. `schema/deploy.schema.json` is a copy of it.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Spec).to_value()
}
