//! Decodes image files, and resizes images to the shape that a dataset has.
//!
//! This is a package of its own, because the loops of the resizing library are generic and so are compiled with
//! the package that uses them. They are slow to compile, and they need the highest optimization.

mod decode;
mod depth;
mod dicom;
mod format;
mod jpeg;
mod raster;
mod resize;
#[cfg(test)]
mod tests;

pub use decode::{Decoder, Original, Seen};
pub use depth::{BITS, all_bits, are_all_bits};
pub use fast_image_resize::Resizer;
pub use format::{FORMATS, extensions, is_probably_image, not_read};
pub use resize::{fit_bytes, luma};
