//! JSON Schemas, generated from the types that are decoded.
//!
//! A parameter type derives [`JsonSchema`]. Its doc comments become descriptions. Serde's attributes
//! determine the keys and their defaults, `#[schemars(range(…))]` states the range that the kind's `check`
//! enforces, and `extend("x-unit" = "pixels")` states the unit.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Number, Value};

use crate::json::shortest;

/// Returns the schema of a type, without its title and description.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(plain));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    for key in ["$schema", "title", "description"] {
        schema.remove(key);
    }
    schema.into()
}

/// Schema of text that may also be written as a number or boolean, for parameters listed in a kind's
/// [`text_params`](super::KindInfo::text_params).
pub struct Text;

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// Simplifies a schema for human readers and editors.
fn plain(schema: &mut Schema) {
    // Formats such as `float`, `double`, `uint` and `uint32` come from Rust and mean nothing elsewhere.
    let format = schema.remove("format");
    if format.is_some_and(|format| format == "float") {
        shorten(schema);
    }
    if schema.get("enum").or(schema.get("const")).is_some() {
        schema.remove("minimum");
    }
    // A parameter that is `None` when it is left out needs no default in the schema.
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(true)) {
        schema.remove("additionalProperties");
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = unwrapped(text);
    }
    for variant in schema
        .get_mut("oneOf")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        describe_key(variant);
    }
}

/// For a variant with parameters, uses its key as its title and moves its description to the key, where editors
/// show it.
fn describe_key(variant: &mut Value) -> Option<()> {
    let name = variant["required"].as_array()?.first()?.clone();
    let description = variant.as_object_mut()?.shift_remove("description")?;
    variant["properties"][name.as_str()?]["description"] = description;
    variant["title"] = name;
    Some(())
}

/// Shortens the default of an `f32` to the digits in the source: 0.9 instead of 0.8999999761581421, which is its
/// value as an `f64`.
fn shorten(schema: &mut Schema) {
    let Some(Value::Number(default)) = schema.get_mut("default") else {
        return;
    };
    let shortest = default.as_f64().map(|value| shortest(value as f32));
    if let Some(number) = shortest.and_then(Number::from_f64) {
        *default = number;
    }
}

/// Joins the lines of each paragraph and keeps paragraphs apart.
fn unwrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n");
    paragraphs
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect::<Vec<_>>()
        .join("\n\n")
}
