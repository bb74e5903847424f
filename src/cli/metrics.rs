//! Metrics, from the store.

use std::fs;

use stages::contract::{METRICS_FILE, Metrics};

use crate::store::{Digest, Store};

/// What an output holds that is metrics; nothing if it is none.
///
/// # Errors
/// If it is not wholly there, as a sentence.
pub fn read(store: &Store, output: &Digest) -> Result<Option<Metrics>, String> {
    let tree = store.tree(output).map_err(|e| e.to_string())?;
    let Some(blob) = tree.files.get(METRICS_FILE) else {
        return Ok(None);
    };
    store.verify(&tree).map_err(|e| e.to_string())?;
    let path = store.blob_path(&blob.digest);
    let bytes = fs::read(&path).map_err(|e| format!("failed to read `{}`: {e}", path.display()))?;
    let metrics = serde_json::from_slice(&bytes);
    metrics
        .map_err(|e| format!("`{}`: {e}", path.display()))
        .map(Some)
}
