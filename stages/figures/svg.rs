//! A page of vectors, which becomes an `<svg>` element.
//!
//! All text is escaped. There are no scripts, no styles and no references. An element only has the classes and data
//! attributes that a page's script needs.

use std::fmt::Write;

use contract::one_line;

use super::canvas::{Align, FINE, px};
use super::color::Color;
use super::description::Description;

/// Units of drawing per unit of the SVG: figures are laid out at twice their usual size.
const UNIT: i32 = 2 * FINE;

/// Size of most text. It is stated once.
const USUAL: i32 = px(30);

/// Width of most figures. A smaller figure gets margins, so that text has the same size in all figures of a page. A
/// larger one gets the class `wide`; a page may let it scroll sideways.
const COMMON: i32 = px(960);

const FONTS: &str = "system-ui,-apple-system,Segoe UI,Roboto,Ubuntu,Noto Sans,sans-serif";

/// The elements of an SVG.
pub(super) struct Drawing {
    width: i32,
    height: i32,
    body: String,
    /// Attributes of the next path.
    tag: String,
}

/// The form in which a drawing is written.
#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    /// An element for a page, whose ids have this prefix.
    Element(&'a str),
    /// The content of a file. Colors are fixed and the background is white, because not every program that shows SVG
    /// files knows CSS variables.
    File,
}

impl Drawing {
    pub(super) fn new(width: i32, height: i32) -> Self {
        Self {
            width,
            height,
            body: String::new(),
            tag: String::new(),
        }
    }

    /// Returns the whole SVG. `class` says what the figure shows.
    pub(super) fn written(&self, class: &str, description: &Description, form: Form<'_>) -> String {
        let margin = (COMMON - self.width).max(0);
        let [left, width, height] = [-margin / 2, self.width + margin, self.height].map(number);
        let prefix = match form {
            Form::Element(prefix) => id(prefix),
            Form::File => "figure".to_owned(),
        };
        let wide = if self.width > COMMON { " wide" } else { "" };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure figure-{class}{wide}\" role=\"img\" \
             aria-labelledby=\"{prefix}-title {prefix}-desc\" viewBox=\"{left} 0 {width} {height}\" \
             font-family=\"{FONTS}\" font-size=\"{}\" stroke-linejoin=\"round\" fill=\"{}\"",
            number(USUAL),
            Color::Ink.css(),
        );
        // Writing to a string cannot fail, here and below.
        if matches!(form, Form::File) {
            let _ = write!(svg, " width=\"{width}\" height=\"{height}\"");
        }
        let _ = write!(
            svg,
            "><title id=\"{prefix}-title\">{}</title><desc id=\"{prefix}-desc\">{}</desc>",
            escaped(&description.title),
            escaped(&description.text)
        );
        if matches!(form, Form::File) {
            let white = Color::Paper.css();
            let _ = write!(
                svg,
                "<rect x=\"{left}\" width=\"{width}\" height=\"{height}\" fill=\"{white}\"/>"
            );
        }
        svg.push_str(&self.body);
        svg.push_str("</svg>");
        match form {
            Form::Element(_) => svg,
            Form::File => without_variables(&svg) + "\n",
        }
    }

    /// Draws one line of text whose capitals are centered on `y`.
    pub(super) fn text(
        &mut self,
        text: &str,
        (x, y): (i32, i32),
        align: Align,
        size: i32,
        color: Color,
    ) {
        let at = format!("x=\"{}\" y=\"{}\"", number(x), number(baseline(y, size)));
        self.put_text(text, &at, align, size, color);
    }

    /// Draws one line of text that reads upwards, centered on the point.
    pub(super) fn vertical_text(
        &mut self,
        text: &str,
        (x, y): (i32, i32),
        size: i32,
        color: Color,
    ) {
        let (x, y) = (number(baseline(x, size)), number(y));
        let at = format!("transform=\"translate({x} {y})rotate(-90)\"");
        self.put_text(text, &at, Align::Center, size, color);
    }

    fn put_text(&mut self, text: &str, at: &str, align: Align, size: i32, color: Color) {
        if text.is_empty() {
            return;
        }
        let anchor = match align {
            Align::Left => "",
            Align::Center => " text-anchor=\"middle\"",
            Align::Right => " text-anchor=\"end\"",
        };
        let _ = write!(self.body, "<text {at}{anchor}");
        if size != USUAL {
            let _ = write!(self.body, " font-size=\"{}\"", number(size));
        }
        if color != Color::Ink {
            let _ = write!(self.body, " fill=\"{}\"", color.css());
        }
        let _ = write!(self.body, ">{}</text>", escaped(text));
    }

    /// Draws a line through `points`; a dot if there is one point and the ends are round. `style` has more attributes.
    pub(super) fn path(&mut self, points: &[(i32, i32)], color: Color, width: i32, style: &str) {
        let (Some(&first), Some(&last)) = (points.first(), points.last()) else {
            return;
        };
        let tag = std::mem::take(&mut self.tag);
        self.body.push_str("<polyline points=\"");
        // A line needs two points, even if they are the same.
        let end = (points.len() == 1).then_some(last);
        let _ = write!(self.body, "{},{}", number(first.0), number(first.1));
        for (x, y) in points[1..].iter().copied().chain(end) {
            let _ = write!(self.body, " {},{}", number(x), number(y));
        }
        let _ = write!(
            self.body,
            "\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{style}{tag}/>",
            color.css(),
            number(width)
        );
    }

    pub(super) fn dashes(
        &mut self,
        points: &[(i32, i32)],
        color: Color,
        width: i32,
        (dash, period): (i32, i32),
    ) {
        let [dash, gap] = [dash, period - dash].map(number);
        let style = format!(" stroke-dasharray=\"{dash} {gap}\"");
        self.path(points, color, width, &style);
    }

    pub(super) fn dot(&mut self, (x, y): (i32, i32), radius: i32, color: Color) {
        let [x, y, radius] = [x, y, radius].map(number);
        let color = color.css();
        let _ = write!(
            self.body,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{color}\"/>"
        );
    }

    pub(super) fn fill(&mut self, from: (i32, i32), to: (i32, i32), color: Color, opacity: f64) {
        let [x, y, width, height] =
            [from.0, from.1, to.0 - from.0, to.1 - from.1].map(|length| number(length.max(0)));
        let _ = write!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{}\"",
            color.css()
        );
        if opacity < 1.0 {
            let _ = write!(self.body, " fill-opacity=\"{opacity:.2}\"");
        }
        self.body.push_str("/>");
    }

    pub(super) fn tag(&mut self, attributes: &[(&str, &str)]) {
        self.tag = listed(attributes);
    }

    pub(super) fn open(&mut self, attributes: &[(&str, &str)]) {
        let _ = write!(self.body, "<g{}>", listed(attributes));
    }

    pub(super) fn close(&mut self) {
        self.body.push_str("</g>");
    }
}

/// Formats a coordinate for scripts, in the units of the SVG.
pub(super) fn number(length: i32) -> String {
    let tenths = (f64::from(length) * 10.0 / f64::from(UNIT)).round() as i64;
    let (sign, whole, tenth) = (
        if tenths < 0 { "-" } else { "" },
        tenths.abs() / 10,
        tenths.abs() % 10,
    );
    match tenth {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{tenth}"),
    }
}

/// Returns the baseline of text whose capitals, about 0.7 times as high as the size, are centered on `y`.
fn baseline(y: i32, size: i32) -> i32 {
    y + size * 35 / 100
}

fn listed(attributes: &[(&str, &str)]) -> String {
    let mut listed = String::new();
    for (name, value) in attributes {
        let _ = write!(listed, " {name}=\"{}\"", escaped(value));
    }
    listed
}

fn id(prefix: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    prefix
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

/// Replaces `var(--figure-name,#123456)` by the color, in attributes only: in text, quotes are escaped.
fn without_variables(svg: &str) -> String {
    let mut parts = svg.split("=\"var(--figure-");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str("=\"");
        match part
            .split_once(',')
            .and_then(|(_, rest)| rest.split_once(')'))
        {
            Some((color, rest)) => {
                plain.push_str(color);
                plain.push_str(rest);
            }
            None => plain.push_str(part),
        }
    }
    plain
}

/// Escapes text for element content and for attribute values.
fn escaped(text: &str) -> String {
    let printable = one_line(text);
    let mut escaped = String::with_capacity(printable.len());
    for character in printable.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Not allowed in XML.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
