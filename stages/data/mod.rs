//! Reads, packs, splits and augments images.
//!
//! A source (`phantom`, `folder`, `csv`, `npz`) offers examples. `folds` divides them for cross-validation, `split` sets some
//! of them aside for validation, and `packed` stores the result on disk. `batch` turns it into floats, transformed by `transform` according to
//! a `policy`.

use std::collections::HashSet;

mod batch;
pub mod files;
pub mod folder;
pub mod folds;
pub mod labels;
mod layout;
pub mod npz;
pub mod pack;
mod packed;
pub mod phantom;
mod policy;
pub mod source;
pub mod split;
pub mod transform;
mod view;

pub(crate) use layout::MACOS_FOLDER;

pub use batch::{Augmenting, Scale, fill_batch, planar, shuffled};
pub use packed::{Dataset, DatasetWriter, HEADER_FILE, IMAGES_FILE, POLICY_FILE, write_dataset};
pub use policy::{Policy, Zoom};
pub use view::View;

/// Returns the names of the classes that do not occur in `labels`, for a message; `None` if all classes occur.
pub fn absent_classes(classes: &[String], labels: &[u32]) -> Option<String> {
    let seen: HashSet<u32> = labels.iter().copied().collect();
    let absent = classes
        .iter()
        .zip(0..)
        .filter(|(_, label)| !seen.contains(label));
    let absent: Vec<String> = absent.map(|(class, _)| format!("`{class}`")).collect();
    (!absent.is_empty()).then(|| absent.join(", "))
}

#[cfg(test)]
pub(crate) mod tests;
