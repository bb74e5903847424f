//! Depthwise convolutions with one filter of 3 or 5 rows for each channel.
//!
//! Blocks of several rows of windows are computed in registers (`rows`). Large channels are copied in bands of rows, so that
//! copying and computing overlap.

mod correlate;
mod rows;
mod spread;
mod weight_gradient;

use std::ops::Range;

use pulp::Arch;

use super::{Finish, Plane, ROWS_BEYOND};
use crate::geometry::Windows;

pub(super) use correlate::correlate;
pub(super) use spread::spread;
pub(super) use weight_gradient::weight_gradient;

/// Returns whether this module computes a convolution. Without vectors, it would be slower than `groups`.
pub(super) fn takes(arch: Arch, windows: &Windows) -> bool {
    let Windows {
        kernel,
        stride,
        before,
        ..
    } = *windows;
    !matches!(arch, Arch::Scalar)
        && windows.channels == 1
        && windows.filters == 1
        && matches!(kernel[0], 3 | 5)
        && windows.dilation == [1, 1]
        && stride.iter().all(|&stride| stride <= 2)
        && before[0] < kernel[0].next_multiple_of(stride[0])
        && before[1] < kernel[1]
}

/// Divides rows of windows on a plane into bands. A small plane is a single band.
fn bands(rows: usize, plane: &Plane) -> impl Iterator<Item = Range<usize>> {
    /// Values of a plane that is copied at once.
    const SMALL: usize = 1 << 12;
    let band = if plane.len > SMALL { rows::ROWS } else { rows };
    (0..rows)
        .step_by(band)
        .map(move |first| first..(first + band).min(rows))
}

/// Returns the rows of the plane that a band meets, except for those that the bands above it meet.
fn newly_met(band: &Range<usize>, taps: usize, stride: usize) -> Range<usize> {
    let end = |windows: usize| (windows - 1) * stride + taps;
    let start = if band.start == 0 { 0 } else { end(band.start) };
    start..end(band.end).max(start)
}
