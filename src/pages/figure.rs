//! [`FigureView`]: a figure with its caption.

use contract::analysis::Figure;

use crate::reader::Reader;

/// A figure as SVG.
#[derive(Clone, Debug)]
pub struct FigureView {
    /// Unique on the page.
    pub id: String,
    /// An `<svg>` element whose text is escaped.
    pub svg: String,
    pub caption: String,
}

impl FigureView {
    /// Draws a figure, and adds to its caption what it does not show. Logs a warning and returns `None` if that fails.
    pub(crate) fn new(
        reader: Reader<'_>,
        id: String,
        caption: String,
        figure: &Figure<'_>,
    ) -> Option<Self> {
        let svg = reader.analysis.svg(figure, &id);
        let svg = svg.inspect_err(|error| tracing::warn!("failed to draw `{id}`: {error}"));
        let caption = match reader.analysis.note(figure) {
            Some(note) => format!("{caption} {note}"),
            None => caption,
        };
        Some(Self {
            svg: svg.ok()?,
            id,
            caption,
        })
    }
}
