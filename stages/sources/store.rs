//! Stores of runner in a source.

use std::path::Path;

/// Folders that every store has, and hardly anything else.
const FOLDERS: [&str; 2] = ["v1/cas", "v1/actions"];

/// Whether a folder is a store, this run's or any other.
pub(super) fn is_store(folder: &Path) -> bool {
    FOLDERS.iter().all(|own| folder.join(own).is_dir())
}
