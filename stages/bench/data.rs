//! Benchmarks of reading images and of augmenting training batches.

use std::path::PathBuf;

use contract::{Failure, ImageShape, Invalid, random};
use ops::on_pool;
use rand::Rng;
use serde_json::json;

use super::{Throughput, throughput};
use crate::data::folder::Folder;
use crate::data::source::Pool;
use crate::data::source::SplitUse;
use crate::data::{Augmenting, Dataset, Policy, Scale, Zoom, fill_batch, write_dataset};
use crate::decode;

/// Benchmark of reading a folder of images.
#[derive(Clone, Debug)]
pub struct DecodeBench {
    /// Folder with the layout that the source `folder` reads.
    pub path: PathBuf,
    /// Size and channels that images are converted to; 1 or 3 channels.
    pub image: ImageShape,
    /// Measured passes over all images; at least 1.
    pub passes: usize,
}

/// Benchmark of augmenting training batches.
#[derive(Clone, Copy, Debug)]
pub struct AugmentBench {
    pub image: ImageShape,
    /// Images per batch; at least 1.
    pub batch_size: usize,
    /// Images per pass; at least 1.
    pub images: usize,
    /// Measured passes; at least 1.
    pub passes: usize,
}

impl DecodeBench {
    /// Checks the folder and every file's header.
    ///
    /// # Errors
    /// If the channels are neither 1 nor 3, or the folder or an image is unusable.
    pub fn check(&self) -> Result<(), Invalid> {
        if !matches!(self.image.channels, 1 | 3) {
            return Err(Invalid::new(format!(
                "images with {} channels cannot be read from files: use 1 (gray) or 3 (RGB)",
                self.image.channels
            )));
        }
        self.folder()?.preflight(SplitUse::default()).map(drop)
    }

    fn folder(&self) -> Result<Folder, Invalid> {
        decode(json!({ "path": self.path }))
    }

    /// Measures the work of the source `folder` for every image: reading the file, decoding it and resizing
    /// it to bytes. Listing the folder and reading headers are not measured. Also returns the number of images
    /// in a pass.
    ///
    /// # Errors
    /// If the folder or an image is unusable.
    pub fn measure(&self) -> Result<(usize, Throughput), Failure> {
        on_pool(|| self.run())
    }

    fn run(&self) -> Result<(usize, Throughput), Failure> {
        let folder = self.folder().map_err(|e| Failure::Data(e.to_string()))?;
        let offer = folder.offer(SplitUse::default())?;
        let pools: Vec<&dyn Pool> = [
            Some(&offer.train),
            offer.validation.as_ref(),
            Some(&offer.test),
        ]
        .into_iter()
        .flatten()
        .map(Box::as_ref)
        .collect();
        let images = pools.iter().map(|pool| pool.examples().len()).sum();
        let mut result = Ok(());
        let measured = throughput(images, self.passes, |_| {
            for pool in &pools {
                let wanted: Vec<usize> = (0..pool.examples().len()).collect();
                let read = pool.read(&wanted, self.image, &mut |_, pixels| {
                    std::hint::black_box(pixels);
                    Ok(())
                });
                if let Err(failure) = read {
                    result = Err(failure);
                }
            }
        });
        result.map(|()| (images, measured))
    }
}

impl AugmentBench {
    /// Measures the augmentation of the reproduced paper (shear, zoom and horizontal flips) for batches of
    /// random images, as in training.
    ///
    /// # Errors
    /// If the images cannot be stored in a temporary folder.
    pub fn measure(&self) -> Result<Throughput, Failure> {
        on_pool(|| self.run())
    }

    fn run(&self) -> Result<Throughput, Failure> {
        let dataset = noise(self.image, self.images.min(DISTINCT))?;
        let policy = Policy {
            shear: 0.2,
            zoom: Zoom {
                low: 0.8,
                high: 1.2,
            },
            horizontal_flip: true,
            ..Policy::default()
        };
        let indices: Vec<usize> = (0..self.images)
            .map(|image| image % dataset.len())
            .collect();
        let mut out = vec![0.0; self.batch_size * self.image.len()];
        Ok(throughput(self.images, self.passes, |epoch| {
            let augmenting = Augmenting {
                policy: &policy,
                seed: 0,
                epoch,
            };
            for batch in indices.chunks(self.batch_size) {
                let out = &mut out[..batch.len() * self.image.len()];
                fill_batch(&dataset, batch, Scale::Unit, Some(&augmenting), out);
            }
        }))
    }
}

/// Number of different images; more would only take memory.
const DISTINCT: usize = 256;

/// Creates a dataset of `count` images of random bytes.
fn noise(shape: ImageShape, count: usize) -> Result<Dataset, Failure> {
    let unusable =
        |e: std::io::Error| Failure::System(format!("failed to make a temporary folder: {e}"));
    let folder = tempfile::tempdir().map_err(unusable)?;
    let images = (0..count).map(|image| {
        let mut bytes = vec![0; shape.len()];
        random::stream(0, "noise", [image as u64, 0]).fill_bytes(&mut bytes);
        (format!("noise {image}"), 0, bytes)
    });
    write_dataset(folder.path(), shape, &["noise".to_owned()], images)?;
    // The dataset's memory mapping outlives the folder.
    Dataset::in_folder(folder.path())
}
