//! [`Choice`]: the alternatives that a schema allows for a value.

use serde_json::Value;

/// One of the alternatives that a schema allows.
pub(super) enum Choice<'a> {
    /// A fixed text.
    Name { name: &'a str, doc: &'a str },
    /// A map of one key to `payload`. If `alone`, the key may also be written without a payload.
    Tagged {
        name: &'a str,
        payload: &'a Value,
        alone: bool,
    },
    /// Anything else.
    Value(&'a Value),
}

/// Returns the alternatives of a schema, including nested ones.
pub(super) fn choices(schema: &Value) -> Vec<Choice<'_>> {
    let list = |key: &str| schema[key].as_array().into_iter().flatten();
    let all: Vec<&Value> = list("oneOf").chain(list("anyOf")).collect();
    let bare: Vec<&str> = all.iter().filter_map(|one| one["const"].as_str()).collect();
    let tags: Vec<&str> = all
        .iter()
        .filter_map(|one| tagged(one))
        .map(|(tag, _)| tag)
        .collect();
    let mut found = Vec::new();
    for alternative in all {
        if alternative["type"] == "null" {
            continue;
        }
        if let Some((name, payload)) = tagged(alternative) {
            let alone = bare.contains(&name);
            found.push(Choice::Tagged {
                name,
                payload,
                alone,
            });
        } else if let Some(name) = alternative["const"].as_str() {
            if !tags.contains(&name) {
                let doc = alternative["description"].as_str().unwrap_or_default();
                found.push(Choice::Name { name, doc });
            }
        } else if alternative
            .get("oneOf")
            .or(alternative.get("anyOf"))
            .is_some()
        {
            found.extend(choices(alternative));
        } else {
            found.push(Choice::Value(alternative));
        }
    }
    found
}

/// If a schema describes a map with exactly one key, which is required, returns the key and the schema of its value.
fn tagged(schema: &Value) -> Option<(&str, &Value)> {
    let [tag] = schema["required"].as_array()?.as_slice() else {
        return None;
    };
    let properties = schema["properties"].as_object()?;
    let (name, payload) = properties.iter().next()?;
    (properties.len() == 1 && tag == name).then_some((name, payload))
}
