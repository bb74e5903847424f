//! Stage kinds as a list for the terminal, and one kind as a JSON object.

use contract::KindInfo;
use serde_json::{Value, json};

use super::{Params, parameters};

/// Lists the kinds with their descriptions, wrapped at `width` columns.
pub fn listing(kinds: &[KindInfo], width: usize) -> String {
    let column = kinds.iter().map(|kind| kind.name.len()).max().unwrap_or(0) + 2;
    let indent = " ".repeat(column);
    let lines = kinds.iter().map(|kind| {
        let first = format!("{:column$}", kind.name);
        let options = textwrap::Options::new(width)
            .initial_indent(&first)
            .subsequent_indent(&indent);
        textwrap::fill(kind.doc, options)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns a kind's description, version, ports and parameters as JSON.
pub fn object(kind: &KindInfo, params: Params) -> Value {
    let inputs: Vec<Value> = kind
        .inputs
        .iter()
        .map(|input| {
            json!({
                "role": input.role,
                "type": input.accepts,
                "many": input.many,
                "optional": input.optional,
                "doc": input.doc,
            })
        })
        .collect();
    let outputs: Vec<Value> = kind
        .outputs
        .iter()
        .enumerate()
        .map(|(index, output)| {
            json!({
                "port": output.port,
                "type": output.yields,
                "primary": kind.has_primary && index == 0,
                "doc": output.doc,
                "metrics": output.metrics,
            })
        })
        .collect();
    json!({
        "name": kind.name,
        "version": kind.version,
        "doc": kind.doc,
        "inputs": inputs,
        "outputs": outputs,
        "params": parameters(kind, params),
    })
}
