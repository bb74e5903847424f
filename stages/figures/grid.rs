//! Labelled rows of images.

use std::path::Path;

use super::canvas::{Align, BLACK, Canvas, text_width};
use crate::contract::{Failure, ImageShape};

/// The shorter side of every image is shown at least this large, in pixels.
const SHOWN: usize = 96;
const PADDING: usize = 24;
const GAP: usize = 8;
const TEXT: i32 = 30;

/// One row of a grid: a label and its images (height × width × channels bytes each).
pub struct Row<'a> {
    pub label: &'a str,
    pub images: Vec<&'a [u8]>,
}

/// Writes `rows` as a PNG at `path`, small images enlarged by a whole factor, each row behind its
/// label. Rows may differ in length; an empty label takes no room if all are empty.
pub fn grid(rows: &[Row<'_>], image: ImageShape, path: &Path) -> Result<(), Failure> {
    let factor = SHOWN.div_ceil(image.height.min(image.width).max(1));
    let (cell_height, cell_width) = (image.height * factor, image.width * factor);
    let columns = rows.iter().map(|row| row.images.len()).max().unwrap_or(0);

    let mut label_width = 0;
    for row in rows {
        label_width = label_width.max(text_width(row.label, TEXT)? as usize);
    }
    let left = if label_width == 0 {
        PADDING
    } else {
        2 * PADDING + label_width
    };
    let row_height = cell_height.max(TEXT as usize);
    let extent = |count: usize, size: usize| (count * (size + GAP)).saturating_sub(GAP);
    let width = left + extent(columns, cell_width) + PADDING;
    let height = extent(rows.len(), row_height) + 2 * PADDING;

    let mut canvas = Canvas::new(width, height)?;
    for (r, row) in rows.iter().enumerate() {
        let top = PADDING + r * (row_height + GAP);
        let middle = (top + row_height / 2) as i32;
        canvas.text(
            row.label,
            ((left - PADDING) as i32, middle),
            Align::Right,
            TEXT,
            BLACK,
        )?;
        for (c, pixels) in row.images.iter().enumerate() {
            canvas.image(pixels, image, (left + c * (cell_width + GAP), top), factor)?;
        }
    }
    canvas.save(path)
}
