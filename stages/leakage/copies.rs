//! Finds images that are copies of others, exactly or nearly.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hasher};

use contract::{Context, Failure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::scan::{self, Stop};
use super::sketch::Sketches;
use crate::data::Dataset;

/// A set of images to compare with others.
pub(super) struct Set<'a> {
    /// Name for messages: `train`, `xrays.train`.
    pub(super) name: &'a str,
    pub(super) images: &'a Dataset,
    pub(super) sketches: Sketches,
}

/// An image that is a copy of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Copy {
    pub(super) image: usize,
    /// The image that it is a copy of: in the other set, or before it in the same set.
    pub(super) of: usize,
    pub(super) likeness: Likeness,
    /// Correlation of the sketches; 1 if all pixels are the same.
    pub(super) similarity: f64,
}

/// The respect in which two images agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Likeness {
    /// Their files have the same bytes.
    SameBytes,
    /// All their pixels are the same, once packed.
    SamePixels,
    /// Their sketches agree: the same picture, but resized, compressed, brightened or the like.
    Near,
}

impl<'a> Set<'a> {
    pub(super) fn new(name: &'a str, images: &'a Dataset) -> Self {
        Self {
            name,
            images,
            sketches: Sketches::of(images),
        }
    }

    /// Returns whether the sets are small enough to look for near copies.
    fn affords(&self, original: &Set<'_>) -> bool {
        let within = std::ptr::eq(self.images, original.images);
        let among = original.images.len() / if within { 2 } else { 1 };
        scan::affordable(self.images.len(), among)
    }

    /// Warns if the sets are too large to look for near copies.
    pub(super) fn warn_of_size(&self, original: &Set<'_>, context: &Context<'_>) {
        if self.affords(original) {
            return;
        }
        context.warn(format!(
            "leakage: {} images of `{}` against {} of `{}` are too many to compare every pair: only \
             identical images were found",
            self.images.len(),
            self.name,
            original.images.len(),
            original.name
        ));
    }

    /// Returns the images that are copies of images of `original`, each with the most similar one. If there
    /// are too many images, finds only identical ones.
    pub(super) fn copies_of(
        &self,
        original: &Set<'_>,
        stop: &Stop<'_>,
    ) -> Result<Vec<Copy>, Failure> {
        let by_pixels = ByPixels::new(original.images);
        let exact = (0..self.images.len())
            .map(|i| by_pixels.find(self.images.image(i)))
            .collect();
        let near = match self.affords(original) {
            true => scan::copies(&self.sketches, &original.sketches, false, stop)?,
            false => vec![None; self.images.len()],
        };
        Ok(joined(exact, near))
    }

    /// Returns the images that are copies of images before them. If there are too many images, finds only
    /// identical ones.
    pub(super) fn repeats(&self, stop: &Stop<'_>) -> Result<Vec<Copy>, Failure> {
        let by_pixels = ByPixels::new(self.images);
        let first = |i| {
            by_pixels
                .find(self.images.image(i))
                .filter(|&first| first < i)
        };
        let exact = (0..self.images.len()).map(first).collect();
        let near = match self.affords(self) {
            true => scan::copies(&self.sketches, &self.sketches, true, stop)?,
            false => vec![None; self.images.len()],
        };
        Ok(joined(exact, near))
    }
}

/// Joins the matches by pixels and by sketches. A match by pixels takes precedence.
fn joined(exact: Vec<Option<usize>>, near: Vec<Option<scan::Near>>) -> Vec<Copy> {
    let both = exact.into_iter().zip(near).enumerate();
    both.filter_map(|(image, found)| match found {
        (Some(of), _) => Some(Copy {
            image,
            of,
            likeness: Likeness::SamePixels,
            similarity: 1.0,
        }),
        (None, Some(near)) => Some(Copy {
            image,
            of: near.index,
            likeness: Likeness::Near,
            similarity: near.similarity,
        }),
        (None, None) => None,
    })
    .collect()
}

/// The images of a set, by their pixels.
struct ByPixels<'a> {
    images: &'a Dataset,
    /// The first image with each hash of pixels.
    first: HashMap<u64, usize>,
    /// Images with the same hash as an earlier, different image.
    collided: Vec<usize>,
}

impl<'a> ByPixels<'a> {
    fn new(images: &'a Dataset) -> Self {
        let digests: Vec<u64> = (0..images.len())
            .into_par_iter()
            .map(|i| digest(images.image(i)))
            .collect();
        let mut first = HashMap::new();
        let mut collided = Vec::new();
        for (i, digest) in digests.into_iter().enumerate() {
            match first.entry(digest) {
                Entry::Vacant(entry) => _ = entry.insert(i),
                Entry::Occupied(entry) if images.image(*entry.get()) == images.image(i) => {}
                Entry::Occupied(_) => collided.push(i),
            }
        }
        Self {
            images,
            first,
            collided,
        }
    }

    /// Returns the first image with these pixels.
    fn find(&self, pixels: &[u8]) -> Option<usize> {
        let first = self.first.get(&digest(pixels));
        let mut candidates = first.into_iter().chain(&self.collided).copied();
        candidates.find(|&i| self.images.image(i) == pixels)
    }
}

fn digest(pixels: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(pixels);
    hasher.finish()
}
