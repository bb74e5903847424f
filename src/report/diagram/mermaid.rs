//! Renders a diagram as a Mermaid flowchart for Markdown pages.

use std::fmt::Write;

use super::{Diagram, NodeState, plain};

/// A flowchart from left to right.
pub(super) fn mermaid(diagram: &Diagram) -> String {
    let mut text = format!(
        "---\ntitle: \"{}: {}\"\n---\nflowchart LR\n",
        diagram.pipeline,
        diagram.tally()
    );
    for (index, node) in diagram.nodes.iter().enumerate() {
        let lines = node.lines().map(|line| escaped(&line)).join("<br/>");
        let class = node.state().word();
        let _ = writeln!(text, "  n{index}[\"{lines}\"]:::{class}");
    }
    for edge in &diagram.edges {
        let label = match edge.label.as_str() {
            "" => String::new(),
            label => format!("|\"{}\"|", escaped(label)),
        };
        let _ = writeln!(text, "  n{} -->{label} n{}", edge.from, edge.to);
    }
    for state in NodeState::ALL {
        let colors = state.light();
        let dashes = state.dashes().map_or(String::new(), |dashes| {
            format!(",stroke-dasharray:{dashes}")
        });
        let _ = writeln!(
            text,
            "  classDef {} fill:{},stroke:{},color:{},stroke-width:{}px{dashes}",
            state.word(),
            colors.fill,
            colors.stroke,
            colors.text,
            state.stroke_width(),
        );
    }
    text
}

/// Escapes what Mermaid interprets within quotes: quotes, HTML, backslashes, its own `#…;` escapes, and
/// backticks, which would start Markdown.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in plain(text).chars() {
        match char {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' => {
                let _ = write!(escaped, "#{};", u32::from(char));
            }
            char => escaped.push(char),
        }
    }
    escaped
}
