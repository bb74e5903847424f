//! Renders a diagram for Graphviz.

use std::fmt::Write;

use super::{Diagram, plain};

/// A directed graph from left to right.
pub(super) fn dot(diagram: &Diagram) -> String {
    let mut text = format!("digraph {} {{\n", quoted(&diagram.pipeline));
    let title = format!("{}: {}", diagram.pipeline, diagram.tally());
    let _ = writeln!(text, "  graph [rankdir=LR, label={}]", quoted(&title));
    text.push_str("  node [shape=box, fontname=\"monospace\", fontsize=11]\n");
    text.push_str("  edge [fontname=\"monospace\", fontsize=10]\n");
    for node in &diagram.nodes {
        let state = node.state();
        let colors = state.light();
        let style = match state.dashes() {
            Some(_) => "rounded,filled,dashed",
            None => "rounded,filled",
        };
        // Graphviz breaks a label at `\n`, so this separator must not be escaped.
        let lines = node.lines().map(|line| escaped(&line)).join("\\n");
        let _ = writeln!(
            text,
            "  {} [label=\"{lines}\", tooltip={}, style=\"{style}\", fillcolor=\"{}\", color=\"{}\", fontcolor=\"{}\", penwidth={}]",
            quoted(&node.name),
            quoted(node.reason.as_deref().unwrap_or(state.word())),
            colors.fill,
            colors.stroke,
            colors.text,
            state.stroke_width(),
        );
    }
    for edge in &diagram.edges {
        let label = match edge.label.as_str() {
            "" => String::new(),
            label => format!(" [label={}]", quoted(label)),
        };
        let name = |node: usize| quoted(&diagram.nodes[node].name);
        let _ = writeln!(text, "  {} -> {}{label}", name(edge.from), name(edge.to));
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Escapes backslashes, which begin Graphviz' own escapes, and quotes, which would end the string.
fn escaped(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}
