//! Renders a diagram as a self-contained SVG picture.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::layout::{EXIT, Layout, Segment, Trunk, layout};
use super::palette::Palette;
use super::{Diagram, Node, NodeState, plain};
use crate::report::xml::escaped;

/// Text sizes in pixels: the first line of a box, its other lines, and labels.
const TITLE: f64 = 13.0;
const SMALL: f64 = 11.0;
const LABEL: f64 = 10.5;
/// Width of a character as a fraction of its size. Monospaced fonts have 0.55 to 0.62; bold proportional
/// fonts have slightly more on average.
const ADVANCE: f64 = 0.66;
/// Width of a capital letter, for viewers without a monospaced font: bold proportional fonts have up to
/// 0.85.
const CAPITAL: f64 = 0.85;
/// Space between a box's border and its text.
const PADDING: f64 = 10.0;
const LINE: f64 = 16.0;
const BOX_HEIGHT: f64 = 64.0;
/// Height of the heading above the boxes.
const HEADING: f64 = 34.0;
const MARGIN: f64 = 18.0;
/// Curves that go up or down by more than this, in pixels, are drawn mostly upright. The branches of a wide
/// fan then overlap instead of forming a thick wedge.
const STEEP: f64 = 600.0;
/// Offsets of upright pieces, in pixels, from the place where curves begin. Trunks use them in turn.
const LANES: [f64; 6] = [12.0, 26.0, 40.0, 19.0, 33.0, 47.0];
/// Radius of the bends of an upright piece.
const BEND: f64 = 8.0;

/// Renders the whole picture.
pub(super) fn svg(diagram: &Diagram) -> String {
    let trunks = trunks(diagram);
    let texts: Vec<[String; 3]> = diagram.nodes.iter().map(Node::lines).collect();
    let sizes: Vec<(f64, f64)> = texts
        .iter()
        .map(|lines| (box_width(lines), BOX_HEIGHT))
        .collect();
    let shapes: Vec<Trunk> = trunks.iter().map(|trunk| trunk.shape()).collect();
    let layout = layout(&sizes, &shapes);

    let heading = heading(diagram);
    let width = layout.width.max(heading.width + MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{0:.0}\" viewBox=\"0 0 {width:.0} {0:.0}\" role=\"img\">\n",
        layout.height + HEADING,
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
    for segment in &layout.segments {
        text.push_str(&line(segment));
    }
    labels(&trunks, &layout, &mut text);
    for ((node, lines), rect) in diagram.nodes.iter().zip(&texts).zip(&layout.boxes) {
        let state = node.state();
        let _ = write!(
            text,
            "<g class=\"{}\"><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"5\"/>",
            state.word(),
            escaped(&tooltip(node)),
            rect.x,
            rect.y,
            rect.width,
            rect.height
        );
        let (x, middle) = (rect.x + PADDING, rect.y + rect.height / 2.0);
        for (line, class) in ["name", "small", "small"].into_iter().enumerate() {
            let y = middle + LINE * (line as f64 - 1.0) + 4.5;
            let content = escaped(&lines[line]);
            let _ = write!(
                text,
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>"
            );
        }
        text.push_str("</g>\n");
    }
    text.push_str("</g>\n</svg>\n");
    text
}

/// All edges that leave a node with the same label.
struct Bundle {
    from: usize,
    label: String,
    to: Vec<usize>,
}

impl Bundle {
    fn shape(&self) -> Trunk {
        let label_width = match self.label.as_str() {
            "" => 0.0,
            label => text_width(label, LABEL) + PADDING,
        };
        Trunk {
            from: self.from,
            to: self.to.clone(),
            label_width,
        }
    }
}

fn trunks(diagram: &Diagram) -> Vec<Bundle> {
    let mut bundles: Vec<Bundle> = Vec::new();
    // Edges are sorted by producer, so only bundles of the current producer can match.
    let mut first = 0;
    for edge in &diagram.edges {
        if bundles.last().is_some_and(|last| last.from != edge.from) {
            first = bundles.len();
        }
        match bundles[first..].iter_mut().find(|b| b.label == edge.label) {
            Some(bundle) if bundle.to.contains(&edge.to) => {}
            Some(bundle) => bundle.to.push(edge.to),
            None => bundles.push(Bundle {
                from: edge.from,
                label: edge.label.clone(),
                to: vec![edge.to],
            }),
        }
    }
    bundles
}

fn text_width(text: &str, size: f64) -> f64 {
    let capitals = text.chars().filter(char::is_ascii_uppercase).count();
    (text.width() as f64 * ADVANCE + capitals as f64 * (CAPITAL - ADVANCE)) * size
}

fn box_width(lines: &[String; 3]) -> f64 {
    let sizes = [TITLE, SMALL, SMALL];
    let widths = lines
        .iter()
        .zip(sizes)
        .map(|(line, size)| text_width(line, size));
    widths.fold(0.0, f64::max) + 2.0 * PADDING
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

fn line(segment: &Segment) -> String {
    let ((x1, y1), (x2, y2)) = (segment.start, segment.end);
    let (from, to) = segment.curve;
    let tip = if segment.arrives {
        " marker-end=\"url(#tip)\""
    } else {
        ""
    };
    let path = if (y2 - y1).abs() > STEEP {
        let x = from + LANES[segment.trunk % LANES.len()];
        let bend = BEND.copysign(y2 - y1);
        format!(
            "H{:.1} Q{x:.1} {y1:.1} {x:.1} {:.1} V{:.1} Q{x:.1} {y2:.1} {:.1} {y2:.1}",
            x - BEND,
            y1 + bend,
            y2 - bend,
            x + BEND,
        )
    } else {
        // The curve ends level. The last few pixels are straight so that the arrow tip has a direction.
        let (half, end) = ((from + to) / 2.0, to - 8.0);
        format!("H{from:.1} C{half:.1} {y1:.1} {half:.1} {y2:.1} {end:.1} {y2:.1}")
    };
    format!("<path class=\"line\" d=\"M{x1:.1} {y1:.1} {path} H{x2:.1}\"{tip}/>\n")
}

/// Writes the label of every trunk above its line, where the line leaves the box.
fn labels(trunks: &[Bundle], layout: &Layout, text: &mut String) {
    let mut starts: Vec<Option<(f64, f64)>> = vec![None; trunks.len()];
    for segment in &layout.segments {
        // The first segment of a trunk is the one at its box.
        starts[segment.trunk].get_or_insert(segment.start);
    }
    for (trunk, start) in trunks.iter().zip(starts) {
        if let (false, Some((x, y))) = (trunk.label.is_empty(), start) {
            let _ = writeln!(
                text,
                "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + PADDING / 2.0,
                y - (EXIT - LABEL) / 2.0 - 1.0,
                escaped(&trunk.label)
            );
        }
    }
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
