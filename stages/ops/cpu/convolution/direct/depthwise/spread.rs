//! Outputs back to images.
//!
//! A window meets the padded row o·stride + t at tap t, where o is the row of the window. So the padded row i·stride + r
//! gets the outputs of rows i − j at the taps j·stride + r. For each remainder r, this is a convolution of the outputs with
//! stride 1. Columns are not divided by remainders. Instead, stride − 1 zeros are between the columns of outputs: they cost
//! multiplications, but results can be added to the image as they are.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::rows::{Filter, Grid, Rows, sums};
use super::{Plane, bands, newly_met};
use crate::cpu::{pieces, prefetch};
use crate::geometry::Windows;

/// See [`direct::spread`](crate::cpu::convolution::direct::spread).
pub(in super::super) fn spread(
    arch: Arch,
    windows: &Windows,
    outputs: &[f32],
    weight: &[f32],
    images: &mut [f32],
) {
    let layout = Layout::new(windows, weight);
    let channel_len = windows.input[0] * windows.input[1];
    let at_once = pieces::at_least(channel_len);
    images
        .par_chunks_mut(at_once * channel_len)
        .enumerate()
        .for_each(|(piece, channels)| {
            arch.dispatch(Channels {
                windows,
                layout: &layout,
                outputs,
                first: piece * at_once,
                channels,
            });
        });
}

/// Layout of outputs that go back to images.
struct Layout {
    plane: Plane,
    /// For every remainder.
    classes: Vec<Class>,
}

/// Rows of the padded image with the same remainder.
struct Class {
    /// The first of them that is in the image, as a row of it.
    row: usize,
    /// Number of rows in the image.
    rows: usize,
    /// Number of rows of taps.
    taps: usize,
    /// Row of the plane that the first row meets with its upper tap.
    met: usize,
    /// The weights of each channel, by columns.
    weights: Vec<f32>,
}

impl Layout {
    fn new(windows: &Windows, weight: &[f32]) -> Self {
        let Windows {
            input: [height, width],
            kernel: [rows, columns],
            stride: [stride, gap],
            before: [top, left],
            ..
        } = *windows;
        let taps_of = |remainder: usize| rows.saturating_sub(remainder).div_ceil(stride);
        let most = taps_of(0);
        // The plane begins with the row that the image's first row meets.
        let first = top / stride;
        let plane = Windows {
            input: windows.output,
            kernel: [most, columns],
            stride: [1; 2],
            before: [most - 1 - first, columns - 1 - left],
            output: [(top + height).div_ceil(stride) - first, width],
            ..*windows
        };
        let classes = (0..stride).map(|remainder| {
            let taps = taps_of(remainder);
            let index = top.saturating_sub(remainder).div_ceil(stride);
            let row = index * stride + remainder - top;
            // From the last tap to the first one, because the first output is met by the last tap.
            let places = (0..columns).rev().flat_map(|column| {
                let rows = (0..taps).rev();
                rows.map(move |row| (row * stride + remainder) * columns + column)
            });
            Class {
                row,
                rows: height.saturating_sub(row).div_ceil(stride),
                taps,
                met: index - first + most - taps,
                weights: weight
                    .chunks_exact(rows * columns)
                    .flat_map(|filter| places.clone().map(|place| filter[place]))
                    .collect(),
            }
        });
        Self {
            plane: Plane::with_gap(&plane, gap),
            classes: classes.collect(),
        }
    }
}

/// Channels of images that get outputs.
struct Channels<'a> {
    windows: &'a Windows,
    layout: &'a Layout,
    outputs: &'a [f32],
    /// The first channel, counted over all images.
    first: usize,
    channels: &'a mut [f32],
}

impl WithSimd for Channels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Layout { plane, classes } = self.layout;
        let Windows {
            groups,
            input: [height, width],
            kernel: [taps, taps_of_row],
            stride: [stride, _],
            output,
            ..
        } = *self.windows;
        let mut values = plane.zeros(1);
        let channels = self.channels.chunks_exact_mut(height * width);
        for (index, to) in (self.first..).zip(channels) {
            let from = &self.outputs[index * output[0] * output[1]..];
            for band in bands(height.div_ceil(stride), plane) {
                let rows = band.start * stride..(band.end * stride).min(height);
                prefetch(&to[rows.start * width..rows.end * width]);
                // Classes may begin at different rows of outputs, so a band meets up to `stride - 1` more.
                let met = band.start..band.end + stride - 1;
                let met = newly_met(&met, taps.div_ceil(stride), 1);
                plane.fill_rows(met, from, &mut values);
                for class in classes {
                    let rows = band.start..band.end.min(class.rows);
                    if rows.is_empty() {
                        continue;
                    }
                    let per_channel = class.taps * taps_of_row;
                    let filter = Filter {
                        weights: &class.weights[index % groups * per_channel..],
                        bias: 0.0,
                    };
                    let grid = Grid {
                        size: [rows.len(), width],
                        pitch: plane.pitch,
                        stride: 1,
                        taps: class.taps,
                        columns: &plane.taps[..taps_of_row],
                    };
                    let values = &values[(class.met + rows.start) * plane.pitch..];
                    let to = &mut to[(class.row + rows.start * stride) * width..];
                    sums(simd, values, grid, filter, Rows::adding(to, stride * width));
                }
            }
        }
    }
}
