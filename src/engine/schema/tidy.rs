//! Puts the keywords of a schema into a fixed order.

use serde_json::{Map, Value};

/// Keywords that come first in a schema, and those that come last. All others keep their order in between.
const FIRST: [&str; 9] = [
    "$schema",
    "title",
    "description",
    "default",
    "examples",
    "$ref",
    "type",
    "const",
    "enum",
];
const LAST: [&str; 9] = [
    "pattern",
    "patternErrorMessage",
    "oneOf",
    "anyOf",
    "required",
    "properties",
    "additionalProperties",
    "allOf",
    "$defs",
];

/// Puts the keywords of a schema, and of the schemas in it, into a fixed order.
pub(super) fn order(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(order),
        Value::Object(keywords) => {
            for (keyword, value) in keywords.iter_mut() {
                match (keyword.as_str(), value) {
                    ("properties" | "$defs", Value::Object(named)) => {
                        named.values_mut().for_each(order);
                    }
                    // Values, not schemas.
                    ("default" | "const" | "enum" | "examples" | "required" | "type", _) => {}
                    (_, value) => order(value),
                }
            }
            *keywords = ordered(std::mem::take(keywords));
        }
        _ => {}
    }
}

fn ordered(keywords: Map<String, Value>) -> Map<String, Value> {
    let rank = |keyword: &str| {
        let place = |list: &[&str]| list.iter().position(|known| *known == keyword);
        let last = || place(&LAST).map(|place| FIRST.len() + 1 + place);
        place(&FIRST).or_else(last).unwrap_or(FIRST.len())
    };
    let mut keywords: Vec<_> = keywords.into_iter().collect();
    keywords.sort_by_key(|(keyword, _)| rank(keyword));
    keywords.into_iter().collect()
}
