//! Recognizes stores of runner in a source.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use crate::files;

/// Folders that every store has, and that hardly any other folder has.
const FOLDERS: [&str; 2] = ["v1/cas", "v1/actions"];

/// Returns whether a folder is a store, of this run or of any other.
///
/// # Errors
/// If one of the folders in it cannot be examined.
pub(super) fn is_store(folder: &Path) -> io::Result<bool> {
    for own in FOLDERS {
        if !files::leads_to(&folder.join(own), Metadata::is_dir)? {
            return Ok(false);
        }
    }
    Ok(true)
}
