//! Occlusion (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014).
//!
//! A square patch of the image is painted with the image's mean color. The value of the patch is the logit of the
//! class for the whole image minus the logit for the painted one. A pixel gets the mean over the patches that cover it.

use contract::Failure;
use ops::{Backend, to_host};
use rayon::prelude::*;

use super::{Target, fill, logit, staged};
use crate::nets::{Feature, Head, Mode, Network};

/// Side of the patches, and distance between them, in pixels.
#[derive(Clone, Copy)]
pub(super) struct Patches {
    pub(super) size: usize,
    pub(super) stride: usize,
}

impl Patches {
    /// Returns the first row or column of each patch along a side of an image. The last patch ends at the edge, so it
    /// may be nearer to the one before it.
    fn starts(self, side: usize) -> Vec<usize> {
        let last = side - self.size;
        let mut starts: Vec<usize> = (0..=last).step_by(self.stride).collect();
        if starts.last() != Some(&last) {
            starts.push(last);
        }
        starts
    }
}

/// Returns the map of an image. `check` is called before each batch of at most `batch_size` images.
pub(super) fn map<B: Backend>(
    network: &mut Network<B>,
    head: Head,
    target: &Target<'_>,
    patches: Patches,
    batch_size: usize,
    check: &dyn Fn() -> Result<(), Failure>,
) -> Result<Vec<f32>, Failure> {
    let input = network.architecture().input;
    let mut image = vec![0.0; input.len()];
    fill(target.image, input.channels, &mut image);
    let means = means(&image, input);
    let rows = patches.starts(input.height);
    let columns = patches.starts(input.width);
    let corners: Vec<(usize, usize)> = rows
        .iter()
        .flat_map(|&row| columns.iter().map(move |&column| (row, column)))
        .collect();
    // The whole image comes first.
    let variants: Vec<Option<(usize, usize)>> = std::iter::once(None)
        .chain(corners.iter().copied().map(Some))
        .collect();
    let mut logits = Vec::with_capacity(variants.len());
    for batch in variants.chunks(batch_size.max(1)) {
        check()?;
        let mut staged = staged(network.device(), batch.len(), input);
        staged
            .par_chunks_exact_mut(input.len())
            .zip(batch)
            .for_each(|(to, corner)| {
                to.copy_from_slice(&image);
                if let Some(corner) = corner {
                    paint(to, input, *corner, patches.size, &means);
                }
            });
        let outputs = to_host(&network.forward(staged.upload(), Mode::Predict));
        let rows = outputs.chunks_exact(outputs.len() / batch.len());
        logits.extend(rows.map(|outputs| f64::from(logit(head, target.class, outputs))));
    }
    let drops = logits[1..].iter().map(|hidden| logits[0] - hidden);
    Ok(mean_drops(
        &corners,
        drops,
        patches.size,
        (input.height, input.width),
    ))
}

/// Returns the mean of each channel.
fn means(image: &[f32], input: Feature) -> Vec<f32> {
    let channels = image.chunks_exact(input.height * input.width);
    channels
        .map(|channel| {
            let sum: f64 = channel.iter().copied().map(f64::from).sum();
            (sum / channel.len() as f64) as f32
        })
        .collect()
}

/// Paints a square of an image.
fn paint(
    image: &mut [f32],
    input: Feature,
    (top, left): (usize, usize),
    size: usize,
    color: &[f32],
) {
    let channels = image.chunks_exact_mut(input.height * input.width);
    for (channel, &value) in channels.zip(color) {
        for row in channel.chunks_exact_mut(input.width).skip(top).take(size) {
            row[left..left + size].fill(value);
        }
    }
}

/// Returns for each pixel the mean drop over the patches that cover it. There is no pixel without a patch.
fn mean_drops(
    corners: &[(usize, usize)],
    drops: impl Iterator<Item = f64>,
    size: usize,
    (height, width): (usize, usize),
) -> Vec<f32> {
    let mut sums = vec![(0.0, 0u32); height * width];
    for (&(top, left), drop) in corners.iter().zip(drops) {
        for row in sums.chunks_exact_mut(width).skip(top).take(size) {
            for (sum, count) in &mut row[left..left + size] {
                *sum += drop;
                *count += 1;
            }
        }
    }
    let mean = |(sum, count): (f64, u32)| (sum / f64::from(count)) as f32;
    sums.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::{Patches, mean_drops};

    #[test]
    fn patches_cover_the_whole_side() {
        for (side, size, stride, expected) in [
            (8, 4, 2, vec![0, 2, 4]),
            (8, 3, 2, vec![0, 2, 4, 5]),
            (5, 5, 5, vec![0]),
            (3, 1, 1, vec![0, 1, 2]),
        ] {
            assert_eq!(Patches { size, stride }.starts(side), expected);
        }
    }

    #[test]
    fn a_pixel_has_the_mean_of_its_patches() {
        let corners = [(0, 0), (0, 1), (0, 2)];
        let drops = [3.0, -1.0, 5.0].into_iter();
        assert_eq!(
            mean_drops(&corners, drops, 2, (2, 4)),
            [3.0, 1.0, 2.0, 5.0, 3.0, 1.0, 2.0, 5.0]
        );
    }
}
