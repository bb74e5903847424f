//! Mixes the images of a batch with one another: mixup and CutMix.

use contract::{ImageShape, random};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_distr::{Beta, Distribution};
use rayon::prelude::*;

/// The ways in which images are mixed. Each has the parameter α of the distribution Beta(α, α), from which the share
/// of each image itself is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mixing {
    pub mixup: Option<f64>,
    pub cutmix: Option<f64>,
}

/// The labels of a mixed batch, beside those of the images themselves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mixed {
    /// The label of the image that each image is mixed with.
    pub partners: Vec<u32>,
    /// Share of the image itself, in [0, 1]. The rest is that of its partner.
    pub share: f64,
}

/// A rectangle of pixels: rows and columns.
type Cut = [std::ops::Range<usize>; 2];

impl Mixing {
    pub(super) fn is_used(self) -> bool {
        self.mixup.is_some() || self.cutmix.is_some()
    }

    /// Mixes the images in `pixels` (n×c×h×w), and returns the labels that go with them; `None` if nothing is mixed.
    /// Everything is a function of `(seed, step)`, where `step` is the number of the update.
    pub(super) fn apply(
        self,
        pixels: &mut [f32],
        shape: ImageShape,
        labels: &[u32],
        seed: u64,
        step: u64,
    ) -> Option<Mixed> {
        let mut rng = random::stream(seed, "mixing", [step, 0]);
        let (alpha, cuts) = match (self.mixup, self.cutmix) {
            (None, None) => return None,
            (Some(alpha), None) => (alpha, false),
            (None, Some(alpha)) => (alpha, true),
            (Some(mixup), Some(cutmix)) => match rng.random() {
                true => (cutmix, true),
                false => (mixup, false),
            },
        };
        let drawn = Beta::new(alpha, alpha).expect("`check` refuses other values");
        let drawn: f64 = drawn.sample(&mut rng);
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.shuffle(&mut rng);
        let share = if cuts {
            let cut = draw_cut(drawn, shape, &mut rng);
            paste(pixels, shape, &order, &cut);
            1.0 - (cut[0].len() * cut[1].len()) as f64 / (shape.height * shape.width) as f64
        } else {
            blend(pixels, shape, &order, drawn as f32);
            drawn
        };
        Some(Mixed {
            partners: order.into_iter().map(|image| labels[image]).collect(),
            share,
        })
    }
}

/// Draws a rectangle with the shape of the image and 1 − `share` of its area. Its center is anywhere in the image, and
/// what is beyond the border is cut off, as in the program of the authors of CutMix.
fn draw_cut(share: f64, shape: ImageShape, rng: &mut impl rand::Rng) -> Cut {
    let ratio = (1.0 - share).sqrt();
    [shape.height, shape.width].map(|side| {
        let half = (side as f64 * ratio) as usize / 2;
        let center = rng.random_range(0..side);
        center.saturating_sub(half)..(center + half).min(side)
    })
}

/// Sets every image to `share` of itself plus the rest of the image that `order` puts in its place.
fn blend(pixels: &mut [f32], shape: ImageShape, order: &[usize], share: f32) {
    each_with_partner(pixels, shape, order, |image, partner| {
        for (to, from) in image.iter_mut().zip(partner) {
            *to = share * *to + (1.0 - share) * from;
        }
    });
}

/// Replaces a rectangle of every image by that of the image that `order` puts in its place.
fn paste(pixels: &mut [f32], shape: ImageShape, order: &[usize], [rows, columns]: &Cut) {
    let (plane, width) = (shape.height * shape.width, shape.width);
    each_with_partner(pixels, shape, order, |image, partner| {
        for first in (0..image.len()).step_by(plane) {
            for row in rows.clone() {
                let start = first + row * width;
                let range = start + columns.start..start + columns.end;
                image[range.clone()].copy_from_slice(&partner[range]);
            }
        }
    });
}

/// Calls `f` for every image with the image, to be changed, and its partner as it was before.
fn each_with_partner(
    pixels: &mut [f32],
    shape: ImageShape,
    order: &[usize],
    f: impl Fn(&mut [f32], &[f32]) + Sync,
) {
    let (before, size) = (pixels.to_vec(), shape.len());
    pixels
        .par_chunks_mut(size)
        .zip(order)
        .for_each(|(image, &partner)| f(image, &before[partner * size..(partner + 1) * size]));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape {
        height: 9,
        width: 7,
        channels: 2,
    };
    const IMAGES: usize = 6;

    /// Mixes images of one value each, which is the index of the image. The label is the index, too.
    fn mix(mixing: Mixing, step: u64) -> (Vec<f32>, Option<Mixed>) {
        let labels: Vec<u32> = (0..IMAGES as u32).collect();
        let mut pixels: Vec<f32> = (0..IMAGES * SHAPE.len())
            .map(|at| (at / SHAPE.len()) as f32)
            .collect();
        let mixed = mixing.apply(&mut pixels, SHAPE, &labels, 5, step);
        (pixels, mixed)
    }

    fn ways(mixup: Option<f64>, cutmix: Option<f64>) -> Mixing {
        Mixing { mixup, cutmix }
    }

    #[test]
    fn mixed_images_have_the_shares_of_their_labels() {
        for step in 0..200 {
            let (pixels, mixed) = mix(ways(Some(0.4), None), step);
            let mixed = mixed.unwrap();
            let mut partners = mixed.partners.clone();
            for (image, pixels) in pixels.chunks_exact(SHAPE.len()).enumerate() {
                let partner = f64::from(mixed.partners[image]);
                let expected = mixed.share * image as f64 + (1.0 - mixed.share) * partner;
                let near = |value: &f32| (f64::from(*value) - expected).abs() < 1e-5;
                assert!(pixels.iter().all(near), "{pixels:?} is not {expected}");
            }
            partners.sort_unstable();
            assert_eq!(partners, [0, 1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn pasted_rectangles_have_the_shares_of_their_labels() {
        let mut shares = std::collections::BTreeSet::new();
        for step in 0..200 {
            let (pixels, mixed) = mix(ways(None, Some(1.0)), step);
            let mixed = mixed.unwrap();
            shares.insert((mixed.share * 63.0).round() as u32);
            for (image, pixels) in pixels.chunks_exact(SHAPE.len()).enumerate() {
                let partner = mixed.partners[image] as f32;
                let own = pixels
                    .iter()
                    .filter(|&&value| value == image as f32)
                    .count();
                let pasted = pixels.iter().filter(|&&value| value == partner).count();
                let expected = mixed.share * SHAPE.len() as f64;
                if partner == image as f32 {
                    assert_eq!(own, SHAPE.len());
                } else {
                    assert_eq!(own + pasted, SHAPE.len());
                    assert!(
                        (own as f64 - expected).abs() < 1e-6,
                        "{own} is not {expected}"
                    );
                }
                // Both channels have the same rectangle.
                assert_eq!(pixels[..63], pixels[63..]);
            }
        }
        assert!(shares.len() > 10 && shares.contains(&63), "{shares:?}");
    }

    #[test]
    fn shares_have_the_moments_of_the_beta_distribution() {
        for alpha in [1e-6, 0.2, 1.0, 8.0] {
            let shares = (0..4000).map(|step| mix(ways(Some(alpha), None), step).1.unwrap().share);
            let shares: Vec<f64> = shares.collect();
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
            let mean = shares.iter().sum::<f64>() / 4000.0;
            let variance = shares
                .iter()
                .map(|share| (share - mean).powi(2))
                .sum::<f64>()
                / 4000.0;
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 0.04, "{alpha}: {mean}");
            assert!(
                (variance / expected - 1.0).abs() < 0.1,
                "{alpha}: {variance}"
            );
        }
    }

    #[test]
    fn the_mixture_follows_from_seed_and_step() {
        let both = ways(Some(0.4), Some(1.0));
        assert_eq!(mix(both, 3), mix(both, 3));
        assert_ne!(mix(both, 3), mix(both, 4));
        let blended = |step| mix(both, step).0.iter().any(|value| value.fract() != 0.0);
        let share = (0..200).filter(|&step| blended(step)).count();
        assert!(
            (60..140).contains(&share),
            "{share} of 200 batches are blended"
        );
        let (pixels, mixed) = mix(Mixing::default(), 3);
        assert_eq!(mixed, None);
        assert_eq!(pixels[SHAPE.len()], 1.0);
    }
}
