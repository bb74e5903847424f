//! [`Series`]: the figures of a stage's progress so far, for a curve.

use contract::Progress;

/// Number of points that are kept. When there are more, every second one is left out.
const MOST_POINTS: usize = 600;

/// Figures of progress by name, in the order in which they appeared.
#[derive(Debug, Default)]
pub(crate) struct Series {
    figures: Vec<(String, Vec<(f64, f64)>)>,
    /// Completed units at the last point.
    last: f64,
    /// Smallest distance between two points; grows as points are left out.
    spacing: f64,
}

impl Series {
    /// Adds the figures of a progress, unless they are too close to the last ones.
    pub(crate) fn add(&mut self, progress: &Progress) {
        let done = progress.done;
        if !done.is_finite() {
            return;
        }
        // A stage that starts over draws its curve again.
        if done < self.last {
            *self = Self::default();
        }
        if !self.figures.is_empty() && done - self.last < self.spacing {
            return;
        }
        self.last = done;
        for (name, value) in &progress.figures {
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

    /// The figures that make a curve: at least two finite points. Rates are left out.
    pub(crate) fn curves(&self) -> impl Iterator<Item = (&str, &[(f64, f64)])> {
        let figures = self.figures.iter().filter(|(name, points)| {
            let finite = points.iter().filter(|(_, value)| value.is_finite());
            !name.ends_with("/s") && finite.count() >= 2
        });
        figures.map(|(name, points)| (name.as_str(), points.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: f64, loss: f64) -> Progress {
        Progress {
            unit: "epoch".to_owned(),
            done,
            total: 1e6,
            figures: vec![("loss".to_owned(), loss), ("images/s".to_owned(), 9.0)],
        }
    }

    #[test]
    fn a_long_training_keeps_few_points_over_its_whole_length() {
        let mut series = Series::default();
        for epoch in 0..100_000 {
            series.add(&progress(f64::from(epoch), 1.0));
        }
        let curves: Vec<_> = series.curves().collect();
        let [("loss", points)] = curves[..] else {
            panic!("{curves:?}");
        };
        assert!(points.len() > MOST_POINTS / 4 && points.len() <= MOST_POINTS);
        assert_eq!(points[0].0, 0.0);
        assert!(points[points.len() - 1].0 > 99_000.0);
        assert!(points.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_stage_that_starts_over_begins_a_new_curve() {
        let mut series = Series::default();
        for epoch in [1.0, 2.0, 3.0, 1.0, 2.0] {
            series.add(&progress(epoch, epoch));
        }
        let (_, points) = series.curves().next().unwrap();
        assert_eq!(points, [(1.0, 1.0), (2.0, 2.0)]);
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
