//! Draws horizontal bars.

use contract::Failure;
use contract::analysis::Bars;

use super::canvas::{Align, Canvas, Medium, px};
use super::chart::{PADDING, TEXT, TITLE};
use super::color::{BLACK, Color, GRAY, PALETTE};
use super::ruler::short;

const WIDTH: i32 = px(960);
/// Height of a bar, and distance between two bars of a group.
const BAR: i32 = px(34);
const APART: i32 = px(4);
/// Distance between two groups.
const BETWEEN: i32 = px(20);
/// Largest width of the names.
const NAMES: i32 = px(360);
const GAP: i32 = px(12);
/// Largest number of groups that are drawn.
const MOST_GROUPS: usize = 100;
/// Largest number of series that are drawn: one for each color.
const MOST_SERIES: usize = PALETTE.len();

/// Draws a bar for each value. The first groups are drawn if there are too many.
pub(super) fn page(figure: &Bars, medium: Medium) -> Result<Canvas, Failure> {
    let layout = Layout::new(figure, medium)?;
    let mut canvas = Canvas::new(medium, WIDTH, layout.height)?;
    layout.draw_head(&mut canvas)?;
    let mut y = layout.top;
    for group in 0..layout.groups {
        layout.draw_group(&mut canvas, group, y)?;
        y += layout.group_height() + BETWEEN;
    }
    if figure.groups.len() > layout.groups {
        let more = format!("and {} more", figure.groups.len() - layout.groups);
        let at = (layout.left - GAP, y + TEXT / 2);
        canvas.text(&more, at, Align::Right, TEXT, GRAY)?;
    }
    Ok(canvas)
}

struct Layout<'a> {
    figure: &'a Bars,
    medium: Medium,
    /// Numbers of groups and series that are drawn.
    groups: usize,
    series: usize,
    /// Ends of the range of values, which includes 0, and their positions.
    values: (f64, f64),
    left: i32,
    right: i32,
    top: i32,
    height: i32,
}

impl<'a> Layout<'a> {
    fn new(figure: &'a Bars, medium: Medium) -> Result<Self, Failure> {
        let groups = figure.groups.len().min(MOST_GROUPS);
        let widest_group = figure.groups.iter().map(|group| group.values.len()).max();
        let series = widest_group.unwrap_or(0).clamp(1, MOST_SERIES);
        let (mut names, mut labels) = (0, 0);
        let mut values = (0.0f64, 0.0f64);
        for group in &figure.groups[..groups] {
            let (name, size) = medium.fitted(&group.name, TEXT, NAMES)?;
            names = names.max(medium.text_width(&name, size)?);
            for &value in group.values.iter().take(series) {
                labels = labels.max(medium.text_width(&label(value), TEXT)?);
                if value.is_finite() {
                    values = (values.0.min(value), values.1.max(value));
                }
            }
        }
        let has_legend = figure.series.len() > 1;
        let legend = if has_legend { TEXT + PADDING } else { 0 };
        let top = PADDING + TITLE + PADDING / 2 + TEXT + PADDING + legend;
        let mut layout = Self {
            figure,
            medium,
            groups,
            series,
            values,
            left: PADDING + names + GAP,
            // Negative values are labelled at the right end, too.
            right: WIDTH - PADDING - labels - GAP,
            top,
            height: 0,
        };
        let more = i32::from(figure.groups.len() > groups) * (TEXT + BETWEEN);
        layout.height =
            top + groups as i32 * (layout.group_height() + BETWEEN) + more + PADDING / 2;
        Ok(layout)
    }

    fn group_height(&self) -> i32 {
        self.series as i32 * (BAR + APART) - APART
    }

    fn place(&self, value: f64) -> i32 {
        let (low, high) = self.values;
        // Halves, because the difference of two large numbers may not be finite.
        let span = high / 2.0 - low / 2.0;
        let share = if span > 0.0 {
            (value / 2.0 - low / 2.0) / span
        } else {
            0.0
        };
        self.left + (share * f64::from(self.right - self.left)).round() as i32
    }

    fn draw_head(&self, canvas: &mut Canvas) -> Result<(), Failure> {
        let available = WIDTH - 2 * PADDING;
        let at = (WIDTH / 2, PADDING + TITLE / 2);
        canvas.fitted_text(
            &self.figure.title,
            (at, Align::Center),
            (TITLE, available),
            BLACK,
        )?;
        let at = (WIDTH / 2, PADDING + TITLE + PADDING / 2 + TEXT / 2);
        canvas.fitted_text(
            &self.figure.measure,
            (at, Align::Center),
            (TEXT, available),
            GRAY,
        )?;
        if self.figure.series.len() < 2 {
            return Ok(());
        }
        let each = available / self.series as i32;
        let y = at.1 + TEXT / 2 + PADDING / 2 + TEXT / 2;
        for (at, name) in self.figure.series.iter().take(self.series).enumerate() {
            let x = PADDING + at as i32 * each;
            let half = TEXT / 3;
            canvas.fill((x, y - half), (x + 2 * half, y + half), PALETTE[at])?;
            let text = (x + 2 * half + GAP, y);
            let available = each - 2 * half - 2 * GAP;
            canvas.fitted_text(name, (text, Align::Left), (TEXT, available), BLACK)?;
        }
        Ok(())
    }

    fn draw_group(&self, canvas: &mut Canvas, at: usize, top: i32) -> Result<(), Failure> {
        let group = &self.figure.groups[at];
        let (name, size) = self.medium.fitted(&group.name, TEXT, NAMES)?;
        let middle = top + self.group_height() / 2;
        canvas.text(&name, (self.left - GAP, middle), Align::Right, size, BLACK)?;
        for (series, &value) in group.values.iter().take(self.series).enumerate() {
            let y = top + series as i32 * (BAR + APART);
            let mut end = self.left;
            if value.is_finite() {
                let [zero, to] = [0.0, value].map(|value| self.place(value));
                canvas.fill((zero.min(to), y), (zero.max(to), y + BAR), PALETTE[series])?;
                end = zero.max(to);
            }
            let color = if value.is_finite() {
                BLACK
            } else {
                Color::Muted
            };
            let at = (end + GAP, y + BAR / 2);
            canvas.text(&label(value), at, Align::Left, TEXT, color)?;
        }
        Ok(())
    }
}

fn label(value: f64) -> String {
    match value.is_finite() {
        true => short(value),
        false => "missing".to_owned(),
    }
}
