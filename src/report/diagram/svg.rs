//! Renders a diagram as a self-contained SVG picture.

use std::fmt::Write;

use pages::drawing::{Connection, LABEL, PADDING, SMALL, Shape, TITLE, draw, text_width};

use super::palette::Palette;
use super::{Diagram, Node, NodeState, plain};
use crate::report::xml::escaped;

/// Height of the heading above the boxes.
const HEADING: f64 = 34.0;
const MARGIN: f64 = 18.0;

/// Renders the whole picture.
pub(super) fn svg(diagram: &Diagram) -> String {
    let shapes: Vec<Shape> = diagram.nodes.iter().map(shape).collect();
    let connections = diagram.edges.iter().map(|edge| Connection {
        from: edge.from,
        to: edge.to,
        label: edge.label.clone(),
    });
    let drawing = draw(&shapes, &connections.collect::<Vec<_>>());

    let heading = heading(diagram);
    let width = drawing.width.max(heading.width + MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{0:.0}\" viewBox=\"0 0 {width:.0} {0:.0}\" role=\"img\">\n",
        drawing.height + HEADING,
    );
    let _ = writeln!(
        text,
        "<title>{}: {}</title>",
        escaped(&diagram.pipeline),
        diagram.tally()
    );
    text.push_str(&style());
    text.push_str("<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"tip\" d=\"M0 0.5 L8 4 L0 7.5 z\"/></marker></defs>\n");
    text.push_str("<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n");
    text.push_str(&heading.text);
    let _ = writeln!(text, "<g transform=\"translate(0 {HEADING})\">");
    text.push_str(&drawing.body);
    text.push_str("</g>\n</svg>\n");
    text
}

fn shape(node: &Node) -> Shape {
    Shape {
        lines: node.lines(),
        class: node.state().word(),
        tooltip: tooltip(node),
        link: None,
    }
}

/// Everything that is known about a node, shown when the pointer is on it.
fn tooltip(node: &Node) -> String {
    let mut text = format!("{} ({})", node.name, node.kind);
    for (axis, values) in &node.axes {
        let _ = write!(text, "\n{axis}: {}", values.join(", "));
    }
    let _ = write!(text, "\n{}", node.tally);
    if let Some(reason) = &node.reason {
        let _ = write!(text, "\n{}", plain(reason));
    }
    text
}

struct Heading {
    text: String,
    width: f64,
}

/// The pipeline's name and a legend of the states.
fn heading(diagram: &Diagram) -> Heading {
    let tally = diagram.tally();
    let mut text = format!(
        "<text class=\"name heading\" x=\"{MARGIN}\" y=\"24\">{}</text>\n",
        escaped(&diagram.pipeline)
    );
    let mut x = MARGIN + text_width(&diagram.pipeline, TITLE) + 2.0 * PADDING;
    for state in NodeState::ALL {
        let count = match state {
            NodeState::Cached => tally.cached,
            NodeState::Runs => tally.runs,
            NodeState::Waits => tally.waits,
        };
        let entry = format!("{}: {count}", state.word());
        let _ = writeln!(
            text,
            "<g class=\"{}\"><rect x=\"{x:.1}\" y=\"13\" width=\"20\" height=\"13\" rx=\"3\"/><text class=\"small heading\" x=\"{:.1}\" y=\"23.5\">{entry}</text></g>",
            state.word(),
            x + 26.0,
        );
        x += 26.0 + text_width(&entry, SMALL) + 2.0 * PADDING;
    }
    Heading { text, width: x }
}

/// Defines colors as classes, so that a dark page can have other colors.
fn style() -> String {
    let mut style = format!(
        "<style>\ntext {{ font-family: ui-monospace, \"DejaVu Sans Mono\", Menlo, Consolas, monospace; white-space: pre; }}\n.name {{ font-size: {TITLE}px; font-weight: bold; }}\n.small {{ font-size: {SMALL}px; }}\n.label {{ font-size: {LABEL}px; }}\n.line {{ fill: none; stroke-width: 1.2px; }}\n"
    );
    for state in NodeState::ALL {
        let dashes = state.dashes().unwrap_or("none");
        let _ = writeln!(
            style,
            ".{} rect {{ stroke-width: {}px; stroke-dasharray: {dashes}; }}",
            state.word(),
            state.stroke_width()
        );
    }
    style.push_str(&colors(NodeState::light, "#ffffff", "#1a1a1a", "#767676"));
    let dark = colors(NodeState::dark, "#16181c", "#f2f2f2", "#9a9a9a");
    let _ = write!(
        style,
        "@media (prefers-color-scheme: dark) {{\n{dark}}}\n</style>\n"
    );
    style
}

fn colors(of: fn(NodeState) -> Palette, page: &str, text: &str, line: &str) -> String {
    let mut style = String::new();
    for state in NodeState::ALL {
        let (class, colors) = (state.word(), of(state));
        let _ = writeln!(
            style,
            ".{class} rect {{ fill: {}; stroke: {}; }}\n.{class} text {{ fill: {}; }}",
            colors.fill, colors.stroke, colors.text
        );
    }
    let _ = writeln!(
        style,
        ".page {{ fill: {page}; }}\n.label, text.heading {{ fill: {text}; }}\n.line {{ stroke: {line}; }}\n.tip {{ fill: {line}; }}"
    );
    style
}
