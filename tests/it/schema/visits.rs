//! Walks through a schema of parameters and provides parameters that reach each place in it.

use contract::Segment;
use serde_json::{Value, json};

/// A place in a schema.
pub(super) struct Visit<'a> {
    /// The schema of this place.
    pub schema: &'a Value,
    /// Parameters with a value at `path`.
    pub params: Value,
    pub path: Vec<Segment>,
    /// `true` if this is a parameter (not an alternative or an item) that may be left out.
    pub optional: bool,
}

impl Visit<'_> {
    /// Returns the parameters with another value at this place.
    pub(super) fn with(&self, value: Value) -> Value {
        let mut params = self.params.clone();
        if let [parent @ .., Segment::Index(_)] = self.path.as_slice()
            && let Value::Array(pair) = at(&mut params, parent)
            && matches!(pair.as_slice(), [Value::Number(_), Value::Number(_)])
        {
            // Sets both ends of a range, because the lower must not be above the upper.
            pair.fill(value);
        } else {
            *at(&mut params, &self.path) = value;
        }
        params
    }

    /// Returns the parameters without the one at this place.
    pub(super) fn without(&self) -> Value {
        let mut params = self.params.clone();
        let [parent @ .., Segment::Key(key)] = self.path.as_slice() else {
            panic!("an item of a list cannot be left out");
        };
        at(&mut params, parent)
            .as_object_mut()
            .unwrap()
            .shift_remove(key);
        params
    }

    pub(super) fn name(&self) -> String {
        let names = self.path.iter().map(|segment| match segment {
            Segment::Key(key) => key.clone(),
            Segment::Index(index) => index.to_string(),
        });
        names.collect::<Vec<_>>().join(".")
    }
}

/// Returns the value in some parameters at a path.
pub(super) fn at<'a>(params: &'a mut Value, path: &[Segment]) -> &'a mut Value {
    path.iter().fold(params, |value, segment| match segment {
        Segment::Key(key) => &mut value[key.as_str()],
        Segment::Index(index) => &mut value[*index],
    })
}

/// Visits every place in the schema of a kind, starting from valid parameters.
pub(super) fn everywhere<'a>(root: &'a Value, params: &Value, visit: &mut dyn FnMut(Visit<'a>)) {
    let mut walk = Walk {
        root,
        visit,
        within: Vec::new(),
    };
    walk.inside(root, params.clone(), &mut Vec::new());
}

struct Walk<'a, 'v> {
    root: &'a Value,
    visit: &'v mut dyn FnMut(Visit<'a>),
    /// The references that lead to the current place. A layer may contain layers, whose schema is visited once.
    within: Vec<&'a str>,
}

impl<'a> Walk<'a, '_> {
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            None => schema,
            Some(reference) => self.root.pointer(&reference[1..]).unwrap(),
        }
    }

    fn visit(
        &mut self,
        schema: &'a Value,
        optional: bool,
        mut params: Value,
        path: &mut Vec<Segment>,
    ) {
        let there = at(&mut params, path);
        if there.is_null() {
            *there = self.smallest(schema);
        }
        (self.visit)(Visit {
            schema,
            params: params.clone(),
            path: path.clone(),
            optional,
        });
        let reference = schema["$ref"].as_str();
        if reference.is_some_and(|reference| self.within.contains(&reference)) {
            return;
        }
        self.within.extend(reference);
        self.inside(self.resolved(schema), params, path);
        self.within
            .truncate(self.within.len() - reference.iter().len());
    }

    fn inside(&mut self, schema: &'a Value, params: Value, path: &mut Vec<Segment>) {
        let required = schema["required"].as_array();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let optional = required.is_none_or(|all| all.iter().all(|one| one != name));
            path.push(Segment::Key(name.clone()));
            self.visit(property, optional, params.clone(), path);
            path.pop();
        }
        for key in ["oneOf", "anyOf"] {
            for alternative in schema[key].as_array().into_iter().flatten() {
                let mut params = params.clone();
                *at(&mut params, path) = self.smallest(alternative);
                self.visit(alternative, false, params, path);
            }
        }
        if schema["items"].is_object() {
            let mut params = params.clone();
            let Value::Array(items) = at(&mut params, path) else {
                panic!("the value at {path:?} is not a list");
            };
            // Adds an item at the front of a list. A pair of numbers keeps its items.
            if schema["maxItems"] != 2 {
                items.insert(0, self.smallest(&schema["items"]));
            }
            path.push(Segment::Index(0));
            self.visit(&schema["items"], false, params, path);
            path.pop();
        }
        if schema["additionalProperties"].is_object() {
            let mut params = params;
            *at(&mut params, path) = json!({ "A": self.smallest(&schema["additionalProperties"]) });
            path.push(Segment::Key("A".to_owned()));
            self.visit(&schema["additionalProperties"], false, params, path);
            path.pop();
        }
    }

    /// Returns a value that a schema accepts.
    fn smallest(&self, schema: &'a Value) -> Value {
        let schema = match schema.get("default") {
            Some(default) => return default.clone(),
            None => self.resolved(schema),
        };
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        for key in ["enum", "oneOf", "anyOf"] {
            if let Some(first) = schema[key].as_array().and_then(|all| all.first()) {
                return if key == "enum" {
                    first.clone()
                } else {
                    self.smallest(first)
                };
            }
        }
        let types = schema["type"].as_array();
        let one = types.map_or(&schema["type"], |types| &types[0]);
        match one.as_str() {
            Some("integer") => schema["minimum"].clone(),
            Some("number") => number(schema),
            Some("string") => json!("text"),
            Some("boolean") => json!(false),
            Some("null") => Value::Null,
            Some("array") => {
                let least = schema["minItems"].as_u64().unwrap_or(0);
                (0..least)
                    .map(|_| self.smallest(&schema["items"]))
                    .collect()
            }
            Some("object") => {
                let required = schema["required"].as_array().into_iter().flatten();
                let entries = required.map(|name| {
                    let name = name.as_str().unwrap();
                    (name.to_owned(), self.smallest(&schema["properties"][name]))
                });
                Value::Object(entries.collect())
            }
            other => panic!("unknown type {other:?}: {schema}"),
        }
    }
}

fn number(schema: &Value) -> Value {
    let bound = |key: &str| schema[key].as_f64();
    let low = bound("minimum").or(bound("exclusiveMinimum"));
    let low = low.unwrap_or_default();
    let high = bound("maximum")
        .or(bound("exclusiveMaximum"))
        .unwrap_or(low + 1.0);
    json!((low + high) / 2.0)
}
