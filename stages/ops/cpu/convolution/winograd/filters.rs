//! Transforms of filters to the points, and of their gradient back from there.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::layout::Layout;
use super::points::{Points, with_points};
use super::product::Panels;
use super::transform::{Square, from_points, to_points};
use crate::cpu::pieces;
use crate::cpu::product::Store;
use crate::cpu::scratch::{self, Scratch};
use crate::cpu::transpose::{Planes, interleave, separate};

/// Meaning of the columns of the filters' matrices. The rows have the other meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    Filters,
    Channels,
}

/// A matrix for every point, in panels. The values are ordered by panel, then by point.
pub(super) struct Filters {
    values: Scratch,
    rows: usize,
    panel: usize,
    points: usize,
}

impl Filters {
    /// Transforms `weight` (filters × channels × kernel) to the points.
    pub(super) fn new(arch: Arch, layout: &Layout, weight: &[f32], columns: Columns) -> Self {
        let taps = Taps::of(layout, weight, columns);
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
                let first = index * panel;
                let width = panel.min(width - first);
                arch.dispatch(TransformPanel {
                    layout,
                    taps: &taps,
                    first,
                    width,
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

    /// Returns the matrix of a point.
    pub(super) fn at(&self, point: usize) -> Panels<'_> {
        Panels {
            values: &self.values[point * self.rows * self.panel..],
            row: self.panel,
            panel: self.points * self.rows * self.panel,
        }
    }
}

/// Weights with the columns of [`Filters`] interleaved.
struct Taps {
    values: Scratch,
    columns: Columns,
}

impl Taps {
    fn of(layout: &Layout, weight: &[f32], columns: Columns) -> Self {
        let geometry = &layout.geometry;
        let area = geometry.kernel_height * geometry.kernel_width;
        let values = match columns {
            Columns::Filters => {
                let size = layout.kernel_len();
                let mut values = scratch::take(geometry.channels * size);
                let planes = layout.filter_planes(layout.filters);
                let places = layout.kernel_places(CHANNELS.min(geometry.channels));
                values
                    .par_chunks_mut(CHANNELS * size)
                    .enumerate()
                    .with_min_len(pieces::at_least(CHANNELS * size))
                    .for_each(|(index, to)| {
                        to.fill(0.0);
                        let from = &weight[index * CHANNELS * area..];
                        interleave(from, planes, to, &places[..to.len() / size * area]);
                    });
                values
            }
            Columns::Channels => {
                let size = layout.taps * layout.taps * layout.channels_stride;
                let mut values = scratch::take(layout.filters * size);
                let planes = Planes {
                    channels: geometry.channels,
                    stride: area,
                };
                let places = layout.phase_places();
                values
                    .par_chunks_mut(size)
                    .zip(weight.par_chunks(geometry.taps()))
                    .with_min_len(pieces::at_least(size))
                    .for_each(|(to, from)| {
                        to.fill(0.0);
                        interleave(from, planes, to, &places);
                    });
                values
            }
        };
        Self { values, columns }
    }

    /// Position of the taps in row `row` of the matrices, from the first column on.
    #[inline(always)]
    fn square(&self, layout: &Layout, row: usize) -> Square {
        match self.columns {
            Columns::Filters => layout.kernel_square(row),
            Columns::Channels => {
                let stride = layout.channels_stride;
                Square {
                    first: row * layout.taps * layout.taps * stride,
                    row: layout.taps * stride,
                    column: stride,
                }
            }
        }
    }
}

/// Channels per piece of work when filters are interleaved.
const CHANNELS: usize = 8;

/// Transform of one panel of [`Filters`].
struct TransformPanel<'a> {
    layout: &'a Layout,
    taps: &'a Taps,
    /// First column of the panel, and number of columns.
    first: usize,
    width: usize,
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
        let (taps, panel) = (self.taps, self.layout.panel());
        for row in 0..self.rows {
            let from = taps.square(self.layout, row).shifted(self.first);
            for column in (0..self.width).step_by(S::F32_LANES) {
                let from = (&*taps.values, from.shifted(column));
                let point = self.rows * panel;
                let to = Square {
                    first: row * panel + column,
                    row: N * point,
                    column: point,
                };
                to_points(simd, &P::KERNEL, from, (&mut *self.to, to));
            }
        }
    }
}

/// Adds up the gradients in `partial` (each points × channels × filters), transforms the sum back from the
/// points, and adds the result to `weight`.
pub(super) fn add_gradient(
    arch: Arch,
    layout: &Layout,
    mut partial: Vec<Scratch>,
    weight: &mut [f32],
) {
    let Some(mut gradient) = partial.pop() else {
        return;
    };
    pieces::add_all(&mut gradient, &partial);
    let geometry = &layout.geometry;
    let size = layout.kernel_len();
    let mut taps = scratch::take(geometry.channels * size);
    taps.par_chunks_mut(size)
        .enumerate()
        .with_min_len(pieces::at_least(size))
        .for_each(|(channel, to)| {
            arch.dispatch(GradientOfChannel {
                layout,
                gradient: &gradient,
                channel,
                to,
            });
        });
    /// Filters per piece of work.
    const PIECE: usize = 8;
    let places = layout.kernel_places(geometry.channels);
    weight
        .par_chunks_mut(PIECE * geometry.taps())
        .enumerate()
        .with_min_len(pieces::at_least(PIECE * geometry.taps()))
        .for_each(|(piece, weight)| {
            let planes = layout.filter_planes(weight.len() / geometry.taps());
            let from = &taps[piece * PIECE..];
            separate(from, &places, weight, planes, Store::Add);
        });
}

/// Transform of the gradient of a channel's weights, with filters interleaved.
struct GradientOfChannel<'a> {
    layout: &'a Layout,
    gradient: &'a [f32],
    channel: usize,
    to: &'a mut [f32],
}

impl WithSimd for GradientOfChannel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_points!(self, write, simd)
    }
}

impl GradientOfChannel<'_> {
    #[inline(always)]
    fn write<S: Simd, P: Points<N, R, M>, const N: usize, const R: usize, const M: usize>(
        self,
        simd: S,
    ) {
        let Layout {
            geometry,
            filters_stride,
            ..
        } = *self.layout;
        let point = self.layout.channels() * filters_stride;
        for phase in 0..geometry.stride * geometry.stride {
            let channel = phase * geometry.channels;
            let to = self.layout.kernel_square(channel);
            for filter in (0..filters_stride).step_by(S::F32_LANES) {
                let from = Square {
                    first: (channel + self.channel) * filters_stride + filter,
                    row: N * point,
                    column: point,
                };
                let from = (self.gradient, from);
                let to = (&mut *self.to, to.shifted(filter));
                from_points::<_, N, _, false>(simd, &P::KERNEL, from, to);
            }
        }
    }
}
