//! Draws line charts.

use std::borrow::Cow;
use std::path::Path;

use contract::Failure;

use super::axis::Axis;
use super::canvas::Canvas;
use super::color::{BLACK, Color, GRAY, LIGHT_GRAY, PALETTE};
use super::medium::Medium;
use super::page::{Align, px, shortened};

pub(super) const TITLE: i32 = px(38);
pub(super) const TEXT: i32 = px(30);
pub(super) const PADDING: i32 = px(28);
pub(super) const STROKE: i32 = px(4);
pub(super) const DOT: i32 = px(7);
/// Length of a dash, and its distance from the next one's start.
pub(super) const DASH: (i32, i32) = (px(16), px(26));
/// Points are marked by dots if no line has more points than this.
pub(super) const MARKED: usize = 40;

/// A line of a chart: its name in the legend, and its points in the order in which they are joined.
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    pub dashed: bool,
}

/// Writes a line chart with a legend as a PNG. The axes cover all finite points. A point that is not finite
/// leaves a gap in its line.
pub fn line_chart(
    path: &Path,
    title: &str,
    x_label: &str,
    y_label: &str,
    series: &[Series],
) -> Result<(), Failure> {
    let finite = || {
        series
            .iter()
            .flat_map(|s| &s.points)
            .filter(|(x, y)| x.is_finite() && y.is_finite())
    };
    let x = Axis::tight(finite().map(|p| p.0), 10);
    let y = Axis::covering(finite().map(|p| p.1), 6);
    let most = series.iter().map(|s| s.points.len()).max().unwrap_or(0);
    Chart {
        medium: Medium::Png,
        title,
        x_label,
        y_label,
        x,
        y,
        size: (px(1280), px(840)),
        below: 0,
        colors: &PALETTE,
        marked: most <= MARKED,
    }
    .draw(series)?
    .save(path)
}

/// A chart without its lines.
pub(super) struct Chart<'a> {
    pub(super) medium: Medium,
    pub(super) title: &'a str,
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Width and height of the picture.
    pub(super) size: (i32, i32),
    /// Height below the chart that is left empty.
    pub(super) below: i32,
    /// Colors of the lines, used in turn.
    pub(super) colors: &'a [Color],
    /// `true` if every point of a solid line is marked by a dot.
    pub(super) marked: bool,
}

impl Chart<'_> {
    pub(super) fn draw(&self, series: &[Series]) -> Result<Canvas, Failure> {
        let (mut canvas, plot) = self.page(series)?;
        self.lines(&mut canvas, &plot, series)?;
        Ok(canvas)
    }

    pub(super) fn lines(
        &self,
        canvas: &mut Canvas,
        plot: &Plot,
        series: &[Series],
    ) -> Result<(), Failure> {
        let mut lines = series.iter().zip(self.colors.iter().cycle());
        lines.try_for_each(|(line, &color)| self.line(canvas, plot, line, color))
    }

    /// Draws everything but the lines: title, legend of the `series`, and axes.
    pub(super) fn page(&self, series: &[Series]) -> Result<(Canvas, Plot), Failure> {
        let (width, height) = self.size;
        let mut canvas = Canvas::new(self.medium, width, height + self.below)?;

        canvas.fitted_text(
            self.title,
            ((width / 2, PADDING + TITLE / 2), Align::Center),
            (TITLE, width - 2 * PADDING),
            BLACK,
        )?;
        let legend_bottom = legend(
            &mut canvas,
            series,
            self.colors,
            PADDING + TITLE + PADDING / 2,
            width,
        )?;

        let mut tick_width = 0;
        for (_, label) in self.y.ticks() {
            tick_width = tick_width.max(self.medium.text_width(&label, TEXT)?);
        }
        let plot = Plot {
            left: PADDING + TEXT + PADDING / 2 + tick_width + px(12) + self.medium.pick(0, px(8)),
            right: width - 2 * PADDING,
            top: legend_bottom + PADDING / 2,
            bottom: height - PADDING - 2 * TEXT - PADDING / 2 - px(8),
        };
        self.frame(&mut canvas, &plot)?;
        let label = |text| match self.medium {
            // A PNG shows its labels as they are.
            Medium::Png => Ok((Cow::Borrowed(text), TEXT)),
            Medium::Svg => self.medium.fitted(text, TEXT, plot.right - plot.left),
        };
        let (y_label, size) = label(self.y_label)?;
        let at = (PADDING + TEXT / 2, (plot.top + plot.bottom) / 2);
        canvas.vertical_text(&y_label, at, size, BLACK)?;
        let (x_label, size) = label(self.x_label)?;
        let at = ((plot.left + plot.right) / 2, height - PADDING - TEXT / 2);
        canvas.text(&x_label, at, Align::Center, size, BLACK)?;
        Ok((canvas, plot))
    }

    /// Returns the pixel of a point.
    pub(super) fn pixel(&self, plot: &Plot, (x, y): (f64, f64)) -> (i32, i32) {
        (
            self.x.place(x, plot.left, plot.right),
            self.y.place(y, plot.bottom, plot.top),
        )
    }

    /// Draws grid lines, axes and tick labels.
    fn frame(&self, canvas: &mut Canvas, plot: &Plot) -> Result<(), Failure> {
        for (tick, label) in self.y.ticks() {
            let y = self.y.place(tick, plot.bottom, plot.top);
            canvas.line((plot.left, y), (plot.right, y), LIGHT_GRAY, px(2))?;
            canvas.text(&label, (plot.left - px(12), y), Align::Right, TEXT, BLACK)?;
        }
        for (tick, label) in self.x.ticks() {
            let x = self.x.place(tick, plot.left, plot.right);
            canvas.line((x, plot.bottom), (x, plot.bottom + px(8)), GRAY, px(2))?;
            canvas.text(
                &label,
                (x, plot.bottom + px(12) + TEXT / 2),
                Align::Center,
                TEXT,
                BLACK,
            )?;
        }
        canvas.line((plot.left, plot.top), (plot.left, plot.bottom), GRAY, px(2))?;
        canvas.line(
            (plot.left, plot.bottom),
            (plot.right, plot.bottom),
            GRAY,
            px(2),
        )
    }

    pub(super) fn line(
        &self,
        canvas: &mut Canvas,
        plot: &Plot,
        line: &Series,
        color: Color,
    ) -> Result<(), Failure> {
        for run in line.points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
            let pixels: Vec<_> = run.iter().map(|&point| self.pixel(plot, point)).collect();
            canvas.tag(&[("class", "curve"), ("data-curve", &shortened(&line.name))]);
            if line.dashed {
                canvas.dashes(&pixels, color, STROKE, DASH)?;
            } else if pixels.len() > 1 {
                canvas.path(&pixels, color, STROKE)?;
            }
            if pixels.len() == 1 || (self.marked && !line.dashed) {
                for &pixel in &pixels {
                    canvas.dot(pixel, DOT, color)?;
                }
            }
        }
        Ok(())
    }
}

/// The rectangle that the axes enclose.
pub(super) struct Plot {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
}

/// An entry of a legend.
struct Entry<'a> {
    line: &'a Series,
    /// The line's name as it is shown.
    name: Cow<'a, str>,
    size: i32,
    color: Color,
    width: i32,
}

/// Draws the legend in centred rows from `top` on, without lines that have no finite points. Returns its
/// lower end.
fn legend(
    canvas: &mut Canvas,
    series: &[Series],
    colors: &[Color],
    top: i32,
    width: i32,
) -> Result<i32, Failure> {
    const SAMPLE: i32 = px(64);
    const GAP: i32 = px(14);
    const BETWEEN: i32 = px(40);
    const ROW: i32 = TEXT + px(14);

    let medium = canvas.medium();
    let mut rows: Vec<Vec<Entry<'_>>> = Vec::new();
    let mut available = 0;
    let drawn = |(line, _): &(&Series, _)| {
        line.points
            .iter()
            .any(|(x, y)| x.is_finite() && y.is_finite())
    };
    for (line, &color) in series.iter().zip(colors.iter().cycle()).filter(drawn) {
        let longest = width - 2 * PADDING - SAMPLE - GAP;
        let (name, size) = medium.fitted(&line.name, TEXT, longest)?;
        let entry = SAMPLE + GAP + medium.text_width(&name, size)?;
        if rows.is_empty() || entry > available {
            rows.push(Vec::new());
            available = width - 2 * PADDING;
        }
        available -= entry + BETWEEN;
        if let Some(row) = rows.last_mut() {
            row.push(Entry {
                line,
                name,
                size,
                color,
                width: entry,
            });
        }
    }
    for (i, row) in rows.iter().enumerate() {
        let total: i32 = row.iter().map(|entry| entry.width + BETWEEN).sum::<i32>() - BETWEEN;
        let y = top + i as i32 * ROW + ROW / 2;
        let mut x = (width - total) / 2;
        for entry in row {
            let &Entry {
                line, size, color, ..
            } = entry;
            if line.points.len() == 1 {
                canvas.dot((x + SAMPLE / 2, y), DOT + px(2), color)?;
            } else if line.dashed {
                canvas.dashes(&[(x, y), (x + SAMPLE, y)], color, STROKE, DASH)?;
            } else {
                canvas.line((x, y), (x + SAMPLE, y), color, STROKE)?;
            }
            canvas.text(&entry.name, (x + SAMPLE + GAP, y), Align::Left, size, BLACK)?;
            x += entry.width + BETWEEN;
        }
    }
    Ok(top + rows.len() as i32 * ROW)
}
