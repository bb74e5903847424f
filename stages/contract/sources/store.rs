//! Recognizes stores of runner in a source.

use std::fs::Metadata;
use std::path::Path;

use super::error::unreadable;
use crate::{Invalid, files};

/// Folders that every store has, and that hardly any other folder has.
const FOLDERS: [&str; 2] = ["v1/cas", "v1/actions"];

/// Returns whether a folder is a store, of this run or of any other.
///
/// # Errors
/// If one of the folders in it cannot be examined.
pub(super) fn is_store(folder: &Path) -> Result<bool, Invalid> {
    for own in FOLDERS {
        let own = folder.join(own);
        let is_there = files::leads_to(&own, Metadata::is_dir);
        if !is_there.map_err(|error| unreadable(&own, &error))? {
            return Ok(false);
        }
    }
    Ok(true)
}
