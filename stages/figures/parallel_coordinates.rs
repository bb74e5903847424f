//! Draws trials as parallel coordinates: a vertical axis for each parameter and for the objective, and a line
//! across the axes for each trial.

use std::path::Path;

use contract::analysis::{ParallelCoordinates, Scale};
use contract::{Direction, Failure};
use plotters::style::RGBColor;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};

use super::axis::range_without_outliers;
use super::canvas::{Align, BLACK, Canvas, GRAY, WHITE, fitting_size, px, text_width};
use super::chart::{PADDING, TEXT, TITLE};
use super::ruler::{Ruler, short};

const LABEL: i32 = px(26);
/// Smallest and largest distance between two axes.
const APART: (i32, i32) = (px(190), px(340));
const HEIGHT: i32 = px(860);
/// Smallest width of the picture.
const WIDTH: i32 = px(1000);
/// Width of the colored bar at the objective's axis.
const BAR: i32 = px(22);
/// Distance between an axis and its labels.
const GAP: i32 = px(12);
/// Brightest part of the color scale that is used, for the worst objective. Brighter colors cannot be seen on white.
const BRIGHTEST: f64 = 0.92;

/// Writes the picture as a PNG. Trials whose objective is not finite are left out. An objective far
/// outside the others is drawn at the end of its axis.
pub(super) fn write(figure: &ParallelCoordinates<'_>, path: &Path) -> Result<(), Failure> {
    let page = Page::new(figure)?;
    let mut canvas = Canvas::new(page.width, HEIGHT)?;
    page.draw_head(&mut canvas)?;
    page.draw_axes(&mut canvas)?;
    page.draw_trials(&mut canvas)?;
    page.draw_labels(&mut canvas)?;
    canvas.save(path)
}

struct Page<'a> {
    figure: &'a ParallelCoordinates<'a>,
    /// Rulers of the coordinates, then of the objective.
    rulers: Vec<Ruler>,
    /// Horizontal position of each ruler.
    columns: Vec<i32>,
    width: i32,
    /// Vertical positions of the ends of the axes.
    top: i32,
    bottom: i32,
    /// Vertical position of lines at axes on which they have no value, if there are such lines.
    absent: Option<i32>,
    /// Trials to draw, worst first.
    order: Vec<usize>,
    /// Number of trials beyond the end of the objective's axis.
    beyond: usize,
}

impl<'a> Page<'a> {
    fn new(figure: &'a ParallelCoordinates<'a>) -> Result<Self, Failure> {
        let trials = figure.trials;
        let mut order: Vec<usize> = (0..trials.len())
            .filter(|&at| trials[at].objective.is_finite())
            .collect();
        let maximize = figure.direction == Direction::Maximize;
        order.sort_by(|&a, &b| {
            let by_value = trials[a].objective.total_cmp(&trials[b].objective);
            let worst_first = if maximize {
                by_value
            } else {
                by_value.reverse()
            };
            worst_first.then(b.cmp(&a))
        });
        let objectives: Vec<f64> = order.iter().map(|&at| trials[at].objective).collect();
        let (low, high) = range_without_outliers(objectives.iter().copied());
        let inliers: Vec<f64> = objectives
            .iter()
            .copied()
            .filter(|value| (low..=high).contains(value))
            .collect();

        let of_axis = |axis: usize| -> Vec<f64> {
            let values = order.iter().map(|&at| trials[at].values.get(axis));
            values.filter_map(|value| *value?).collect()
        };
        let mut rulers: Vec<Ruler> = figure
            .axes
            .iter()
            .enumerate()
            .map(|(axis, coordinate)| Ruler::new(&coordinate.scale, &of_axis(axis)))
            .collect();
        rulers.push(Ruler::new(&Scale::Linear, &inliers));
        let lacks = |axis: usize| of_axis(axis).len() < order.len();
        let is_absent = (0..figure.axes.len()).any(lacks);

        let top = PADDING + TITLE + PADDING / 2 + TEXT + PADDING + TEXT + PADDING;
        let end = HEIGHT - PADDING - LABEL / 2;
        let bottom = if is_absent { end - px(70) } else { end };
        let mut page = Self {
            figure,
            rulers,
            columns: Vec::new(),
            width: 0,
            top,
            bottom,
            absent: is_absent.then_some(end),
            beyond: objectives.len() - inliers.len(),
            order,
        };
        page.place_axes()?;
        Ok(page)
    }

    /// Places the axes as far apart as their names and labels need.
    fn place_axes(&mut self) -> Result<(), Failure> {
        let count = self.rulers.len();
        let mut names = Vec::new();
        let mut labels = Vec::new();
        for axis in 0..count {
            names.push(text_width(self.name(axis), TEXT)?.min(APART.1 - GAP));
            let mut widest = 0;
            for (_, label) in self.labels(axis) {
                widest = widest.max(text_width(label, LABEL)?);
            }
            labels.push(widest);
        }
        let mut apart = APART.0;
        for axis in 1..count {
            let of_names = (names[axis - 1] + names[axis]) / 2 + 2 * GAP;
            // The objective's labels are on the other side of its axis.
            let of_labels = if axis + 1 < count {
                labels[axis] + 4 * GAP
            } else {
                0
            };
            apart = apart.max(of_names).max(of_labels);
        }
        let apart = apart.min(APART.1);
        let last = count - 1;
        let left = PADDING + (labels[0] * i32::from(last > 0) + GAP).max(names[0] / 2);
        let right = PADDING + (BAR + GAP + labels[last]).max(names[last] / 2);
        let spread = apart * last as i32;
        self.width = (left + spread + right).max(WIDTH);
        let apart = (self.width - left - right).min(APART.1 * last as i32) / (last as i32).max(1);
        // If there are only a few axes, they are centred.
        let left = left + (self.width - left - right - apart * last as i32) / 2;
        self.columns = (0..count).map(|axis| left + apart * axis as i32).collect();
        Ok(())
    }

    fn name(&self, axis: usize) -> &str {
        match self.figure.axes.get(axis) {
            Some(coordinate) => &coordinate.name,
            None => self.figure.objective,
        }
    }

    fn labels(&self, axis: usize) -> Vec<(f64, &str)> {
        let gap = f64::from(LABEL + px(6)) / f64::from(self.bottom - self.top);
        self.rulers[axis].labels(gap)
    }

    fn height(&self, fraction: f64) -> i32 {
        let height = f64::from(self.bottom - self.top);
        self.bottom - (fraction * height).round() as i32
    }

    /// Returns the color for a position on the objective's axis: dark at the good end.
    fn color(&self, fraction: f64) -> RGBColor {
        let good = match self.figure.direction {
            Direction::Maximize => fraction,
            Direction::Minimize => 1.0 - fraction,
        };
        ViridisRGB.get_color((1.0 - good) * BRIGHTEST)
    }

    fn draw_head(&self, canvas: &mut Canvas) -> Result<(), Failure> {
        let figure = self.figure;
        let available = self.width - 2 * PADDING;
        canvas.text(
            figure.title,
            (self.width / 2, PADDING + TITLE / 2),
            Align::Center,
            fitting_size(figure.title, TITLE, available)?,
            BLACK,
        )?;
        let count = self.order.len();
        let mut caption = format!("{count} trial{}", if count == 1 { "" } else { "s" });
        if let Some((at, name)) = figure.best
            && let Some(best) = figure.trials.get(at)
        {
            let value = short(best.objective);
            caption = format!(
                "{caption}, thick line: {name} ({} {value})",
                figure.objective
            );
        }
        if self.beyond > 0 {
            caption = format!("{caption}, {} beyond the end of the axis", self.beyond);
        }
        canvas.text(
            &caption,
            (self.width / 2, PADDING + TITLE + PADDING / 2 + TEXT / 2),
            Align::Center,
            fitting_size(&caption, TEXT, available)?,
            GRAY,
        )
    }

    fn draw_axes(&self, canvas: &mut Canvas) -> Result<(), Failure> {
        for &x in &self.columns {
            canvas.line((x, self.top), (x, self.bottom), GRAY, px(2))?;
        }
        let Some(&x) = self.columns.last() else {
            return Ok(());
        };
        let rows = (self.bottom - self.top) / px(1);
        for row in 0..rows {
            let fraction = (f64::from(row) + 0.5) / f64::from(rows);
            let y = self.bottom - (row + 1) * px(1);
            // Each row overlaps the previous one, so that no white gap is left.
            canvas.fill((x, y), (x + BAR, y + px(1) + 1), self.color(fraction))?;
        }
        Ok(())
    }

    fn draw_trials(&self, canvas: &mut Canvas) -> Result<(), Failure> {
        let best = self.figure.best.map(|(at, _)| at);
        // With many lines, their common course should be visible.
        let opacity = (6.0 / (self.order.len().max(1) as f64).sqrt()).clamp(0.3, 0.9);
        let width = if self.order.len() > 100 { px(2) } else { px(3) };
        for &at in self.order.iter().filter(|&&at| Some(at) != best) {
            let color = self.color_of(at);
            for pair in self.points(at).windows(2) {
                canvas.faint_line(pair[0], pair[1], (color, opacity), width)?;
            }
        }
        let Some(best) = best.filter(|best| self.order.contains(best)) else {
            return Ok(());
        };
        // A white edge sets the best trial off from the others.
        for (color, width) in [(WHITE, px(13)), (self.color_of(best), px(8))] {
            let points = self.points(best);
            for pair in points.windows(2) {
                canvas.line(pair[0], pair[1], color, width)?;
            }
            for &point in &points {
                canvas.dot(point, width / 2, color)?;
            }
        }
        Ok(())
    }

    fn color_of(&self, trial: usize) -> RGBColor {
        let objective = self.figure.trials[trial].objective;
        self.color(
            self.rulers
                .last()
                .map_or(0.0, |ruler| ruler.fraction(objective)),
        )
    }

    /// Returns the points at which the line of a trial meets the axes.
    fn points(&self, trial: usize) -> Vec<(i32, i32)> {
        let line = &self.figure.trials[trial];
        let values =
            (0..self.figure.axes.len()).map(|axis| line.values.get(axis).copied().flatten());
        let values = values.chain([Some(line.objective)]);
        let places = values.zip(&self.rulers).zip(&self.columns);
        places
            .map(|((value, ruler), &x)| match value {
                Some(value) => (x, self.height(ruler.fraction(value))),
                None => (x, self.absent.unwrap_or(self.bottom)),
            })
            .collect()
    }

    fn draw_labels(&self, canvas: &mut Canvas) -> Result<(), Failure> {
        let last = self.columns.len() - 1;
        for (axis, &x) in self.columns.iter().enumerate() {
            let name = self.name(axis);
            let size = fitting_size(name, TEXT, APART.1 - GAP)?;
            let y = self.top - PADDING - TEXT / 2;
            canvas.text(name, (x, y), Align::Center, size, BLACK)?;
            let mut labels: Vec<(i32, &str)> = self
                .labels(axis)
                .into_iter()
                .map(|(fraction, label)| (self.height(fraction), label))
                .collect();
            let lacks = |&at: &usize| self.figure.trials[at].values.get(axis) == Some(&None);
            if let Some(y) = self.absent
                && self.order.iter().any(lacks)
            {
                labels.push((y, "none"));
            }
            for (y, label) in labels {
                let width = text_width(label, LABEL)?;
                if axis == last {
                    let at = x + BAR + GAP;
                    canvas.text(label, (at, y), Align::Left, LABEL, BLACK)?;
                    continue;
                }
                let right = x - GAP;
                let half = LABEL / 2 + px(2);
                canvas.veil((right - width - px(4), y - half), (right + px(4), y + half))?;
                canvas.line((x - px(6), y), (x, y), GRAY, px(2))?;
                canvas.text(label, (right, y), Align::Right, LABEL, BLACK)?;
            }
        }
        Ok(())
    }
}
