//! [`Features`]: outputs of the frozen layers of a network, computed once for all images.

use contract::{Context, Failure, ImageShape};
use ops::{self, Backend, Staged, Tensor4};

use super::examples::{Example, Examples};
use super::mixing::Mixing;
use crate::data::{Dataset, Scale, fill_batch};
use crate::nets::{Feature, Network};

/// Most bytes that are kept. The outputs for more images are computed in every epoch, with the same results.
const MOST_BYTES: usize = 4 << 30;
/// Number of images that are computed together. Does not affect results.
const BATCH: usize = 64;

/// Outputs of the frozen layers for every image of a dataset.
pub(super) struct Features {
    shape: Feature,
    values: Vec<f32>,
}

/// The outputs of the frozen layers for the images of a training, as far as they are the same in every epoch.
#[derive(Default)]
pub(super) struct AllFeatures {
    /// For each dataset of the examples; `None` if the images are transformed or mixed.
    pub training: Option<Vec<Features>>,
    pub validation: Option<Features>,
}

impl AllFeatures {
    /// Computes the outputs that can be kept, and reports the progress in images. There are none if no layer is frozen.
    pub(super) fn of<B: Backend>(
        network: &mut Network<B>,
        examples: &Examples,
        mixing: Mixing,
        validation: Option<&Dataset>,
        context: &Context<'_>,
    ) -> Result<Self, Failure> {
        let layers = network.frozen_layers();
        let bytes = |datasets: &[&Dataset]| {
            let images: usize = datasets.iter().map(|dataset| dataset.len()).sum();
            images.saturating_mul(network.frozen_output().len() * size_of::<f32>())
        };
        let training: Vec<&Dataset> = match examples.are_augmented() || mixing.is_used() {
            true => Vec::new(),
            false => examples.datasets().collect(),
        };
        let validation: Vec<&Dataset> = validation.into_iter().collect();
        let kept = bytes(&training).saturating_add(bytes(&validation));
        if layers == 0 || kept > MOST_BYTES {
            return Ok(Self::default());
        }
        let images: usize = [&training, &validation]
            .into_iter()
            .flatten()
            .map(|d| d.len())
            .sum();
        let mut done = 0;
        let mut of_each = |datasets: Vec<&Dataset>| {
            let features = datasets.into_iter();
            let mut report = |count: usize| {
                done += count;
                context.progress("images", done as f64, images as f64, &[]);
            };
            features
                .map(|dataset| Features::of(network, dataset, &mut report, context))
                .collect::<Result<Vec<_>, _>>()
        };
        let training = of_each(training)?;
        Ok(Self {
            training: Some(training).filter(|training| !training.is_empty()),
            validation: of_each(validation)?.pop(),
        })
    }

    /// Returns the outputs for some training images, if they are kept.
    pub(super) fn batch<B: Backend>(&self, examples: &[Example], device: &B) -> Option<Tensor4<B>> {
        let training = self.training.as_ref()?;
        let rows = examples.iter();
        let rows = rows.map(|&(part, image)| training[part].row(image));
        Some(upload(training[0].shape, rows, device))
    }
}

impl Features {
    fn of<B: Backend>(
        network: &mut Network<B>,
        dataset: &Dataset,
        report: &mut dyn FnMut(usize),
        context: &Context<'_>,
    ) -> Result<Self, Failure> {
        let ImageShape {
            height,
            width,
            channels,
        } = dataset.shape();
        let shape = network.frozen_output();
        let mut values = Vec::with_capacity(dataset.len() * shape.len());
        let all: Vec<usize> = (0..dataset.len()).collect();
        for batch in all.chunks(BATCH) {
            context.check_cancelled()?;
            let mut images = Staged::new(network.device(), (batch.len(), channels, height, width));
            fill_batch(dataset, batch, Scale::Unit, None, &mut images);
            values.extend(ops::to_host(&network.forward_frozen(images.upload())));
            report(batch.len());
        }
        Ok(Self { shape, values })
    }

    fn row(&self, image: usize) -> &[f32] {
        let len = self.shape.len();
        &self.values[image * len..][..len]
    }

    /// Returns the outputs for some images.
    pub(super) fn batch<B: Backend>(&self, images: &[usize], device: &B) -> Tensor4<B> {
        upload(
            self.shape,
            images.iter().map(|&image| self.row(image)),
            device,
        )
    }
}

fn upload<'a, B: Backend>(
    shape: Feature,
    rows: impl ExactSizeIterator<Item = &'a [f32]>,
    device: &B,
) -> Tensor4<B> {
    let (channels, height, width) = (shape.channels, shape.height, shape.width);
    let mut staged = Staged::new(device, (rows.len(), channels, height, width));
    for (to, row) in staged.chunks_exact_mut(shape.len()).zip(rows) {
        to.copy_from_slice(row);
    }
    staged.upload()
}
