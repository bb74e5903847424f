//! Draws copies above their originals.

use std::path::Path;

use contract::Failure;

use super::copies::{Copy, Set};
use crate::figures::grid::{Row, grid};

/// Number of pairs of two sets in the picture.
const SHOWN: usize = 8;

/// Images of a set that are copies of images of another (or of the same), in the order in which they are
/// shown.
pub(super) struct Strip<'a> {
    pub(super) set: &'a Set<'a>,
    pub(super) original: &'a Set<'a>,
    pub(super) copies: &'a [Copy],
}

/// Draws the first few copies of each strip above their originals. All images must have the same shape. If
/// there are no copies, no picture is written.
pub(super) fn sheet(strips: &[Strip<'_>], path: &Path) -> Result<(), Failure> {
    let strips: Vec<&Strip<'_>> = strips
        .iter()
        .filter(|strip| !strip.copies.is_empty())
        .collect();
    let Some(first) = strips.first() else {
        return Ok(());
    };
    let shape = first.set.images.shape();
    let rows = strips.iter().flat_map(|strip| {
        let shown = &strip.copies[..SHOWN.min(strip.copies.len())];
        let copies = shown.iter().map(|copy| strip.set.images.image(copy.image));
        let originals = shown
            .iter()
            .map(|copy| strip.original.images.image(copy.of));
        [
            Row {
                label: strip.set.name,
                images: copies.collect(),
            },
            Row {
                label: strip.original.name,
                images: originals.collect(),
            },
        ]
    });
    grid(&rows.collect::<Vec<_>>(), shape, path)
}
