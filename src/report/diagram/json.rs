//! Renders a diagram as one JSON object.

use serde_json::{Map, Value, json};

use super::{Diagram, Edge, Node};

/// An object with the nodes (name, kind, axes, state, reason and counts) and the edges between node names.
pub(super) fn json(diagram: &Diagram) -> String {
    let edge = |edge: &Edge| {
        json!({
            "from": diagram.nodes[edge.from].name,
            "to": diagram.nodes[edge.to].name,
            "port": edge.port,
            "role": edge.role,
        })
    };
    json!({
        "pipeline": diagram.pipeline,
        "nodes": diagram.nodes.iter().map(node).collect::<Vec<_>>(),
        "edges": diagram.edges.iter().map(edge).collect::<Vec<_>>(),
    })
    .to_string()
}

fn node(node: &Node) -> Value {
    let axes: Map<String, Value> = node
        .axes
        .iter()
        .map(|(axis, values)| (axis.clone(), json!(values)))
        .collect();
    json!({
        "name": node.name,
        "kind": node.kind,
        "axes": axes,
        "state": node.state().word(),
        "reason": node.reason,
        "instances": node.tally.total(),
        "cached": node.tally.cached,
        "runs": node.tally.runs,
        "waits": node.tally.waits,
    })
}
