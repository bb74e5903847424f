//! Simulates test images and trained models, to check the promises of intervals and comparisons.
//!
//! A model has a separation and a bias, which vary with its seed. An image has a difficulty, which all models share,
//! and each model finds it a little easier or harder than the others do. All of these are normal, so the true values
//! of the measures are known.
#![expect(clippy::print_stdout, reason = "prints the figures of docs/sweeps.md")]

use contract::Direction;
use contract::analysis::{EvaluatedRow, Evaluation, Reference};
use contract::random;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

use super::evaluation::scored;
use super::rows::compare;
use super::summary::over_seeds_and_images;
use crate::metrics::{Bootstrap, Measure, holm, measure, spread};
use crate::metrics::{Decision, Predictions};

/// Share of the positive class among all images of the simulated world.
const POSITIVE: f64 = 0.625;
/// Mean separation of the classes, and the standard deviations of the two parts of an image's difficulty: the one
/// that models share, and that of each model.
const SEPARATION: f64 = 1.2;
const SHARED: f64 = 0.7;
const OWN: f64 = 0.7;

/// A trained model.
#[derive(Clone, Copy)]
struct Model {
    separation: f64,
    bias: f64,
}

fn normal(rng: &mut dyn Rng) -> f64 {
    StandardNormal.sample(rng)
}

impl Model {
    /// Trains a model: `spread` is how much models vary with their seed.
    fn train(spread: f64, rng: &mut dyn Rng) -> Self {
        Self {
            separation: SEPARATION + spread * normal(rng),
            bias: 0.5 * spread * normal(rng),
        }
    }

    /// Returns the value of `measure` over all images of the world.
    fn truth(self, measure: Measure) -> f64 {
        let deviation = SHARED.hypot(OWN);
        let below = |score: f64| Normal::standard().cdf(score / deviation);
        let (sensitivity, specificity) = (
            below(self.separation + self.bias),
            below(self.separation - self.bias),
        );
        let hits = POSITIVE * sensitivity;
        match measure {
            Measure::Accuracy => hits + (1.0 - POSITIVE) * specificity,
            Measure::F1 => {
                let alarms = hits + (1.0 - POSITIVE) * (1.0 - specificity);
                2.0 * hits / (alarms + POSITIVE)
            }
            Measure::RocAuc => below(2f64.sqrt() * self.separation),
            other => unreachable!("{other:?} is not simulated"),
        }
    }
}

/// Test images: the class of each, and the difficulty that models share.
struct Images {
    labels: Vec<u32>,
    difficulties: Vec<f64>,
    names: Vec<String>,
}

impl Images {
    fn draw(count: usize, rng: &mut dyn Rng) -> Self {
        let is_positive = |quantile: f64| Normal::standard().cdf(quantile) < POSITIVE;
        Self {
            labels: (0..count)
                .map(|_| u32::from(is_positive(normal(rng))))
                .collect(),
            difficulties: (0..count).map(|_| SHARED * normal(rng)).collect(),
            names: (0..count).map(|i| i.to_string()).collect(),
        }
    }

    fn evaluate(&self, model: Model, rng: &mut dyn Rng) -> Evaluation {
        let score = |(&label, &difficulty): (&u32, &f64)| {
            let side = if label == 1 { 1.0 } else { -1.0 };
            side * model.separation + model.bias + difficulty + OWN * normal(rng)
        };
        let scores: Vec<f64> = self
            .labels
            .iter()
            .zip(&self.difficulties)
            .map(score)
            .collect();
        let probability = |score: &f64| (1.0 / (1.0 + (-score).exp())) as f32;
        Evaluation {
            names: self.names.clone(),
            pixels: None,
            groups: Vec::new(),
            folds: Vec::new(),
            labels: self.labels.clone(),
            predicted: scores
                .iter()
                .map(|&score| u32::from(score >= 0.0))
                .collect(),
            probabilities: scores
                .iter()
                .flat_map(|score| [1.0 - probability(score), probability(score)])
                .collect(),
            classes: vec!["NORMAL".to_owned(), "PNEUMONIA".to_owned()],
            positive: 1,
            threshold_rule: None,
            threshold: Some((1, 0.5)),
        }
    }
}

/// Returns the share of `count` simulations for which `holds` is true. Each gets its own random numbers.
fn share<const N: usize>(
    count: u64,
    purpose: &str,
    holds: impl Fn(&mut dyn Rng) -> [bool; N] + Sync,
) -> [f64; N] {
    let found: Vec<[bool; N]> = (0..count)
        .into_par_iter()
        .map(|index| holds(&mut random::stream(7, purpose, [index, 0])))
        .collect();
    std::array::from_fn(|i| {
        let holding = found.iter().filter(|found| found[i]).count();
        holding as f64 / count as f64
    })
}

fn contains([low, high]: [f64; 2], value: f64) -> bool {
    low <= value && value <= high
}

/// 800 simulations: a share of 0.95 has a standard error of 0.008.
const SIMULATIONS: u64 = 800;
const TEST_IMAGES: usize = 300;

/// With one seed, the interval in a table is that of `evaluate`: it is meant for this model on other images.
#[test]
fn intervals_of_one_seed_cover_other_images() {
    let measures = [Measure::Accuracy, Measure::F1, Measure::RocAuc];
    let covered = share(SIMULATIONS, "coverage/1", |rng| {
        let model = Model::train(0.2, rng);
        let evaluation = Images::draw(TEST_IMAGES, rng).evaluate(model, rng);
        let predictions = Predictions {
            probabilities: &evaluation.probabilities,
            labels: &evaluation.labels,
            classes: 2,
        };
        let decision = Decision::Threshold {
            class: 1,
            threshold: 0.5,
        };
        let bootstrap = Bootstrap::of_images(TEST_IMAGES, 400, 0);
        let metrics = measure(&predictions, &evaluation.classes, decision, 1, &bootstrap);
        measures.map(|measure| {
            let interval = metrics[measure.name()].interval;
            contains(interval.unwrap(), model.truth(measure))
        })
    });
    for (measure, covered) in measures.iter().zip(covered) {
        println!("1 seed, {}: {:.1} %", measure.name(), 100.0 * covered);
        assert!((covered - 0.95).abs() <= 0.03, "{measure:?}: {covered}");
    }
}

/// With several seeds, the interval is meant for other seeds and other images.
#[test]
fn intervals_of_several_seeds_cover_other_seeds_and_images() {
    for measure in [Measure::F1, Measure::RocAuc] {
        for (seeds, spread_of_seeds) in [3, 5, 10].into_iter().flat_map(|k| [(k, 0.05), (k, 0.2)]) {
            let mut rng = random::stream(0, "truth", [0, 0]);
            let truths =
                (0..20_000).map(|_| Model::train(spread_of_seeds, &mut rng).truth(measure));
            let truth = truths.sum::<f64>() / 20_000.0;
            let [covered, by_seeds_alone] = share(SIMULATIONS, "coverage/several", |rng| {
                let images = Images::draw(TEST_IMAGES, rng);
                let evaluations: Vec<Evaluation> = (0..seeds)
                    .map(|_| images.evaluate(Model::train(spread_of_seeds, rng), rng))
                    .collect();
                let found = over_seeds_and_images(measure.into(), &evaluations, 200);
                let found = found.interval.unwrap();
                let value = |one| {
                    scored(one, None)
                        .unwrap()
                        .value(measure, &[1; TEST_IMAGES])
                        .unwrap()
                };
                let values: Vec<f64> = evaluations.iter().map(value).collect();
                let of_seeds = spread(&values).unwrap().interval.unwrap();
                [found.ends, of_seeds.ends].map(|ends| contains(ends, truth))
            });
            println!(
                "{seeds} seeds that vary by {spread_of_seeds}, {}: {:.1} % ({:.1} % by Student's t)",
                measure.name(),
                100.0 * covered,
                100.0 * by_seeds_alone
            );
            assert!(
                (covered - 0.95).abs() <= 0.03,
                "{measure:?}, {seeds}: {covered}"
            );
            if (seeds, spread_of_seeds) == (10, 0.05) {
                // The reason why Student's t over the seeds is not enough.
                assert!(by_seeds_alone < 0.75, "{measure:?}: {by_seeds_alone}");
            }
        }
    }
}

/// If all rows are equally good, a comparison with the best row finds a difference in at most 5 % of all cases, and
/// one point is left for the simulation. With one seed, the rows' models are equal; with several, they are equal on
/// average.
#[test]
fn comparisons_with_the_best_row_rarely_find_what_is_not_there() {
    const ROWS: usize = 6;
    const IMAGES: usize = 200;
    let measure = Measure::Accuracy;
    for (seeds, spread_of_seeds, resamples) in
        [(1, 0.0, 1000), (3, 0.2, 150), (5, 0.2, 150), (10, 0.2, 150)]
    {
        let [false_claims, by_mcnemar, uncorrected] = share(SIMULATIONS, "family", |rng| {
            let images = Images::draw(IMAGES, rng);
            let mut row = |row: usize| {
                let mut evaluate = |_| images.evaluate(Model::train(spread_of_seeds, rng), rng);
                let evaluations = (0..seeds).map(&mut evaluate).collect();
                EvaluatedRow {
                    row: row.to_string(),
                    evaluations: Ok(evaluations),
                }
            };
            let rows: Vec<EvaluatedRow> = (0..ROWS).map(&mut row).collect();
            let found = compare(measure.into(), &rows, &Reference::Best, resamples).unwrap();
            assert_eq!((found.direction, found.pairs), (Direction::Maximize, 15));
            let contrasts = || found.rows.iter().map(|(_, found)| found.as_ref().unwrap());
            let p_values: Vec<f64> = contrasts().map(|c| c.contrast.difference.p).collect();
            [
                contrasts().any(|contrast| contrast.p_holm <= 0.05),
                contrasts().any(|contrast| contrast.mcnemar_p_holm.is_some_and(|p| p <= 0.05)),
                holm(&p_values).iter().any(|&p| p <= 0.05),
            ]
        });
        println!(
            "{seeds} seeds: {:.1} % false claims, {:.1} % by McNemar's test; {:.1} % if only the shown pairs counted",
            100.0 * false_claims,
            100.0 * by_mcnemar,
            100.0 * uncorrected
        );
        assert!(false_claims <= 0.06, "{seeds} seeds: {false_claims}");
        assert!(by_mcnemar <= 0.06, "{seeds} seeds: {by_mcnemar}");
        if seeds == 1 {
            // The reason for correcting for all pairs.
            assert!(uncorrected > 0.06, "{uncorrected}");
        }
    }
}
