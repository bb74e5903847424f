//! Allows `${…}` in place of values in a schema.

use serde_json::{Value, json};

/// Regular expression for a text that consists of a single `${…}`.
const WHOLE: &str = r"^\$\{[^{}]+\}$";

/// Regular expression for a text that contains `${…}`.
pub(super) const WITHIN: &str = r"\$\{[^{}]+\}";

/// Returns the schema of a `${…}` in place of any value.
pub(super) fn definition() -> Value {
    json!({
        "description": "`${NAME}` for the value of a var, `${NAME.KEY}` for a value inside it, or `${matrix.AXIS}` for the stage's value on an axis.",
        "type": "string",
        "pattern": WHOLE,
    })
}

/// Allows `${…}` in place of the value that a schema describes, and of every value in it.
pub(super) fn allow(schema: &mut Value) {
    allow_inside(schema);
    allow_itself(schema);
}

fn allow_inside(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else {
        return;
    };
    for (keyword, value) in keywords {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(allow),
            ("items" | "additionalProperties" | "then", schema) => allow(schema),
            ("allOf", Value::Array(schemas)) => schemas.iter_mut().for_each(allow),
            // `allow_itself` adds a single alternative for `${…}` beside them.
            ("oneOf" | "anyOf", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(allow_inside);
            }
            _ => {}
        }
    }
}

fn allow_itself(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else {
        return;
    };
    let alternatives = ["oneOf", "anyOf"]
        .into_iter()
        .find(|&key| keywords.contains_key(key));
    if let Some(Value::Array(alternatives)) = alternatives.and_then(|key| keywords.get_mut(key)) {
        if !alternatives.iter().any(takes_variable) {
            alternatives.push(json!({ "$ref": "#/$defs/Variable" }));
        }
        return;
    }
    if ["const", "enum"]
        .iter()
        .any(|&key| keywords.contains_key(key))
    {
        let mut exact = json!({});
        for key in ["type", "const", "enum"] {
            if let Some(value) = keywords.shift_remove(key) {
                exact[key] = value;
            }
        }
        keywords.insert(
            "anyOf".to_owned(),
            json!([exact, { "$ref": "#/$defs/Variable" }]),
        );
        return;
    }
    match keywords.get_mut("type") {
        // Any value, or a reference to another definition.
        None => {}
        Some(types) if has(types, "string") => {
            if let Some(Value::String(pattern)) = keywords.get_mut("pattern") {
                *pattern = format!("{pattern}|{WITHIN}");
            }
        }
        Some(types) => {
            let expected = expected(types);
            match types {
                Value::Array(types) => types.push(json!("string")),
                one => *one = json!([one, "string"]),
            }
            keywords.insert("pattern".to_owned(), json!(WHOLE));
            // Editors show this message instead of the pattern.
            keywords.insert("patternErrorMessage".to_owned(), json!(expected));
        }
    }
}

/// Returns the error message for a text that is not a `${…}`.
fn expected(types: &Value) -> String {
    let noun = [
        ("integer", "a whole number"),
        ("number", "a number"),
        ("boolean", "`true`, `false`"),
        ("array", "a list"),
    ];
    let noun = noun.iter().find(|(name, _)| has(types, name));
    let noun = noun.map_or("a map", |(_, noun)| noun);
    format!("expected {noun} or `${{NAME}}`")
}

/// Returns whether an alternative allows `${…}` already: any text does, and so does another definition.
fn takes_variable(alternative: &Value) -> bool {
    let any_text = has(&alternative["type"], "string")
        && ["pattern", "const", "enum"]
            .iter()
            .all(|&key| alternative.get(key).is_none());
    any_text || alternative.get("$ref").is_some()
}

fn has(types: &Value, name: &str) -> bool {
    match types {
        Value::Array(types) => types.iter().any(|one| one == name),
        one => one == name,
    }
}
