//! Parameters by dotted paths, and the parameters of everything that a result was made from.

use std::collections::BTreeMap;

use engine::plan::source_digest;
use serde_json::Value;

use crate::record::Record;

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

impl Record<'_> {
    /// Parameters of the instances at these positions, and their values on axes. A parameter is named after the stage:
    /// `cnn.learning_rate`. If instances of a stage differ in its value, it is named after each instance:
    /// `gan[NORMAL].epochs`.
    pub(crate) fn params_of(&self, positions: &[usize]) -> BTreeMap<String, Value> {
        let mut by_stage: BTreeMap<String, Vec<(usize, &Value)>> = BTreeMap::new();
        for &at in positions {
            let instance = &self.instances[at];
            for (name, value) in &instance.params {
                let known = by_stage.entry(format!("{}.{name}", instance.stage));
                known.or_default().push((at, value));
            }
        }
        let mut params = BTreeMap::new();
        for (name, values) in by_stage {
            let is_same = values.iter().all(|(_, value)| *value == values[0].1);
            if is_same {
                params.insert(name, values[0].1.clone());
                continue;
            }
            for (at, value) in values {
                let instance = &self.instances[at];
                let param = &name[instance.stage.len()..];
                params.insert(format!("{}{param}", instance.name), value.clone());
            }
        }
        params
    }

    /// Values on axes that all of these instances share, among those that have the axis.
    pub(crate) fn axes_of(&self, positions: &[usize]) -> BTreeMap<String, String> {
        let mut found: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for (axis, value) in positions.iter().flat_map(|&at| &self.instances[at].axes) {
            let known = found.entry(axis).or_insert(Some(value));
            if *known != Some(value) {
                *known = None;
            }
        }
        let shared = found.into_iter();
        shared
            .filter_map(|(axis, value)| Some((axis.to_owned(), value?.to_owned())))
            .collect()
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
