//! Filters over images.

use rayon::prelude::*;

use super::unfold::unfold;
use crate::Geometry;
use crate::cpu::activation::add_bias;
use crate::cpu::convolution::Finish;
use crate::cpu::product::{Matrix, Store, product};
use crate::cpu::{scratch, vectorized};

/// See [`convolution::correlate`](crate::cpu::convolution::correlate).
pub(crate) fn correlate(
    geometry: &Geometry,
    images: &[f32],
    weight: &[f32],
    out: &mut [f32],
    finish: Finish<'_>,
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
            let mut windows = scratch::take(taps * stride);
            let mut products = scratch::take(filters * stride);
            unfold(geometry, images, &tile, &mut windows);
            let size = [filters, taps, stride];
            let (weight, windows) = (Matrix::rows(weight, taps), Matrix::rows(&windows, stride));
            product(
                size,
                weight,
                windows,
                &mut products,
                stride,
                Store::Overwrite,
            );
            for (image, part, place) in geometry.parts(&tile) {
                for (filter, products) in products.chunks_exact(stride).enumerate() {
                    let to = &mut out[(image * filters + filter) * positions..][place.clone()];
                    let from = &products[part.clone()];
                    match finish {
                        Finish::Add => to.iter_mut().zip(from).for_each(|(to, from)| *to += from),
                        Finish::Activate { bias, function } => {
                            vectorized(|| add_bias(function, bias[filter], from, to));
                        }
                    }
                }
            }
        }
    });
}
