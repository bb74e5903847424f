//! [`Series`]: the figures of a stage's progress so far, for curves.

use contract::Progress;

/// Number of points of a figure that are kept. When there are more, every second one is left out.
const MOST_POINTS: usize = 600;

/// Figures of progress, and values that were measured after whole units.
#[derive(Debug, Default)]
pub(crate) struct Series {
    progress: Track,
    measured: Track,
}

/// Figures that were reported together, by name, in the order in which they appeared.
#[derive(Debug, Default)]
struct Track {
    figures: Vec<(String, Vec<(f64, f64)>)>,
    /// Completed units at the last point.
    last: f64,
    /// Smallest distance between two points; grows as points are left out.
    spacing: f64,
}

impl Series {
    /// Adds a progress.
    pub(crate) fn add(&mut self, progress: &Progress) {
        // A stage that starts over draws its curves again.
        if progress.done < self.progress.last {
            *self = Self::default();
        }
        self.progress.add(progress.done, &progress.figures);
        // All later progress repeats a measurement.
        if let Some(measured) = &progress.measurement
            && (self.measured.is_empty() || measured.done > self.measured.last)
        {
            self.measured.add(measured.done, &measured.figures);
        }
    }

    /// The figures that make a curve: at least two finite points. Rates are left out.
    pub(crate) fn curves(&self) -> impl Iterator<Item = (&str, &[(f64, f64)])> {
        let all = self.progress.figures.iter().chain(&self.measured.figures);
        let figures = all.filter(|(name, points)| {
            let finite = points.iter().filter(|(_, value)| value.is_finite());
            !name.ends_with("/s") && finite.count() >= 2
        });
        figures.map(|(name, points)| (name.as_str(), points.as_slice()))
    }
}

impl Track {
    fn is_empty(&self) -> bool {
        self.figures.is_empty()
    }

    /// Adds figures, unless they are too close to the last ones.
    fn add(&mut self, done: f64, figures: &[(String, f64)]) {
        if !done.is_finite() || !self.is_empty() && done - self.last < self.spacing {
            return;
        }
        self.last = done;
        for (name, value) in figures {
            let known = self.figures.iter().position(|(known, _)| known == name);
            let position = known.unwrap_or_else(|| {
                self.figures.push((name.clone(), Vec::new()));
                self.figures.len() - 1
            });
            self.figures[position].1.push((done, *value));
        }
        self.thin();
    }

    fn thin(&mut self) {
        let longest = self.figures.iter().map(|(_, points)| points.len()).max();
        if longest.unwrap_or_default() <= MOST_POINTS {
            return;
        }
        for (_, points) in &mut self.figures {
            let mut position = 0;
            points.retain(|_| {
                position += 1;
                position % 2 == 1
            });
        }
        let points = self.figures.iter().map(|(_, points)| points);
        let longest = points.max_by_key(|points| points.len());
        self.spacing = longest.map_or(0.0, |points| {
            (points[points.len() - 1].0 - points[0].0) / points.len() as f64
        });
    }
}

#[cfg(test)]
mod tests {
    use contract::Measurement;

    use super::*;

    fn progress(done: f64, loss: f64) -> Progress {
        Progress {
            unit: "epoch".to_owned(),
            done,
            total: 1e6,
            figures: vec![("loss".to_owned(), loss), ("images/s".to_owned(), 9.0)],
            measurement: None,
        }
    }

    fn measured(done: f64, at: f64, loss: f64) -> Progress {
        Progress {
            measurement: Some(Measurement {
                done: at,
                figures: vec![("validation_loss".to_owned(), loss)],
            }),
            ..progress(done, 0.5)
        }
    }

    #[test]
    fn a_measurement_is_one_point_at_the_end_of_its_epoch() {
        let mut series = Series::default();
        for done in [0.5, 1.0] {
            series.add(&progress(done, 0.5));
        }
        for (done, at, loss) in [
            (1.0, 1.0, 0.9),
            (1.5, 1.0, 0.9),
            (2.2, 2.0, 0.8),
            (2.6, 2.0, 0.8),
        ] {
            series.add(&measured(done, at, loss));
        }
        let curves: Vec<_> = series.curves().collect();
        let [("loss", loss), ("validation_loss", validation)] = curves[..] else {
            panic!("{curves:?}");
        };
        assert_eq!(loss.len(), 6);
        assert_eq!(validation, [(1.0, 0.9), (2.0, 0.8)]);
    }

    #[test]
    fn a_long_training_keeps_few_points_over_its_whole_length() {
        let mut series = Series::default();
        for epoch in 0..100_000 {
            series.add(&measured(f64::from(epoch), f64::from(epoch), 1.0));
        }
        let curves: Vec<_> = series.curves().collect();
        assert_eq!(curves.len(), 2);
        for (_, points) in curves {
            assert!(points.len() > MOST_POINTS / 4 && points.len() <= MOST_POINTS);
            assert_eq!(points[0].0, 0.0);
            assert!(points[points.len() - 1].0 > 99_000.0);
            assert!(points.is_sorted_by(|a, b| a.0 < b.0));
        }
    }

    #[test]
    fn a_stage_that_starts_over_begins_new_curves() {
        let mut series = Series::default();
        for epoch in [1.0, 2.0, 3.0, 1.0, 2.0] {
            series.add(&measured(epoch, epoch, -epoch));
        }
        let curves: Vec<_> = series.curves().map(|(_, points)| points).collect();
        let expected: [&[(f64, f64)]; 2] = [&[(1.0, 0.5), (2.0, 0.5)], &[(1.0, -1.0), (2.0, -2.0)]];
        assert_eq!(curves, expected);
    }

    #[test]
    fn one_point_and_values_that_are_not_finite_are_no_curve() {
        let mut series = Series::default();
        series.add(&progress(1.0, 0.5));
        assert_eq!(series.curves().count(), 0);
        series.add(&progress(2.0, f64::NAN));
        series.add(&progress(f64::NAN, 0.5));
        assert_eq!(series.curves().count(), 0);
    }
}
