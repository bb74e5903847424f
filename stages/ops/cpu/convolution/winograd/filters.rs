//! Filters at the points, and the gradient's way back from there.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::layout::Layout;
use super::points::{Points, Square, from_points, to_points, with_points};
use super::product::Panels;
use crate::ops::cpu::pieces;
use crate::ops::cpu::product::Store;
use crate::ops::cpu::scratch::{self, Scratch};
use crate::ops::cpu::transpose::{Planes, interleave, separate};

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

    /// The matrix of a point.
    pub fn at(&self, point: usize) -> Panels<'_> {
        Panels {
            values: &self.values[point * self.rows * self.panel..],
            row: self.panel,
            panel: self.points * self.rows * self.panel,
        }
    }
}

/// Weights with the columns of [`Filters`] side by side: for every row, taps × taps × columns.
struct Taps {
    values: Scratch,
    columns: usize,
}

impl Taps {
    fn of(layout: &Layout, weight: &[f32], columns: Columns) -> Self {
        let geometry = &layout.geometry;
        let (per_row, per_filter) = (layout.taps * layout.taps, geometry.taps());
        let area = geometry.kernel_height * geometry.kernel_width;
        match columns {
            Columns::Filters => {
                let columns = layout.filters_stride;
                let mut values = scratch::take(layout.channels() * per_row * columns);
                values.fill(0.0);
                // A channel's weights are neighbours; its phases are rows of their own, far apart.
                let planes = Planes {
                    channels: layout.filters,
                    stride: per_filter,
                };
                let places = layout.weight_places(columns, geometry.channels * per_row * columns);
                let mut channels: Vec<usize> = Vec::with_capacity(places.len());
                for channel in 0..geometry.channels {
                    channels.clear();
                    channels.extend(
                        places
                            .iter()
                            .map(|place| place + channel * per_row * columns),
                    );
                    interleave(&weight[channel * area..], planes, &mut values, &channels);
                }
                Self { values, columns }
            }
            Columns::Channels => {
                let columns = layout.channels_stride;
                let mut values = scratch::take(layout.filters * per_row * columns);
                let planes = Planes {
                    channels: geometry.channels,
                    stride: area,
                };
                let places = layout.weight_places(columns, geometry.channels);
                values
                    .par_chunks_mut(per_row * columns)
                    .zip(weight.par_chunks(per_filter))
                    .for_each(|(to, from)| {
                        to.fill(0.0);
                        interleave(from, planes, to, &places);
                    });
                Self { values, columns }
            }
        }
    }
}

/// One panel of [`Filters`].
struct TransformPanel<'a> {
    layout: &'a Layout,
    taps: &'a Taps,
    /// The panel's first column, and how many there are.
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
            for column in (0..self.width).step_by(S::F32_LANES) {
                let from = Square {
                    first: row * R * R * taps.columns + self.first + column,
                    row: R * taps.columns,
                    column: taps.columns,
                };
                let point = self.rows * panel;
                let to = Square {
                    first: row * panel + column,
                    row: N * point,
                    column: point,
                };
                let from = (&*taps.values, from);
                to_points(simd, &P::KERNEL, from, (&mut *self.to, to));
            }
        }
    }
}

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
    let geometry = &layout.geometry;
    let (per_row, columns) = (layout.taps * layout.taps, layout.filters_stride);
    let mut taps = scratch::take(layout.channels() * per_row * columns);
    taps.par_chunks_mut(per_row * columns)
        .enumerate()
        .for_each(|(channel, to)| {
            arch.dispatch(GradientOfChannel {
                layout,
                gradient: &gradient,
                channel,
                to,
            });
        });
    /// Filters to a piece.
    const PIECE: usize = 8;
    let area = geometry.kernel_height * geometry.kernel_width;
    let places = layout.weight_places(columns, geometry.channels * per_row * columns);
    weight
        .par_chunks_mut(PIECE * geometry.taps())
        .enumerate()
        .for_each(|(piece, weight)| {
            let planes = Planes {
                channels: weight.len() / geometry.taps(),
                stride: geometry.taps(),
            };
            let mut channels: Vec<usize> = Vec::with_capacity(places.len());
            for channel in 0..geometry.channels {
                channels.clear();
                channels.extend(
                    places
                        .iter()
                        .map(|place| place + channel * per_row * columns),
                );
                let from = &taps[piece * PIECE..];
                let to = &mut weight[channel * area..];
                separate(from, &channels, to, planes, Store::Add);
            }
        });
}

/// The gradient of the weights of a channel's phase: taps × taps × filters.
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
        let columns = self.layout.filters_stride;
        let point = self.layout.channels() * columns;
        for filter in (0..columns).step_by(S::F32_LANES) {
            let from = Square {
                first: self.channel * columns + filter,
                row: N * point,
                column: point,
            };
            let to = Square {
                first: filter,
                row: R * columns,
                column: columns,
            };
            let from = (self.gradient, from);
            from_points::<_, N, _, false>(simd, &P::KERNEL, from, (&mut *self.to, to));
        }
    }
}
