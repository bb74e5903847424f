//! Chooses the definitions that get a section of their own on a page.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Returns the definitions that are referred to more than once, or that are the items of a list.
pub(super) fn sections(schema: &Value) -> BTreeSet<String> {
    let mut uses = BTreeMap::new();
    count(schema, 1, &mut uses);
    let shared = uses.into_iter().filter(|(_, uses)| *uses > 1);
    shared.map(|(name, _)| name).collect()
}

fn count(schema: &Value, weight: usize, uses: &mut BTreeMap<String, usize>) {
    match schema {
        Value::Array(schemas) => schemas
            .iter()
            .for_each(|schema| count(schema, weight, uses)),
        Value::Object(keywords) => {
            if let Some(name) = referred(schema) {
                *uses.entry(name.to_owned()).or_default() += weight;
            }
            for (keyword, schema) in keywords {
                count(schema, weight_of(keyword), uses);
            }
        }
        _ => {}
    }
}

/// Items of lists and values of maps count twice, because a page has no place for their parameters.
fn weight_of(keyword: &str) -> usize {
    match keyword {
        "items" | "additionalProperties" => 2,
        _ => 1,
    }
}

/// Returns the name of the definition that a schema refers to.
pub(super) fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}
