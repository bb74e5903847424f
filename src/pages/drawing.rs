//! Draws boxes and the lines between them as SVG: the graph of a pipeline.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use crate::escape::escaped;
use crate::layout::{EXIT, Layout, Segment, Trunk, layout};

/// Text sizes in pixels: the first line of a box, its other lines, and labels.
pub const TITLE: f64 = 13.0;
pub const SMALL: f64 = 11.0;
pub const LABEL: f64 = 10.5;
/// Width of a character as a fraction of its size. Monospaced fonts have 0.55 to 0.62; bold proportional
/// fonts have slightly more on average.
const ADVANCE: f64 = 0.66;
/// Width of a capital letter, for viewers without a monospaced font: bold proportional fonts have up to
/// 0.85.
const CAPITAL: f64 = 0.85;
/// Space between a box's border and its text.
pub const PADDING: f64 = 10.0;
const LINE: f64 = 16.0;
const BOX_HEIGHT: f64 = 64.0;
/// Curves that go up or down by more than this, in pixels, are drawn mostly upright. The branches of a wide
/// fan then overlap instead of forming a thick wedge.
const STEEP: f64 = 600.0;
/// Offsets of upright pieces, in pixels, from the place where curves begin. Trunks use them in turn.
const LANES: [f64; 6] = [12.0, 26.0, 40.0, 19.0, 33.0, 47.0];
/// Radius of the bends of an upright piece.
const BEND: f64 = 8.0;

/// A box.
#[derive(Debug)]
pub struct Shape {
    /// Its lines: a title, and two small lines.
    pub lines: [String; 3],
    /// CSS class of the box: its state.
    pub class: &'static str,
    /// Text that is shown while the pointer is on the box, and read aloud.
    pub tooltip: String,
    /// Address that a click on the box leads to.
    pub link: Option<String>,
}

/// A line between two boxes.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Positions of the boxes. Producers come before consumers.
    pub from: usize,
    pub to: usize,
    /// May be empty.
    pub label: String,
}

/// A drawing that extends from 0 to `width` and `height`, in pixels.
#[derive(Debug)]
pub struct Drawing {
    /// SVG elements. Lines end in a marker with the id `tip`.
    pub body: String,
    pub width: f64,
    pub height: f64,
}

/// Draws boxes and their connections. Connections of a box with the same label share a line, so they must be sorted by
/// producer.
pub fn draw(shapes: &[Shape], connections: &[Connection]) -> Drawing {
    let bundles = bundles(connections);
    let sizes: Vec<(f64, f64)> = shapes
        .iter()
        .map(|shape| (box_width(&shape.lines), BOX_HEIGHT))
        .collect();
    let trunks: Vec<Trunk> = bundles.iter().map(Bundle::trunk).collect();
    let layout = layout(&sizes, &trunks);
    let mut body = String::new();
    for segment in &layout.segments {
        body.push_str(&line(segment));
    }
    labels(&bundles, &layout, &mut body);
    for (shape, rect) in shapes.iter().zip(&layout.boxes) {
        let link = shape.link.as_deref().map(escaped);
        if let Some(link) = &link {
            let _ = write!(body, "<a href=\"{link}\">");
        }
        let _ = write!(
            body,
            "<g class=\"{}\"><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"5\"/>",
            shape.class,
            escaped(&shape.tooltip),
            rect.x,
            rect.y,
            rect.width,
            rect.height
        );
        let (x, middle) = (rect.x + PADDING, rect.y + rect.height / 2.0);
        for (line, class) in ["name", "small", "small"].into_iter().enumerate() {
            let y = middle + LINE * (line as f64 - 1.0) + 4.5;
            let content = escaped(&shape.lines[line]);
            let _ = write!(
                body,
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>"
            );
        }
        body.push_str(if link.is_some() {
            "</g></a>\n"
        } else {
            "</g>\n"
        });
    }
    Drawing {
        body,
        width: layout.width,
        height: layout.height,
    }
}

/// All connections that leave a box with the same label.
struct Bundle<'a> {
    from: usize,
    label: &'a str,
    to: Vec<usize>,
}

impl Bundle<'_> {
    fn trunk(&self) -> Trunk {
        let label_width = match self.label {
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

fn bundles(connections: &[Connection]) -> Vec<Bundle<'_>> {
    let mut bundles: Vec<Bundle<'_>> = Vec::new();
    // Connections are sorted by producer, so only bundles of the current producer can match.
    let mut first = 0;
    for edge in connections {
        if bundles.last().is_some_and(|last| last.from != edge.from) {
            first = bundles.len();
        }
        match bundles[first..].iter_mut().find(|b| b.label == edge.label) {
            Some(bundle) if bundle.to.contains(&edge.to) => {}
            Some(bundle) => bundle.to.push(edge.to),
            None => bundles.push(Bundle {
                from: edge.from,
                label: &edge.label,
                to: vec![edge.to],
            }),
        }
    }
    bundles
}

/// Estimated width of a text in pixels.
pub fn text_width(text: &str, size: f64) -> f64 {
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
fn labels(bundles: &[Bundle<'_>], layout: &Layout, text: &mut String) {
    let mut starts: Vec<Option<(f64, f64)>> = vec![None; bundles.len()];
    for segment in &layout.segments {
        // The first segment of a trunk is the one at its box.
        starts[segment.trunk].get_or_insert(segment.start);
    }
    for (bundle, start) in bundles.iter().zip(starts) {
        if let (false, Some((x, y))) = (bundle.label.is_empty(), start) {
            let _ = writeln!(
                text,
                "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + PADDING / 2.0,
                y - (EXIT - LABEL) / 2.0 - 1.0,
                escaped(bundle.label)
            );
        }
    }
}
