//! Draws labelled rows of images.

use std::path::Path;

use contract::{Failure, ImageShape};

use super::canvas::{Align, Canvas, Medium, px};
use super::color::BLACK;

/// Images are enlarged until their shorter side has at least this many pixels.
const SHOWN: usize = 96;
const PADDING: i32 = px(24);
const GAP: i32 = px(8);
const TEXT: i32 = px(30);

/// One row of a grid: a label and its images (height × width × channels bytes each).
pub struct Row<'a> {
    pub label: &'a str,
    pub images: Vec<&'a [u8]>,
}

/// Writes `rows` as a PNG at `path`. Small images are enlarged by a whole factor. Each label is to the left of its
/// row. Rows may differ in length. Labels take up no space if all are empty.
pub fn grid(rows: &[Row<'_>], image: ImageShape, path: &Path) -> Result<(), Failure> {
    let factor = px(SHOWN.div_ceil(image.height.min(image.width).max(1)) as i32);
    let (cell_height, cell_width) = (image.height as i32 * factor, image.width as i32 * factor);
    let columns = rows.iter().map(|row| row.images.len()).max().unwrap_or(0);

    let mut label_width = 0;
    for row in rows {
        label_width = label_width.max(Medium::Png.text_width(row.label, TEXT)?);
    }
    let left = if label_width == 0 {
        PADDING
    } else {
        // Images must lie on whole pixels to stay unchanged.
        2 * PADDING + (label_width as u32).next_multiple_of(px(1) as u32) as i32
    };
    let row_height = cell_height.max(TEXT);
    let extent = |count: usize, size: i32| (count as i32 * (size + GAP) - GAP).max(0);
    let width = left + extent(columns, cell_width) + PADDING;
    let height = extent(rows.len(), row_height) + 2 * PADDING;

    let mut canvas = Canvas::new(Medium::Png, width, height)?;
    for (r, row) in rows.iter().enumerate() {
        let top = PADDING + r as i32 * (row_height + GAP);
        let middle = top + row_height / 2;
        canvas.text(
            row.label,
            (left - PADDING, middle),
            Align::Right,
            TEXT,
            BLACK,
        )?;
        for (c, pixels) in row.images.iter().enumerate() {
            let at = (left + c as i32 * (cell_width + GAP), top);
            canvas.image(pixels, image, at, factor)?;
        }
    }
    canvas.save(path)
}
