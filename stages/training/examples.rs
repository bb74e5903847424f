//! The training images of an epoch, in order.

use contract::{Failure, ImageShape};
use rayon::prelude::*;

use crate::data::{Augmenting, Dataset, Scale, fill_batch, shuffled};
use crate::nets::TrainingImages;

/// One or more datasets to train on together.
pub struct Examples {
    parts: Vec<Part>,
    seed: u64,
}

struct Part {
    dataset: Dataset,
    /// Number of its images in an epoch. If the dataset has more, each epoch draws a new sample.
    share: usize,
}

impl Part {
    /// Returns the number of images of each class in the dataset.
    fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.dataset.classes().len()];
        for &label in self.dataset.labels() {
            counts[label as usize] += 1;
        }
        counts
    }
}

/// An image: the part that it is in, and its index there.
pub(super) type Example = (usize, usize);

impl Examples {
    pub fn new(dataset: Dataset, seed: u64) -> Self {
        let share = dataset.len();
        Self {
            parts: vec![Part { dataset, share }],
            seed,
        }
    }

    /// Adds `count` images of `dataset` to each epoch, or all if there are fewer.
    pub fn mix_in(&mut self, dataset: Dataset, count: usize) -> Result<(), Failure> {
        let first = &self.parts[0].dataset;
        if dataset.classes() != first.classes() {
            return Err(Failure::Data(format!(
                "training images with different classes cannot be mixed: {} and {}",
                first.classes().join(", "),
                dataset.classes().join(", ")
            )));
        }
        let share = count.min(dataset.len());
        self.parts.push(Part { dataset, share });
        Ok(())
    }

    pub fn classes(&self) -> &[String] {
        self.parts[0].dataset.classes()
    }

    pub fn image(&self) -> ImageShape {
        self.parts[0].dataset.shape()
    }

    /// Returns the number of bits that the values of images with 16 bits per value used. Generated images do not say it,
    /// which counts as all bits.
    pub fn bits(&self) -> u8 {
        let bits = self.parts.iter().map(|part| part.dataset.bits());
        bits.min().unwrap_or(images::all_bits())
    }

    /// Returns the number of images in an epoch.
    pub fn images_per_epoch(&self) -> usize {
        self.parts.iter().map(|part| part.share).sum()
    }

    /// Returns the number of images of each class over all parts, whether an epoch takes all of them or not.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes().len()];
        for part in &self.parts {
            for (count, of_part) in counts.iter_mut().zip(part.class_counts()) {
                *count += of_part;
            }
        }
        counts
    }

    /// Returns the expected number of images of each class in an epoch. It is a fraction if an epoch takes a
    /// sample of a part.
    pub fn expected_class_counts(&self) -> Vec<f64> {
        let mut expected = vec![0.0; self.classes().len()];
        for part in &self.parts {
            // 1 for a whole part, so that its counts are exact.
            let taken = part.share as f64 / part.dataset.len().max(1) as f64;
            for (expected, count) in expected.iter_mut().zip(part.class_counts()) {
                *expected += count as f64 * taken;
            }
        }
        expected
    }

    /// Returns statistics of the images as they are in their datasets, of all parts; `None` if there are too few.
    pub fn statistics(&self) -> Option<TrainingImages> {
        let all = self.parts.iter().flat_map(|part| {
            let images = 0..part.dataset.len();
            images.map(|index| part.dataset.image(index))
        });
        let all: Vec<&[u8]> = all.collect();
        TrainingImages::of(self.image(), all.len(), |index| all[index])
    }

    /// Returns whether the images of any part are transformed differently in every epoch.
    pub(super) fn are_augmented(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| part.dataset.policy().is_some())
    }

    /// Returns the datasets. An example is the index of one of these, and that of an image in it.
    pub(super) fn datasets(&self) -> impl ExactSizeIterator<Item = &Dataset> {
        self.parts.iter().map(|part| &part.dataset)
    }

    /// Returns the order of an epoch, which depends only on the seed and the epoch.
    pub fn order(&self, epoch: u64) -> Vec<Example> {
        let mut drawn = Vec::with_capacity(self.images_per_epoch());
        for (index, part) in self.parts.iter().enumerate() {
            let images = shuffled(
                part.dataset.len(),
                self.seed.wrapping_add(index as u64),
                epoch,
            );
            drawn.extend(
                images
                    .into_iter()
                    .take(part.share)
                    .map(|image| (index, image)),
            );
        }
        if self.parts.len() > 1 {
            let mixed = shuffled(drawn.len(), self.seed.wrapping_sub(1), epoch);
            drawn = mixed.into_iter().map(|index| drawn[index]).collect();
        }
        drawn
    }

    /// Fills `pixels` (n×c×h×w, in [0, 1]) with the images of a batch, each transformed by its dataset's
    /// policy, and returns their labels.
    pub fn batch(&self, examples: &[Example], epoch: u64, pixels: &mut [f32]) -> Vec<u32> {
        self.fill(examples, Some(epoch), pixels);
        self.labels(examples)
    }

    /// Returns the labels of examples.
    pub(super) fn labels(&self, examples: &[Example]) -> Vec<u32> {
        let labels = examples.iter();
        labels
            .map(|&(part, image)| self.parts[part].dataset.labels()[image])
            .collect()
    }

    /// Fills `pixels` (n×c×h×w, in [0, 1]) with the images of a batch as they are in their datasets.
    pub fn unaugmented(&self, examples: &[Example], pixels: &mut [f32]) {
        self.fill(examples, None, pixels);
    }

    /// Fills `pixels` with images, transformed by the policies if there is an epoch.
    fn fill(&self, examples: &[Example], epoch: Option<u64>, pixels: &mut [f32]) {
        let size = self.parts[0].dataset.shape().len();
        pixels
            .par_chunks_mut(size)
            .zip(examples)
            .for_each(|(out, &(part, image))| {
                let dataset = &self.parts[part].dataset;
                let augmenting = epoch
                    .zip(dataset.policy())
                    .map(|(epoch, policy)| Augmenting {
                        policy,
                        seed: self.seed,
                        epoch,
                    });
                fill_batch(dataset, &[image], Scale::Unit, augmenting.as_ref(), out);
            });
    }
}
