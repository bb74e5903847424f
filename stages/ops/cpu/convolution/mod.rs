//! The three passes that make up the forward and backward passes of convolutions and their transposes:
//! filters over images, outputs back to images, and the filters' gradient.
//!
//! `winograd` computes the convolutions that it supports, with fewer multiplications. `unfolded` computes all
//! others whose windows have no gaps and meet all channels. `direct` computes those with groups (among them depthwise
//! ones), with gaps, and with different strides in both directions.

pub mod direct;
mod finish;
mod tiles;
mod unfolded;
mod winograd;

use crate::Geometry;
pub use finish::Finish;
pub use winograd::Places;
use winograd::Winograd;

/// Applies every filter (a row of `weight`) to every window of every image. `out` is images × filters ×
/// windows.
pub fn correlate(
    geometry: &Geometry,
    images: &[f32],
    weight: &[f32],
    out: &mut [f32],
    finish: Finish<'_>,
) {
    if winograd::takes(geometry, weight.len() / geometry.taps()) {
        Winograd::new(geometry, weight).correlate(images, weight, out, finish);
    } else {
        unfolded::correlate(geometry, images, weight, out, finish);
    }
}

/// Returns whether [`correlate_and_pool`] supports this convolution.
pub fn pools(geometry: &Geometry, filters: usize) -> bool {
    winograd::pools(geometry, filters)
}

/// Like [`correlate`], but keeps only the largest of every 2×2 adjacent outputs. Returns the positions of
/// these maxima.
pub fn correlate_and_pool(
    geometry: &Geometry,
    images: &[f32],
    weight: &[f32],
    out: &mut [f32],
    finish: Finish<'_>,
) -> Places {
    Winograd::new(geometry, weight).correlate_and_pool(images, weight, out, finish)
}

/// Multiplies the filters (rows of `weight`) by their output at every window, and adds the products to the image
/// there. Then calls `finish` with each image. `places` must be given if the outputs were pooled.
pub fn spread(
    geometry: &Geometry,
    outputs: &[f32],
    places: Option<&Places>,
    weight: &[f32],
    images: &mut [f32],
    finish: impl Fn(&mut [f32]) + Sync,
) {
    if winograd::takes(geometry, weight.len() / geometry.taps()) {
        Winograd::new(geometry, weight).spread(outputs, places, weight, images, finish);
    } else {
        unfolded::spread(geometry, outputs, weight, images, finish);
    }
}

/// Computes the products of `outputs` (the gradient of the filters' outputs) and the values in their windows,
/// summed over windows and images, and adds them to `weight`, the gradient of the weight (filters × taps).
/// `places` must be given if the outputs were pooled.
pub fn weight_gradient(
    geometry: &Geometry,
    images: &[f32],
    outputs: &[f32],
    places: Option<&Places>,
    weight: &mut [f32],
) {
    if winograd::takes(geometry, weight.len() / geometry.taps()) {
        Winograd::new(geometry, weight).weight_gradient(images, outputs, places, weight);
    } else {
        unfolded::weight_gradient(geometry, images, outputs, weight);
    }
}
