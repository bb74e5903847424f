//! Decodes image files, and resizes images to the shape that a dataset has.
//!
//! This is a package of its own, because the loops of the resizing library are generic and so are compiled with
//! the package that uses them. They are slow to compile, and they need the highest optimization.

mod decode;
mod jpeg;
mod resize;

pub use decode::{Decoder, Original};
pub use fast_image_resize::Resizer;
pub use resize::{fit_bytes, luma};
