//! Reads evaluations from the store.

use engine::keys::Digest;
use engine::store::Store;
use stages::evaluate::{CONFUSION_FILE, Evaluation, PREDICTIONS_FILE};

/// Reads the evaluation of every image from an output; `None` if it is not an evaluation.
///
/// # Errors
/// A sentence, if the output is incomplete or damaged.
pub fn read(store: &Store, output: &Digest) -> Result<Option<Evaluation>, String> {
    let names = [PREDICTIONS_FILE, CONFUSION_FILE];
    let Some([predictions, confusion]) = store.read_files(output, names)? else {
        return Ok(None);
    };
    Evaluation::read(&predictions, &confusion)
        .map_err(|e| format!("{output}: {e}"))
        .map(Some)
}
