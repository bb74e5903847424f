//! Reading, packing, splitting and augmenting images.
//!
//! A source (`phantom`, `folder`, `npz`) offers examples; `split` sets some aside for validation;
//! `packed` holds the result on disk; `batch` turns it into floats, transformed by `transform` as a
//! `policy` says.

mod batch;
mod decode;
pub mod folder;
mod jpeg;
mod layout;
pub mod npz;
pub mod pack;
mod packed;
pub mod phantom;
mod policy;
mod resize;
pub mod source;
pub mod split;
pub mod transform;

pub use batch::{Augmenting, Scale, fill_batch, shuffled};
pub use packed::{Dataset, DatasetWriter, HEADER_FILE, IMAGES_FILE, POLICY_FILE, write_dataset};
pub use policy::{Policy, Zoom};
#[cfg(test)]
pub(crate) use resize::fit_bytes;
pub(crate) use resize::luma;

#[cfg(test)]
pub(crate) mod tests;
