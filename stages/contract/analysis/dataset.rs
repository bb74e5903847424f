//! A dataset, as pages show it.

use crate::{Failure, ImageShape};

/// A dataset that is open for reading. The lists have an entry for each image, in the same order.
pub trait DatasetView: Send + Sync {
    fn shape(&self) -> ImageShape;

    /// Returns the names of the classes.
    fn classes(&self) -> &[String];

    /// Returns the names of the images, such as `train/NORMAL/IM-0115-0001.jpeg`.
    fn names(&self) -> &[String];

    /// Returns the class of each image, as an index into [`DatasetView::classes`].
    fn labels(&self) -> &[u32];

    /// Returns the group of each image, such as a patient, and an empty text for an image without a group. Empty
    /// if no image has a group.
    fn groups(&self) -> &[String];

    /// Returns the number of images of each class.
    fn counts(&self) -> Vec<u64>;

    /// Returns the index of the image with this name; the first of several.
    fn find(&self, name: &str) -> Option<usize>;

    /// Returns an image as a PNG with 8 bits per channel. An image whose longer side has more than `largest_side`
    /// pixels is made smaller; a smaller image is not enlarged.
    ///
    /// # Errors
    /// If there is no image `index`, or if it cannot be read.
    fn png(&self, index: usize, largest_side: u32) -> Result<Vec<u8>, Failure>;

    /// Returns one PNG with the images `indices` in rows of `columns`. Each is at most `side` pixels high and wide.
    ///
    /// # Errors
    /// If there is no such image, if one cannot be read, or if the picture would be larger than 16 megapixels.
    fn sheet(&self, indices: &[usize], columns: usize, side: u32) -> Result<Sheet, Failure>;
}

/// A picture of several images in rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    pub png: Vec<u8>,
    /// Width and height of the picture, in pixels.
    pub size: [u32; 2],
    /// Width and height of each image, in pixels.
    pub cell: [u32; 2],
    /// Pixels between two images, which are gray, as is the rest of the last row.
    pub gap: u32,
}
