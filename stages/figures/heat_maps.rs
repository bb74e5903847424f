//! Draws images beside their heat maps, with text about each.

use std::path::Path;

use contract::{Failure, ImageShape};

use super::canvas::Canvas;
use super::color::{BLACK, GRAY};
use super::medium::Medium;
use super::page::{Align, px};

const PADDING: i32 = px(24);
const GAP: i32 = px(8);
const TEXT: i32 = px(24);
const LINE: i32 = px(32);
/// Width of the text of an image.
const WORDS: i32 = px(340);
/// Number of images with their heat maps side by side.
const COLUMNS: usize = 2;
/// Size of the scale of colors.
const BAR: [i32; 2] = [px(240), px(24)];

/// An image, the same with its heat map, and lines about it. Pictures are height × width × 3 bytes.
pub struct Cell<'a> {
    pub image: &'a [u8],
    pub overlay: &'a [u8],
    pub lines: Vec<String>,
}

/// Text of the whole page.
pub struct Legend<'a> {
    /// A line above everything: what the maps are.
    pub title: &'a str,
    /// RGB bytes of the scale of colors, from the least value to the largest, and what these are.
    pub scale: &'a [u8],
    pub ends: [&'a str; 2],
}

/// Writes `cells` as a PNG at `path`. All pictures have the shape `picture`.
pub fn heat_maps(
    legend: &Legend<'_>,
    cells: &[Cell<'_>],
    picture: ImageShape,
    path: &Path,
) -> Result<(), Failure> {
    let (picture_height, picture_width) = (px(picture.height as i32), px(picture.width as i32));
    let lines = cells.iter().map(|cell| cell.lines.len()).max();
    let cell_height = picture_height.max(LINE * lines.unwrap_or_default() as i32);
    let cell_width = 2 * picture_width + 2 * GAP + WORDS;
    let columns = COLUMNS.min(cells.len()).max(1);
    let rows = cells.len().div_ceil(columns);
    let width = 2 * PADDING + columns as i32 * (cell_width + 2 * GAP) - 2 * GAP;
    let top = PADDING + 2 * LINE + GAP;
    let height = top + rows as i32 * (cell_height + 2 * GAP) - 2 * GAP + PADDING;

    let mut canvas = Canvas::new(Medium::Png, width, height)?;
    header(&mut canvas, legend, width)?;
    for (at, cell) in cells.iter().enumerate() {
        let left = PADDING + (at % columns) as i32 * (cell_width + 2 * GAP);
        let top = top + (at / columns) as i32 * (cell_height + 2 * GAP);
        for (place, pixels) in [(0, cell.image), (1, cell.overlay)] {
            let left = left + place * (picture_width + GAP);
            canvas.image(pixels, picture, (left, top), px(1))?;
        }
        let left = left + 2 * (picture_width + GAP);
        let middle = top + cell_height / 2 - LINE * (cell.lines.len() as i32 - 1) / 2;
        for (line, number) in cell.lines.iter().zip(0..) {
            let color = if number == 0 { BLACK } else { GRAY };
            let at = (left, middle + number * LINE);
            canvas.fitted_text(line, (at, Align::Left), (TEXT, WORDS), color)?;
        }
    }
    canvas.save(path)
}

/// Draws the title, and the scale of colors below it.
fn header(canvas: &mut Canvas, legend: &Legend<'_>, width: i32) -> Result<(), Failure> {
    let available = width - 2 * PADDING;
    let middle = PADDING + LINE / 2;
    let at = ((PADDING, middle), Align::Left);
    canvas.fitted_text(legend.title, at, (TEXT, available), BLACK)?;
    let middle = middle + LINE;
    let [low, high] = legend.ends;
    canvas.text(low, (PADDING, middle), Align::Left, TEXT, GRAY)?;
    let low = Medium::Png.text_width(low, TEXT)? as u32;
    // The scale must lie on whole pixels to stay unchanged.
    let left = PADDING + (low as i32 + GAP + px(1) - 1) / px(1) * px(1);
    let colors = legend.scale.len() / 3;
    let factor = (BAR[0] / colors.max(1) as i32).max(1);
    let shape = ImageShape {
        height: (BAR[1] / factor) as usize,
        width: colors,
        channels: 3,
    };
    let scale = legend.scale.repeat(shape.height);
    canvas.image(&scale, shape, (left, middle - BAR[1] / 2), factor)?;
    let left = left + colors as i32 * factor + GAP;
    let at = ((left, middle), Align::Left);
    canvas.fitted_text(high, at, (TEXT, (width - PADDING - left).max(px(1))), GRAY)
}
