//! How the windows of a convolution are cut into tiles.

use std::ops::Range;

use crate::ops::Geometry;

/// Windows that are unfolded together: rows of windows of one image, or all windows of several.
#[derive(Clone, Debug)]
pub struct Tile {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}

/// Columns are padded to a multiple of this, the widest vector in values, so that products need not
/// copy them to align them.
const LANES: usize = 16;

/// Windows that products take at once; a tile had better be a multiple.
const BLOCK: usize = 64;

/// Values of unfolded windows that stay in the second-level cache with the product's operands.
const CACHED: usize = 1 << 17;

impl Geometry {
    /// How many images to hand to a thread at once: one, but where an image has few windows, enough
    /// that reading the weight pays, as long as the batch still divides into pieces.
    pub fn images_per_piece(&self, images: usize) -> usize {
        /// Pieces that a batch is divided into at least, for lack of knowing the threads.
        const PIECES: usize = 4;
        128usize
            .div_ceil(self.positions())
            .min(images.div_ceil(PIECES))
            .max(1)
    }

    /// Cuts the windows of `images` images, as many as a piece has, into tiles; `values` is what each
    /// window takes in the cache.
    pub fn tiles(&self, images: usize, values: usize) -> impl Iterator<Item = Tile> + use<> {
        let (rows, columns) = self.windows;
        let step = if images > 1 {
            rows
        } else {
            // Enough windows that the filters' weights are read often, few enough for the cache.
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

    /// Windows in a tile.
    pub fn windows_in(&self, tile: &Tile) -> usize {
        tile.images.len() * tile.rows.len() * self.windows.1
    }

    /// Distance of rows in the matrix of a tile's unfolded windows.
    pub fn row_stride(&self, tile: &Tile) -> usize {
        self.windows_in(tile).next_multiple_of(LANES)
    }

    /// The parts of the rows of a tile's matrix that belong to each image, and where the same windows
    /// lie among the image's.
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
