//! Importance of each axis: how strongly the objective depends on it.

use serde::{Deserialize, Serialize};

/// Number of trials below which an importance is not reliable.
pub const FEWEST: usize = 10;

/// Number of trials per bin of a numeric axis, and maximum number of bins.
const BIN: usize = 5;
const MOST_BINS: usize = 10;

/// Coordinates of all finished trials on one axis; `None` where the axis does not apply.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Indices of choices, which have no order.
    Choices(Vec<Option<usize>>),
    Numbers(Vec<Option<f64>>),
}

/// Relation between the objective and one axis, over the trials that the axis applies to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Share of the objective's variance that the axis explains by itself, corrected for what chance would
    /// explain (epsilon squared), in [0, 1]. `None` if it cannot be computed.
    pub share: Option<f64>,
    /// Spearman's rank correlation of a numeric axis with the objective, in [-1, 1]. Below 0, smaller numbers
    /// go with larger objectives.
    pub correlation: Option<f64>,
    /// Number of trials that were used.
    pub trials: usize,
    /// Why the importance is unreliable or missing.
    pub note: Option<Note>,
}

/// Why an [`Importance`] is unreliable or missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// Too few trials: fewer than [`FEWEST`], or than two per group.
    FewTrials,
    /// All trials have the same coordinate.
    ConstantAxis,
    /// All trials have the same objective.
    ConstantObjective,
}

impl Note {
    /// Returns the note as text for users.
    pub fn text(self) -> &'static str {
        match self {
            Self::FewTrials => "too few trials to tell",
            Self::ConstantAxis => "the axis did not vary",
            Self::ConstantObjective => "the objective did not vary",
        }
    }
}

/// Computes the importance of the axis with the coordinates in `column`, given the objective of each trial.
/// Trials whose objective is not finite are skipped.
pub fn importance(column: &Column, objective: &[f64]) -> Importance {
    let (groups, values, correlation) = match column {
        Column::Choices(choices) => {
            let (choices, values) = finished(choices, objective);
            (choices, values, None)
        }
        Column::Numbers(numbers) => {
            let (numbers, values) = finished(numbers, objective);
            let correlation = spearman(&numbers, &values);
            (bins(&numbers), values, correlation)
        }
    };
    let trials = values.len();
    let mut distinct = groups.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let is_constant = values.windows(2).all(|pair| pair[0] == pair[1]);
    let few = trials < FEWEST || trials < 2 * distinct.len();
    let note = match () {
        () if trials < 2 => Some(Note::FewTrials),
        () if distinct.len() < 2 => Some(Note::ConstantAxis),
        () if is_constant => Some(Note::ConstantObjective),
        () if few => Some(Note::FewTrials),
        () => None,
    };
    Importance {
        share: epsilon_squared(&groups, &values),
        correlation,
        trials,
        note,
    }
}

/// Returns the coordinates and objectives of the trials that the axis applies to and whose objective is
/// finite.
fn finished<T: Copy>(coordinates: &[Option<T>], objective: &[f64]) -> (Vec<T>, Vec<f64>) {
    assert_eq!(
        coordinates.len(),
        objective.len(),
        "every trial needs an objective"
    );
    let pairs = coordinates.iter().zip(objective);
    pairs
        .filter(|(_, value)| value.is_finite())
        .filter_map(|(coordinate, &value)| Some(((*coordinate)?, value)))
        .unzip()
}

/// Returns the group of every number: one for each distinct number if there are few, or else one for each
/// quantile. Equal numbers are in one group.
fn bins(numbers: &[f64]) -> Vec<usize> {
    let most = (numbers.len() / BIN).clamp(2, MOST_BINS);
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    let bounds = match distinct.len() <= most {
        true => distinct,
        // The first number of every bin.
        false => (0..most)
            .map(|bin| sorted[bin * sorted.len() / most])
            .collect(),
    };
    let group = |number: &f64| bounds.partition_point(|bound| bound <= number);
    numbers.iter().map(group).collect()
}

/// Kelley's ε² (1935): 1 − MS within / MS total, not below 0. It is the correlation ratio η², corrected for
/// the degrees of freedom that the groups use.
fn epsilon_squared(groups: &[usize], values: &[f64]) -> Option<f64> {
    let count = 1 + groups.iter().max()?;
    let mut sums = vec![(0_usize, 0.0); count];
    for (&group, value) in groups.iter().zip(values) {
        sums[group].0 += 1;
        sums[group].1 += value;
    }
    let kinds = sums.iter().filter(|(size, _)| *size > 0).count();
    let all = values.len();
    if kinds < 2 || kinds >= all {
        return None;
    }
    let mean = values.iter().sum::<f64>() / all as f64;
    let total: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let within = groups.iter().zip(values).map(|(&group, value)| {
        let (size, sum) = sums[group];
        (value - sum / size as f64).powi(2)
    });
    let unexplained = within.sum::<f64>() / (all - kinds) as f64;
    let share = 1.0 - unexplained / (total / (all - 1) as f64);
    // Equal values may have a variance above 0, too, because their mean is rounded.
    let varies = values.iter().any(|&value| value != values[0]);
    varies.then(|| share.clamp(0.0, 1.0))
}

/// Spearman's ρ: Pearson's correlation of the ranks, where equal numbers have their mean rank. `None` if
/// either side does not vary.
pub fn spearman(left: &[f64], right: &[f64]) -> Option<f64> {
    let (left, right) = (ranks(left), ranks(right));
    let middle = (left.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - middle) * (b - middle)).sum()
    };
    let scale = (product(&left, &left) * product(&right, &right)).sqrt();
    (scale > 0.0).then(|| (product(&left, &right) / scale).clamp(-1.0, 1.0))
}

/// Returns ranks from 1. Halves are exact, so constant values have ranks with a variance of exactly 0.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = start as f64 + (equal.len() as f64 + 1.0) / 2.0;
        for &index in equal {
            ranks[index] = mean;
        }
        start += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::{Column, Note, importance, spearman};

    const Y: [f64; 12] = [
        0.91, 0.89, 0.93, 0.80, 0.82, 0.79, 0.85, 0.88, 0.84, 0.90, 0.81, 0.86,
    ];

    fn close(value: Option<f64>, expected: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() < 1e-12, "{value} != {expected}");
    }

    /// NumPy 2.4.6, SciPy 1.17.1: with F of `scipy.stats.f_oneway` over k groups of n values,
    /// ε² = (F − 1)(k − 1) / ((k − 1) F + n − k).
    #[test]
    fn the_share_of_choices_agrees_with_scipy() {
        let choices = [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 1, 2].map(Some).to_vec();
        let found = importance(&Column::Choices(choices), &Y);
        close(found.share, 0.881_805_157_593_312_3);
        assert_eq!(found.correlation, None);
        assert_eq!((found.trials, found.note), (12, None));
    }

    /// As above, with groups from `np.searchsorted(np.sort(x)[[0, 6]], x, side="right")`, whose ε² is below
    /// 0. The correlation is `scipy.stats.spearmanr(x, y).statistic`.
    #[test]
    fn numbers_that_explain_less_than_chance_have_a_share_of_zero() {
        let numbers = [
            1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 3e-3, 3e-4,
        ];
        let found = importance(&Column::Numbers(numbers.map(Some).to_vec()), &Y);
        assert_eq!(found.share, Some(0.0));
        close(found.correlation, -0.258_741_258_741_258_75);
    }

    /// From `scipy.stats.spearmanr`, which gives equal numbers their mean rank.
    #[test]
    fn equal_numbers_share_their_rank() {
        let numbers = [0.0, 0.0, 0.1, 0.1, 0.2, 0.2, 0.0, 0.1, 0.2, 0.0, 0.1, 0.2];
        close(spearman(&numbers, &Y), -0.561_746_776_189_628_5);
    }

    /// As above, with `i = np.arange(60); x = (i * 37 % 60) / 60; y = (x - 0.3)**2 + 0.05 * np.cos(5.0 * i)`
    /// and groups from `np.searchsorted(np.sort(x)[[k * 60 // 10 for k in range(10)]], x, side="right")`.
    #[test]
    fn a_valley_has_a_share_in_quantile_bins() {
        let x: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 60) / 60.0).collect();
        let wave = |i: usize| 0.05 * (5.0 * i as f64).cos();
        let y = x
            .iter()
            .enumerate()
            .map(|(i, x)| (x - 0.3).powi(2) + wave(i));
        let y: Vec<f64> = y.collect();
        let found = importance(&Column::Numbers(x.into_iter().map(Some).collect()), &y);
        close(found.share, 0.895_685_804_174_400_1);
        close(found.correlation, 0.738_927_479_855_515_5);
    }

    #[test]
    fn only_finished_trials_with_the_axis_count() {
        let mut numbers = [1.0, 2.0, 3.0, 4.0].map(Some).to_vec();
        let (without, with) = ([1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 5.0, f64::NAN, 9.0]);
        let expected = importance(&Column::Numbers(numbers.clone()), &without);
        numbers.extend([Some(5.0), None]);
        assert_eq!(importance(&Column::Numbers(numbers), &with), expected);
        assert_eq!(expected.note, Some(Note::FewTrials));
        assert_eq!(expected.correlation, Some(1.0));
    }

    #[test]
    fn a_constant_axis_or_objective_has_no_share_and_a_note() {
        let same = importance(&Column::Numbers(vec![Some(1.0); 12]), &Y);
        assert_eq!((same.share, same.correlation), (None, None));
        assert_eq!(same.note, Some(Note::ConstantAxis));
        let choices = (0..12).map(|i| Some(i % 2)).collect();
        // The mean of twelve times 0.1 is not exact.
        let flat = importance(&Column::Choices(choices), &[0.1; 12]);
        assert_eq!(
            (flat.share, flat.note),
            (None, Some(Note::ConstantObjective))
        );
        let none = importance(&Column::Choices(Vec::new()), &[]);
        assert_eq!((none.trials, none.note), (0, Some(Note::FewTrials)));
    }
}
