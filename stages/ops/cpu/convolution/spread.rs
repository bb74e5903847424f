//! Windows put back, weighted by filters' outputs.

use rayon::prelude::*;

use super::geometry::Geometry;
use super::unfold::{fold, gather};
use crate::ops::cpu::pieces::transpose;
use crate::ops::cpu::product::{Matrix, Store, product};
use crate::ops::cpu::scratch;

/// Adds to every image, at every window, the filters (rows of `weight`) times their outputs there;
/// then calls `finish` with the image.
pub fn spread(
    geometry: &Geometry,
    outputs: &[f32],
    weight: &[f32],
    images: &mut [f32],
    finish: impl Fn(&mut [f32]) + Sync,
) {
    let (taps, positions) = (geometry.taps(), geometry.positions());
    let filters = weight.len() / taps;
    let taps_per_channel = geometry.kernel_height * geometry.kernel_width;
    // A row per tap, so that products read it in order.
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
            scratch::with((filters + block * taps_per_channel) * stride, |buffer| {
                let (gathered, windows) = buffer.split_at_mut(filters * stride);
                gather(geometry, outputs, filters, &tile, gathered);
                let gathered = Matrix::rows(gathered, stride);
                for first in (0..geometry.channels).step_by(block) {
                    let channels = first..(first + block).min(geometry.channels);
                    let rows = channels.len() * taps_per_channel;
                    let by_tap =
                        Matrix::rows(&by_tap[first * taps_per_channel * filters..], filters);
                    product(
                        [rows, filters, stride],
                        by_tap,
                        gathered,
                        windows,
                        stride,
                        Store::Overwrite,
                    );
                    fold(geometry, windows, &tile, channels, images);
                }
            });
        }
        images.chunks_exact_mut(geometry.image()).for_each(&finish);
    });
}

/// Channels whose windows stay in the second-level cache until they are folded.
fn channels_per_block(geometry: &Geometry, stride: usize) -> usize {
    let per_channel = geometry.kernel_height * geometry.kernel_width * stride;
    ((1 << 17) / per_channel).clamp(1, geometry.channels)
}
