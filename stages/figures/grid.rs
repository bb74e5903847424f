//! Labelled rows of images.

use std::path::Path;

use crate::contract::{Failure, ImageShape};

/// One row of a grid: a label and its images (height × width × channels bytes each).
pub struct Row<'a> {
    pub label: &'a str,
    pub images: Vec<&'a [u8]>,
}

/// Writes `rows` as a PNG at `path`, small images enlarged by a whole factor.
pub fn grid(_rows: &[Row<'_>], _image: ImageShape, _path: &Path) -> Result<(), Failure> {
    Err(Failure::Internal("grid is being written".into()))
}
