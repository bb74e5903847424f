//! Draws confusion matrices.

use std::borrow::Cow;
use std::path::Path;

use contract::Failure;
use contract::analysis::ConfusionMatrix;

use super::canvas::{Align, Canvas, Medium, px};
use super::color::{BLACK, Color};
use crate::metrics::Confusion;

const TITLE: i32 = px(38);
const TEXT: i32 = px(30);
const COUNT: i32 = px(44);
const PADDING: i32 = px(28);
const CELL: i32 = px(220);
const GAP: i32 = px(6);

/// Height of a cell of an SVG, by the number of classes: large matrices have smaller cells.
fn cell_height(medium: Medium, classes: usize) -> i32 {
    match (medium, classes) {
        (Medium::Png, _) => CELL,
        (Medium::Svg, ..=2) => px(170),
        (Medium::Svg, ..=4) => px(130),
        (Medium::Svg, _) => px(104),
    }
}

/// Writes `matrix` as a PNG with a row for each actual class and a column for each predicted class. Each cell
/// has its count and its share of the row, and is colored by that share.
pub fn confusion(
    path: &Path,
    title: &str,
    classes: &[String],
    matrix: &Confusion,
) -> Result<(), Failure> {
    let of_classes = 0..classes.len();
    let row = |actual| {
        of_classes
            .clone()
            .map(|p| matrix.count(actual, p))
            .collect()
    };
    let matrix = ConfusionMatrix {
        title: title.to_owned(),
        classes: classes.to_vec(),
        counts: of_classes.clone().map(row).collect(),
    };
    page(&matrix, Medium::Png)?.save(path)
}

pub(super) fn page(figure: &ConfusionMatrix, medium: Medium) -> Result<Canvas, Failure> {
    let layout = Layout::new(figure, medium)?;
    let mut canvas = Canvas::new(medium, layout.width, layout.height)?;
    layout.draw_frame(&mut canvas, &figure.title)?;
    for (actual, row) in figure.counts.iter().enumerate() {
        for (predicted, &count) in row.iter().enumerate() {
            let of: u64 = row.iter().sum();
            layout.draw_cell(&mut canvas, (actual, predicted), (count, of))?;
        }
    }
    Ok(canvas)
}

struct Layout<'a> {
    medium: Medium,
    classes: Vec<Cow<'a, str>>,
    cell: (i32, i32),
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
    width: i32,
    height: i32,
}

impl<'a> Layout<'a> {
    fn new(figure: &'a ConfusionMatrix, medium: Medium) -> Result<Self, Failure> {
        let mut classes = Vec::new();
        let mut widest = 0;
        for class in &figure.classes {
            let class = match medium {
                Medium::Png => Cow::Borrowed(class.as_str()),
                Medium::Svg => medium.fitted(class, TEXT, px(260))?.0,
            };
            widest = widest.max(medium.text_width(&class, TEXT)?);
            classes.push(class);
        }
        let height = cell_height(medium, classes.len());
        let least = medium.pick(CELL, height);
        let cell = (least.max(widest + 2 * GAP), height);
        let left = PADDING + TEXT + PADDING / 2 + widest + PADDING / 2;
        let top = PADDING + TITLE + PADDING;
        let count = classes.len() as i32;
        let (right, bottom) = (left + count * cell.0, top + count * cell.1);
        let title = medium.text_width(&medium.shortened(&figure.title), TITLE)?;
        Ok(Self {
            medium,
            classes,
            cell,
            left,
            top,
            right,
            bottom,
            width: (right + PADDING).max(title + 2 * PADDING),
            height: bottom + PADDING / 2 + TEXT + PADDING / 2 + TEXT + PADDING,
        })
    }

    /// Draws the title and the names of the axes and classes.
    fn draw_frame(&self, canvas: &mut Canvas, title: &str) -> Result<(), Failure> {
        let &Self {
            left,
            top,
            right,
            bottom,
            width,
            height,
            ..
        } = self;
        let at = (width / 2, PADDING + TITLE / 2);
        let title = self.medium.shortened(title);
        canvas.text(&title, at, Align::Center, TITLE, BLACK)?;
        let at = (PADDING + TEXT / 2, (top + bottom) / 2);
        canvas.vertical_text("actual", at, TEXT, BLACK)?;
        let at = ((left + right) / 2, height - PADDING - TEXT / 2);
        canvas.text("predicted", at, Align::Center, TEXT, BLACK)?;
        for (i, class) in self.classes.iter().enumerate() {
            let (x, y) = (left + i as i32 * self.cell.0, top + i as i32 * self.cell.1);
            let beside = (left - PADDING / 2, y + self.cell.1 / 2);
            canvas.text(class, beside, Align::Right, TEXT, BLACK)?;
            let below = (x + self.cell.0 / 2, bottom + PADDING / 2 + TEXT / 2);
            canvas.text(class, below, Align::Center, TEXT, BLACK)?;
        }
        Ok(())
    }

    /// Draws the cell for an actual and a predicted class: `count` of the `of` images of the actual class.
    fn draw_cell(
        &self,
        canvas: &mut Canvas,
        (actual, predicted): (usize, usize),
        (count, of): (u64, u64),
    ) -> Result<(), Failure> {
        let share = if of == 0 {
            0.0
        } else {
            count as f64 / of as f64
        };
        let (width, height) = self.cell;
        let x = self.left + predicted as i32 * width;
        let y = self.top + actual as i32 * height;
        let end = (x + width - GAP, y + height - GAP);
        canvas.fill((x, y), end, Color::Shade(share))?;
        let ink = Color::OnShade(share);
        let middle = (x + (width - GAP) / 2, y + (height - GAP) / 2);
        let size = self.medium.pick(COUNT, COUNT.min(height / 3));
        let at = (middle.0, middle.1 - size / 2);
        canvas.text(&count.to_string(), at, Align::Center, size, ink)?;
        let percent = format!("{:.1} %", 100.0 * share);
        let at = (middle.0, middle.1 + size * 3 / 4);
        let text = self.medium.pick(TEXT, TEXT.min(size * 4 / 5));
        canvas.text(&percent, at, Align::Center, text, ink)
    }
}
