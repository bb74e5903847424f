//! Reads metrics of outputs from the store.

use contract::{METRICS_FILE, Metrics};

use store::Store;
use store::keys::Digest;

/// Text shown instead of results that cannot be read.
pub const DAMAGED: &str = "damaged, run again";

/// Reads the metrics of an output; `None` if it has no metrics file.
///
/// # Errors
/// A sentence, if the output is incomplete or damaged.
pub fn read(store: &Store, output: &Digest) -> Result<Option<Metrics>, String> {
    let Some(files) = store.read_files(output, &[METRICS_FILE])? else {
        return Ok(None);
    };
    let metrics = serde_json::from_slice(&files[0]);
    metrics
        .map_err(|e| format!("`{METRICS_FILE}` of {output}: {e}"))
        .map(Some)
}
