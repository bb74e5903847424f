//! Decodes image files, and resizes images to the shape that a dataset has.
//!
//! A package of its own, because the loops of the resizing library are compiled where they are used: they are
//! slow to compile, and they need the highest optimization.

mod decode;
mod jpeg;
mod resize;

pub use decode::Decoder;
pub use fast_image_resize::Resizer;
pub use resize::{fit_bytes, luma};
