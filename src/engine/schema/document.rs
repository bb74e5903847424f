//! The schema of a whole pipeline file.

use contract::{Input, KindInfo, schema_of};
use serde_json::{Map, Value, json};

use super::{Params, parameters, tidy, variable, wording};
use crate::spec::DocumentFields;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Returns the schema of a pipeline whose stages are of these kinds.
///
/// # Panics
/// Panics if two different types have the same name in the schema. Give one of them
/// `#[schemars(rename = "…")]`.
pub fn document(kinds: &[KindInfo], params: Params) -> Value {
    let mut document = schema_of::<DocumentFields>();
    let mut defs = definitions(&mut document);
    let mut layers = Vec::new();
    for kind in kinds {
        let mut parameters = parameters(kind, params);
        for (name, definition) in definitions(&mut parameters) {
            let known = defs
                .entry(name.clone())
                .or_insert_with(|| definition.clone());
            assert_eq!(
                *known, definition,
                "two types are named `{name}` in the schema"
            );
        }
        for param in kind.model_params {
            let layer = &parameters["properties"][param]["anyOf"][0]["items"];
            if !layer.is_null() && !layers.contains(layer) {
                layers.push(layer.clone());
            }
        }
        defs.insert(kind.name.to_owned(), nullable_unless_required(parameters));
    }
    let rules = kinds.iter().map(|kind| rule(kind, &defs[kind.name]));
    let rules: Value = rules.collect();
    let stage = &mut defs["Stage"];
    stage["properties"]["kind"] = kinds_schema(kinds, &stage["properties"]["kind"]);
    stage["allOf"] = rules;
    document["properties"]["models"]["additionalProperties"]["items"] = match layers.as_slice() {
        [] => json!(true),
        _ => {
            // A list in place of a layer stands for its items.
            layers.push(json!({ "type": "array" }));
            json!({ "anyOf": layers })
        }
    };
    for definition in defs.values_mut() {
        wording::describe(definition);
        variable::allow(definition);
    }
    defs.insert("Reference".to_owned(), reference());
    defs.insert("Variable".to_owned(), variable::definition());
    defs.sort_keys();

    // `vars` and `profiles` define the values of `${…}`, and `version` defines the format, so `${…}` cannot stand in
    // place of these sections.
    let properties = document["properties"].as_object_mut().into_iter().flatten();
    for (_, property) in
        properties.filter(|(key, _)| !matches!(key.as_str(), "version" | "vars" | "profiles"))
    {
        variable::allow(property);
    }
    let mut whole = json!({ "$schema": DIALECT, "title": "Pipeline" });
    if let (Value::Object(whole), Value::Object(document)) = (&mut whole, document) {
        whole.extend(document);
        whole.insert("$defs".to_owned(), defs.into());
    }
    tidy::order(&mut whole);
    whole
}

/// Removes the definitions from a schema and returns them.
fn definitions(schema: &mut Value) -> Map<String, Value> {
    match schema
        .as_object_mut()
        .and_then(|schema| schema.shift_remove("$defs"))
    {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    }
}

/// Allows null in place of a map without required keys.
fn nullable_unless_required(mut map: Value) -> Value {
    if map.get("required").is_none() {
        map["type"] = json!(["object", "null"]);
    }
    map
}

fn kinds_schema(kinds: &[KindInfo], plain: &Value) -> Value {
    let names: Vec<Value> = kinds
        .iter()
        .map(|kind| json!({ "const": kind.name, "description": kind.doc }))
        .collect();
    json!({ "description": plain["description"], "oneOf": names })
}

/// Returns the rule for stages of a kind: the schemas of their `params` and `inputs`.
fn rule(kind: &KindInfo, parameters: &Value) -> Value {
    let inputs = if kind.declares_ports {
        any_inputs()
    } else {
        inputs(kind.inputs)
    };
    let required: Vec<&str> = [("params", parameters), ("inputs", &inputs)]
        .into_iter()
        .filter(|(_, schema)| schema.get("required").is_some())
        .map(|(key, _)| key)
        .collect();
    let mut then = json!({
        "properties": {
            "params": { "$ref": format!("#/$defs/{}", kind.name) },
            "inputs": inputs,
        },
    });
    if !required.is_empty() {
        then["required"] = json!(required);
    }
    json!({
        "if": { "properties": { "kind": { "const": kind.name } }, "required": ["kind"] },
        "then": then,
    })
}

/// Returns the schema of inputs whose roles the user names, for artifacts of any type.
fn any_inputs() -> Value {
    let one = json!({ "$ref": "#/$defs/Reference" });
    let several = json!({ "type": "array", "items": one });
    json!({ "type": ["object", "null"], "additionalProperties": { "anyOf": [one, several] } })
}

fn inputs(inputs: &[Input]) -> Value {
    let properties: Map<String, Value> = inputs
        .iter()
        .map(|input| (input.role.to_owned(), role(input)))
        .collect();
    let required: Vec<&str> = inputs
        .iter()
        .filter(|input| !input.optional)
        .map(|input| input.role)
        .collect();
    let mut schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    nullable_unless_required(schema)
}

fn role(input: &Input) -> Value {
    let one = json!({ "$ref": "#/$defs/Reference" });
    let mut list = json!({ "type": "array", "items": one });
    if !input.optional {
        list["minItems"] = json!(1);
    }
    if !input.many {
        list["maxItems"] = json!(1);
    }
    json!({ "description": wording::input(input), "anyOf": [one, list] })
}

fn reference() -> Value {
    json!({
        "description": "`STAGE.PORT`, or `STAGE` alone for the stage's primary output. `STAGE[VALUE].PORT` is that of one instance.",
        "type": "string",
        "pattern": format!(r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*(\[[^\]]+\](\.[A-Za-z0-9_-]+)?)?$|{}", variable::WITHIN),
    })
}
