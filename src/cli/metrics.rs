//! Reads metrics and evaluations from the store.

use contract::{METRICS_FILE, Metrics, files};
use stages::evaluate::{CONFUSION_FILE, Evaluation, PREDICTIONS_FILE};

use engine::store::{Digest, Store, Tree};

/// Text shown instead of results that cannot be read.
pub const DAMAGED: &str = "damaged, run again";

/// Reads the metrics of an output; `None` if it has no metrics file.
///
/// # Errors
/// A sentence, if the output is incomplete or damaged.
pub fn read(store: &Store, output: &Digest) -> Result<Option<Metrics>, String> {
    let Some([bytes]) = files(store, output, [METRICS_FILE])? else {
        return Ok(None);
    };
    let metrics = serde_json::from_slice(&bytes);
    metrics
        .map_err(|e| format!("`{METRICS_FILE}` of {output}: {e}"))
        .map(Some)
}

/// Reads the evaluation of every image from an output; `None` if it is not an evaluation.
///
/// # Errors
/// A sentence, if the output is incomplete or damaged.
pub fn evaluation(store: &Store, output: &Digest) -> Result<Option<Evaluation>, String> {
    let Some([predictions, confusion]) = files(store, output, [PREDICTIONS_FILE, CONFUSION_FILE])?
    else {
        return Ok(None);
    };
    Evaluation::read(&predictions, &confusion)
        .map_err(|e| format!("{output}: {e}"))
        .map(Some)
}

/// Reads files of an output and verifies them; `None` unless the output has all of them.
fn files<const N: usize>(
    store: &Store,
    output: &Digest,
    names: [&str; N],
) -> Result<Option<[Vec<u8>; N]>, String> {
    let tree: Tree = store.tree(output).map_err(|e| e.to_string())?;
    if !names.iter().all(|name| tree.files.contains_key(*name)) {
        return Ok(None);
    }
    store.verify(&tree).map_err(|e| e.to_string())?;
    let mut contents = [const { Vec::new() }; N];
    for (content, name) in contents.iter_mut().zip(names) {
        let path = store.blob_path(&tree.files[name].digest);
        *content = files::read(&path, files::MOST_TEXT)
            .map_err(|e| format!("failed to read `{}`: {e}", path.display()))?;
    }
    Ok(Some(contents))
}
