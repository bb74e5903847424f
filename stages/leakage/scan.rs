//! Compares every image of a set with every image of another, in tiles.

use contract::Failure;
use ops::cpu::product::{Matrix, Store, product};
use rayon::prelude::*;

use super::sketch::{Detail, Sketches};

/// Number of images on a side of a tile. The similarities of a tile fit in a core's cache.
const TILE: usize = 128;

/// Largest number of pairs that are compared, which takes two cores a minute or two. A set of 200,000 images
/// has this many.
const MOST_PAIRS: u64 = 20_000_000_000;

/// Returns whether `of` images are few enough to be compared with `among` images.
pub(super) fn affordable(of: usize, among: usize) -> bool {
    of as u64 <= MOST_PAIRS / among.max(1) as u64
}

/// Called before each row of tiles. An error stops the search.
pub(super) type Stop<'a> = dyn Fn() -> Result<(), Failure> + Sync + 'a;

/// An image of the other set, and its similarity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Near {
    pub(super) index: usize,
    /// Correlation of the whole sketches, at most 1.
    pub(super) similarity: f64,
}

/// Returns the lowest similarities at which images with `side` frequencies along a side may be copies
/// ([`Detail::Coarse`]) and are copies ([`Detail::Fine`]).
///
/// Fewer frequencies distinguish images less well, so the bounds rise as the frequencies get fewer. Both
/// bounds lie between the similarities of copies and those of different radiographs (`docs/leakage.md`).
pub(super) fn bounds(side: usize) -> [f64; 2] {
    let bound = |side: usize| 1.0 - 0.1 * (side as f64 / 24.0).powf(1.5);
    [bound(side.min(12)) - 0.02, bound(side)]
}

/// Finds for each image of `of` the most similar image of `among` that it is a copy of, if there is one. With
/// `earlier` (for a set compared with itself), only images before it are considered.
pub(super) fn copies(
    of: &Sketches,
    among: &Sketches,
    earlier: bool,
    stop: &Stop<'_>,
) -> Result<Vec<Option<Near>>, Failure> {
    let [coarse, fine] = bounds(of.side());
    let least = coarse as f32;
    rows(
        of,
        among,
        Detail::Coarse,
        earlier,
        stop,
        |i, first, row, best| {
            // Most rows of most tiles contain no candidate.
            if !row.iter().fold(false, |any, &value| any | (value >= least)) {
                return;
            }
            for (j, &value) in (first..).zip(row) {
                if value < least || (earlier && j >= i) {
                    continue;
                }
                let similarity = of.similarity(i, among, j, Detail::Fine);
                if similarity >= fine && best.is_none_or(|best: Near| similarity > best.similarity)
                {
                    let index = j;
                    *best = Some(Near { index, similarity });
                }
            }
        },
    )
}

/// Finds for each image of `of` the most similar image of `among`; `None` if there is none. An image is not
/// compared with itself: `own` returns its index in `among`, if it is there.
pub(super) fn nearest(
    of: &Sketches,
    among: &Sketches,
    own: impl Fn(usize) -> Option<usize> + Sync,
    stop: &Stop<'_>,
) -> Result<Vec<Option<Near>>, Failure> {
    rows(
        of,
        among,
        Detail::Fine,
        false,
        stop,
        |i, first, row, best| {
            let own = own(i);
            for (index, &value) in (first..).zip(row) {
                let similarity = f64::from(value);
                let nearer = best.is_none_or(|best: Near| similarity > best.similarity);
                if nearer && own != Some(index) {
                    *best = Some(Near { index, similarity });
                }
            }
        },
    )
}

/// Calls `look` for every image of `of` with its similarities to a run of images of `among`. The arguments
/// are the image, the first image of the run, the similarities, and the result for the image so far. Runs
/// come in order, so the results do not depend on threads.
fn rows(
    of: &Sketches,
    among: &Sketches,
    detail: Detail,
    earlier: bool,
    stop: &Stop<'_>,
    look: impl Fn(usize, usize, &[f32], &mut Option<Near>) + Sync,
) -> Result<Vec<Option<Near>>, Failure> {
    let depth = of.depth(detail);
    assert_eq!(depth, among.depth(detail), "images of the same shape");
    let mut found = vec![None; of.len()];
    found.par_chunks_mut(TILE).enumerate().try_for_each_init(
        || {
            [
                vec![0.0; TILE * depth],
                vec![0.0; TILE * depth],
                vec![0.0; TILE * TILE],
            ]
        },
        |[left, right, out], (tile, found)| {
            stop()?;
            let top = tile * TILE;
            load(of, detail, top, found.len(), left);
            let end = if earlier {
                top + found.len()
            } else {
                among.len()
            };
            for first in (0..end).step_by(TILE) {
                let width = TILE.min(end - first);
                load(among, detail, first, width, right);
                product(
                    [found.len(), depth, width],
                    Matrix::rows(left, depth),
                    Matrix::columns(right, depth),
                    out,
                    TILE,
                    Store::Overwrite,
                );
                let inverse = inverse_lengths(among, detail, first, width);
                for (r, (found, row)) in
                    found.iter_mut().zip(out.chunks_exact_mut(TILE)).enumerate()
                {
                    let i = top + r;
                    let own = inverse_length(of, detail, i);
                    let row = &mut row[..width];
                    for (value, inverse) in row.iter_mut().zip(&inverse) {
                        *value *= own * inverse;
                    }
                    look(i, first, row, found);
                }
            }
            Ok::<(), Failure>(())
        },
    )?;
    Ok(found)
}

/// Copies sketches `first..first + count` into a matrix of floats.
fn load(sketches: &Sketches, detail: Detail, first: usize, count: usize, to: &mut [f32]) {
    let depth = sketches.depth(detail);
    for (i, to) in (first..first + count).zip(to.chunks_exact_mut(depth)) {
        for (to, &value) in to.iter_mut().zip(sketches.sketch(i, detail)) {
            *to = f32::from(value);
        }
    }
}

fn inverse_length(sketches: &Sketches, detail: Detail, i: usize) -> f32 {
    match sketches.length(i, detail) {
        // An image of a single gray is not similar to any other image.
        0.0 => 0.0,
        length => 1.0 / length,
    }
}

fn inverse_lengths(sketches: &Sketches, detail: Detail, first: usize, count: usize) -> Vec<f32> {
    (first..first + count)
        .map(|i| inverse_length(sketches, detail, i))
        .collect()
}
