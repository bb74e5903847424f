//! JSON Schemas, generated from the types that are decoded.
//!
//! A type of parameters derives [`JsonSchema`]; its doc comments become descriptions, serde's attributes say which
//! keys there are and what they default to, `#[schemars(range(…))]` says the range that the kind's
//! `check` holds it to, and `extend("x-unit" = "pixels")` the unit.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Number, Value};

/// The schema of a type, without title.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(plain));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    for key in ["$schema", "title", "description"] {
        schema.remove(key);
    }
    schema.into()
}

/// In schemas: a text, which may be written as a number or boolean. For parameters that are among a kind's
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

/// Leaves of a schema what a person can use.
fn plain(schema: &mut Schema) {
    // `float` and `double`, `uint` and `uint32` are of Rust, and mean nothing outside.
    let format = schema.remove("format");
    if format.is_some_and(|format| format == "float") {
        shorten(schema);
    }
    if schema.get("enum").or(schema.get("const")).is_some() {
        schema.remove("minimum");
    }
    // What may be left out, and is nothing then, needs no value written.
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

/// Gives a variant with parameters its name for a title, and moves what is said of it to its key:
/// editors show them there.
fn describe_key(variant: &mut Value) -> Option<()> {
    let name = variant["required"].as_array()?.first()?.clone();
    let description = variant.as_object_mut()?.shift_remove("description")?;
    variant["properties"][name.as_str()?]["description"] = description;
    variant["title"] = name;
    Some(())
}

/// Writes the default of an `f32` as it was written: 0.9, which is 0.8999999761581421 as a `f64`.
fn shorten(schema: &mut Schema) {
    let Some(Value::Number(default)) = schema.get_mut("default") else {
        return;
    };
    let shortest = default.as_f64().map(|value| (value as f32).to_string());
    if let Some(number) = shortest
        .and_then(|text| text.parse().ok())
        .and_then(Number::from_f64)
    {
        *default = number;
    }
}

/// Lines of a paragraph joined; paragraphs kept apart.
fn unwrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n");
    paragraphs
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect::<Vec<_>>()
        .join("\n\n")
}
