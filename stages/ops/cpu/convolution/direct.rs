//! Convolutions with groups of channels, with gaps between the pixels of a window, or with different strides in both
//! directions, as sums over the taps of the kernel.
//!
//! A channel of an image is copied with its padding, row by row, each row divided by the remainders of its columns modulo
//! the stride. The values that one tap meets at all windows of a row are then neighbours, so each tap is a product of a
//! vector with a number. In a depthwise convolution, a channel is read and written once; its taps are computed in the
//! caches.

use rayon::prelude::*;

use super::Finish;

use crate::cpu::{pieces, scratch, vectorized};
use crate::geometry::Windows;

/// Number of values that are summed at once: of the gradient of one tap, and at least in a row.
const LANES: usize = 8;

/// Largest number of windows that are computed at once.
const BLOCK: usize = 32;

/// Layout of a channel that is copied with its padding.
struct Plane {
    /// Rows and columns of the channel.
    input: [usize; 2],
    /// Rows and columns of zeros before it.
    before: [usize; 2],
    /// Distance between windows in rows, and in columns. The second is the number of parts of a row.
    stride: [usize; 2],
    rows: usize,
    /// Length of a part of a row.
    part: usize,
    /// Number of values.
    len: usize,
    /// Index of the value that each tap meets at the first window.
    taps: Vec<usize>,
    /// Distance between the values that a tap meets at neighbouring rows of windows.
    step: usize,
}

impl Plane {
    fn new(windows: &Windows) -> Self {
        let Windows {
            input,
            kernel,
            stride,
            dilation,
            before,
            output,
            ..
        } = *windows;
        let rows = (output[0] - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1;
        let part = output[1] + (kernel[1] - 1) * dilation[1] / stride[1];
        let row = stride[1] * part;
        let tap = |y: usize, x: usize| {
            let (row_start, column) = (y * dilation[0] * row, x * dilation[1]);
            row_start + column % stride[1] * part + column / stride[1]
        };
        let taps = (0..kernel[0]).flat_map(|y| (0..kernel[1]).map(move |x| (y, x)));
        Self {
            input,
            before,
            stride,
            rows,
            part,
            // A block at the end of a row may reach beyond it.
            len: rows * row + BLOCK,
            taps: taps.map(|(y, x)| tap(y, x)).collect(),
            step: stride[0] * row,
        }
    }

    /// Calls `visit` with the range of each part of a row in the plane, with that of its first value in the channel, and
    /// with the distance between its values there.
    fn parts(&self, mut visit: impl FnMut(std::ops::Range<usize>, usize)) {
        let [height, width] = self.input;
        let [top, left] = self.before;
        let step = self.stride[1];
        for row in top..self.rows.min(top + height) {
            for phase in 0..step {
                // Columns of the padded row are `index · step + phase`; those of the channel begin at `left`.
                let first = left.saturating_sub(phase).div_ceil(step);
                let end = (left + width).saturating_sub(phase).div_ceil(step);
                let (first, end) = (first.min(self.part), end.min(self.part));
                if first < end {
                    let start = (row * step + phase) * self.part;
                    let column = first * step + phase - left;
                    visit(start + first..start + end, (row - top) * width + column);
                }
            }
        }
    }

    /// Copies a channel.
    #[inline(always)]
    fn fill(&self, channel: &[f32], plane: &mut [f32]) {
        plane.fill(0.0);
        self.parts(|to, from| {
            let to = &mut plane[to];
            match self.stride[1] {
                1 => to.copy_from_slice(&channel[from..][..to.len()]),
                step => {
                    let from = channel[from..].iter().step_by(step);
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        });
    }

    /// Adds the values that [`Plane::fill`] would have copied to a channel.
    #[inline(always)]
    fn add_to(&self, plane: &[f32], channel: &mut [f32]) {
        self.parts(|from, to| {
            let from = &plane[from];
            let to = channel[to..].iter_mut().step_by(self.stride[1]);
            to.zip(from).for_each(|(to, from)| *to += from);
        });
    }
}

/// Returns the number of windows to compute at once, of `left` windows of a row.
fn block(left: usize) -> usize {
    match left {
        0..=8 => 8,
        9..=23 => 16,
        _ => BLOCK,
    }
}

/// Applies every filter to every window of the channels of its group. Returns images × filters × windows.
pub(crate) fn correlate(
    windows: &Windows,
    images: &[f32],
    weight: &[f32],
    finish: Finish<'_>,
) -> Vec<f32> {
    let plane = Plane::new(windows);
    let positions = windows.output[0] * windows.output[1];
    let (channels, filters) = (windows.channels, windows.filters);
    let channel_len = windows.input[0] * windows.input[1];
    let mut out = pieces::zeros(windows.images * windows.groups * filters * positions);
    out.par_chunks_exact_mut(filters * positions)
        .zip(images.par_chunks_exact(channels * channel_len))
        .enumerate()
        .for_each(|(part, (out, group))| {
            let first = part % windows.groups * filters;
            let mut planes = scratch::take(channels * plane.len);
            vectorized(|| {
                let planes_of = planes.chunks_exact_mut(plane.len);
                for (to, channel) in planes_of.zip(group.chunks_exact(channel_len)) {
                    plane.fill(channel, to);
                }
                let taps = channels * plane.taps.len();
                for (filter, out) in out.chunks_exact_mut(positions).enumerate() {
                    let weight = &weight[(first + filter) * taps..][..taps];
                    for (y, row) in out.chunks_exact_mut(windows.output[1]).enumerate() {
                        correlate_row(&plane, &planes[y * plane.step..], weight, row);
                    }
                }
            });
            finish.part(first, positions, out);
        });
    out
}

/// Computes a row of windows.
#[inline(always)]
fn correlate_row(plane: &Plane, planes: &[f32], weight: &[f32], row: &mut [f32]) {
    let mut start = 0;
    while start < row.len() {
        let left = row.len() - start;
        let to = &mut row[start..];
        match block(left) {
            8 => correlate_block::<8>(plane, planes, start, weight, to),
            16 => correlate_block::<16>(plane, planes, start, weight, to),
            _ => correlate_block::<BLOCK>(plane, planes, start, weight, to),
        }
        start += block(left);
    }
}

/// Computes up to `N` windows of a row.
#[inline(always)]
fn correlate_block<const N: usize>(
    plane: &Plane,
    planes: &[f32],
    start: usize,
    weight: &[f32],
    to: &mut [f32],
) {
    let mut sums = [0.0f32; N];
    for (channel, weight) in weight.chunks_exact(plane.taps.len()).enumerate() {
        for (&tap, &weight) in plane.taps.iter().zip(weight) {
            let from = &planes[channel * plane.len + tap + start..][..N];
            for (sum, &from) in sums.iter_mut().zip(from) {
                *sum += weight * from;
            }
        }
    }
    let len = to.len().min(N);
    to[..len].copy_from_slice(&sums[..len]);
}

/// Multiplies the filters by their outputs at every window, and adds the products to the images there.
pub(crate) fn spread(windows: &Windows, outputs: &[f32], weight: &[f32], images: &mut [f32]) {
    let plane = Plane::new(windows);
    let positions = windows.output[0] * windows.output[1];
    let (channels, filters) = (windows.channels, windows.filters);
    let channel_len = windows.input[0] * windows.input[1];
    let taps = plane.taps.len();
    images
        .par_chunks_exact_mut(channels * channel_len)
        .zip(outputs.par_chunks_exact(filters * positions))
        .enumerate()
        .for_each(|(part, (group, outputs))| {
            let first = part % windows.groups * filters;
            let mut gathered = scratch::take(plane.len);
            vectorized(|| {
                for (channel, to) in group.chunks_exact_mut(channel_len).enumerate() {
                    gathered.fill(0.0);
                    for (filter, outputs) in outputs.chunks_exact(positions).enumerate() {
                        let own = ((first + filter) * channels + channel) * taps;
                        let weight = &weight[own..][..taps];
                        for (y, row) in outputs.chunks_exact(windows.output[1]).enumerate() {
                            for (&tap, &weight) in plane.taps.iter().zip(weight) {
                                let to = &mut gathered[y * plane.step + tap..][..row.len()];
                                for (to, &output) in to.iter_mut().zip(row) {
                                    *to += weight * output;
                                }
                            }
                        }
                    }
                    plane.add_to(&gathered, to);
                }
            });
        });
}

/// Computes the products of `outputs` (the gradient of the filters' outputs) and the values in their windows, summed
/// over windows and images, and adds them to `weight`, the gradient of the weight.
pub(crate) fn weight_gradient(
    windows: &Windows,
    images: &[f32],
    outputs: &[f32],
    weight: &mut [f32],
) {
    let plane = Plane::new(windows);
    let [rows, columns] = windows.output;
    let positions = rows * columns;
    let (channels, filters) = (windows.channels, windows.filters);
    let channel_len = windows.input[0] * windows.input[1];
    let (all_channels, all_filters) = (channels * windows.groups, filters * windows.groups);
    // Rows are as long as whole vectors. What is beyond a row is multiplied by zeros.
    let padded = columns.next_multiple_of(LANES);
    weight
        .par_chunks_exact_mut(plane.taps.len())
        .enumerate()
        .for_each(|(part, weight)| {
            let (filter, channel) = (part / channels, part % channels);
            let channel = filter / filters * channels + channel;
            let mut values = scratch::take(plane.len);
            let mut gradient = scratch::take(rows * padded);
            gradient.fill(0.0);
            for image in 0..windows.images {
                let from = &images[(image * all_channels + channel) * channel_len..];
                let outputs = &outputs[(image * all_filters + filter) * positions..][..positions];
                vectorized(|| {
                    plane.fill(&from[..channel_len], &mut values);
                    let to = gradient.chunks_exact_mut(padded);
                    for (to, from) in to.zip(outputs.chunks_exact(columns)) {
                        to[..columns].copy_from_slice(from);
                    }
                    for (&tap, weight) in plane.taps.iter().zip(weight.iter_mut()) {
                        *weight += product(&values[tap..], plane.step, &gradient, padded);
                    }
                });
            }
        });
}

/// Returns the sum of the products of rows of `padded` values with rows that begin `step` values apart.
#[inline(always)]
fn product(values: &[f32], step: usize, gradient: &[f32], padded: usize) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (y, gradient) in gradient.chunks_exact(padded).enumerate() {
        let values = &values[y * step..][..padded];
        let (values, gradient) = (
            values.as_chunks::<LANES>().0,
            gradient.as_chunks::<LANES>().0,
        );
        for (values, gradient) in values.iter().zip(gradient) {
            for ((sum, &value), &gradient) in sums.iter_mut().zip(values).zip(gradient) {
                *sum += value * gradient;
            }
        }
    }
    sums.iter().sum()
}
