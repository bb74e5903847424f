//! JSON Schema of the pipeline file, and the same information as text for `runner kinds`.
//!
//! Everything is derived from the types that a pipeline is decoded into: those of the document in
//! [`spec`](crate::spec), and those of a kind's parameters, whose schema [`Params`] returns. So a new stage kind is
//! in the schema, and in `runner kinds`, once it is in the catalogue.
//!
//! [`document`] builds the schema, `variable` allows `${…}` in place of any value, and `tidy` orders the
//! keys. [`page`] describes a kind as text, with phrases from `wording`.

mod choice;
mod document;
mod kind;
mod page;
mod tidy;
mod variable;
mod wording;

pub use document::document;
pub use kind::{listing, object};
pub use page::{Layout, page};

use contract::KindInfo;
use serde_json::{Map, Value, json};

/// Function that returns the schema of a kind's parameters: `stages::params_schema`.
pub type Params = fn(kind: &str) -> Option<Value>;

/// Returns the schema of a kind's parameters, in which the name of a model may replace its layers.
fn parameters(kind: &KindInfo, params: Params) -> Value {
    let mut schema = params(kind.name).unwrap_or_else(|| json!({ "type": "object" }));
    for param in kind.model_params {
        let Some(property) = schema["properties"]
            .get_mut(param)
            .and_then(Value::as_object_mut)
        else {
            continue;
        };
        let is_note = |key: &str| matches!(key, "description" | "default");
        let (mut notes, layers): (Map<_, _>, Map<_, _>) = std::mem::take(property)
            .into_iter()
            .partition(|(key, _)| is_note(key));
        let name =
            json!({ "type": "string", "description": "The name of a list under `models:`." });
        notes.insert("anyOf".to_owned(), json!([layers, name]));
        *property = notes;
    }
    schema
}
