//! Draws confusion matrices.

use std::path::Path;

use contract::Failure;
use plotters::style::RGBColor;

use super::canvas::{Align, BLACK, Canvas, PALETTE, WHITE, px, text_width};
use crate::metrics::Confusion;

const TITLE: i32 = px(38);
const TEXT: i32 = px(30);
const COUNT: i32 = px(44);
const PADDING: i32 = px(28);
const CELL: i32 = px(220);
const GAP: i32 = px(6);

/// Writes `matrix` as a PNG with a row for each actual class and a column for each predicted class. Each cell
/// has its count and its share of the row, and is colored by that share.
pub fn confusion(
    path: &Path,
    title: &str,
    classes: &[String],
    matrix: &Confusion,
) -> Result<(), Failure> {
    let mut widest = 0;
    for class in classes {
        widest = widest.max(text_width(class, TEXT)?);
    }
    let cell_width = CELL.max(widest + 2 * GAP);
    let left = PADDING + TEXT + PADDING / 2 + widest + PADDING / 2;
    let top = PADDING + TITLE + PADDING;
    let count = classes.len() as i32;
    let (right, bottom) = (left + count * cell_width, top + count * CELL);
    let width = (right + PADDING).max(text_width(title, TITLE)? + 2 * PADDING);
    let height = bottom + PADDING / 2 + TEXT + PADDING / 2 + TEXT + PADDING;

    let mut canvas = Canvas::new(width, height)?;
    canvas.text(
        title,
        (width / 2, PADDING + TITLE / 2),
        Align::Center,
        TITLE,
        BLACK,
    )?;
    canvas.vertical_text(
        "actual",
        (PADDING + TEXT / 2, (top + bottom) / 2),
        TEXT,
        BLACK,
    )?;
    let below = (height - PADDING - TEXT / 2, bottom + PADDING / 2 + TEXT / 2);
    canvas.text(
        "predicted",
        ((left + right) / 2, below.0),
        Align::Center,
        TEXT,
        BLACK,
    )?;

    for (i, class) in classes.iter().enumerate() {
        let (x, y) = (left + i as i32 * cell_width, top + i as i32 * CELL);
        canvas.text(
            class,
            (left - PADDING / 2, y + CELL / 2),
            Align::Right,
            TEXT,
            BLACK,
        )?;
        canvas.text(
            class,
            (x + cell_width / 2, below.1),
            Align::Center,
            TEXT,
            BLACK,
        )?;
        for predicted in 0..classes.len() {
            let x = left + predicted as i32 * cell_width;
            let (hits, of) = (matrix.count(i, predicted), matrix.support(i));
            let share = if of == 0 {
                0.0
            } else {
                hits as f64 / of as f64
            };
            canvas.fill((x, y), (x + cell_width - GAP, y + CELL - GAP), shade(share))?;
            let ink = if share > 0.5 { WHITE } else { BLACK };
            let middle = (x + (cell_width - GAP) / 2, y + (CELL - GAP) / 2);
            canvas.text(
                &hits.to_string(),
                (middle.0, middle.1 - COUNT / 2),
                Align::Center,
                COUNT,
                ink,
            )?;
            let percent = format!("{:.1} %", 100.0 * share);
            canvas.text(
                &percent,
                (middle.0, middle.1 + COUNT * 3 / 4),
                Align::Center,
                TEXT,
                ink,
            )?;
        }
    }
    canvas.save(path)
}

/// Returns a color from nearly white at 0 to blue at 1.
fn shade(share: f64) -> RGBColor {
    let from = RGBColor(0xf0, 0xf4, 0xf8);
    let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(
        mix(from.0, PALETTE[0].0),
        mix(from.1, PALETTE[0].1),
        mix(from.2, PALETTE[0].2),
    )
}
