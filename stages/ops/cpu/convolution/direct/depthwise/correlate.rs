//! Filters over images.

use std::mem::MaybeUninit;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::rows::{Filter, Grid, Rows, sums};
use super::{Finish, Plane, bands, newly_met};
use crate::cpu::{pieces, prefetch};
use crate::geometry::Windows;

/// See [`direct::correlate`](crate::cpu::convolution::direct::correlate).
pub(in super::super) fn correlate(
    arch: Arch,
    windows: &Windows,
    images: &[f32],
    weight: &[f32],
    finish: Finish<'_>,
) -> Vec<f32> {
    let plane = Plane::new(windows);
    let weights = by_columns(windows, weight);
    let positions = windows.output[0] * windows.output[1];
    let at_once = pieces::at_least(positions);
    let count = windows.images * windows.groups * positions;
    let mut out = Vec::with_capacity(count);
    out.spare_capacity_mut()[..count]
        .par_chunks_mut(at_once * positions)
        .enumerate()
        .for_each(|(piece, out)| {
            arch.dispatch(Channels {
                windows,
                plane: &plane,
                images,
                weights: &weights,
                finish,
                first: piece * at_once,
                out,
            });
        });
    // SAFETY: the capacity is at least `count`, and that many values have been written.
    unsafe { out.set_len(count) };
    out
}

/// Returns the weights of each channel by columns of taps, from top to bottom.
fn by_columns(windows: &Windows, weight: &[f32]) -> Vec<f32> {
    let [rows, columns] = windows.kernel;
    let taps = (0..columns).flat_map(|x| (0..rows).map(move |y| y * columns + x));
    weight
        .chunks_exact(rows * columns)
        .flat_map(|filter| taps.clone().map(|tap| filter[tap]))
        .collect()
}

/// Channels of images, and their outputs.
struct Channels<'a> {
    windows: &'a Windows,
    plane: &'a Plane,
    images: &'a [f32],
    /// The weights of each channel, by columns.
    weights: &'a [f32],
    finish: Finish<'a>,
    /// The first channel, counted over all images.
    first: usize,
    out: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for Channels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Windows {
            groups,
            input,
            kernel: [taps, taps_of_row],
            stride: [stride, _],
            output: [rows, columns],
            ..
        } = *self.windows;
        let plane = self.plane;
        let mut values = plane.zeros(1);
        let outputs = self.out.chunks_exact_mut(rows * columns);
        for (index, out) in (self.first..).zip(outputs) {
            let from = &self.images[index * input[0] * input[1]..];
            let channel = index % groups;
            let filter = Filter {
                weights: &self.weights[channel * taps * taps_of_row..],
                bias: self.finish.bias(channel),
            };
            for band in bands(rows, plane) {
                let out = &mut out[band.start * columns..band.end * columns];
                prefetch(out);
                plane.fill_rows(newly_met(&band, taps, stride), from, &mut values);
                let grid = Grid {
                    size: [band.len(), columns],
                    pitch: plane.pitch,
                    stride,
                    taps,
                    columns: &plane.taps[..taps_of_row],
                };
                let values = &values[band.start * plane.step..];
                sums(simd, values, grid, filter, Rows::overwriting(out, columns));
                // SAFETY: the sums of all windows have been written, and there are no values between rows.
                self.finish.activate(unsafe { out.assume_init_mut() });
            }
        }
    }
}
