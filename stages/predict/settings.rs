//! How images are read and predicted.

use crate::data::files::OnBadImage;

/// How images are read and predicted.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub on_bad_image: OnBadImage,
    /// Images with more pixels cannot be used.
    pub max_megapixels: u32,
    /// Number of images predicted at a time.
    pub batch_size: usize,
    /// How the user makes `on_bad_image` skip images, for hints.
    pub how_to_skip: &'static str,
}
