//! Sizes of a convolution at the points, and conversion of its images to interleaved channels.

use super::transform::Square;
use crate::Geometry;
use crate::cpu::product::Store;
use crate::cpu::transpose::{Planes, interleave, separate};

/// Returns whether an image has so few rows or columns of windows that a large part of its tiles of 4×4 outputs would
/// be outside the image.
pub(super) fn is_small(geometry: &Geometry) -> bool {
    geometry.windows.0 < 6 || geometry.windows.1 < 6
}

/// A convolution of stride s with k×k filters, treated as one of stride 1 with ⌈k/s⌉×⌈k/s⌉ filters on images
/// with s² times as many channels. Every s-th row and column of a channel becomes a channel of its own,
/// called a *phase*.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub geometry: Geometry,
    pub filters: usize,
    /// Values per vector of the processor.
    pub lanes: usize,
    /// Number of channels (counting each phase) and of filters, each rounded up to whole vectors.
    pub channels_stride: usize,
    pub filters_stride: usize,
    /// Rows and columns of outputs per tile.
    pub side: usize,
    /// Rows and columns of tiles per image.
    pub tiles: (usize, usize),
    /// Rows and columns of a filter on a phase.
    pub taps: usize,
}

impl Layout {
    pub(super) fn new(geometry: &Geometry, filters: usize, lanes: usize) -> Self {
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

    /// Number of channels, counting each phase.
    pub(super) fn channels(&self) -> usize {
        self.geometry.stride * self.geometry.stride * self.geometry.channels
    }

    /// Number of points of a tile.
    pub(super) fn points(&self) -> usize {
        (self.side + self.taps - 1) * (self.side + self.taps - 1)
    }

    /// Number of columns in a panel of a [product](super::product).
    pub(super) fn panel(&self) -> usize {
        2 * self.lanes
    }

    pub(super) fn tiles_per_image(&self) -> usize {
        self.tiles.0 * self.tiles.1
    }

    /// Number of entries for the positions of an image's maxima: one for every tile and filter.
    pub(super) fn places_len(&self) -> usize {
        self.tiles_per_image() * self.filters_stride
    }

    /// Layout of the outputs at every window.
    pub(super) fn outputs(&self) -> Outputs {
        Outputs {
            filters: self.filters,
            stride: self.filters_stride,
            size: self.geometry.windows,
            tiles: self.tiles,
            side: self.side,
        }
    }

    /// Layout of the outputs after pooling 2×2 windows.
    pub(super) fn pooled(&self) -> Outputs {
        let (rows, columns) = self.geometry.windows;
        Outputs {
            size: (rows / 2, columns / 2),
            side: self.side / 2,
            ..self.outputs()
        }
    }

    /// Rows and columns of an image in phases, including the zeros around it that its tiles read.
    fn input_size(&self) -> (usize, usize) {
        let size = |tiles: usize| tiles * self.side + self.taps - 1;
        (size(self.tiles.0), size(self.tiles.1))
    }

    /// Number of values of an image in phases, with channels interleaved.
    pub(super) fn input_len(&self) -> usize {
        self.input_size().0 * self.input_size().1 * self.channels_stride
    }

    /// Position of the first channels of a tile in the input. Tiles are counted through all images.
    #[inline(always)]
    pub(super) fn input_tile(&self, tile: usize) -> Square {
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

    /// Rows and columns of a kernel that is padded with zeros at its end, so that every phase has all taps.
    fn kernel_size(&self) -> usize {
        self.geometry.stride * self.taps
    }

    /// Number of values of a channel's kernels, with filters interleaved.
    pub(super) fn kernel_len(&self) -> usize {
        self.kernel_size() * self.kernel_size() * self.filters_stride
    }

    /// Positions of the weights of the first `channels` channels (each kernel row by row), with filters
    /// interleaved.
    pub(super) fn kernel_places(&self, channels: usize) -> Vec<usize> {
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

    /// Position of the taps of a channel's phase, with filters interleaved.
    #[inline(always)]
    pub(super) fn kernel_square(&self, channel: usize) -> Square {
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

    /// Positions of a channel's weights in an array of taps × taps × channels (counting each phase).
    pub(super) fn phase_places(&self) -> Vec<usize> {
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

    /// Layout of the weights of `filters` filters, one filter after another.
    pub(super) fn filter_planes(&self, filters: usize) -> Planes {
        Planes {
            channels: filters,
            stride: self.geometry.taps(),
        }
    }

    /// Writes images (channels × rows × columns) in phases, with zeros around them.
    pub(super) fn gather_input(&self, images: &[f32], to: &mut [f32]) {
        to.fill(0.0);
        let images = images.chunks_exact(self.geometry.image());
        for (image, to) in images.zip(to.chunks_exact_mut(self.input_len())) {
            self.each_row(|from, row, places| {
                interleave(&image[from..], self.image_planes(), &mut to[row..], places);
            });
        }
    }

    /// Adds images in phases to images (channels × rows × columns).
    pub(super) fn add_input(&self, from: &[f32], images: &mut [f32]) {
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

    /// Calls `visit` for every row of an image that a window covers, with the index of the row's first
    /// covered value in the image, the index of the row in phases, and the offset of every value from the
    /// latter.
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
        // Counted from the upper left corner of the first window, so that `top` and `left` zeros come first.
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

/// Layout of outputs in whole tiles, with filters interleaved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outputs {
    filters: usize,
    /// Number of filters, rounded up to whole vectors.
    stride: usize,
    /// Rows and columns of outputs.
    size: (usize, usize),
    /// Rows and columns of tiles, which may extend beyond the outputs.
    tiles: (usize, usize),
    /// Rows and columns of outputs per tile.
    side: usize,
}

impl Outputs {
    /// Number of outputs of an image, without the parts of tiles that extend beyond them.
    pub(super) fn image(&self) -> usize {
        self.filters * self.size.0 * self.size.1
    }

    /// Number of values in an image's whole tiles.
    pub(super) fn len(&self) -> usize {
        self.tiles.0 * self.tiles.1 * self.side * self.side * self.stride
    }

    /// Position of the first filters of a tile.
    #[inline(always)]
    pub(super) fn tile(&self, tile: usize) -> Square {
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

    /// Writes outputs (filters × rows × columns) with filters interleaved, and zeros where tiles extend
    /// beyond them.
    pub(super) fn gather(&self, outputs: &[f32], to: &mut [f32]) {
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

    /// Writes or adds an image's interleaved outputs to `to` (filters × rows × columns).
    pub(super) fn separate(&self, from: &[f32], to: &mut [f32], store: Store) {
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

    /// Calls `visit` for every row of outputs, with the row's index in the outputs of one filter, its index
    /// with filters interleaved, and the offset of every value from the latter.
    fn each_row(&self, mut visit: impl FnMut(usize, usize, &[usize])) {
        let (rows, columns) = self.size;
        let places: Vec<usize> = (0..columns).map(|x| x * self.stride).collect();
        let pitch = self.tiles.1 * self.side * self.stride;
        for row in 0..rows {
            visit(row * columns, row * pitch, &places);
        }
    }
}

/// Position of the first vectors of a tile in images of `len` values, whose columns are `stride` values
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
