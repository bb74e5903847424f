//! The filters' gradient.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::rows::{Grid, products};
use super::{Plane, bands, newly_met};
use crate::cpu::pieces;
use crate::cpu::scratch::{self, LINE, Scratch};
use crate::geometry::Windows;

/// Number of partial sums for a batch. It is part of the definition of the result: another number would change the last
/// bits.
const PARTS: usize = 8;

/// Number of channels of an image that are read one after another.
const CHANNELS: usize = 16;

/// See [`direct::weight_gradient`](crate::cpu::convolution::direct::weight_gradient).
pub(in super::super) fn weight_gradient(
    arch: Arch,
    windows: &Windows,
    images: &[f32],
    outputs: &[f32],
    weight: &mut [f32],
) {
    let layout = [
        Plane::new(windows),
        Plane::new(&Windows {
            input: windows.output,
            kernel: [1; 2],
            stride: [1; 2],
            before: [0; 2],
            ..*windows
        }),
    ];
    let filter = windows.kernel[0] * windows.kernel[1];
    let per_part = windows.images.div_ceil(PARTS).max(1);
    let parts = (0..windows.images.div_ceil(per_part)).into_par_iter();
    let parts: Vec<Scratch> = parts
        .map(|part| {
            let part = part * per_part..((part + 1) * per_part).min(windows.images);
            let mut sums = scratch::take(weight.len());
            sums.par_chunks_mut(CHANNELS * filter)
                .enumerate()
                .for_each(|(piece, sums)| {
                    arch.dispatch(Channels {
                        windows,
                        layout: &layout,
                        images,
                        outputs,
                        part: part.clone(),
                        first: piece * CHANNELS,
                        sums,
                    });
                });
            sums
        })
        .collect();
    pieces::add_all(weight, &parts);
}

/// Some channels of some images.
struct Channels<'a> {
    windows: &'a Windows,
    /// Planes of images and of outputs.
    layout: &'a [Plane; 2],
    images: &'a [f32],
    outputs: &'a [f32],
    /// The images.
    part: Range<usize>,
    /// The first channel.
    first: usize,
    /// The gradient of the channels' filters.
    sums: &'a mut [f32],
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
        let [plane, gradient] = self.layout;
        let (mut values, mut gradients) = (plane.zeros(1), gradient.zeros(1));
        // For each channel and each column of taps, a line for each tap, from top to bottom.
        let mut totals = scratch::take(self.sums.len() * LINE);
        totals.fill(0.0);
        let per_channel = taps * taps_of_row;
        for image in self.part {
            let totals = totals.chunks_exact_mut(per_channel * LINE);
            for (index, totals) in (image * groups + self.first..).zip(totals) {
                let images = &self.images[index * input[0] * input[1]..];
                let outputs = &self.outputs[index * rows * columns..];
                for band in bands(rows, plane) {
                    plane.fill_rows(newly_met(&band, taps, stride), images, &mut values);
                    gradient.fill_rows(band.clone(), outputs, &mut gradients);
                    let grid = Grid {
                        size: [band.len(), columns],
                        pitch: plane.pitch,
                        stride,
                        taps,
                        columns: &plane.taps[..taps_of_row],
                    };
                    let values = &values[band.start * plane.step..];
                    let gradients = &gradients[band.start * gradient.pitch..];
                    products(simd, values, grid, (gradients, gradient.pitch), totals);
                }
            }
        }
        let lines = totals.chunks_exact(per_channel * LINE);
        for (sums, lines) in self.sums.chunks_exact_mut(per_channel).zip(lines) {
            let columns = lines.chunks_exact(taps * LINE).enumerate();
            for (column, lines) in columns {
                for (row, line) in lines.chunks_exact(LINE).enumerate() {
                    // Lanes after the first vector are not used.
                    let (total, _) = S::as_simd_f32s(line);
                    sums[row * taps_of_row + column] = simd.reduce_sum_f32s(total[0]);
                }
            }
        }
    }
}
