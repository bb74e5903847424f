//! Convolutions with groups of channels, with gaps between the pixels of a window, or with different strides in both
//! directions, as sums over the taps of the kernel.
//!
//! A channel of an image is copied with its padding ([`Plane`]). `depthwise` computes depthwise convolutions that it
//! [takes](depthwise::takes), several rows of windows at once. `groups` computes all others.

mod depthwise;
mod groups;
mod plane;

use pulp::Arch;

use super::Finish;
use crate::geometry::Windows;
use plane::{Plane, ROWS_BEYOND};

/// Applies every filter to every window of the channels of its group. Returns images × filters × windows.
pub(crate) fn correlate(
    windows: &Windows,
    images: &[f32],
    weight: &[f32],
    finish: Finish<'_>,
) -> Vec<f32> {
    let arch = Arch::new();
    if depthwise::takes(arch, windows) {
        depthwise::correlate(arch, windows, images, weight, finish)
    } else {
        groups::correlate(windows, images, weight, finish)
    }
}

/// Multiplies the filters by their outputs at every window, and adds the products to the images there.
pub(crate) fn spread(windows: &Windows, outputs: &[f32], weight: &[f32], images: &mut [f32]) {
    let arch = Arch::new();
    if depthwise::takes(arch, windows) {
        depthwise::spread(arch, windows, outputs, weight, images);
    } else {
        groups::spread(windows, outputs, weight, images);
    }
}

/// Computes the products of `outputs` (the gradient of the filters' outputs) and the values in their windows, summed
/// over windows and images, and adds them to `weight`, the gradient of the weight.
pub(crate) fn weight_gradient(
    windows: &Windows,
    images: &[f32],
    outputs: &[f32],
    weight: &mut [f32],
) {
    let arch = Arch::new();
    if depthwise::takes(arch, windows) {
        depthwise::weight_gradient(arch, windows, images, outputs, weight);
    } else {
        groups::weight_gradient(windows, images, outputs, weight);
    }
}
