//! Reads images for a batch.

use std::path::Path;

use contract::Failure;
use images::{Decoder, Original, Resizer};
use rayon::prelude::*;

use super::listing::Image;
use super::settings::Settings;
use super::warnings::warnings;
use crate::data::source::Skipped;
use crate::nets::ClassifierCard;

/// Images that are predicted together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) images: Vec<Read>,
    /// HWC bytes of all images.
    pub(super) pixels: Vec<u8>,
}

/// An image that has been read.
pub(super) struct Read {
    pub(super) image: Image,
    pub(super) original: Original,
    pub(super) warnings: Vec<String>,
    /// How it was read.
    pub(super) decoder: Decoder,
}

impl Batch {
    /// Adds images, and returns those that cannot be used.
    pub(super) fn read(
        &mut self,
        images: Vec<Image>,
        card: &ClassifierCard,
        settings: &Settings,
    ) -> Result<Vec<Skipped>, Failure> {
        let decoder = settings.decoder(card.preprocessing.bits);
        let shape = card.image();
        let read = |resizer: &mut Resizer, path: &Path| {
            let (pixels, original) = decoder.read_with_original(path, shape, resizer)?;
            let warnings = warnings(card, &pixels, original);
            Ok((pixels, original, warnings))
        };
        let found: Vec<Result<_, String>> = images
            .par_iter()
            .map_init(Resizer::new, |resizer, image| read(resizer, &image.path))
            .collect();
        let mut skipped = Vec::new();
        for (image, found) in images.into_iter().zip(found) {
            match found {
                Err(reason) => skipped.push(settings.unreadable(image, reason)?),
                Ok((pixels, original, warnings)) => {
                    self.images.push(Read {
                        image,
                        original,
                        warnings,
                        decoder,
                    });
                    self.pixels.extend(pixels);
                }
            }
        }
        Ok(skipped)
    }
}
