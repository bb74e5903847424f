//! Decomposes the variance of a model into effects of the axes.
//!
//! The measure is that of random trials: the unit cube. The effect of an axis is the mean of the model for each of its
//! coordinates, over all other axes (Hutter et al. 2014). It is exact, because the model is a sum of trees, and a tree
//! is constant on boxes.
//!
//! The effect of an axis with a condition is the mean where the axis applies, and 0 elsewhere. Its variance is what the
//! axis explains in addition to the axes that it depends on. With this definition, effects are uncorrelated with each
//! other and with what is left, so that their variances add up.

use super::model::{self, Model};
use super::part::Part;
use super::tree::Trials;

/// Number of random places at which the variance that is left is measured.
const PLACES: usize = 4096;

/// Returns the share of the model's variance that each axis explains by itself; `None` if the model is constant.
pub(super) fn shares(trials: &Trials, model: &Model) -> Option<Vec<f64>> {
    let effects: Vec<Effect> = (0..trials.axes())
        .map(|axis| Effect::of(axis, trials, model))
        .collect();
    let variances: Vec<f64> = effects.iter().map(Effect::variance).collect();
    let mean = mean(trials, model);
    let left = |place: &Vec<f64>| {
        let effects = effects.iter().map(|effect| effect.at(place));
        model.at(place) - mean - effects.sum::<f64>()
    };
    let places = model::places(PLACES, trials.axes());
    let left: f64 = places.iter().map(|place| left(place).powi(2)).sum();
    let total = variances.iter().sum::<f64>() + left / PLACES as f64;
    (total > 0.0).then(|| variances.into_iter().map(|v| v / total).collect())
}

/// Returns the mean of the model over the cube.
fn mean(trials: &Trials, model: &Model) -> f64 {
    let (trees, weight) = model.trees();
    let mut sum = 0.0;
    for tree in trees {
        let mut parts = vec![Part::whole(); trials.axes()];
        tree.for_each_leaf(&mut parts, &mut |parts, value| {
            sum += value * parts.iter().map(Part::length).product::<f64>();
        });
    }
    model.mean() + weight * sum
}

/// The effect of one axis, as a function of the place on it.
struct Effect {
    axis: usize,
    /// The parts of other axes in which the axis applies.
    applies: Vec<(usize, Part)>,
    /// Ascending places, and the value from each of them to the next.
    steps: Vec<(f64, f64)>,
}

impl Effect {
    fn of(axis: usize, trials: &Trials, model: &Model) -> Self {
        let mut applies = Vec::new();
        let mut at = axis;
        while let Some((parent, part)) = &trials.conditions[at] {
            applies.push((*parent, part.clone()));
            at = *parent;
        }
        // By how much the mean of the other axes changes at each place.
        let mut changes = vec![(0.0, model.mean()), (1.0, 0.0)];
        let (trees, weight) = model.trees();
        for tree in trees {
            let mut parts = vec![Part::whole(); trials.axes()];
            tree.for_each_leaf(&mut parts, &mut |parts, value| {
                let others = parts.iter().enumerate().filter(|(other, _)| *other != axis);
                let shares = others.map(|(other, part)| {
                    let condition = applies.iter().find(|(parent, _)| *parent == other);
                    match condition {
                        None => part.length(),
                        // An axis that applies only at single places has no share.
                        Some((_, applies)) if applies.length() == 0.0 => 0.0,
                        Some((_, applies)) => {
                            part.intersection(applies).length() / applies.length()
                        }
                    }
                });
                let change = weight * value * shares.product::<f64>();
                for &(start, end) in parts[axis].intervals() {
                    changes.extend([(start, change), (end, -change)]);
                }
            });
        }
        changes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut value = 0.0;
        let mut steps: Vec<(f64, f64)> = Vec::new();
        for equal in changes.chunk_by(|a, b| a.0 == b.0) {
            value += equal.iter().map(|(_, change)| change).sum::<f64>();
            steps.push((equal[0].0, value));
        }
        let mut effect = Self {
            axis,
            applies,
            steps,
        };
        let mean = effect.integral(|value| value);
        for (_, value) in &mut effect.steps {
            *value -= mean;
        }
        effect
    }

    fn integral(&self, of: impl Fn(f64) -> f64) -> f64 {
        let pairs = self.steps.windows(2);
        pairs
            .map(|pair| (pair[1].0 - pair[0].0) * of(pair[0].1))
            .sum()
    }

    fn variance(&self) -> f64 {
        let applies = self.applies.iter().map(|(_, part)| part.length());
        applies.product::<f64>() * self.integral(|value| value * value)
    }

    fn at(&self, place: &[f64]) -> f64 {
        if !self
            .applies
            .iter()
            .all(|(axis, part)| part.contains(place[*axis]))
        {
            return 0.0;
        }
        let next = self
            .steps
            .partition_point(|(start, _)| *start <= place[self.axis]);
        self.steps[next - 1].1
    }
}
