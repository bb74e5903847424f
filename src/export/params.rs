//! Parameters by dotted paths, and as text.

use std::collections::BTreeMap;

use engine::plan::source_digest;
use serde_json::Value;

/// Numbers, booleans and texts among parameters, by path: `optimizer.adam.beta1`. Lists become JSON texts, and sources
/// become `content:` with their digest. A parameter that is not set is left out.
pub(crate) fn flattened(params: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    add("", params, &mut found);
    found
}

fn add(path: &str, value: &Value, to: &mut BTreeMap<String, Value>) {
    if let Some(digest) = source_digest(value) {
        to.insert(path.to_owned(), format!("content:{digest}").into());
        return;
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = match path {
                    "" => key.clone(),
                    _ => format!("{path}.{key}"),
                };
                add(&path, value, to);
            }
        }
        Value::Null => {}
        Value::Array(_) => {
            to.insert(path.to_owned(), value.to_string().into());
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            to.insert(path.to_owned(), value.clone());
        }
    }
}

/// A parameter's value as text: a text without quotes.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_have_dotted_paths_and_lists_are_texts() {
        let digest = "ab".repeat(32);
        let params = json!({
            "rate": 0.1,
            "source": { "folder": { "path": { "$source": digest } }, "name": null },
            "model": [{ "dense": 1 }],
        });
        let expected = json!({
            "model": "[{\"dense\":1}]",
            "rate": 0.1,
            "source.folder.path": format!("content:{digest}"),
        });
        let found: serde_json::Map<_, _> = flattened(&params).into_iter().collect();
        assert_eq!(Value::Object(found), expected);
        assert_eq!(text(&json!("a")), "a");
        assert_eq!(text(&json!(0.5)), "0.5");
    }
}
