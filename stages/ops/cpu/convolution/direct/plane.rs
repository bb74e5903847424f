//! A channel of an image with its padding, in the layout that taps read.
//!
//! Each row is divided by the remainders of its columns modulo the stride. The values that one tap meets at all windows
//! of a row are then neighbours.

use std::ops::Range;

use crate::cpu::prefetch;
use crate::cpu::scratch::{self, LINE, Scratch};
use crate::geometry::Windows;

/// Values after the last row, for windows beyond the end of a row.
const BEYOND: usize = 2 * LINE;

/// Rows of windows below the last one for which there are zeros.
pub(super) const ROWS_BEYOND: usize = 3;

/// Layout of a channel with its padding.
///
/// Parts of rows start at cache lines. They are so long that a channel's columns can be written in whole lines, with zeros
/// after the last column, and that whole lines of windows can be computed.
pub(super) struct Plane {
    /// Rows and columns of the channel.
    input: [usize; 2],
    /// Rows of zeros above it.
    top: usize,
    /// Number of rows that windows meet, with the padding.
    rows: usize,
    /// Distance between rows.
    pub pitch: usize,
    /// The stride in columns: number of parts of a row.
    stride: usize,
    /// Distance between neighbouring columns of a part; between them are zeros.
    gap: usize,
    /// Number of values.
    pub len: usize,
    /// The channel's columns in each part.
    parts: Vec<Part>,
    /// Index of the value that each tap meets at the first window.
    pub taps: Vec<usize>,
    /// Distance between the values that a tap meets at neighbouring rows of windows.
    pub step: usize,
}

/// Columns of a channel that are in the same part of a row.
struct Part {
    /// Index in the row of the first of them.
    start: usize,
    /// The first of them; the others follow at the distance of the stride.
    column: usize,
    /// Number of columns.
    len: usize,
    /// Bits to keep in the last line, if it is not full.
    last: [u32; LINE],
}

impl Plane {
    pub(super) fn new(windows: &Windows) -> Self {
        Self::with_gap(windows, 1)
    }

    /// Like [`Plane::new`], but with `gap - 1` columns of zeros between neighbouring columns of the channel. A `gap` above 1
    /// needs a stride of 1. The first window meets the zeros before the channel, then the first column.
    pub(super) fn with_gap(windows: &Windows, gap: usize) -> Self {
        let Windows {
            input,
            kernel,
            stride,
            dilation,
            before: [top, left],
            output,
            ..
        } = *windows;
        let rows = (output[0] - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1;
        let reach = (kernel[1] - 1) * dilation[1] / stride[1];
        let met = output[1] + reach;
        let phases = (0..stride[1]).map(|phase| {
            // Columns of the padded row are `index · stride + phase`; those of the channel begin at `left`.
            let first = left.saturating_sub(phase).div_ceil(stride[1]);
            let end = (left + (input[1] - 1) * gap + 1).saturating_sub(phase);
            let len = end.div_ceil(stride[1]).min(met).saturating_sub(first);
            (phase, first, len.div_ceil(gap))
        });
        let lines =
            |(_, first, len): (usize, usize, usize)| first + (len * gap).next_multiple_of(LINE);
        let windows_in_lines = output[1].next_multiple_of(LINE) + reach;
        let part = phases.clone().map(lines).fold(windows_in_lines, usize::max);
        let part = part.next_multiple_of(LINE);
        let pitch = stride[1] * part;
        let parts = phases.filter(|&(_, _, len)| len > 0);
        let parts = parts.map(|(phase, first, len)| Part {
            start: phase * part + first,
            column: first * stride[1] + phase - left,
            len,
            last: std::array::from_fn(|index| if index < len * gap % LINE { !0 } else { 0 }),
        });
        let tap = |y: usize, x: usize| {
            let (row_start, column) = (y * dilation[0] * pitch, x * dilation[1]);
            row_start + column % stride[1] * part + column / stride[1]
        };
        let taps = (0..kernel[0]).flat_map(|y| (0..kernel[1]).map(move |x| (y, x)));
        Self {
            input,
            top,
            rows,
            pitch,
            stride: stride[1],
            gap,
            len: (rows + ROWS_BEYOND * stride[0]) * pitch + BEYOND,
            parts: parts.collect(),
            taps: taps.map(|(y, x)| tap(y, x)).collect(),
            step: stride[0] * pitch,
        }
    }

    /// Returns `count` planes of zeros.
    pub(super) fn zeros(&self, count: usize) -> Scratch {
        let mut planes = scratch::take(count * self.len);
        planes.fill(0.0);
        planes
    }

    /// Copies a channel, the first of `channels`, to a plane whose padding is zeros.
    #[inline(always)]
    pub(super) fn fill(&self, channels: &[f32], plane: &mut [f32]) {
        self.fill_rows(0..self.rows, channels, plane);
    }

    /// Like [`Plane::fill`], for some rows of the plane only.
    #[inline(always)]
    pub(super) fn fill_rows(&self, rows: Range<usize>, channels: &[f32], plane: &mut [f32]) {
        let rows = self.of_channel(rows);
        if rows.is_empty() {
            return;
        }
        let width = self.input[1];
        let channels = &channels[(rows.start - self.top) * width..];
        prefetch(&channels[..rows.len() * width]);
        for part in &self.parts {
            let from = &channels[part.column..];
            let to = &mut plane[rows.start * self.pitch + part.start..];
            match (self.stride, self.gap) {
                (1, 1) => self.copy::<LINE>(part, rows.len(), from, to, |from| *from),
                (2, 1) => self.copy::<{ 2 * LINE }>(part, rows.len(), from, to, every_second),
                (1, 2) => self.copy::<{ LINE / 2 }>(part, rows.len(), from, to, with_zeros),
                _ => self.copy_values(part, rows.len(), from, to),
            }
        }
    }

    /// Copies a part of rows line by line. `line` makes a line from `READ` values, which may be beyond the end of a row.
    #[inline(always)]
    fn copy<const READ: usize>(
        &self,
        part: &Part,
        rows: usize,
        from: &[f32],
        to: &mut [f32],
        line: impl Fn(&[f32; READ]) -> [f32; LINE],
    ) {
        let width = self.input[1];
        let lines = (part.len * self.gap).div_ceil(LINE);
        if (rows - 1) * width + lines * READ > from.len() {
            // The last values of all images.
            return self.copy_values(part, rows, from, to);
        }
        assert!((rows - 1) * self.pitch + lines * LINE <= to.len());
        let whole = part.len * self.gap / LINE;
        let last = part.last;
        for row in 0..rows {
            // SAFETY: the condition and the assertion above place all lines of all rows in the slices.
            unsafe {
                let from = from.as_ptr().add(row * width).cast::<[f32; READ]>();
                let to = to.as_mut_ptr().add(row * self.pitch).cast::<[f32; LINE]>();
                for index in 0..whole {
                    *to.add(index) = line(&*from.add(index));
                }
            }
        }
        if whole == lines {
            return;
        }
        for row in 0..rows {
            // SAFETY: as above.
            unsafe {
                let from = from.as_ptr().add(row * width).cast::<[f32; READ]>();
                let to = to.as_mut_ptr().add(row * self.pitch).cast::<[f32; LINE]>();
                let line = line(&*from.add(whole));
                *to.add(whole) = std::array::from_fn(|index| {
                    f32::from_bits(line[index].to_bits() & last[index])
                });
            }
        }
    }

    /// Copies a part of rows value by value.
    fn copy_values(&self, part: &Part, rows: usize, from: &[f32], to: &mut [f32]) {
        for row in 0..rows {
            let from = from[row * self.input[1]..].iter().step_by(self.stride);
            let to = to[row * self.pitch..].iter_mut().step_by(self.gap);
            let pairs = to.zip(from).take(part.len);
            pairs.for_each(|(to, from)| *to = *from);
        }
    }

    /// Returns those of the plane's rows that have values of the channel.
    fn of_channel(&self, rows: Range<usize>) -> Range<usize> {
        rows.start.max(self.top)..rows.end.min(self.rows).min(self.top + self.input[0])
    }

    /// Adds the values that [`Plane::fill`] would have copied to a channel. There must be no gaps between columns.
    #[inline(always)]
    pub(super) fn add_to(&self, plane: &[f32], channel: &mut [f32]) {
        let width = self.input[1];
        for row in self.of_channel(0..self.rows) {
            let channel = &mut channel[(row - self.top) * width..][..width];
            for part in &self.parts {
                let from = &plane[row * self.pitch + part.start..][..part.len];
                let to = channel[part.column..].iter_mut().step_by(self.stride);
                to.zip(from).for_each(|(to, from)| *to += from);
            }
        }
    }
}

/// Returns every second value.
#[inline(always)]
fn every_second(values: &[f32; 2 * LINE]) -> [f32; LINE] {
    std::array::from_fn(|index| values[2 * index])
}

/// Returns the values, with a zero after each.
#[inline(always)]
fn with_zeros(values: &[f32; LINE / 2]) -> [f32; LINE] {
    let pairs: [[f32; 2]; LINE / 2] = values.map(|value| [value, 0.0]);
    bytemuck::cast(pairs)
}
