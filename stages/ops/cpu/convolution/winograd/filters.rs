//! Filters at the points, and the gradient's way back from there.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::layout::Layout;
use super::points::{Points, Square, from_points, to_points, with_points};
use super::product::Panels;
use crate::ops::cpu::pieces;
use crate::ops::cpu::scratch::{self, Scratch};

/// What the columns of the filters' matrices are; the rows are the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    Filters,
    Channels,
}

/// A matrix for every point, in panels: first by panel, then by point.
pub struct Filters {
    values: Scratch,
    rows: usize,
    panel: usize,
    points: usize,
}

impl Filters {
    /// Takes `weight` (filters × channels × kernel) to the points.
    pub fn new(arch: Arch, layout: &Layout, weight: &[f32], columns: Columns) -> Self {
        let (rows, width) = match columns {
            Columns::Filters => (layout.channels(), layout.filters_stride),
            Columns::Channels => (layout.filters, layout.channels_stride),
        };
        let (panel, points) = (layout.panel(), layout.points());
        let mut values = scratch::take(width.div_ceil(panel) * points * rows * panel);
        values
            .par_chunks_mut(points * rows * panel)
            .enumerate()
            .for_each(|(index, to)| {
                arch.dispatch(TransformPanel {
                    layout,
                    weight,
                    columns,
                    first: index * panel,
                    rows,
                    to,
                });
            });
        Self {
            values,
            rows,
            panel,
            points,
        }
    }

    /// The matrix of a point.
    pub fn at(&self, point: usize) -> Panels<'_> {
        Panels {
            values: &self.values[point * self.rows * self.panel..],
            row: self.panel,
            panel: self.points * self.rows * self.panel,
        }
    }
}

/// One panel of [`Filters`].
struct TransformPanel<'a> {
    layout: &'a Layout,
    weight: &'a [f32],
    columns: Columns,
    /// The panel's first column.
    first: usize,
    rows: usize,
    to: &'a mut [f32],
}

impl WithSimd for TransformPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_points!(self, transform, simd)
    }
}

impl TransformPanel<'_> {
    #[inline(always)]
    fn transform<S: Simd, P: Points<N, R, M>, const N: usize, const R: usize, const M: usize>(
        self,
        simd: S,
    ) {
        let Self {
            layout,
            weight,
            columns,
            first,
            rows,
            to,
        } = self;
        let lanes = S::F32_LANES;
        let width = layout.panel();
        let taps_per_filter = layout.geometry.taps();
        let (filters, channels) = (layout.filters, layout.channels());
        let at = |filter: usize, channel: usize, y: usize, x: usize| {
            if filter >= filters || channel >= channels {
                return 0.0;
            }
            let place = layout.weight(channel, y, x);
            place.map_or(0.0, |place| weight[filter * taps_per_filter + place])
        };
        // R×R vectors of weights.
        let mut taps = [0.0; MOST_TAPS * MOST_LANES];
        for row in 0..rows {
            for vector in (0..width).step_by(lanes) {
                for (tap, values) in taps.chunks_exact_mut(lanes).take(R * R).enumerate() {
                    for (column, value) in (first + vector..).zip(values) {
                        *value = match columns {
                            Columns::Filters => at(column, row, tap / R, tap % R),
                            Columns::Channels => at(row, column, tap / R, tap % R),
                        };
                    }
                }
                let from = Square {
                    first: 0,
                    row: R * lanes,
                    column: lanes,
                };
                let point = rows * width;
                let place = Square {
                    first: row * width + vector,
                    row: N * point,
                    column: point,
                };
                to_points(simd, &P::KERNEL, (&taps, from), (&mut *to, place));
            }
        }
    }
}

/// Taps of the largest filter that there is an algorithm for.
const MOST_TAPS: usize = 9;

/// Values of the widest vector.
const MOST_LANES: usize = 16;

/// Takes the gradient of the filters at the points, the sum of `partial` (each points × channels ×
/// filters), back to `weight`, to which it is added.
pub fn add_gradient(
    arch: Arch,
    layout: &Layout,
    mut partial: impl Iterator<Item = Scratch>,
    weight: &mut [f32],
) {
    let Some(mut gradient) = partial.next() else {
        return;
    };
    for next in partial {
        pieces::add(&mut gradient, &next);
    }
    let block = layout.lanes;
    weight
        .par_chunks_mut(block * layout.geometry.taps())
        .enumerate()
        .for_each(|(index, weight)| {
            arch.dispatch(AddGradient {
                layout,
                gradient: &gradient,
                first: index * block,
                weight,
            });
        });
}

/// The gradient of a vector of filters.
struct AddGradient<'a> {
    layout: &'a Layout,
    gradient: &'a [f32],
    first: usize,
    weight: &'a mut [f32],
}

impl WithSimd for AddGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_points!(self, add, simd)
    }
}

impl AddGradient<'_> {
    #[inline(always)]
    fn add<S: Simd, P: Points<N, R, M>, const N: usize, const R: usize, const M: usize>(
        self,
        simd: S,
    ) {
        let Self {
            layout,
            gradient,
            first,
            weight,
        } = self;
        let (channels, stride) = (layout.channels(), layout.filters_stride);
        let (lanes, taps_per_filter) = (S::F32_LANES, layout.geometry.taps());
        let mut taps = [0.0; MOST_TAPS * MOST_LANES];
        for channel in 0..channels {
            let point = channels * stride;
            let from = Square {
                first: channel * stride + first,
                row: N * point,
                column: point,
            };
            let to = Square {
                first: 0,
                row: R * lanes,
                column: lanes,
            };
            let from = (gradient, from);
            from_points::<_, N, _, false>(simd, &P::KERNEL, from, (&mut taps, to));
            for (tap, values) in taps.chunks_exact(lanes).take(R * R).enumerate() {
                if let Some(place) = layout.weight(channel, tap / R, tap % R) {
                    for (filter, value) in weight.chunks_exact_mut(taps_per_filter).zip(values) {
                        filter[place] += value;
                    }
                }
            }
        }
    }
}
