//! Estimates the statistics of `batch_norm` layers over many batches.

use contract::Failure;
use dfdx::shapes::HasShape;
use ops::{Backend, Reading, Tensor4};

use super::network::{Mode, Network};

/// Sets the running statistics of `network` to those of all images in `batches`, without dropout (Wu and Johnson,
/// 2021, "precise BN"). Every batch is normalized by its own statistics, as in training, so batches should be mixed
/// like those of the training. `input` returns the output of [`Network::forward_frozen`] for a batch. Frozen layers keep
/// their statistics.
///
/// # Errors
/// If `input` fails. The running statistics are then those of the batch before it.
pub fn estimate_statistics<B: Backend, T>(
    network: &mut Network<B>,
    batches: impl Iterator<Item = T>,
    mut input: impl FnMut(&mut Network<B>, T) -> Result<Tensor4<B>, Failure>,
) -> Result<(), Failure> {
    let mut layers: Vec<Population> = Vec::new();
    let mut take = |batch: ReadBatch<B>| {
        layers.resize_with(batch.statistics.len(), Population::default);
        for (layer, [mean, variance]) in layers.iter_mut().zip(batch.statistics) {
            layer.add(batch.images as f64, &mean.finish(), &variance.finish());
        }
    };
    let mut waiting = None;
    for batch in batches {
        let x = input(network, batch)?;
        let images = x.shape().0;
        network.forward_rest(x, Mode::Estimate);
        let read = ReadBatch {
            images,
            statistics: network.read_running(),
        };
        // The device computes this batch while the host processes the previous one.
        if let Some(before) = waiting.replace(read) {
            take(before);
        }
    }
    if let Some(last) = waiting {
        take(last);
        network.set_running(layers.into_iter().map(Population::finish).collect());
    }
    Ok(())
}

/// The statistics of a batch, while they are transferred to the host.
struct ReadBatch<B: Backend> {
    images: usize,
    /// Mean and variance of each layer.
    statistics: Vec<[Reading<B>; 2]>,
}

/// Mean and variance of every channel of a layer over several batches.
#[derive(Default)]
struct Population {
    /// Number of images.
    images: f64,
    mean: Vec<f64>,
    /// Variance times the number of images.
    spread: Vec<f64>,
}

impl Population {
    /// Adds a batch of `images` images. The mean of all is the mean of the batch means. The variance is the mean of
    /// the batch variances plus the variance of the batch means, which is summed up pairwise (Chan, Golub and
    /// LeVeque, 1983). The equal E[variance + mean²] − E[mean]² would cancel where means are large.
    fn add(&mut self, images: f64, mean: &[f32], variance: &[f32]) {
        self.mean.resize(mean.len(), 0.0);
        self.spread.resize(mean.len(), 0.0);
        let all = self.images + images;
        let so_far = self.mean.iter_mut().zip(&mut self.spread);
        for ((to_mean, to_spread), (&mean, &variance)) in so_far.zip(mean.iter().zip(variance)) {
            let difference = f64::from(mean) - *to_mean;
            *to_spread +=
                images * f64::from(variance) + difference * difference * self.images * images / all;
            *to_mean += difference * images / all;
        }
        self.images = all;
    }

    /// Returns mean and variance.
    fn finish(self) -> [Vec<f32>; 2] {
        let variance = |spread: f64| (spread / self.images) as f32;
        [
            self.mean.into_iter().map(|mean| mean as f32).collect(),
            self.spread.into_iter().map(variance).collect(),
        ]
    }
}
