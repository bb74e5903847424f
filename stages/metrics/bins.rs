//! [`Ordered`]: probabilities of a class, compared with its observed frequency in bins of equally many images.

use contract::analysis::Bin;

/// Number of bins.
pub const BINS: usize = 10;

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

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
            let count = equal.iter().map(|(image, ..)| u64::from(weights[*image as usize]));
            let count: u64 = count.sum();
            if count == 0 {
                continue;
            }
            // Whole numbers, so that the bin does not depend on rounding.
            let bin = (BINS as u64 * (2 * below + count) / (2 * all)) as usize;
            let hits = equal.iter().filter(|(_, _, hit)| *hit);
            let hits: u64 = hits.map(|(image, ..)| u64::from(weights[*image as usize])).sum();
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
        let distances = bins.iter().map(|bin| (bin.predicted - bin.hits as f64).abs());
        (all > 0).then(|| distances.sum::<f64>() / all as f64)
    }

    /// Returns the ECE if images with the labels `hits`, in the order of their probabilities, had been observed.
    pub(super) fn ece_of(&self, hits: &mut dyn FnMut(f64) -> bool) -> Option<f64> {
        let images = self.images.iter().map(|&(image, score, _)| (image, score, hits(score)));
        let redrawn = Self {
            images: images.collect(),
        };
        redrawn.ece(&vec![1; self.images.len()])
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

    /// Returns the points of a reliability diagram: the bins with images, by ascending probability.
    pub fn bins(&self) -> Vec<Bin> {
        let sums = self.sums(&vec![1; self.images.len()]);
        let filled = sums.iter().filter(|bin| bin.images > 0);
        filled
            .map(|bin| Bin {
                images: bin.images,
                predicted: bin.predicted / bin.images as f64,
                observed: bin.hits as f64 / bin.images as f64,
                interval: wilson(bin.hits, bin.images),
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

/// Returns the 95 % interval of a share, `hits` of `all` (Wilson, 1927).
pub fn wilson(hits: u64, all: u64) -> [f64; 2] {
    let (n, share) = (all as f64, hits as f64 / all as f64);
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}
