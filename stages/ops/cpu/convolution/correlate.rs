//! Filters over windows.

use rayon::prelude::*;

use super::geometry::Geometry;
use super::unfold::unfold;
use crate::ops::cpu::product::{Matrix, Store, product};
use crate::ops::cpu::scratch;

/// Applies every filter to every window of every image. `weight` is a row per filter; `finish` gets a
/// filter's number, its products at some windows, and where they belong in `out` (images × filters ×
/// windows).
pub fn correlate(
    geometry: &Geometry,
    images: &[f32],
    weight: &[f32],
    out: &mut [f32],
    finish: impl Fn(usize, &[f32], &mut [f32]) + Sync,
) {
    let (taps, positions) = (geometry.taps(), geometry.positions());
    let filters = weight.len() / taps;
    let piece = geometry.images_per_piece(images.len() / geometry.image());
    let pieces = out
        .par_chunks_mut(piece * filters * positions)
        .zip(images.par_chunks(piece * geometry.image()));
    pieces.for_each(|(out, images)| {
        for tile in geometry.tiles(images.len() / geometry.image(), taps) {
            let stride = geometry.row_stride(&tile);
            scratch::with((taps + filters) * stride, |buffer| {
                let (windows, products) = buffer.split_at_mut(taps * stride);
                unfold(geometry, images, &tile, windows);
                let size = [filters, taps, stride];
                let (weight, windows) = (Matrix::rows(weight, taps), Matrix::rows(windows, stride));
                product(size, weight, windows, products, stride, Store::Overwrite);
                for (image, part, place) in geometry.parts(&tile) {
                    for (filter, products) in products.chunks_exact(stride).enumerate() {
                        let to = &mut out[(image * filters + filter) * positions..][place.clone()];
                        finish(filter, &products[part.clone()], to);
                    }
                }
            });
        }
    });
}
