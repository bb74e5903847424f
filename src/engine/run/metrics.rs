//! Reads metrics of outputs from the store.

use contract::{CONFUSION_FILE, METRICS_FILE, Metrics};
use serde::Deserialize;

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

/// Reads the checksum of the images that an evaluation tested; `None` if the output is not an evaluation or does not
/// record it.
pub fn tested_images(store: &Store, output: &Digest) -> Option<String> {
    #[derive(Deserialize)]
    struct Tested {
        pixels: Option<String>,
    }
    let files = store.read_files(output, &[CONFUSION_FILE]).ok()??;
    let tested: Tested = serde_json::from_slice(&files[0]).ok()?;
    tested.pixels
}
