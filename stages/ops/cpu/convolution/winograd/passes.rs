//! The three passes over some images, each on one thread.

use pulp::{Simd, WithSimd};

use super::filters::Filters;
use super::layout::Layout;
use super::points::{Points, with_points};
use super::pool::{TileBuffer, in_buffer, pool, unpool};
use super::product::{Operand, Panels, product};
use super::transform::{Square, from_points, to_points};
use crate::cpu::scratch;

/// Filters over images. Writes the outputs with filters interleaved.
pub(super) struct Correlate<'a> {
    pub layout: &'a Layout,
    /// With filters as columns.
    pub filters: &'a Filters,
    /// Images in phases.
    pub input: &'a [f32],
    pub output: &'a mut [f32],
    /// Positions of the maxima in 2×2 windows of the outputs (tiles × filters), if these are pooled.
    pub places: Option<&'a mut [u32]>,
}

/// Outputs back to images. Multiplies the filters by their outputs, and adds the products to the values from which
/// the outputs were computed.
pub(super) struct Spread<'a> {
    pub layout: &'a Layout,
    /// With channels as columns.
    pub filters: &'a Filters,
    pub output: Source<'a>,
    /// Images in phases.
    pub input: &'a mut [f32],
}

/// The filters' gradient at the points.
pub(super) struct WeightGradient<'a> {
    pub layout: &'a Layout,
    /// Images in phases.
    pub input: &'a [f32],
    pub output: Source<'a>,
    /// Points × channels × filters.
    pub gradient: &'a mut [f32],
    /// `true` to add to `gradient` instead of overwriting it.
    pub add: bool,
}

/// Outputs, or their gradients, that a pass reads.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub values: &'a [f32],
    /// Position of each value in its 2×2 window, if the outputs were pooled.
    pub places: Option<&'a [u32]>,
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_points!(self, run, simd)
    }
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_points!(self, run, simd)
    }
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_points!(self, run, simd)
    }
}

/// Tiles that are processed together. At each point they form a matrix with a row per tile.
struct Block {
    /// Index of the first tile, counted through all images.
    first: usize,
    tiles: usize,
}

/// A value for every point, tile and channel of a block, with channels interleaved.
struct AtPoints {
    values: scratch::Scratch,
    /// Number of channels, rounded up to whole vectors.
    row: usize,
    /// Distance from one point to the next. Not a multiple of the page size: otherwise all points of a tile
    /// would compete for the same few sets of the cache.
    point: usize,
}

impl AtPoints {
    fn new(points: usize, tiles: usize, row: usize) -> Self {
        let point = tiles * row + scratch::LINE;
        Self {
            values: scratch::take(points * point),
            row,
            point,
        }
    }

    /// Position of the `N`×`N` points of a vector of channels of a tile.
    #[inline(always)]
    fn square<const N: usize>(&self, tile: usize, channel: usize) -> Square {
        Square {
            first: tile * self.row + channel,
            row: N * self.point,
            column: self.point,
        }
    }

    /// Writes the products of `tiles` and `filters` at every point.
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S, size: [usize; 3], tiles: &Self, filters: &Filters) {
        for (point, out) in self.values.chunks_mut(self.point).enumerate() {
            let (a, b) = (tiles.operand(point), filters.at(point));
            product(simd, size, a, b, out, self.row, false);
        }
    }

    fn operand(&self, point: usize) -> Operand<'_> {
        Operand {
            values: &self.values[point * self.point..],
            row: self.row,
            column: 1,
        }
    }

    fn transposed(&self, point: usize) -> Operand<'_> {
        Operand {
            row: 1,
            column: self.row,
            ..self.operand(point)
        }
    }

    /// Returns the matrix of a point as panels of columns.
    fn panels(&self, point: usize, panel: usize) -> Panels<'_> {
        Panels {
            values: &self.values[point * self.point..],
            row: self.row,
            panel,
        }
    }
}

/// Divides the tiles into blocks. Returns the size of the largest block, and the blocks. Every block reads
/// the filters once, which makes small blocks slow. Large blocks do not fit into the second-level cache.
fn blocks(layout: &Layout, tiles: usize) -> (usize, impl Iterator<Item = Block> + use<>) {
    /// Values of a block at the points that fit into the second-level cache.
    const CACHED: usize = 1 << 18;
    /// Rows that the product's kernel processes at once.
    const ROWS: usize = 12;
    let (channels, filters) = (layout.channels_stride, layout.filters_stride);
    let cached = CACHED / (layout.points() * (channels + filters));
    // Enough tiles that reading the filters takes no longer than writing and reading the tiles.
    let balanced = channels * filters / (channels + filters) / 2;
    let step = cached.max(balanced).clamp(2 * ROWS, 16 * ROWS) / ROWS * ROWS;
    let step = step.min(tiles);
    let blocks = (0..tiles).step_by(step).map(move |first| Block {
        first,
        tiles: step.min(tiles - first),
    });
    (step, blocks)
}

/// Computes V = Bᵀ·x·B for a block's tiles.
#[inline(always)]
fn input_to_points<S: Simd, P: Points<N, R, M>, const N: usize, const R: usize, const M: usize>(
    simd: S,
    layout: &Layout,
    input: &[f32],
    block: &Block,
    to: &mut AtPoints,
) {
    for tile in 0..block.tiles {
        let from = layout.input_tile(block.first + tile);
        for channel in (0..layout.channels_stride).step_by(S::F32_LANES) {
            let from = (input, from.shifted(channel));
            let place = to.square::<N>(tile, channel);
            to_points(simd, &P::INPUT, from, (&mut to.values, place));
        }
    }
}

/// Computes A·y·Aᵀ for a block's tiles.
#[inline(always)]
fn output_to_points<S: Simd, P: Points<N, R, M>, const N: usize, const R: usize, const M: usize>(
    simd: S,
    layout: &Layout,
    output: Source<'_>,
    block: &Block,
    to: &mut AtPoints,
) {
    let mut whole: TileBuffer = [0.0; _];
    let buffer = in_buffer(S::F32_LANES);
    let outputs = match output.places {
        Some(_) => layout.pooled(),
        None => layout.outputs(),
    };
    for tile in 0..block.tiles {
        let from = outputs.tile(block.first + tile);
        for filter in (0..layout.filters_stride).step_by(S::F32_LANES) {
            let place = to.square::<N>(tile, filter);
            let mut from = (output.values, from.shifted(filter));
            if let Some(places) = output.places {
                let at = (block.first + tile) * layout.filters_stride + filter;
                let places = S::as_simd_u32s(&places[at..at + S::F32_LANES]).0[0];
                unpool(simd, output.values, from.1, places, &mut whole);
                from = (whole.as_slice(), buffer);
            }
            to_points(simd, &P::OUTPUT, from, (&mut to.values, place));
        }
    }
}

impl Correlate<'_> {
    #[inline(always)]
    fn run<S: Simd, P: Points<N, R, M>, const N: usize, const R: usize, const M: usize>(
        self,
        simd: S,
    ) {
        let Self {
            layout,
            filters,
            input,
            output,
            mut places,
        } = self;
        let outputs = match places {
            Some(_) => layout.pooled(),
            None => layout.outputs(),
        };
        let mut whole: TileBuffer = [0.0; _];
        let buffer = in_buffer(S::F32_LANES);
        let tiles = input.len() / layout.input_len() * layout.tiles_per_image();
        let (step, blocks) = blocks(layout, tiles);
        let mut values = AtPoints::new(N * N, step, layout.channels_stride);
        let mut products = AtPoints::new(N * N, step, layout.filters_stride);
        for block in blocks {
            input_to_points::<S, P, N, R, M>(simd, layout, input, &block, &mut values);
            let size = [block.tiles, layout.channels(), layout.filters_stride];
            products.multiply(simd, size, &values, filters);
            for tile in 0..block.tiles {
                let to = outputs.tile(block.first + tile);
                for filter in (0..layout.filters_stride).step_by(S::F32_LANES) {
                    let from = (&*products.values, products.square::<N>(tile, filter));
                    let to = to.shifted(filter);
                    if let Some(places) = &mut places {
                        from_points::<_, N, _, false>(simd, &P::OUTPUT, from, (&mut whole, buffer));
                        let at = (block.first + tile) * layout.filters_stride + filter;
                        S::as_mut_simd_u32s(&mut places[at..at + S::F32_LANES]).0[0] =
                            pool(simd, &whole, output, to);
                    } else {
                        from_points::<_, N, _, false>(simd, &P::OUTPUT, from, (output, to));
                    }
                }
            }
        }
    }
}

impl Spread<'_> {
    #[inline(always)]
    fn run<S: Simd, P: Points<N, R, M>, const N: usize, const R: usize, const M: usize>(
        self,
        simd: S,
    ) {
        let Self {
            layout,
            filters,
            output,
            input,
        } = self;
        let tiles = input.len() / layout.input_len() * layout.tiles_per_image();
        let (step, blocks) = blocks(layout, tiles);
        let mut values = AtPoints::new(N * N, step, layout.filters_stride);
        let mut products = AtPoints::new(N * N, step, layout.channels_stride);
        for block in blocks {
            output_to_points::<S, P, N, R, M>(simd, layout, output, &block, &mut values);
            let size = [block.tiles, layout.filters, layout.channels_stride];
            products.multiply(simd, size, &values, filters);
            for tile in 0..block.tiles {
                let to = layout.input_tile(block.first + tile);
                for channel in (0..layout.channels_stride).step_by(S::F32_LANES) {
                    let from = (&*products.values, products.square::<N>(tile, channel));
                    let to = (&mut *input, to.shifted(channel));
                    from_points::<_, N, _, true>(simd, &P::INPUT, from, to);
                }
            }
        }
    }
}

impl WeightGradient<'_> {
    #[inline(always)]
    fn run<S: Simd, P: Points<N, R, M>, const N: usize, const R: usize, const M: usize>(
        self,
        simd: S,
    ) {
        let Self {
            layout,
            input,
            output,
            gradient,
            mut add,
        } = self;
        let tiles = input.len() / layout.input_len() * layout.tiles_per_image();
        let (step, blocks) = blocks(layout, tiles);
        let mut values = AtPoints::new(N * N, step, layout.channels_stride);
        let mut gradients = AtPoints::new(N * N, step, layout.filters_stride);
        let size = layout.channels() * layout.filters_stride;
        for block in blocks {
            input_to_points::<S, P, N, R, M>(simd, layout, input, &block, &mut values);
            output_to_points::<S, P, N, R, M>(simd, layout, output, &block, &mut gradients);
            for (point, out) in gradient.chunks_exact_mut(size).enumerate() {
                product(
                    simd,
                    [layout.channels(), block.tiles, layout.filters_stride],
                    values.transposed(point),
                    gradients.panels(point, layout.panel()),
                    out,
                    layout.filters_stride,
                    add,
                );
            }
            add = true;
        }
    }
}
