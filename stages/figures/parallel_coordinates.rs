//! Draws trials as parallel coordinates: a vertical axis for each parameter and for the objective, and a line
//! across the axes for each trial.

use contract::analysis::{ParallelCoordinates, Scale};
use contract::{Direction, Failure};

use super::axis::range_without_outliers;
use super::canvas::Canvas;
use super::chart::{PADDING, TEXT, TITLE};
use super::color::{BLACK, Color, GRAY, STEPS, WHITE};
use super::medium::Medium;
use super::page::{Align, px};
use super::ruler::{Ruler, short};
use super::svg;

const LABEL: i32 = px(26);
/// Smallest and largest distance between two axes.
const APART: (i32, i32) = (px(190), px(340));
const HEIGHT: i32 = px(860);
/// Smallest width of a PNG and of an SVG, which is then as wide as most other figures.
const WIDTH: (i32, i32) = (px(1000), px(960));
/// Width of the colored bar at the objective's axis.
const BAR: i32 = px(22);
/// Distance between an axis and its labels.
const GAP: i32 = px(12);

/// Draws the picture. Trials whose objective is not finite are left out. An objective far outside the others is drawn
/// at the end of its axis.
pub(super) fn page(figure: &ParallelCoordinates<'_>, medium: Medium) -> Result<Canvas, Failure> {
    let page = Page::new(figure, medium)?;
    let mut canvas = Canvas::new(medium, page.width, HEIGHT)?;
    page.draw_head(&mut canvas)?;
    page.draw_axes(&mut canvas)?;
    page.draw_trials(&mut canvas)?;
    page.draw_labels(&mut canvas)?;
    Ok(canvas)
}

struct Page<'a> {
    figure: &'a ParallelCoordinates<'a>,
    medium: Medium,
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
    fn new(figure: &'a ParallelCoordinates<'a>, medium: Medium) -> Result<Self, Failure> {
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
            medium,
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
            let name = self.medium.shortened(self.name(axis));
            names.push(self.medium.text_width(&name, TEXT)?.min(APART.1 - GAP));
            let mut widest = 0;
            for (_, label) in self.labels(axis) {
                widest = widest.max(self.medium.text_width(label, LABEL)?);
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
        self.width = (left + spread + right).max(self.medium.pick(WIDTH.0, WIDTH.1));
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
    fn color(&self, fraction: f64) -> Color {
        Color::Scale(match self.figure.direction {
            Direction::Maximize => fraction,
            Direction::Minimize => 1.0 - fraction,
        })
    }

    fn draw_head(&self, canvas: &mut Canvas) -> Result<(), Failure> {
        let figure = self.figure;
        let available = self.width - 2 * PADDING;
        canvas.fitted_text(
            figure.title,
            ((self.width / 2, PADDING + TITLE / 2), Align::Center),
            (TITLE, available),
            BLACK,
        )?;
        let count = self.order.len();
        let mut caption = format!("{count} trial{}", if count == 1 { "" } else { "s" });
        if let Some((at, name)) = figure.best
            && let Some(best) = figure.trials.get(at)
        {
            let value = short(best.objective);
            caption = match self.medium {
                Medium::Png => {
                    format!(
                        "{caption}, thick line: {name} ({} {value})",
                        figure.objective
                    )
                }
                // There is less space, and the axis has the name of the objective.
                Medium::Svg => format!("{caption}, thick line: {name} ({value})"),
            };
        }
        if self.beyond > 0 {
            caption = format!("{caption}, {} beyond the end of the axis", self.beyond);
        }
        let at = (self.width / 2, PADDING + TITLE + PADDING / 2 + TEXT / 2);
        canvas.fitted_text(&caption, (at, Align::Center), (TEXT, available), GRAY)
    }

    fn draw_axes(&self, canvas: &mut Canvas) -> Result<(), Failure> {
        for &x in &self.columns {
            canvas.line((x, self.top), (x, self.bottom), GRAY, px(2))?;
        }
        let Some(&x) = self.columns.last() else {
            return Ok(());
        };
        if self.medium == Medium::Svg {
            return self.draw_steps(canvas, x);
        }
        let rows = (self.bottom - self.top) / px(1);
        for row in 0..rows {
            let fraction = (f64::from(row) + 0.5) / f64::from(rows);
            let y = self.bottom - (row + 1) * px(1);
            // Each row overlaps the previous one, so that no white gap is left.
            canvas.fill((x, y), (x + BAR, y + px(1) + 1), self.color(fraction))?;
        }
        Ok(())
    }

    /// Draws the colors at the objective's axis. An SVG has [`STEPS`] of them.
    fn draw_steps(&self, canvas: &mut Canvas, x: i32) -> Result<(), Failure> {
        let last = f64::from(STEPS - 1);
        let end = |step: f64| self.height((step / last).clamp(0.0, 1.0));
        for step in 0..STEPS {
            let step = f64::from(step);
            let (top, bottom) = (end(step + 0.5), end(step - 0.5));
            canvas.fill((x, top), (x + BAR, bottom), self.color(step / last))?;
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
            self.tag(canvas, at, "trial");
            canvas.faint_path(&self.points(at), (color, opacity), width)?;
        }
        let Some(best) = best.filter(|best| self.order.contains(best)) else {
            return Ok(());
        };
        // A white edge sets the best trial off from the others.
        for (color, width) in [(WHITE, px(13)), (self.color_of(best), px(8))] {
            match color {
                WHITE => canvas.tag(&[("class", "halo")]),
                _ => self.tag(canvas, best, "trial best"),
            }
            canvas.bold_path(&self.points(best), color, width)?;
        }
        Ok(())
    }

    /// Gives the next path the number of a trial, its values (`null` where it has none) and its objective.
    fn tag(&self, canvas: &mut Canvas, trial: usize, class: &str) {
        if self.medium == Medium::Png {
            return;
        }
        let line = &self.figure.trials[trial];
        let values =
            (0..self.figure.axes.len()).map(|axis| line.values.get(axis).copied().flatten());
        let values: Vec<Option<f64>> = values.chain([Some(line.objective)]).collect();
        canvas.tag(&[
            ("class", class),
            ("data-trial", &line.trial.to_string()),
            ("data-values", &serde_json::json!(values).to_string()),
        ]);
    }

    fn color_of(&self, trial: usize) -> Color {
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

    /// Returns the distance between two axes.
    fn apart(&self) -> i32 {
        match self.columns.as_slice() {
            [first, second, ..] => second - first,
            _ => APART.1,
        }
    }

    /// Starts the group of an axis, with its place and its scale for the script of a page.
    fn open_axis(&self, canvas: &mut Canvas, axis: usize) {
        if self.medium == Medium::Png {
            return;
        }
        let place = |length: i32| svg::number(length);
        let scale = self.rulers[axis].scale();
        canvas.open(&[
            ("class", "axis"),
            ("data-axis", &self.medium.shortened(self.name(axis))),
            ("data-x", &place(self.columns[axis])),
            ("data-top", &place(self.top)),
            ("data-bottom", &place(self.bottom)),
            ("data-absent", &self.absent.map(place).unwrap_or_default()),
            ("data-scale", scale.name),
            ("data-low", &scale.low.to_string()),
            ("data-high", &scale.high.to_string()),
        ]);
    }

    fn draw_labels(&self, canvas: &mut Canvas) -> Result<(), Failure> {
        let last = self.columns.len() - 1;
        for (axis, &x) in self.columns.iter().enumerate() {
            self.open_axis(canvas, axis);
            let at = (x, self.top - PADDING - TEXT / 2);
            let available = self.medium.pick(APART.1 - GAP, self.apart() - GAP);
            canvas.fitted_text(
                self.name(axis),
                (at, Align::Center),
                (TEXT, available),
                BLACK,
            )?;
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
                let width = self.medium.text_width(label, LABEL)?;
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
            canvas.close();
        }
        Ok(())
    }
}
