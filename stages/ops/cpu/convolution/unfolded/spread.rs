//! Outputs back to images.

use rayon::prelude::*;

use super::correlate::correlate;
use super::unfold::{fold, gather};
use crate::Geometry;
use crate::cpu::convolution::Finish;
use crate::cpu::pieces::transpose;
use crate::cpu::product::{Matrix, Store, product};
use crate::cpu::scratch;

/// See [`convolution::spread`](crate::cpu::convolution::spread).
pub(crate) fn spread(
    geometry: &Geometry,
    outputs: &[f32],
    weight: &[f32],
    images: &mut [f32],
    finish: impl Fn(&mut [f32]) + Sync,
) {
    let (taps, positions) = (geometry.taps(), geometry.positions());
    let filters = weight.len() / taps;
    if geometry.stride == 1 {
        let (flipped, backward) = reversed(geometry, weight, filters);
        correlate(&backward, outputs, &flipped, images, Finish::Add);
        images
            .par_chunks_exact_mut(geometry.image())
            .for_each(&finish);
        return;
    }
    let taps_per_channel = geometry.kernel_height * geometry.kernel_width;
    // One row per tap, so that products read it in order.
    let by_tap = transpose(weight, filters);
    let piece = geometry.images_per_piece(images.len() / geometry.image());
    let pieces = images
        .par_chunks_mut(piece * geometry.image())
        .zip(outputs.par_chunks(piece * filters * positions));
    pieces.for_each(|(images, outputs)| {
        for tile in geometry.tiles(
            images.len() / geometry.image(),
            filters + 8 * taps_per_channel,
        ) {
            let stride = geometry.row_stride(&tile);
            let block = channels_per_block(geometry, stride);
            let mut gathered = scratch::take(filters * stride);
            gather(geometry, outputs, filters, &tile, &mut gathered);
            let gathered = Matrix::rows(&gathered, stride);
            let mut windows = scratch::take(block * taps_per_channel * stride);
            for first in (0..geometry.channels).step_by(block) {
                let channels = first..(first + block).min(geometry.channels);
                let rows = channels.len() * taps_per_channel;
                let by_tap = Matrix::rows(&by_tap[first * taps_per_channel * filters..], filters);
                let size = [rows, filters, stride];
                product(
                    size,
                    by_tap,
                    gathered,
                    &mut windows,
                    stride,
                    Store::Overwrite,
                );
                fold(geometry, &windows, &tile, channels, images);
            }
        }
        images.chunks_exact_mut(geometry.image()).for_each(&finish);
    });
}

/// Number of channels whose windows stay in the second-level cache until they are folded.
fn channels_per_block(geometry: &Geometry, stride: usize) -> usize {
    let per_channel = geometry.kernel_height * geometry.kernel_width * stride;
    ((1 << 17) / per_channel).clamp(1, geometry.channels)
}

/// Returns the convolution that takes the outputs of a stride-1 convolution back to its input: every filter
/// is reversed in rows and columns, channels and filters are exchanged, and every pixel of the input has a
/// window.
fn reversed(geometry: &Geometry, weight: &[f32], filters: usize) -> (Vec<f32>, Geometry) {
    let taps = geometry.kernel_height * geometry.kernel_width;
    let mut flipped = vec![0.0; weight.len()];
    flipped
        .par_chunks_mut(filters * taps)
        .enumerate()
        .for_each(|(channel, to)| {
            for (filter, to) in to.chunks_exact_mut(taps).enumerate() {
                let from = &weight[(filter * geometry.channels + channel) * taps..][..taps];
                to.iter_mut()
                    .zip(from.iter().rev())
                    .for_each(|(to, from)| *to = *from);
            }
        });
    let full = |kernel: usize, padding: isize| {
        isize::try_from(kernel).expect("a kernel size that fits `isize`") - 1 - padding
    };
    let backward = Geometry {
        channels: filters,
        height: geometry.windows.0,
        width: geometry.windows.1,
        padding: (
            full(geometry.kernel_height, geometry.padding.0),
            full(geometry.kernel_width, geometry.padding.1),
        ),
        windows: (geometry.height, geometry.width),
        ..*geometry
    };
    (flipped, backward)
}
