//! Sizes of a convolution at points, and its images with the channels side by side.

use super::transform::Square;
use crate::ops::Geometry;
use crate::ops::cpu::product::Store;
use crate::ops::cpu::transpose::{Planes, interleave, separate};

/// Whether whole tiles of 4×4 outputs would mostly lie beside the image.
pub fn is_small(geometry: &Geometry) -> bool {
    geometry.windows.0 < 6 || geometry.windows.1 < 6
}

/// A convolution of stride s with k×k filters, seen as one of stride 1 with ⌈k/s⌉×⌈k/s⌉ filters on
/// images of s²-fold channels: every s-th row and column of a channel is a channel of its own, its
/// *phase*.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub geometry: Geometry,
    pub filters: usize,
    /// Values in a vector of the processor.
    pub lanes: usize,
    /// Channels with their phases, and filters, each rounded up to whole vectors.
    pub channels_stride: usize,
    pub filters_stride: usize,
    /// Rows and columns of a tile's outputs.
    pub side: usize,
    /// Rows and columns of tiles on an image.
    pub tiles: (usize, usize),
    /// Rows and columns of a filter on the phases.
    pub taps: usize,
}

impl Layout {
    pub fn new(geometry: &Geometry, filters: usize, lanes: usize) -> Self {
        let phases = geometry.stride * geometry.stride;
        let (rows, columns) = geometry.windows;
        let side = if is_small(geometry) { 2 } else { 4 };
        Self {
            geometry: *geometry,
            filters,
            lanes,
            channels_stride: (phases * geometry.channels).next_multiple_of(lanes),
            filters_stride: filters.next_multiple_of(lanes),
            side,
            tiles: (rows.div_ceil(side), columns.div_ceil(side)),
            taps: geometry.kernel_height.div_ceil(geometry.stride),
        }
    }

    /// Channels with their phases.
    pub fn channels(&self) -> usize {
        self.geometry.stride * self.geometry.stride * self.geometry.channels
    }

    /// Points of a tile.
    pub fn points(&self) -> usize {
        (self.side + self.taps - 1) * (self.side + self.taps - 1)
    }

    /// Columns of a panel of a [product](super::product).
    pub fn panel(&self) -> usize {
        2 * self.lanes
    }

    pub fn tiles_per_image(&self) -> usize {
        self.tiles.0 * self.tiles.1
    }

    /// Numbers that tell where an image's maxima are: one for every tile and filter.
    pub fn places_len(&self) -> usize {
        self.tiles_per_image() * self.filters_stride
    }

    /// What the filters give at every window.
    pub fn outputs(&self) -> Outputs {
        Outputs {
            filters: self.filters,
            stride: self.filters_stride,
            size: self.geometry.windows,
            tiles: self.tiles,
            side: self.side,
        }
    }

    /// The same after a pooling of 2×2 windows.
    pub fn pooled(&self) -> Outputs {
        let (rows, columns) = self.geometry.windows;
        Outputs {
            size: (rows / 2, columns / 2),
            side: self.side / 2,
            ..self.outputs()
        }
    }

    /// Rows and columns of an image in phases: what all its tiles meet.
    fn input_size(&self) -> (usize, usize) {
        let size = |tiles: usize| tiles * self.side + self.taps - 1;
        (size(self.tiles.0), size(self.tiles.1))
    }

    /// Values of an image in phases, channels side by side.
    pub fn input_len(&self) -> usize {
        self.input_size().0 * self.input_size().1 * self.channels_stride
    }

    /// Where the first channels of a tile lie in the input; tiles are counted through all images.
    #[inline(always)]
    pub fn input_tile(&self, tile: usize) -> Square {
        let (columns, stride) = (self.input_size().1, self.channels_stride);
        square(
            self.tiles,
            tile,
            self.side,
            self.input_len(),
            columns,
            stride,
        )
    }

    /// Rows and columns of a kernel with zeros after its end, so that every phase has all taps.
    fn kernel_size(&self) -> usize {
        self.geometry.stride * self.taps
    }

    /// Values of a channel's kernels, filters side by side.
    pub fn kernel_len(&self) -> usize {
        self.kernel_size() * self.kernel_size() * self.filters_stride
    }

    /// Where each weight of the first channels (a row of the kernel after the other) lies with the
    /// filters side by side.
    pub fn kernel_places(&self, channels: usize) -> Vec<usize> {
        let (height, width) = (self.geometry.kernel_height, self.geometry.kernel_width);
        let place = |weight: usize| {
            let (channel, y, x) = (
                weight / (height * width),
                weight / width % height,
                weight % width,
            );
            channel * self.kernel_len() + (y * self.kernel_size() + x) * self.filters_stride
        };
        (0..channels * height * width).map(place).collect()
    }

    /// Where the taps of a channel's phase lie with the filters side by side.
    #[inline(always)]
    pub fn kernel_square(&self, channel: usize) -> Square {
        let Geometry {
            channels, stride, ..
        } = self.geometry;
        let (phase, channel) = (channel / channels, channel % channels);
        let first = phase / stride * self.kernel_size() + phase % stride;
        Square {
            first: channel * self.kernel_len() + first * self.filters_stride,
            row: stride * self.kernel_size() * self.filters_stride,
            column: stride * self.filters_stride,
        }
    }

    /// Where each weight of a channel lies among taps × taps × channels with their phases.
    pub fn phase_places(&self) -> Vec<usize> {
        let Geometry {
            channels,
            kernel_height,
            kernel_width,
            stride,
            ..
        } = self.geometry;
        let place = |weight: usize| {
            let (y, x) = (weight / kernel_width, weight % kernel_width);
            let tap = y / stride * self.taps + x / stride;
            tap * self.channels_stride + (y % stride * stride + x % stride) * channels
        };
        (0..kernel_height * kernel_width).map(place).collect()
    }

    /// The weights of some filters, one filter after the other.
    pub fn filter_planes(&self, filters: usize) -> Planes {
        Planes {
            channels: filters,
            stride: self.geometry.taps(),
        }
    }

    /// Writes images (channels × rows × columns) in phases, zeros around them.
    pub fn gather_input(&self, images: &[f32], to: &mut [f32]) {
        to.fill(0.0);
        let images = images.chunks_exact(self.geometry.image());
        for (image, to) in images.zip(to.chunks_exact_mut(self.input_len())) {
            self.each_row(|from, row, places| {
                interleave(&image[from..], self.image_planes(), &mut to[row..], places);
            });
        }
    }

    /// Adds images in phases to images.
    pub fn add_input(&self, from: &[f32], images: &mut [f32]) {
        let images = images.chunks_exact_mut(self.geometry.image());
        for (image, from) in images.zip(from.chunks_exact(self.input_len())) {
            self.each_row(|to, row, places| {
                let planes = self.image_planes();
                separate(&from[row..], places, &mut image[to..], planes, Store::Add);
            });
        }
    }

    fn image_planes(&self) -> Planes {
        Planes {
            channels: self.geometry.channels,
            stride: self.geometry.height * self.geometry.width,
        }
    }

    /// Calls `visit` for every row of an image that a window meets: where in the image the first value
    /// that is met begins, where the row in phases, and where in that each of the values.
    fn each_row(&self, mut visit: impl FnMut(usize, usize, &[usize])) {
        let Geometry {
            channels,
            height,
            width,
            stride,
            padding: (top, left),
            ..
        } = self.geometry;
        let (rows, columns) = self.input_size();
        // Counted from the first window's upper left, around which there are `top` and `left` zeros.
        let met = |size: usize, before: isize, end: usize| {
            let shift = |place: usize| place.saturating_add_signed(before).min(end);
            shift(0)..shift(size)
        };
        let across = met(width, left, columns * stride);
        let place = |x: usize| x / stride * self.channels_stride + x % stride * channels;
        let places: Vec<usize> = across.clone().map(place).collect();
        let first = across.start.wrapping_add_signed(-left);
        for y in met(height, top, rows * stride) {
            let row = y / stride * columns * self.channels_stride + y % stride * stride * channels;
            visit(y.wrapping_add_signed(-top) * width + first, row, &places);
        }
    }
}

/// Outputs of whole tiles with the filters side by side.
#[derive(Clone, Copy, Debug)]
pub struct Outputs {
    filters: usize,
    /// Filters in whole vectors.
    stride: usize,
    /// Rows and columns that are there.
    size: (usize, usize),
    /// Rows and columns of tiles, which may reach beyond.
    tiles: (usize, usize),
    /// Rows and columns of a tile.
    side: usize,
}

impl Outputs {
    /// Values of an image, one filter after the other, without those of tiles that reach beyond.
    pub fn image(&self) -> usize {
        self.filters * self.size.0 * self.size.1
    }

    /// Values of an image's whole tiles.
    pub fn len(&self) -> usize {
        self.tiles.0 * self.tiles.1 * self.side * self.side * self.stride
    }

    /// Where the first filters of a tile lie.
    #[inline(always)]
    pub fn tile(&self, tile: usize) -> Square {
        let columns = self.tiles.1 * self.side;
        square(
            self.tiles,
            tile,
            self.side,
            self.len(),
            columns,
            self.stride,
        )
    }

    /// Writes outputs (filters × rows × columns) with the filters side by side, zeros where a tile has
    /// none.
    pub fn gather(&self, outputs: &[f32], to: &mut [f32]) {
        let whole = (self.tiles.0 * self.side, self.tiles.1 * self.side);
        if self.size != whole || self.filters != self.stride {
            to.fill(0.0);
        }
        let images = outputs.chunks_exact(self.image());
        for (image, to) in images.zip(to.chunks_exact_mut(self.len())) {
            self.each_row(|row, place, places| {
                interleave(&image[row..], self.planes(), &mut to[place..], places);
            });
        }
    }

    /// Writes or adds an image's outputs to `to` (filters × rows × columns).
    pub fn separate(&self, from: &[f32], to: &mut [f32], store: Store) {
        self.each_row(|row, place, places| {
            separate(&from[place..], places, &mut to[row..], self.planes(), store);
        });
    }

    fn planes(&self) -> Planes {
        Planes {
            channels: self.filters,
            stride: self.size.0 * self.size.1,
        }
    }

    /// Calls `visit` for every row: where it begins in a filter's, where with the filters side by
    /// side, and where in that each of the values.
    fn each_row(&self, mut visit: impl FnMut(usize, usize, &[usize])) {
        let (rows, columns) = self.size;
        let places: Vec<usize> = (0..columns).map(|x| x * self.stride).collect();
        let pitch = self.tiles.1 * self.side * self.stride;
        for row in 0..rows {
            visit(row * columns, row * pitch, &places);
        }
    }
}

/// Where the first vectors of a tile lie in images of `len` values and `columns` columns, `stride`
/// apart.
#[inline(always)]
fn square(
    tiles: (usize, usize),
    tile: usize,
    side: usize,
    len: usize,
    columns: usize,
    stride: usize,
) -> Square {
    let (image, tile) = (tile / (tiles.0 * tiles.1), tile % (tiles.0 * tiles.1));
    let (y, x) = (tile / tiles.1 * side, tile % tiles.1 * side);
    Square {
        first: image * len + (y * columns + x) * stride,
        row: columns * stride,
        column: stride,
    }
}
