//! Sketches, by which images are compared: the lowest frequencies of an image, made equal in strength.
//!
//! Radiographs of one kind have their large structures in common: small pictures of any two correlate to 0.9
//! and more, and perceptual hashes of a few dozen bits agree. They differ in fine structures. A *sketch* is
//! made in three steps:
//!
//! 1. Every gray value is replaced by its rank among the pixels, which undoes brightness, contrast and gamma.
//! 2. The cosine transform (DCT-II) of the ranks is taken, up to [`SIDE`] frequencies along each side. These
//!    are the frequencies that resizing and JPEG preserve.
//! 3. Every coefficient is multiplied by its frequency, since amplitudes of natural images fall with it
//!    (Field 1987, <https://doi.org/10.1364/JOSAA.4.002379>). The mean is left out.
//!
//! The similarity of two images is the correlation of their sketches. Coefficients are whole numbers with so
//! few bits that sums of products are exact in single precision. The order of summation, and so the number of
//! threads and the processor, cannot change a similarity.

use std::f64::consts::PI;

use contract::ImageShape;
use images::luma;
use rayon::prelude::*;

use crate::data::Dataset;

/// Largest number of frequencies along a side. An image with fewer pixels has as many frequencies as pixels.
const SIDE: usize = 24;
/// Number of frequencies along a side at the first look.
const COARSE_SIDE: usize = 12;
/// Euclidean length of a sketch. Its square, with rounding errors, is below 2²⁴. By Cauchy and Schwarz, so is
/// every sum of products, which a single-precision number then holds exactly.
const LENGTH: f32 = 4000.0;

/// The coefficients that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// The lowest frequencies, for a first look.
    Coarse,
    /// All frequencies.
    Fine,
}

/// The sketches of a set of images of one shape.
pub(super) struct Sketches {
    /// Number of frequencies along a side.
    side: usize,
    /// Coefficients, image by image, the coarse ones first.
    values: Vec<i16>,
    /// Length of each image's coarse sketch and of its whole sketch; 0 for an image of a single gray.
    lengths: Vec<[f32; 2]>,
}

impl Sketches {
    pub(super) fn of(images: &Dataset) -> Self {
        let transform = Transform::new(images.shape());
        let depth = transform.order.len();
        let mut values = vec![0; images.len() * depth];
        values
            .par_chunks_exact_mut(depth)
            .enumerate()
            .for_each_init(
                || transform.scratch(),
                |scratch, (i, out)| transform.sketch(images.image(i), scratch, out),
            );
        let side = transform.side;
        let coarse = depth_of(side, Detail::Coarse);
        let lengths = values
            .par_chunks_exact(depth)
            .map(|sketch| [length(&sketch[..coarse]), length(sketch)])
            .collect();
        Self {
            side,
            values,
            lengths,
        }
    }

    /// Returns the number of frequencies along a side, which is the same for sets with images of one shape.
    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// Returns the sketches of the images `chosen`.
    pub(super) fn some(&self, chosen: &[usize]) -> Self {
        let sketches = chosen.iter().map(|&i| self.sketch(i, Detail::Fine));
        Self {
            side: self.side,
            values: sketches.collect::<Vec<_>>().concat(),
            lengths: chosen.iter().map(|&i| self.lengths[i]).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Returns the number of coefficients that are compared.
    pub(super) fn depth(&self, detail: Detail) -> usize {
        depth_of(self.side, detail)
    }

    pub(super) fn sketch(&self, i: usize, detail: Detail) -> &[i16] {
        &self.values[i * self.depth(Detail::Fine)..][..self.depth(detail)]
    }

    pub(super) fn length(&self, i: usize, detail: Detail) -> f32 {
        self.lengths[i][detail as usize]
    }

    /// Returns the correlation of the sketches of image `i` and of image `j` of `other`, from -1 to 1; 0 if
    /// one of them is of a single gray.
    pub(super) fn similarity(&self, i: usize, other: &Self, j: usize, detail: Detail) -> f64 {
        let lengths = f64::from(self.length(i, detail)) * f64::from(other.length(j, detail));
        if lengths == 0.0 {
            return 0.0;
        }
        let (a, b) = (self.sketch(i, detail), other.sketch(j, detail));
        f64::from(dot(a, b)) / lengths
    }
}

fn depth_of(side: usize, detail: Detail) -> usize {
    let side = match detail {
        Detail::Coarse => side.min(COARSE_SIDE),
        Detail::Fine => side,
    };
    side * side - 1
}

fn dot(a: &[i16], b: &[i16]) -> i32 {
    let products = a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b));
    products.sum()
}

fn length(sketch: &[i16]) -> f32 {
    f64::from(dot(sketch, sketch)).sqrt() as f32
}

/// The transform of images of one shape.
struct Transform {
    shape: ImageShape,
    side: usize,
    /// Cosines along a row: `side` frequencies for every column.
    across: Vec<f32>,
    /// Cosines along a column: `side` frequencies for every row.
    down: Vec<f32>,
    /// Position of each coefficient of a sketch in the `side`×`side` block, and its factor.
    order: Vec<(usize, f32)>,
}

struct Scratch {
    gray: Vec<u8>,
    block: Vec<f32>,
}

impl Transform {
    fn new(shape: ImageShape) -> Self {
        let side = SIDE.min(shape.height).min(shape.width);
        let all = (0..side).flat_map(|v| (0..side).map(move |u| (u, v)));
        let mut order: Vec<(usize, usize)> = all.filter(|&(u, v)| u + v > 0).collect();
        order.sort_by_key(|&(u, v)| u.max(v) >= COARSE_SIDE);
        let order = order.into_iter().map(|(u, v)| {
            let frequency = ((u * u + v * v) as f32).sqrt();
            (v * side + u, frequency)
        });
        Self {
            shape,
            side,
            across: cosines(shape.width, side),
            down: cosines(shape.height, side),
            order: order.collect(),
        }
    }

    fn scratch(&self) -> Scratch {
        Scratch {
            gray: vec![0; self.shape.height * self.shape.width],
            block: vec![0.0; self.side * self.side],
        }
    }

    fn sketch(&self, image: &[u8], scratch: &mut Scratch, out: &mut [i16]) {
        let Scratch { gray, block } = scratch;
        match self.shape.channels {
            1 => gray.copy_from_slice(image),
            channels => {
                for (gray, pixel) in gray.iter_mut().zip(image.chunks_exact(channels)) {
                    *gray = luma([pixel[0], pixel[1], pixel[2]].map(u32::from)) as u8;
                }
            }
        }
        let ranks = ranks(gray);
        block.fill(0.0);
        let mut row = [0.0; SIDE];
        let row = &mut row[..self.side];
        let rows = gray.chunks_exact(self.shape.width);
        for (pixels, weights) in rows.zip(self.down.chunks_exact(self.side)) {
            row.fill(0.0);
            for (&pixel, cosines) in pixels.iter().zip(self.across.chunks_exact(self.side)) {
                add(row, cosines, ranks[usize::from(pixel)]);
            }
            for (out, &weight) in block.chunks_exact_mut(self.side).zip(weights) {
                add(out, row, weight);
            }
        }
        let weighted = || self.order.iter().map(|&(at, factor)| block[at] * factor);
        let length = weighted().map(|value| value * value).sum::<f32>().sqrt();
        // An image of a single gray has only rounding errors.
        let least = 1e-3 * gray.len() as f32;
        let scale = if length > least { LENGTH / length } else { 0.0 };
        for (out, value) in out.iter_mut().zip(weighted()) {
            *out = (value * scale).round() as i16;
        }
    }
}

/// `to` += `from` · `factor`.
fn add(to: &mut [f32], from: &[f32], factor: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from * factor;
    }
}

/// Returns the basis of the DCT-II over `len` positions: for each position, its value at `side` frequencies.
fn cosines(len: usize, side: usize) -> Vec<f32> {
    let value = |x: usize, u: usize| {
        let angle = PI * u as f64 * (x as f64 + 0.5) / len as f64;
        let norm = if u == 0 { 0.5f64.sqrt() } else { 1.0 };
        (norm * libm::cos(angle)) as f32
    };
    let places = (0..len).flat_map(|x| (0..side).map(move |u| value(x, u)));
    places.collect()
}

/// Returns for every gray value the share of darker pixels, plus half the share of pixels with this value.
fn ranks(gray: &[u8]) -> [f32; 256] {
    let mut counts = [0u32; 256];
    for &value in gray {
        counts[usize::from(value)] += 1;
    }
    let mut darker = 0;
    counts.map(|count| {
        let rank = (darker as f32 + 0.5 * count as f32) / gray.len() as f32;
        darker += count;
        rank
    })
}
