//! [`Ordered`]: probabilities of a class, compared with its observed frequency in bins of equally many images.

use contract::analysis::{Bin, ExpectedEce, Over};
use contract::random;
use rand::RngExt;
use rayon::prelude::*;

use super::bootstrap::percentile;
use super::wilson::wilson;

/// Number of bins.
pub const BINS: usize = 10;

/// Images in the order of their probability of a class.
///
/// The bin of an image is ⌊[`BINS`] · (b + e / 2) / n⌋, where b of the n images have a lower probability and e have the
/// same one. So images with the same probability are in one bin, and otherwise, bins have equally many images. Bins of
/// equal width would have few images where a classifier gives few probabilities, and a larger bias (Nixon et al., 2019;
/// Roelofs et al., 2022).
pub struct Ordered {
    /// Index of the image, its probability, and whether it is of the class, by ascending probability.
    images: Vec<(u32, f64, bool)>,
}

/// Sums over the images of a bin, each counted as often as its weight.
#[derive(Clone, Copy, Default)]
struct Sums {
    images: u64,
    hits: u64,
    predicted: f64,
    /// Of the squares of the probabilities.
    squares: f64,
    /// Of the probabilities of the class's images.
    of_hits: f64,
}

/// The parts of a Brier score (Murphy, 1973), in the form of Stephenson, Coelho and Jolliffe (2008):
/// reliability − resolution + uncertainty + variance within bins − covariance within bins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BrierParts {
    /// Mean squared distance between the mean probability and the observed share of a bin.
    pub reliability: f64,
    /// Variance of the observed shares over the bins.
    pub resolution: f64,
    /// Variance of the classes: the Brier score of always predicting their observed shares.
    pub uncertainty: f64,
    /// Mean squared distance of probabilities from the mean of their bin.
    pub variance_within: f64,
    /// Twice the covariance of probabilities and classes within bins.
    pub covariance_within: f64,
}

impl BrierParts {
    /// Returns the resolution with the parts within bins, so that the Brier score is
    /// reliability − this + uncertainty, whatever the bins are.
    pub fn generalized_resolution(&self) -> f64 {
        self.resolution - self.variance_within + self.covariance_within
    }

    /// Returns the Brier score that the parts add up to.
    pub fn total(&self) -> f64 {
        self.reliability - self.generalized_resolution() + self.uncertainty
    }
}

impl std::ops::AddAssign for BrierParts {
    fn add_assign(&mut self, other: Self) {
        self.reliability += other.reliability;
        self.resolution += other.resolution;
        self.uncertainty += other.uncertainty;
        self.variance_within += other.variance_within;
        self.covariance_within += other.covariance_within;
    }
}

impl Ordered {
    /// Orders images by `scores`, which are not NaN.
    pub fn new(scores: &[f32], is_class: &[bool]) -> Self {
        let examples = (0u32..).zip(scores.iter().zip(is_class));
        let mut images: Vec<(u32, f64, bool)> = examples
            .map(|(image, (&score, &hit))| (image, f64::from(score), hit))
            .collect();
        images.sort_by(|a, b| a.1.total_cmp(&b.1));
        Self { images }
    }

    fn sums(&self, weights: &[u32]) -> [Sums; BINS] {
        let mut bins = [Sums::default(); BINS];
        let all: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let mut below = 0;
        for equal in self.images.chunk_by(|a, b| a.1 == b.1) {
            let count = equal
                .iter()
                .map(|(image, ..)| u64::from(weights[*image as usize]));
            let count: u64 = count.sum();
            if count == 0 {
                continue;
            }
            // Whole numbers, so that the bin does not depend on rounding.
            let bin = (BINS as u64 * (2 * below + count) / (2 * all)) as usize;
            let hits = equal.iter().filter(|(_, _, hit)| *hit);
            let hits: u64 = hits
                .map(|(image, ..)| u64::from(weights[*image as usize]))
                .sum();
            let score = equal[0].1;
            let sums = &mut bins[bin.min(BINS - 1)];
            sums.images += count;
            sums.hits += hits;
            sums.predicted += count as f64 * score;
            sums.squares += count as f64 * score * score;
            sums.of_hits += hits as f64 * score;
            below += count;
        }
        bins
    }

    /// Returns the expected calibration error (Naeini et al., 2015): the mean distance between the mean probability and
    /// the observed share of a bin, weighted by its images. `None` without images.
    pub fn ece(&self, weights: &[u32]) -> Option<f64> {
        let bins = self.sums(weights);
        let all: u64 = bins.iter().map(|bin| bin.images).sum();
        let distances = bins
            .iter()
            .map(|bin| (bin.predicted - bin.hits as f64).abs());
        (all > 0).then(|| distances.sum::<f64>() / all as f64)
    }

    /// Returns the distribution of the ECE if the probabilities were right: over `draws` draws of every image's class
    /// with its probability, independently (Vaicenavicius et al., 2019). `None` without images or draws. The result
    /// depends on `seed`, but not on the number of threads.
    pub fn ece_if_calibrated(&self, draws: usize, seed: u64) -> Option<ExpectedEce> {
        let bins = self.sums(&vec![1; self.images.len()]);
        let draw = |draw: u64| {
            let mut rng = random::stream(seed, "calibrated-classes", [draw, 0]);
            // The images of a bin follow each other.
            let mut images = self.images.iter();
            let distances = bins.iter().map(|bin| {
                let drawn = images.by_ref().take(bin.images as usize);
                let hits = drawn.filter(|(_, score, _)| rng.random::<f64>() < *score);
                (bin.predicted - hits.count() as f64).abs()
            });
            distances.sum::<f64>() / self.images.len() as f64
        };
        let mut values: Vec<f64> = (0..draws as u64).into_par_iter().map(draw).collect();
        let mean = values.iter().sum::<f64>() / draws as f64;
        values.sort_by(f64::total_cmp);
        (!self.images.is_empty()).then_some(())?;
        Some(ExpectedEce {
            mean,
            interval: [percentile(&values, 0.025)?, percentile(&values, 0.975)?],
        })
    }

    /// Returns the parts of the Brier score of the class against all others; `None` without images.
    pub fn brier_parts(&self, weights: &[u32]) -> Option<BrierParts> {
        let bins = self.sums(weights);
        let images: u64 = bins.iter().map(|bin| bin.images).sum();
        if images == 0 {
            return None;
        }
        let n = images as f64;
        let share = bins.iter().map(|bin| bin.hits).sum::<u64>() as f64 / n;
        let mut parts = BrierParts {
            uncertainty: share * (1.0 - share),
            ..BrierParts::default()
        };
        for bin in bins.iter().filter(|bin| bin.images > 0) {
            let m = bin.images as f64;
            let (predicted, observed) = (bin.predicted / m, bin.hits as f64 / m);
            parts.reliability += m / n * (predicted - observed).powi(2);
            parts.resolution += m / n * (observed - share).powi(2);
            parts.variance_within += (bin.squares - m * predicted * predicted) / n;
            parts.covariance_within += 2.0 * (bin.of_hits - m * predicted * observed) / n;
        }
        Some(parts)
    }

    /// Returns the points of a reliability diagram: the bins with images, by ascending probability. `over` is the source of
    /// variation of the evaluation's intervals: bins have none if images are in groups, because they are not independent.
    pub fn bins(&self, over: Over) -> Vec<Bin> {
        let is_independent = matches!(over, Over::Images);
        let sums = self.sums(&vec![1; self.images.len()]);
        let filled = sums.iter().filter(|bin| bin.images > 0);
        filled
            .map(|bin| Bin {
                images: bin.images,
                predicted: bin.predicted / bin.images as f64,
                observed: bin.hits as f64 / bin.images as f64,
                interval: is_independent.then(|| wilson(bin.hits, bin.images)),
            })
            .collect()
    }

    /// Returns the numbers of images whose probability lies in each of `bars` equally wide parts of 0 to 1.
    pub fn histogram(&self, bars: usize) -> Vec<u64> {
        let mut counts = vec![0; bars];
        for (_, score, _) in &self.images {
            let bar = (score.max(0.0) * bars as f64) as usize;
            counts[bar.min(bars - 1)] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use contract::random;
    use proptest::prelude::*;
    use rand::RngExt;

    use contract::analysis::Over;

    use super::Ordered;
    use crate::metrics::brier_score;

    /// 100 images with different probabilities, 62 of them of the class.
    fn hundred() -> (Vec<f32>, Vec<bool>) {
        let score = |i: u32| ((f64::from(i * 37 % 101) + 0.5) / 101.0) as f32;
        let scores: Vec<f32> = (0..100).map(score).collect();
        let is_class = |(i, p): (u32, &f32)| p * 100.0 + (i * i * 13 % 71) as f32 - 35.0 > 45.0;
        let hits = (0u32..).zip(&scores).map(is_class).collect();
        (scores, hits)
    }

    /// Expected values from scikit-learn 1.9.1: `calibration_curve(y, p, n_bins=10, strategy="quantile")`. The ECE is
    /// that of uncertainty-calibration 0.1.4 (Kumar et al., 2019): `lower_bound_scaling_ce(p, y, p=1, debias=False,
    /// num_bins=10, binning_scheme=get_equal_bins)`.
    #[test]
    fn bins_and_ece_are_those_of_other_programs() {
        let (scores, hits) = hundred();
        let ordered = Ordered::new(&scores, &hits);
        let expected = [
            (0.0, 0.0495049508754164),
            (0.0, 0.14851485192775726),
            (0.4, 0.247524756193161),
            (0.5, 0.3465346544981003),
            (0.7, 0.4455445557832718),
            (0.7, 0.5445544421672821),
            (0.9, 0.6495049595832825),
            (1.0, 0.75247523188591),
            (1.0, 0.8514851629734039),
            (1.0, 0.950495034456253),
        ];
        let bins = ordered.bins(Over::Images);
        assert_eq!(bins.len(), expected.len());
        for (bin, (observed, predicted)) in bins.iter().zip(expected) {
            assert_eq!(bin.images, 10);
            assert!((bin.observed - observed).abs() < 1e-12, "{bin:?}");
            assert!((bin.predicted - predicted).abs() < 1e-12, "{bin:?}");
        }
        // `proportion_confint(4, 10, method="wilson")` of statsmodels 0.15.0. Images in groups are not independent.
        let [low, high] = bins[2].interval.unwrap();
        assert!(
            (low - 0.1681803297062361).abs() < 1e-9 && (high - 0.6873262302663417).abs() < 1e-9
        );
        let grouped = ordered.bins(Over::Groups);
        assert!(grouped.iter().all(|bin| bin.interval.is_none()));
        assert_eq!(grouped[2].observed, bins[2].observed);
        let ece = ordered.ece(&[1; 100]).unwrap();
        assert!((ece - 0.16099010052625087).abs() < 1e-12, "{ece}");
    }

    /// Expected values from NumPy 2.4.6, with `mean`, `var` and `cov(bias=True)` of each bin. The sum is the
    /// `brier_score_loss` of scikit-learn 1.9.1.
    #[test]
    fn the_parts_of_the_brier_score_are_those_of_numpy() {
        let (scores, hits) = hundred();
        let parts = Ordered::new(&scores, &hits).brier_parts(&[1; 100]).unwrap();
        for (found, expected) in [
            (parts.reliability, 0.030874228272356176),
            (parts.resolution, 0.1356),
            (parts.uncertainty, 0.2356),
            (parts.variance_within, 0.0008346239285963886),
            (parts.covariance_within, 0.0036831680536270144),
            (parts.total(), 0.12802568414732554),
        ] {
            assert!(
                (found - expected).abs() < 1e-12,
                "{found} is not {expected}"
            );
        }
    }

    #[test]
    fn equal_probabilities_share_the_bin_of_their_middle() {
        // 6 of 10 images have the probability 0.5. Their middle is at 2 + 3 of 10.
        let scores = [0.1, 0.2, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.8, 0.9];
        let hits = [
            false, true, true, false, true, false, true, false, true, true,
        ];
        let bins = Ordered::new(&scores, &hits).bins(Over::Images);
        let images: Vec<u64> = bins.iter().map(|bin| bin.images).collect();
        assert_eq!(images, [1, 1, 6, 1, 1]);
        assert_eq!(bins[2].observed, 0.5);
        assert_eq!(Ordered::new(&[], &[]).bins(Over::Images).len(), 0);
        assert_eq!(Ordered::new(&[], &[]).ece(&[]), None);
    }

    #[test]
    fn a_histogram_counts_every_image() {
        let ordered = Ordered::new(&[0.0, 0.04, 0.05, 0.5, 0.99, 1.0], &[false; 6]);
        let counts = ordered.histogram(20);
        assert_eq!((counts[0], counts[1], counts[10], counts[19]), (2, 1, 1, 2));
        assert_eq!(counts.iter().sum::<u64>(), 6);
    }

    /// The bias of the ECE: with right probabilities, it is about the mean distance of a share of 40 images from its
    /// probability, which is √(2/π · p(1 − p)/40), on average over p from 0 to 1.
    #[test]
    fn the_ece_of_right_probabilities_is_above_zero() {
        let mut rng = random::stream(1, "right", [0, 0]);
        let mut mean = 0.0;
        for _ in 0..200 {
            let scores: Vec<f32> = (0..400).map(|_| rng.random_range(0.0..1.0)).collect();
            let hits: Vec<bool> = scores
                .iter()
                .map(|&p| rng.random_range(0.0..1.0) < p)
                .collect();
            mean += Ordered::new(&scores, &hits).ece(&[1; 400]).unwrap() / 200.0;
        }
        let expected = (2.0 / std::f64::consts::PI / 40.0).sqrt() * std::f64::consts::PI / 8.0;
        assert!((mean - expected).abs() < 0.004, "{mean} is not {expected}");

        // The same without labels.
        let scores: Vec<f32> = (0..400).map(|i| (i as f32 + 0.5) / 400.0).collect();
        let ordered = Ordered::new(&scores, &[false; 400]);
        let found = ordered.ece_if_calibrated(400, 3).unwrap();
        assert!((found.mean - expected).abs() < 0.004, "{found:?}");
        assert!(found.interval[0] < found.mean && found.mean < found.interval[1]);
        assert_eq!(Ordered::new(&[], &[]).ece_if_calibrated(400, 3), None);
    }

    proptest! {
        #[test]
        fn properties(examples in prop::collection::vec((0u8..30, any::<bool>(), 0u32..3), 1..200)) {
            let scores: Vec<f32> = examples.iter().map(|(p, ..)| f32::from(*p) / 29.0).collect();
            let hits: Vec<bool> = examples.iter().map(|(_, hit, _)| *hit).collect();
            let weights: Vec<u32> = examples.iter().map(|(.., weight)| *weight).collect();
            let ordered = Ordered::new(&scores, &hits);

            // The parts add up to the Brier score.
            let both: Vec<f32> = scores.iter().flat_map(|&p| [1.0 - p, p]).collect();
            let labels: Vec<u32> = hits.iter().map(|&hit| u32::from(hit)).collect();
            let parts = ordered.brier_parts(&vec![1; hits.len()]).unwrap();
            prop_assert!((parts.total() - brier_score(&both, &labels, 2).unwrap()).abs() < 1e-9);
            prop_assert!(parts.reliability >= 0.0 && parts.resolution >= 0.0);

            // A weight counts an image as often as copies of it do.
            let repeated = |values: &[f32]| -> Vec<f32> {
                let pairs = values.iter().zip(&weights);
                pairs.flat_map(|(&value, &n)| std::iter::repeat_n(value, n as usize)).collect()
            };
            let copied_hits: Vec<bool> = hits
                .iter()
                .zip(&weights)
                .flat_map(|(&hit, &n)| std::iter::repeat_n(hit, n as usize))
                .collect();
            let copies = Ordered::new(&repeated(&scores), &copied_hits);
            let ones = vec![1; copied_hits.len()];
            let (ours, theirs) = (ordered.ece(&weights), copies.ece(&ones));
            prop_assert_eq!(ours.is_some(), theirs.is_some());
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                prop_assert!((ours - theirs).abs() < 1e-12);
            }

            let images: u64 = ordered.bins(Over::Images).iter().map(|bin| bin.images).sum();
            prop_assert_eq!(images, hits.len() as u64);
        }
    }
}
