//! The filters' gradient.

use rayon::prelude::*;

use super::unfold::{gather, unfold};
use crate::Geometry;
use crate::cpu::convolution::tiles::Tile;
use crate::cpu::pieces;
use crate::cpu::product::{Matrix, Store, product};
use crate::cpu::scratch;

/// See [`convolution::weight_gradient`](crate::cpu::convolution::weight_gradient).
pub(crate) fn weight_gradient(
    geometry: &Geometry,
    images: &[f32],
    outputs: &[f32],
    weight: &mut [f32],
) {
    let (taps, positions) = (geometry.taps(), geometry.positions());
    let filters = weight.len() / taps;
    let count = images.len() / geometry.image();
    let group = count.div_ceil(groups(weight.len(), count));
    let partial = |(images, outputs): (&[f32], &[f32])| {
        // Transposed, with a row per tap: products are faster if the unfolded windows, the longer and reused
        // operand, are on the left.
        let mut total = vec![0.0; weight.len()];
        let piece = geometry.images_per_piece(count).min(group);
        for (images, outputs) in images
            .chunks(piece * geometry.image())
            .zip(outputs.chunks(piece * filters * positions))
        {
            for tile in geometry.tiles(images.len() / geometry.image(), taps) {
                add_tile(geometry, images, outputs, filters, &tile, &mut total);
            }
        }
        total
    };
    let groups = images
        .par_chunks(group * geometry.image())
        .zip(outputs.par_chunks(group * filters * positions));
    let mut totals: Vec<Vec<f32>> = groups.map(partial).collect();
    let Some(mut total) = totals.pop() else {
        return;
    };
    pieces::add_all(&mut total, &totals);
    pieces::add(weight, &pieces::transpose(&total, taps));
}

/// Number of partial sums for a batch. It depends on sizes alone, because the order of additions decides the
/// last bits.
fn groups(weights: usize, images: usize) -> usize {
    /// Target for the number of values in all partial sums together.
    const PARTIAL_VALUES: usize = 1 << 24;
    (PARTIAL_VALUES / weights).clamp(4, 16).min(images)
}

/// Adds the products of one tile to `total` (taps × filters).
fn add_tile(
    geometry: &Geometry,
    images: &[f32],
    outputs: &[f32],
    filters: usize,
    tile: &Tile,
    total: &mut [f32],
) {
    let (taps, stride) = (geometry.taps(), geometry.row_stride(tile));
    let size = [taps, geometry.windows_in(tile), filters];
    let mut windows = scratch::take(taps * stride);
    unfold(geometry, images, tile, &mut windows);
    let windows = Matrix::rows(&windows, stride);
    let gathered;
    let outputs = if tile.images.len() == 1 {
        let first = tile.rows.start * geometry.windows.1;
        Matrix::columns(&outputs[first..], geometry.positions())
    } else {
        let mut buffer = scratch::take(filters * stride);
        gather(geometry, outputs, filters, tile, &mut buffer);
        gathered = buffer;
        Matrix::columns(&gathered, stride)
    };
    product(size, windows, outputs, total, filters, Store::Add);
}
