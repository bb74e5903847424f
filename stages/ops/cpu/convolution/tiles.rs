//! Division of a convolution's windows into tiles.

use std::ops::Range;

use crate::Geometry;

/// Windows that are unfolded together: some rows of windows of one image, or all windows of several images.
#[derive(Clone, Debug)]
pub struct Tile {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}

/// Number of values in the widest vector. The columns of a tile's matrix are padded to a multiple of it, because
/// products would otherwise copy them to align them.
const LANES: usize = 16;

/// Windows that a product processes at once. The number of windows in a tile should be a multiple of this.
const BLOCK: usize = 64;

/// Values of unfolded windows that fit into the second-level cache together with a product's operands.
const CACHED: usize = 1 << 17;

impl Geometry {
    /// Number of images per piece of work: 1, unless an image has few windows. Images with few windows are grouped,
    /// so that reading the weight pays off, as long as the batch still divides into enough pieces.
    pub fn images_per_piece(&self, images: usize) -> usize {
        /// Minimum number of pieces per batch. (The number of threads is not known here.)
        const PIECES: usize = 4;
        128usize
            .div_ceil(self.positions())
            .min(images.div_ceil(PIECES))
            .max(1)
    }

    /// Cuts the windows of `images` images, those of one piece of work, into tiles. Every window takes
    /// `values` values in the cache.
    pub fn tiles(&self, images: usize, values: usize) -> impl Iterator<Item = Tile> + use<> {
        let (rows, columns) = self.windows;
        let step = if images > 1 {
            rows
        } else {
            // Enough windows that every weight is used often once it is read, but few enough for the cache.
            let wanted = ((CACHED / values).clamp(128, 512) / columns).max(1);
            let even = BLOCK / gcd(BLOCK, columns);
            if wanted >= even {
                wanted / even * even
            } else {
                wanted
            }
            .min(rows)
        };
        (0..rows).step_by(step).map(move |first| Tile {
            images: 0..images,
            rows: first..(first + step).min(rows),
        })
    }

    /// Number of windows in a tile.
    pub fn windows_in(&self, tile: &Tile) -> usize {
        tile.images.len() * tile.rows.len() * self.windows.1
    }

    /// Distance between the rows of the matrix of a tile's unfolded windows.
    pub fn row_stride(&self, tile: &Tile) -> usize {
        self.windows_in(tile).next_multiple_of(LANES)
    }

    /// Returns, for every image of a tile, its index, its columns in the tile's matrix, and the range of the
    /// same windows among all windows of the image.
    pub fn parts(
        &self,
        tile: &Tile,
    ) -> impl Iterator<Item = (usize, Range<usize>, Range<usize>)> + use<> {
        let columns = self.windows.1;
        let len = tile.rows.len() * columns;
        let in_image = tile.rows.start * columns..tile.rows.end * columns;
        tile.images
            .clone()
            .enumerate()
            .map(move |(index, image)| (image, index * len..(index + 1) * len, in_image.clone()))
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
