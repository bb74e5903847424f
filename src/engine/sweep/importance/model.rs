//! [`Model`]: predicts the value of any point from those of the trials.

use contract::random::stream;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::tree::{Tree, Trials};

/// Number of sequences of trees that are averaged, and number of trees in each.
const SEQUENCES: u64 = 4;
const TREES: usize = 100;

/// Share of a tree's prediction that is added to those of the trees before it.
const RATE: f64 = 0.2;

/// Maximum number of splits in a row. With two, a tree describes how two axes act together.
const DEPTH: usize = 2;

/// Number of groups in which trials are predicted from all others.
const FOLDS: u64 = 5;

/// Boosted regression trees (Friedman 2001) with random splits (Geurts et al. 2006): each tree is fitted to what the
/// trees before it leave over.
///
/// A random forest fits every tree to the values themselves. Under TPE, bad trials are bad on several axes at a time,
/// and a forest gives each of these axes a part of the effect. Boosting fits the effects of all axes together.
pub(super) struct Model {
    mean: f64,
    /// Predictions are the sum of all trees, divided by the number of sequences.
    trees: Vec<Tree>,
    sequences: f64,
}

impl Model {
    /// Fits a model to all trials.
    pub(super) fn fit(trials: &Trials, values: &[f64]) -> Self {
        let rows: Vec<usize> = (0..values.len()).collect();
        let sequences: Vec<Vec<Tree>> = (0..SEQUENCES)
            .into_par_iter()
            .map(|number| boosted(trials, values, &rows, number))
            .collect();
        Self {
            mean: mean(values, &rows),
            trees: sequences.into_iter().flatten().collect(),
            sequences: SEQUENCES as f64,
        }
    }

    /// Returns the share of the trials' variance that models explain which were fitted to other trials. It is below
    /// 0 if the mean of the other trials predicts better.
    pub(super) fn predicted(trials: &Trials, values: &[f64]) -> f64 {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.shuffle(&mut stream(0, "importance folds", [0, 0]));
        let errors = |fold: u64| {
            let is_in_fold = |at: &usize| *at as u64 % FOLDS == fold;
            let (held, rest): (Vec<usize>, Vec<usize>) =
                (0..order.len()).partition(|at| is_in_fold(at));
            let rest: Vec<usize> = rest.into_iter().map(|at| order[at]).collect();
            let model = Self {
                mean: mean(values, &rest),
                trees: boosted(trials, values, &rest, SEQUENCES + fold),
                sequences: 1.0,
            };
            let errors = held.into_iter().map(|at| {
                let row = order[at];
                [
                    model.at(&trials.places[row]) - values[row],
                    model.mean - values[row],
                ]
            });
            errors.fold([0.0, 0.0], |sums, errors| {
                [0, 1].map(|i| sums[i] + errors[i] * errors[i])
            })
        };
        let folds: Vec<[f64; 2]> = (0..FOLDS).into_par_iter().map(errors).collect();
        let sum = |i: usize| folds.iter().map(|fold| fold[i]).sum::<f64>();
        1.0 - sum(0) / sum(1)
    }

    /// Returns the prediction at a place in the unit cube.
    pub(super) fn at(&self, place: &[f64]) -> f64 {
        let trees = self.trees.iter().map(|tree| tree.at(place));
        self.mean + trees.sum::<f64>() / self.sequences
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Returns all trees, and the weight of each of them.
    pub(super) fn trees(&self) -> (&[Tree], f64) {
        (&self.trees, 1.0 / self.sequences)
    }
}

/// Fits a sequence of trees to some trials. `number` selects its random numbers.
fn boosted(trials: &Trials, values: &[f64], rows: &[usize], number: u64) -> Vec<Tree> {
    let mut random = stream(0, "importance", [number, 0]);
    let mean = mean(values, rows);
    let mut left: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let next = |_| {
        let tree = trials.grow(&left, rows, RATE, DEPTH, &mut random);
        for &row in rows {
            left[row] -= tree.at(&trials.places[row]);
        }
        tree
    };
    (0..TREES).map(next).collect()
}

fn mean(values: &[f64], rows: &[usize]) -> f64 {
    rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64
}

/// Returns random places in the unit cube.
pub(super) fn places(count: usize, axes: usize) -> Vec<Vec<f64>> {
    let mut random = stream(0, "importance places", [0, 0]);
    let place = |_| (0..axes).map(|_| random.random()).collect();
    (0..count).map(place).collect()
}
