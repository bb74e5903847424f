//! Describes the types, ranges and defaults of a schema in words.

use contract::{Direction, Input, MetricInfo};
use serde_json::{Map, Value};

/// Adds ranges of numbers and defaults to the descriptions in a schema, because editors show only
/// descriptions.
pub(super) fn describe(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(describe),
        Value::Object(keywords) => {
            keywords.values_mut().for_each(describe);
            let facts = facts(schema);
            if let (Some(Value::String(text)), Some(facts)) = (schema.get_mut("description"), facts)
            {
                *text = format!("{text}\n\n{facts}");
            }
        }
        _ => {}
    }
}

/// Describes the range and default of a schema: `Whole number, 1 to 100; default 10.`
fn facts(schema: &Value) -> Option<String> {
    let default = schema.get("default").and_then(default_in_short);
    let text = match (limits(schema), default) {
        (Some(limits), Some(default)) => format!("{limits}; default {default}."),
        (Some(limits), None) => format!("{limits}."),
        (None, Some(default)) => format!("default: {default}."),
        (None, None) => return None,
    };
    Some(text[..1].to_uppercase() + &text[1..])
}

/// Formats a default in a word or two. For a choice with parameters, this is its name. `None` if the default
/// is an empty list or map.
fn default_in_short(default: &Value) -> Option<String> {
    match default {
        Value::Object(entries) => entries.keys().next().cloned(),
        Value::Array(items) if items.is_empty() => None,
        _ => Some(value(default)),
    }
}

/// Describes an input together with its documentation: `dataset, optional: …`.
pub(super) fn input(input: &Input) -> String {
    format!("{}: {}", port(input), input.doc)
}

/// Describes the artifacts that an input accepts: `dataset`, `one or more, each a generator`.
pub(super) fn port(input: &Input) -> String {
    let accepts = input.accepts;
    match (input.many, input.optional) {
        (false, false) => accepts.to_string(),
        (false, true) => format!("{accepts}, optional"),
        (true, false) => format!("one or more, each a {accepts}"),
        (true, true) => format!("any number, each a {accepts}"),
    }
}

/// Describes a scalar, a list or a map: `whole number, 8 to 1,024 pixels`.
pub(super) fn kind_of_value(schema: &Value) -> String {
    if let Some(limits) = limits(schema) {
        return limits;
    }
    if let Some(allowed) = schema["enum"].as_array() {
        let allowed: Vec<String> = allowed.iter().map(value).collect();
        return alternatives(&allowed);
    }
    match the_type(schema) {
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => list(schema),
        "object" => match &schema["additionalProperties"] {
            Value::Object(_) => {
                format!(
                    "map from names to values, each a {}",
                    kind_of_value(&schema["additionalProperties"])
                )
            }
            _ => "map".to_owned(),
        },
        _ => "any value".to_owned(),
    }
}

fn list(schema: &Value) -> String {
    let item = kind_of_value(&schema["items"]);
    match (schema["minItems"].as_u64(), schema["maxItems"].as_u64()) {
        (Some(least), Some(most)) if least == most => format!("list of {most}, each a {item}"),
        _ if item == "text" => "list of texts".to_owned(),
        _ => format!("list, each a {item}"),
    }
}

/// Returns the type of a schema, ignoring that it may be null.
pub(super) fn the_type(schema: &Value) -> &str {
    let one = match &schema["type"] {
        Value::Array(types) => types
            .iter()
            .find(|one| *one != "null")
            .unwrap_or(&Value::Null),
        one => one,
    };
    one.as_str().unwrap_or_default()
}

/// Describes the type and range of a number; `None` for any other type.
fn limits(schema: &Value) -> Option<String> {
    let noun = match the_type(schema) {
        "integer" => "whole number",
        "number" => "number",
        _ => return None,
    };
    if schema.get("enum").is_some() || schema.get("const").is_some() {
        return None;
    }
    let bound = |key: &str| schema[key].is_number().then(|| grouped(&schema[key]));
    let least = bound("minimum");
    let above = bound("exclusiveMinimum");
    let most = bound("maximum");
    let below = bound("exclusiveMaximum");
    let range = match (least, above, most, below) {
        (Some(least), _, Some(most), _) => format!(", {least} to {most}"),
        (Some(least), _, _, Some(below)) => format!(", at least {least} and below {below}"),
        (Some(least), _, None, None) => format!(", {least} or more"),
        (_, Some(above), Some(most), _) => format!(", above {above} and at most {most}"),
        (_, Some(above), _, Some(below)) => format!(", above {above} and below {below}"),
        (_, Some(above), None, None) => format!(", above {above}"),
        (None, None, Some(most), _) => format!(", at most {most}"),
        (None, None, None, Some(below)) => format!(", below {below}"),
        (None, None, None, None) => String::new(),
    };
    let unit = schema["x-unit"].as_str();
    Some(match (unit, range.is_empty()) {
        (None, _) => format!("{noun}{range}"),
        (Some(unit), false) => format!("{noun}{range} {unit}"),
        (Some(unit), true) => format!("{noun} of {unit}"),
    })
}

/// Joins texts as `a`, `a or b`, or `a, b or c`.
pub(super) fn alternatives(all: &[String]) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Formats a value as it would be written in a pipeline.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => map(entries),
    }
}

fn map(entries: &Map<String, Value>) -> String {
    if entries.is_empty() {
        return "{}".to_owned();
    }
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, entry)| format!("{key}: {}", value(entry)))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

/// Formats a number. Whole numbers have commas as thousands separators.
fn grouped(number: &Value) -> String {
    match number.as_u64() {
        Some(whole) => crate::wording::grouped(whole),
        None => number.to_string(),
    }
}

/// Describes a metric: `share of …; of the positive class; higher is better; between 0 and 1; undefined if …`.
pub(super) fn metric(metric: &MetricInfo) -> String {
    let of = metric
        .is_of_positive
        .then(|| "of the positive class".to_owned());
    let direction = match metric.direction {
        Some(Direction::Maximize) => "higher is better",
        Some(Direction::Minimize) => "lower is better",
        None => "neutral",
    };
    let is_bounded = metric.range.iter().any(|end| end.is_finite());
    let range = is_bounded.then(|| crate::graph::range(metric.range));
    let unit = metric.unit.as_ref().map(|unit| format!("in {unit}"));
    let doc = Some(metric.doc.clone().into_owned());
    let needs = metric
        .needs
        .map(|input| format!("only with images at the input `{input}`"));
    let undefined = metric
        .undefined_if
        .map(|condition| format!("undefined if {condition}"));
    let direction = Some(direction.to_owned());
    let parts = [doc, of, direction, range, unit, needs, undefined];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{kind_of_value, value};

    #[test]
    fn types_and_ranges_are_described_in_words() {
        for (schema, words) in [
            (
                json!({ "type": "integer", "minimum": 8, "maximum": 1024, "x-unit": "pixels" }),
                "whole number, 8 to 1,024 pixels",
            ),
            (
                json!({ "type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 10 }),
                "number, above 0 and at most 10",
            ),
            (
                json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 }),
                "number, at least 0 and below 1",
            ),
            (
                json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }),
                "number, above 0 and below 1",
            ),
            (
                json!({ "type": "integer", "minimum": 1, "x-unit": "epochs" }),
                "whole number, 1 or more epochs",
            ),
            (json!({ "type": "number" }), "number"),
            (json!({ "type": "integer", "enum": [1, 3] }), "1 or 3"),
            (
                json!({ "type": "array", "items": { "type": "string" } }),
                "list of texts",
            ),
            (json!({ "type": "boolean" }), "true or false"),
            (json!({}), "any value"),
        ] {
            assert_eq!(kind_of_value(&schema), words);
        }
    }

    #[test]
    fn values_are_shown_as_they_are_written() {
        assert_eq!(value(&json!(1_000_000)), "1000000");
        assert_eq!(value(&json!(1e-7)), "1e-7");
        assert_eq!(value(&json!([1.0, 2.5])), "[1.0, 2.5]");
        assert_eq!(
            value(&json!({ "step": { "every": 2 } })),
            "{ step: { every: 2 } }"
        );
    }
}
