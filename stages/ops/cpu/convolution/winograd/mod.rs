//! Convolutions as products at points (Winograd's minimal algorithms), with as few as a quarter of the
//! multiplications.
//!
//! With V = Bᵀ·x·B the values of an image's tiles at the points, U = G·w·Gᵀ those of the filters, and
//! M = Σ V∘U over channels, the outputs are y = Aᵀ·M·A. The three passes of
//! [`convolution`](super) are this map and its two transposes:
//!
//! - [`correlate`](Winograd::correlate): y = Aᵀ·(Σ V∘U)·A;
//! - [`spread`](Winograd::spread): x += B·(Σ U∘(A·y·Aᵀ))·Bᵀ, tiles overlapping;
//! - [`weight_gradient`](Winograd::weight_gradient): w += Gᵀ·(Σ V∘(A·y·Aᵀ))·G.
//!
//! At every point the sums are products of matrices. Channels are interleaved, so that a vector of them is
//! processed at once, and tiles are processed in blocks that stay in the second-level cache.

mod filters;
mod layout;
mod passes;
mod points;
mod pool;
mod product;
mod transform;

#[cfg(test)]
mod tests;

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Finish;
use crate::Geometry;
use crate::cpu::scratch;
use filters::{Columns, Filters, add_gradient};
use layout::{Layout, is_small};
use passes::{Correlate, Source, Spread, WeightGradient};

/// Returns whether the passes here support this convolution and are likely to be faster. This depends only on the
/// processor and on the sizes of one image and the filters, so that an image's result does not depend on its batch.
pub(super) fn takes(geometry: &Geometry, filters: usize) -> bool {
    /// Largest number of weights for which storing their values at the points pays off. There are up to seven
    /// times as many values as weights, or more if the stride does not divide the kernel size.
    const WEIGHTS: usize = 1 << 24;
    let taps = geometry.kernel_height.div_ceil(geometry.stride);
    let square = geometry.kernel_height == geometry.kernel_width;
    let fits = match taps {
        2 => geometry.windows.0 > 2 && geometry.windows.1 > 2,
        3 => !is_small(geometry),
        _ => false,
    };
    let vectors = !matches!(Arch::new(), Arch::Scalar);
    square && fits && filters * geometry.taps() <= WEIGHTS && vectors
}

/// Returns whether [`Winograd::correlate_and_pool`] also supports this convolution.
pub(super) fn pools(geometry: &Geometry, filters: usize) -> bool {
    takes(geometry, filters) && !is_small(geometry)
}

/// Positions of the maxima in 2×2 windows, for every tile and filter of every image.
pub struct Places(Vec<u32>);

/// A convolution for which [`takes`] is true.
pub(super) struct Winograd {
    arch: Arch,
    layout: Layout,
}

impl Winograd {
    /// `weight` has a row per filter.
    pub(super) fn new(geometry: &Geometry, weight: &[f32]) -> Self {
        Self::on(Arch::new(), geometry, weight)
    }

    /// Like [`Winograd::new`], but with the vectors of `arch` instead of the widest.
    fn on(arch: Arch, geometry: &Geometry, weight: &[f32]) -> Self {
        struct Lanes;

        impl WithSimd for Lanes {
            type Output = usize;

            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }

        let filters = weight.len() / geometry.taps();
        let layout = Layout::new(geometry, filters, arch.dispatch(Lanes));
        Self { arch, layout }
    }

    /// See [`convolution::correlate`](super::correlate).
    pub(super) fn correlate(
        &self,
        images: &[f32],
        weight: &[f32],
        out: &mut [f32],
        finish: Finish<'_>,
    ) {
        self.forward(images, weight, out, None, finish);
    }

    /// See [`convolution::correlate_and_pool`](super::correlate_and_pool).
    pub(super) fn correlate_and_pool(
        &self,
        images: &[f32],
        weight: &[f32],
        out: &mut [f32],
        finish: Finish<'_>,
    ) -> Places {
        let count = images.len() / self.layout.geometry.image();
        let mut places = vec![0; count * self.layout.places_len()];
        self.forward(images, weight, out, Some(&mut places), finish);
        Places(places)
    }

    /// Computes the outputs at every window or, with `places`, the largest of every 2×2 outputs and its
    /// position.
    fn forward(
        &self,
        images: &[f32],
        weight: &[f32],
        out: &mut [f32],
        places: Option<&mut [u32]>,
        finish: Finish<'_>,
    ) {
        let Self { arch, layout } = self;
        let filters = &Filters::new(*arch, layout, weight, Columns::Filters);
        let image = layout.geometry.image();
        let piece = self.images_per_piece(images.len() / image);
        let (outputs, places): (_, Vec<Option<&mut [u32]>>) = match places {
            Some(places) => {
                let pieces = places.chunks_mut(piece * layout.places_len());
                (layout.pooled(), pieces.map(Some).collect())
            }
            None => {
                let pieces = images.chunks(piece * image);
                (layout.outputs(), pieces.map(|_| None).collect())
            }
        };
        let size = outputs.image();
        out.par_chunks_mut(piece * size)
            .zip(places)
            .zip(images.par_chunks(piece * image))
            .for_each(|((out, places), images)| {
                let input = self.gathered(images);
                let mut output = scratch::take(images.len() / image * outputs.len());
                arch.dispatch(Correlate {
                    layout,
                    filters,
                    input: &input,
                    output: &mut output,
                    places,
                });
                let images = out.chunks_exact_mut(size);
                for (out, output) in images.zip(output.chunks_exact(outputs.len())) {
                    outputs.separate(output, out, finish.store());
                    finish.apply(size / layout.filters, out);
                }
            });
    }

    /// See [`convolution::spread`](super::spread).
    pub(super) fn spread(
        &self,
        outputs: &[f32],
        places: Option<&Places>,
        weight: &[f32],
        images: &mut [f32],
        finish: impl Fn(&mut [f32]) + Sync,
    ) {
        let Self { arch, layout } = self;
        let filters = &Filters::new(*arch, layout, weight, Columns::Channels);
        let image = layout.geometry.image();
        let count = images.len() / image;
        let piece = self.images_per_piece(count);
        images
            .par_chunks_mut(piece * image)
            .enumerate()
            .for_each(|(index, images)| {
                let (first, some) = (index * piece, images.len() / image);
                let pass_input = PassInput::of(layout, outputs, places, count, first..first + some);
                let mut input = scratch::take(some * layout.input_len());
                input.fill(0.0);
                arch.dispatch(Spread {
                    layout,
                    filters,
                    output: pass_input.source(),
                    input: &mut input,
                });
                layout.add_input(&input, images);
                images.chunks_exact_mut(image).for_each(&finish);
            });
    }

    /// See [`convolution::weight_gradient`](super::weight_gradient).
    pub(super) fn weight_gradient(
        &self,
        images: &[f32],
        outputs: &[f32],
        places: Option<&Places>,
        weight: &mut [f32],
    ) {
        let Self { arch, layout } = self;
        let image = layout.geometry.image();
        let count = images.len() / image;
        let size = layout.points() * layout.channels() * layout.filters_stride;
        let group = count.div_ceil(groups(size, count));
        let piece = self.images_per_piece(count).min(group);
        let partial: Vec<scratch::Scratch> = images
            .par_chunks(group * image)
            .enumerate()
            .map(|(index, images)| {
                let mut gradient = scratch::take(size);
                for (part, images) in images.chunks(piece * image).enumerate() {
                    let (first, some) = (index * group + part * piece, images.len() / image);
                    let pass_input =
                        PassInput::of(layout, outputs, places, count, first..first + some);
                    arch.dispatch(WeightGradient {
                        layout,
                        input: &self.gathered(images),
                        output: pass_input.source(),
                        gradient: &mut gradient,
                        add: part > 0,
                    });
                }
                gradient
            })
            .collect();
        add_gradient(*arch, layout, partial, weight);
    }

    /// Returns the images in phases.
    fn gathered(&self, images: &[f32]) -> scratch::Scratch {
        let layout = &self.layout;
        let mut input = scratch::take(images.len() / layout.geometry.image() * layout.input_len());
        layout.gather_input(images, &mut input);
        input
    }

    /// Number of images per piece of work: enough that reading the filters pays off, and such that most
    /// numbers of threads share the pieces evenly.
    fn images_per_piece(&self, images: usize) -> usize {
        /// Number of tiles per piece that is enough.
        const TILES: usize = 48;
        /// The number of pieces is a multiple of this, if the batch is large enough.
        const PIECES: usize = 4;
        let enough = TILES.div_ceil(self.layout.tiles_per_image());
        let pieces = (images / enough).max(PIECES) / PIECES * PIECES;
        images.div_ceil(pieces).max(1)
    }
}

/// Outputs or their gradients, for some of the images, with filters interleaved.
struct PassInput<'a> {
    values: scratch::Scratch,
    places: Option<&'a [u32]>,
}

impl<'a> PassInput<'a> {
    /// Selects `images` among `count` images.
    fn of(
        layout: &Layout,
        outputs: &[f32],
        places: Option<&'a Places>,
        count: usize,
        images: Range<usize>,
    ) -> Self {
        let size = outputs.len() / count;
        let grid = if places.is_some() {
            layout.pooled()
        } else {
            layout.outputs()
        };
        let mut values = scratch::take(images.len() * grid.len());
        grid.gather(
            &outputs[images.start * size..images.end * size],
            &mut values,
        );
        let tiles = layout.places_len();
        let some = images.start * tiles..images.end * tiles;
        Self {
            values,
            places: places.map(|Places(all)| &all[some]),
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            values: &self.values,
            places: self.places,
        }
    }
}

/// Number of partial sums for a batch. It depends on sizes alone, because the order of additions decides the
/// last bits.
fn groups(values: usize, images: usize) -> usize {
    /// Target for the number of values in all partial sums together.
    const PARTIAL_VALUES: usize = 1 << 22;
    (PARTIAL_VALUES / values).clamp(4, 16).min(images)
}
